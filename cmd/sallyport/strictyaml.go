package main

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// problems collects all that is wrong with a YAML file, so that its author need not find it out one by one.
type problems struct {
	file string
	list []problem
	at   map[string]*yaml.Node // where each key stands, by its dotted path
}

type problem struct {
	line, column int // from 1; 0 if it is the file as a whole
	text         string
}

// add reports a problem with the value at a dotted path such as "limits.vault".
func (p *problems) add(path, text string) {
	p.addAt(p.at[path], path+": "+text)
}

func (p *problems) addAt(n *yaml.Node, text string) {
	if n == nil {
		p.list = append(p.list, problem{text: text})
		return
	}
	p.list = append(p.list, problem{n.Line, n.Column, text})
}

// err returns nil if there is no problem, else one error with a line "file:line:column: what" for each.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b problem) int {
		if a.line != b.line {
			return a.line - b.line
		}
		return a.column - b.column
	})
	lines := make([]string, len(p.list))
	for i, q := range p.list {
		if q.line == 0 {
			lines[i] = fmt.Sprintf("%s: %s", p.file, q.text)
		} else {
			lines[i] = fmt.Sprintf("%s:%d:%d: %s", p.file, q.line, q.column, q.text)
		}
	}
	return errors.New(strings.Join(lines, "\n"))
}

// decodeStrict fills the struct that out points to from one YAML document, and leaves what the document does not name
// as it was. Fields are named by their yaml tags. Unknown and duplicate keys, aliases and values of a wrong type are
// problems.
func decodeStrict(file string, data []byte, out any) *problems {
	p := &problems{file: file, at: map[string]*yaml.Node{}}
	var docs []yaml.Node
	// Duplicate keys are found below, with everything else.
	if err := yaml.Load(data, &docs, yaml.WithAllDocuments(), yaml.WithUniqueKeys(false)); err != nil {
		p.addSyntax(err)
		return p
	}
	switch {
	case len(docs) == 0:
		return p // an empty file: all defaults
	case len(docs) > 1:
		p.addAt(&docs[1], "a second document: the file is to hold one")
		return p
	}
	root := &docs[0]
	if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
		root = root.Content[0]
	}
	p.decode(root, "", reflect.ValueOf(out).Elem())
	return p
}

func (p *problems) addSyntax(err error) {
	var all *yaml.LoadErrors
	if errors.As(err, &all) {
		for _, e := range all.Errors {
			p.list = append(p.list, problem{e.Mark.Line, e.Mark.Column, e.Message})
		}
		return
	}
	var one *yaml.LoadError
	if errors.As(err, &one) {
		p.list = append(p.list, problem{one.Mark.Line, one.Mark.Column, one.Message})
		return
	}
	p.list = append(p.list, problem{text: err.Error()})
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// decode fills v from n. What path is empty is the file as a whole.
func (p *problems) decode(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		p.addAt(n, "aliases are not used in this file: write the value out")
		return
	}
	if _, ok := v.Addr().Interface().(encoding.TextUnmarshaler); !ok {
		switch v.Kind() {
		case reflect.Struct:
			p.decodeStruct(n, path, v)
			return
		case reflect.Slice:
			p.decodeSlice(n, path, v)
			return
		case reflect.Map:
			p.decodeMap(n, path, v)
			return
		}
	}
	p.decodeScalar(n, path, v)
}

func (p *problems) decodeStruct(n *yaml.Node, path string, v reflect.Value) {
	if isNull(n) {
		return // a section whose keys are all left out
	}
	if n.Kind != yaml.MappingNode {
		p.addAt(n, describePath(path)+" is to be a mapping of keys to values")
		return
	}
	fields := map[string]int{}
	var names []string
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		fields[name] = i
		names = append(names, name)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := key.Value
		field, known := fields[name]
		switch {
		case key.Kind != yaml.ScalarNode || !known:
			text := fmt.Sprintf("unknown key %q in %s", name, describePath(path))
			if near := nearest(name, names); near != "" {
				text += fmt.Sprintf("; the nearest is %q", near)
			}
			p.addAt(key, text)
		case seen[name]:
			p.addAt(key, fmt.Sprintf("key %q is given twice", name))
		default:
			seen[name] = true
			at := strings.TrimPrefix(path+"."+name, ".")
			p.at[at] = value
			p.decode(value, at, v.Field(field))
		}
	}
}

func describePath(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

func (p *problems) decodeSlice(n *yaml.Node, path string, v reflect.Value) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		p.addAt(n, path+" is to be a list, such as [a, b]")
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		p.decode(item, fmt.Sprintf("%s[%d]", path, i), list.Index(i))
	}
	v.Set(list)
}

// decodeMap fills a map of names to strings.
func (p *problems) decodeMap(n *yaml.Node, path string, v reflect.Value) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		p.addAt(n, path+" is to be a mapping of names to values")
		return
	}
	m := reflect.MakeMap(v.Type())
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], reflect.New(v.Type().Elem()).Elem()
		name := reflect.ValueOf(key.Value)
		switch {
		case key.Kind != yaml.ScalarNode:
			p.addAt(key, path+": a name is to be plain text")
			continue
		case m.MapIndex(name).IsValid():
			p.addAt(key, fmt.Sprintf("%s: %q is given twice", path, key.Value))
			continue
		}
		p.decode(n.Content[i+1], path+"."+key.Value, value)
		m.SetMapIndex(name, value)
	}
	v.Set(m)
}

func (p *problems) decodeScalar(n *yaml.Node, path string, v reflect.Value) {
	switch {
	case n.Kind != yaml.ScalarNode:
		p.addAt(n, path+" is to be a single value")
		return
	case isNull(n):
		p.addAt(n, path+" has no value; leave the key out for its default")
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(n.Value)); err != nil {
			p.addAt(n, path+": "+err.Error())
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		if strings.ContainsRune(n.Value, 0) {
			p.addAt(n, path+" holds a NUL character")
			return
		}
		v.SetString(n.Value)
	case reflect.Bool:
		switch n.Value {
		case "true", "false":
			v.SetBool(n.Value == "true")
		default:
			p.addAt(n, path+" is to be true or false")
		}
	case reflect.Int:
		var i int
		if err := n.Load(&i); err != nil || n.ShortTag() != "!!int" {
			p.addAt(n, path+" is to be a whole number")
			return
		}
		v.SetInt(int64(i))
	default:
		panic("configuration field of a kind nobody wrote a decoder for: " + v.Type().String())
	}
}
