package policy

import (
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// instead says how to write what stands in a place where something of another form is wanted; empty if that cannot be told.
func (s *shape) instead(n node) string {
	switch {
	case s.list != nil && n.y.Kind == yaml.ScalarNode && s.list.scalar != nil && n.y.Value != "" && !strings.ContainsAny(n.y.Value, "[]{},#&*!|>'\"%@`:\n"):
		return "write [" + printable.Text(n.y.Value, 80) + "]"
	case s.list != nil && n.y.Kind == yaml.MappingNode && s.list.keys != nil:
		return "put a dash before each of its elements"
	case s.keys != nil && n.y.Kind == yaml.SequenceNode:
		return "write its keys without a dash"
	case s.scalar != nil && s.keys == nil && n.y.Kind == yaml.MappingNode:
		return "put it in quotes, if it is a text with a colon in it"
	case s.scalar != nil && n.y.Kind == yaml.SequenceNode && len(n.y.Content) == 1:
		return "write it without brackets or dash"
	case s.keys != nil && s.list == nil && len(s.keys) > 0:
		return "write a key, such as " + s.keys[0].name + ", and its value"
	}
	return ""
}
