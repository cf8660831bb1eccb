package xmldsig

import (
	"cmp"
	"slices"
	"strings"
)

// Method is a way to write XML canonically.
type Method struct {
	Exclusive bool
	Comments  bool
	Prefixes  []string // exclusive: prefixes that are treated as inclusively (InclusiveNamespaces PrefixList); "" for the default namespace
}

// canonicalMethods are Canonical XML 1.0 and Exclusive XML Canonicalization 1.0, by their identifiers.
var canonicalMethods = map[string]Method{
	"http://www.w3.org/TR/2001/REC-xml-c14n-20010315":              {},
	"http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments": {Comments: true},
	"http://www.w3.org/2001/10/xml-exc-c14n#":                      {Exclusive: true},
	"http://www.w3.org/2001/10/xml-exc-c14n#WithComments":          {Exclusive: true, Comments: true},
}

// Canonical returns the canonical form of a whole document (Canonical XML 1.0 section 2), with the subtree of without
// left out; without may be nil.
func (d *Document) Canonical(m Method, without *Element) []byte {
	w := newWriter(m, without)
	for _, n := range d.before {
		if w.remark(n) {
			w.out = append(w.out, '\n')
		}
	}
	w.element(d.Root)
	for _, n := range d.after {
		if at := len(w.out); w.remark(n) {
			w.out = slices.Insert(w.out, at, '\n')
		}
	}
	return w.out
}

// Canonical returns the canonical form of the subtree of e, with the subtree of without left out; without may be nil.
func (e *Element) Canonical(m Method, without *Element) []byte {
	w := newWriter(m, without)
	w.inherit(e)
	w.element(e)
	return w.out
}

// writer writes canonical XML.
type writer struct {
	Method
	without *Element
	out     []byte

	apex     *Element            // whose ancestors are not written; nil for a whole document
	scope    map[string][]string // by prefix, the namespace names in force in the document, the innermost last
	rendered map[string][]string // by prefix, those in force in the output
	lang     []Attribute         // xml: attributes that the apex inherits (inclusive only)
}

func newWriter(m Method, without *Element) *writer {
	return &writer{Method: m, without: without, scope: map[string][]string{}, rendered: map[string][]string{}}
}

// inherit puts in force what e's ancestors declare, and collects their xml: attributes (section 2.4).
func (w *writer) inherit(e *Element) {
	w.apex = e
	var above []*Element
	for a := e.Parent; a != nil; a = a.Parent {
		above = append(above, a)
		for _, attribute := range a.Attributes {
			if attribute.Space == nsXML && !has(e.Attributes, attribute) && !has(w.lang, attribute) {
				w.lang = append(w.lang, attribute)
			}
		}
	}
	slices.Reverse(above)
	for _, a := range above {
		w.enter(a)
	}
}

func has(list []Attribute, a Attribute) bool {
	return slices.ContainsFunc(list, func(o Attribute) bool { return o.Space == a.Space && o.Local == a.Local })
}

func (w *writer) enter(e *Element) {
	for _, d := range e.declared {
		w.scope[d.prefix] = append(w.scope[d.prefix], d.name)
	}
}

func top(stacks map[string][]string, prefix string) string {
	if s := stacks[prefix]; len(s) > 0 {
		return s[len(s)-1]
	}
	return ""
}

// element writes e and what is in it. Parse bounds the depth.
func (w *writer) element(e *Element) {
	if e == w.without {
		return
	}
	w.enter(e)
	namespaces := w.namespaces(e)
	name := qualified(e.Prefix, e.Local)
	w.out = append(append(w.out, '<'), name...)
	for _, d := range namespaces {
		w.rendered[d.prefix] = append(w.rendered[d.prefix], d.name)
		w.out = append(w.out, ` xmlns`...)
		if d.prefix != "" {
			w.out = append(append(w.out, ':'), d.prefix...)
		}
		w.value(d.name)
	}
	for _, a := range w.attributes(e) {
		w.out = append(append(w.out, ' '), qualified(a.Prefix, a.Local)...)
		w.value(a.Value)
	}
	w.out = append(w.out, '>')
	for _, n := range e.children {
		switch n := n.(type) {
		case *Element:
			w.element(n)
		case text:
			w.out = append(w.out, textEscapes.Replace(string(n))...)
		default:
			w.remark(n)
		}
	}
	w.out = append(append(append(w.out, "</"...), name...), '>')
	for _, d := range namespaces {
		w.rendered[d.prefix] = w.rendered[d.prefix][:len(w.rendered[d.prefix])-1]
	}
	for _, d := range e.declared {
		w.scope[d.prefix] = w.scope[d.prefix][:len(w.scope[d.prefix])-1]
	}
}

func qualified(prefix, local string) string {
	if prefix == "" {
		return local
	}
	return prefix + ":" + local
}

// namespaces returns the declarations to write at e, ordered by prefix.
func (w *writer) namespaces(e *Element) []declaration {
	var prefixes []string
	if w.Exclusive {
		prefixes = append(prefixes, e.Prefix)
		for _, a := range e.Attributes {
			if a.Prefix != "" {
				prefixes = append(prefixes, a.Prefix)
			}
		}
		prefixes = append(prefixes, w.Prefixes...)
	} else if e == w.apex {
		for prefix := range w.scope {
			prefixes = append(prefixes, prefix)
		}
	} else {
		for _, d := range e.declared {
			prefixes = append(prefixes, d.prefix)
		}
	}
	slices.Sort(prefixes)
	var out []declaration
	for _, prefix := range slices.Compact(prefixes) {
		// What the output has in force already is not repeated; an empty default namespace is where there was none.
		if name := top(w.scope, prefix); prefix != "xml" && name != top(w.rendered, prefix) {
			out = append(out, declaration{prefix, name})
		}
	}
	return out
}

// attributes returns e's attributes ordered by namespace name, then local name.
func (w *writer) attributes(e *Element) []Attribute {
	out := slices.Clone(e.Attributes)
	if e == w.apex && !w.Exclusive {
		out = append(out, w.lang...)
	}
	slices.SortFunc(out, func(a, b Attribute) int {
		return cmp.Or(cmp.Compare(a.Space, b.Space), cmp.Compare(a.Local, b.Local))
	})
	return out
}

var (
	textEscapes  = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;")
	valueEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "\t", "&#x9;", "\n", "&#xA;", "\r", "&#xD;")
)

func (w *writer) value(s string) {
	w.out = append(append(append(w.out, `="`...), valueEscapes.Replace(s)...), '"')
}

// remark writes a comment or a processing instruction, and reports whether it wrote anything.
func (w *writer) remark(n node) bool {
	switch n := n.(type) {
	case comment:
		if !w.Comments {
			return false
		}
		w.out = append(append(append(w.out, "<!--"...), n...), "-->"...)
	case instruction:
		w.out = append(append(w.out, "<?"...), n.target...)
		if n.data != "" {
			w.out = append(append(w.out, ' '), n.data...)
		}
		w.out = append(w.out, "?>"...)
	}
	return true
}
