package xmldsig

import "strings"

// Namespaces that are used here.
const (
	NS      = "http://www.w3.org/2000/09/xmldsig#"
	nsXML   = "http://www.w3.org/XML/1998/namespace"
	nsXMLNS = "http://www.w3.org/2000/xmlns/"
)

// Document is one parsed XML document. It does not change once it is parsed.
type Document struct {
	Root *Element
	// Unsigned holds all that canonical XML without comments leaves out although it could hold something: the comments.
	Unsigned []byte

	before, after []node         // comments and processing instructions beside the root
	ids           map[string]int // how often each identifier is given
}

// node is a child of an element, or of the document: *Element, text, comment or instruction.
type node any

type (
	text        string                        // character data, entities resolved, CDATA sections merged
	comment     string                        // without its delimiters
	instruction struct{ target, data string } // a processing instruction (XML 1.0 section 2.6)
)

// Element is an element with its namespaces resolved (Namespaces in XML 1.0).
type Element struct {
	Prefix, Local string
	Space         string // namespace name; "" for none
	Attributes    []Attribute
	Parent        *Element // nil for the root

	declared []declaration // namespaces declared here, in document order
	children []node
}

// Attribute is an attribute that is no namespace declaration.
type Attribute struct {
	Prefix, Local, Space, Value string
}

// declaration is a namespace declaration; an empty prefix declares the default namespace, an empty name undeclares it.
type declaration struct{ prefix, name string }

// Is reports whether e has this namespace and local name.
func (e *Element) Is(space, local string) bool {
	return e != nil && e.Space == space && e.Local == local
}

// Attribute returns the value of an attribute without namespace, and whether it is there.
func (e *Element) Attribute(local string) (string, bool) {
	for _, a := range e.Attributes {
		if a.Space == "" && a.Local == local {
			return a.Value, true
		}
	}
	return "", false
}

// Value returns the value of an attribute without namespace, or "".
func (e *Element) Value(local string) string {
	v, _ := e.Attribute(local)
	return v
}

// Elements returns the child elements, whatever lies between them.
func (e *Element) Elements() []*Element {
	var out []*Element
	for _, n := range e.children {
		if child, ok := n.(*Element); ok {
			out = append(out, child)
		}
	}
	return out
}

// Find returns the child elements of a name.
func (e *Element) Find(space, local string) []*Element {
	var out []*Element
	for _, n := range e.children {
		if child, ok := n.(*Element); ok && child.Is(space, local) {
			out = append(out, child)
		}
	}
	return out
}

// Only returns the child element of a name that must be there exactly once.
func (e *Element) Only(space, local string) (*Element, error) {
	found := e.Find(space, local)
	if len(found) != 1 {
		return nil, malformed("%d elements %s in %s, not one", len(found), local, e.Local)
	}
	return found[0], nil
}

// Structure returns the child elements of e, which must have nothing else in it but white space.
func (e *Element) Structure() ([]*Element, error) {
	var out []*Element
	for _, n := range e.children {
		switch n := n.(type) {
		case *Element:
			out = append(out, n)
		case text:
			if strings.Trim(string(n), " \t\r\n") != "" {
				return nil, malformed("text in element %s, where only elements belong", e.Local)
			}
		default:
			return nil, malformed("comment or processing instruction in element %s", e.Local)
		}
	}
	return out, nil
}

// Text returns the character data of an element that has nothing else in it. A comment would split a value in the eyes of
// some readers and not of others, so there must be none.
func (e *Element) Text() (string, error) {
	var b strings.Builder
	for _, n := range e.children {
		t, ok := n.(text)
		if !ok {
			return "", malformed("element %s has more than text in it", e.Local)
		}
		b.WriteString(string(t))
	}
	return b.String(), nil
}

// Count returns how many elements of a name are at or below e.
func (e *Element) Count(space, local string) int {
	n := 0
	if e.Is(space, local) {
		n = 1
	}
	for _, c := range e.children {
		if child, ok := c.(*Element); ok {
			n += child.Count(space, local)
		}
	}
	return n
}

// AttributesOnly reports an attribute that e has besides those without namespace that are listed.
func (e *Element) AttributesOnly(allowed ...string) error {
next:
	for _, a := range e.Attributes {
		if a.Space == "" {
			for _, name := range allowed {
				if a.Local == name {
					continue next
				}
			}
		}
		return malformed("attribute %s of %s has no place there", a.Local, e.Local)
	}
	return nil
}

// Bare reports whether nothing stands beside the root, and no comment anywhere.
func (d *Document) Bare() bool { return len(d.before)+len(d.after)+len(d.Unsigned) == 0 }
