package policy

import (
	"bytes"
	"errors"
	"io"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

const (
	maxFile  = 16 << 20 // bytes of a policy file
	maxDepth = 64       // levels of nesting
)

// node is a place in the file; the zero node is one that is not there, and has neither keys, elements nor text.
type node struct{ y *yaml.Node }

// position implements at.
func (n node) position() (line, column int) {
	if n.y == nil {
		return 0, 0
	}
	return n.y.Line, n.y.Column
}

func (n node) present() bool { return n.y != nil }

// get returns the value of a key of a mapping; of a key that is given twice, the first.
func (n node) get(name string) node {
	if n.y != nil && n.y.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.y.Content); i += 2 {
			if n.y.Content[i].Value == name {
				return node{n.y.Content[i+1]}
			}
		}
	}
	return node{}
}

// pair is one key of a mapping with its value.
type pair struct{ key, value node }

// pairs returns the keys of a mapping in the order of the file, each once.
func (n node) pairs() []pair {
	if n.y == nil || n.y.Kind != yaml.MappingNode {
		return nil
	}
	var out []pair
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.y.Content); i += 2 {
		k := n.y.Content[i]
		if k.Kind == yaml.ScalarNode && !seen[k.Value] {
			seen[k.Value] = true
			out = append(out, pair{node{k}, node{n.y.Content[i+1]}})
		}
	}
	return out
}

// items returns the elements of a list.
func (n node) items() []node {
	if n.y == nil || n.y.Kind != yaml.SequenceNode {
		return nil
	}
	out := make([]node, len(n.y.Content))
	for i, c := range n.y.Content {
		out[i] = node{c}
	}
	return out
}

// text returns what a single value says, as it was written.
func (n node) text() string {
	if n.y == nil || n.y.Kind != yaml.ScalarNode {
		return ""
	}
	return n.y.Value
}

// texts returns what the elements of a list say.
func (n node) texts() []string {
	var out []string
	for _, i := range n.items() {
		out = append(out, i.text())
	}
	return out
}

// place is a position that belongs to no node.
type place struct{ line, column int }

func (p place) position() (int, int) { return p.line, p.column }

// readYAML returns the one document that a file consists of. What is wrong is added to p, and the zero node returned.
func readYAML(data []byte, p *problems) node {
	if len(data) > maxFile {
		p.add(nil, "", "the file has %d bytes, the most is %d", len(data), maxFile)
		return node{}
	}
	limits := loaderlimits.New(loaderlimits.DepthValue(maxDepth), loaderlimits.AliasValue(0))
	loader, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithPlugin(limits))
	if err != nil {
		p.add(nil, "", "preparing to read YAML: %v", err)
		return node{}
	}
	var doc, second yaml.Node
	if err := loader.Load(&doc); err != nil {
		addYAML(p, data, err)
		return node{}
	}
	switch err := loader.Load(&second); {
	case err == nil:
		p.add(node{&second}, "", "a second document begins here; a policy is one")
	case !errors.Is(err, io.EOF):
		addYAML(p, data, err)
		return node{}
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		p.add(nil, "", "the file is empty; the least a policy says is version: 1")
		return node{}
	}
	return node{doc.Content[0]}
}
