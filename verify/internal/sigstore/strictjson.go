package sigstore

import (
	"encoding/json"
	"unicode/utf8"
)

// checkJSON says whether data is one JSON text (RFC 8259) in UTF-8 with nothing behind it, no deeper than depth, with at most
// values values, in which no object has a name twice. Readers differ in which of two they take, so such a text says nothing.
func checkJSON(data []byte, depth, values int) error {
	if !utf8.Valid(data) {
		return fail(Malformed, "the JSON is not UTF-8")
	}
	if !json.Valid(data) {
		return fail(Malformed, "it is not JSON, or something follows it")
	}
	w := jsonWalk{data: data, depth: depth, values: values}
	return w.run()
}

// jsonWalk goes through a text whose syntax is known to be right.
type jsonWalk struct {
	data          []byte
	at            int
	depth, values int
	open          []names // of the objects that are open; nil stands for an array
}

// names holds the names of one object. A few are compared one by one.
type names struct {
	object bool
	few    [][]byte
	many   map[string]struct{}
}

const fewNames = 24

// add reports whether name is new.
func (n *names) add(name []byte) bool {
	if n.many == nil {
		for _, old := range n.few {
			if string(old) == string(name) {
				return false
			}
		}
		if n.few = append(n.few, name); len(n.few) > fewNames {
			n.many = make(map[string]struct{}, 2*fewNames)
			for _, old := range n.few {
				n.many[string(old)] = struct{}{}
			}
		}
		return true
	}
	if _, ok := n.many[string(name)]; ok {
		return false
	}
	n.many[string(name)] = struct{}{}
	return true
}

func (w *jsonWalk) run() error {
	name := false // whether a string at this place is a name
	for w.at < len(w.data) {
		switch c := w.data[w.at]; c {
		case ' ', '\t', '\r', '\n', ':':
			w.at++
		case ',':
			name = w.open[len(w.open)-1].object
			w.at++
		case '{', '[':
			if len(w.open) == w.depth {
				return fail(TooLarge, "the JSON is nested more than %d deep", w.depth)
			}
			if err := w.count(); err != nil {
				return err
			}
			w.open = append(w.open, names{object: c == '{'})
			name = c == '{'
			w.at++
		case '}', ']':
			w.open = w.open[:len(w.open)-1]
			name = false
			w.at++
		case '"':
			if err := w.text(name); err != nil {
				return err
			}
			name = false
		default:
			if err := w.count(); err != nil {
				return err
			}
			w.scalar()
		}
	}
	return nil
}

func (w *jsonWalk) count() error {
	if w.values--; w.values < 0 {
		return fail(TooLarge, "the JSON has too many values")
	}
	return nil
}

// text goes past a string, which is a name or a value.
func (w *jsonWalk) text(isName bool) error {
	start, escaped := w.at, false
	for w.at++; w.data[w.at] != '"'; w.at++ {
		if w.data[w.at] == '\\' {
			escaped = true
			w.at++
		}
	}
	w.at++
	if !isName {
		return w.count()
	}
	name := w.data[start+1 : w.at-1]
	if escaped {
		var s string
		if err := json.Unmarshal(w.data[start:w.at], &s); err != nil {
			return fail(Malformed, "a name in the JSON cannot be read")
		}
		name = []byte(s)
	}
	if !w.open[len(w.open)-1].add(name) {
		return fail(Malformed, "the JSON has the name %s twice in one object", quote(string(name)))
	}
	return nil
}

// scalar goes past a number, true, false or null.
func (w *jsonWalk) scalar() {
	for w.at < len(w.data) {
		switch w.data[w.at] {
		case ' ', '\t', '\r', '\n', ',', ':', '}', ']':
			return
		}
		w.at++
	}
}

// object is a JSON object of which some members are read, by their exact names; encoding/json would take names that differ in
// case.
type object map[string]json.RawMessage

func readObject(data []byte) (object, bool) {
	var o object
	if err := json.Unmarshal(data, &o); err != nil || o == nil {
		return nil, false
	}
	return o, true
}

// child returns the object under name, empty if there is none.
func (o object) child(name string) object {
	c, _ := readObject(o[name])
	return c
}

// text returns the string under name, "" if there is none.
func (o object) text(name string) string {
	var s string
	if raw := o[name]; len(raw) == 0 || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return claim(s)
}

// whole returns the string under name whatever its length, "" if there is none.
func (o object) whole(name string) string {
	var s string
	if raw := o[name]; len(raw) > 0 && json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// list returns the members of the array under name, nil if there is none.
func (o object) list(name string) []json.RawMessage {
	var l []json.RawMessage
	if raw := o[name]; len(raw) == 0 || json.Unmarshal(raw, &l) != nil {
		return nil
	}
	return l
}
