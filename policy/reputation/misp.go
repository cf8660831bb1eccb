package reputation

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// loose is a string, number or boolean: MISP writes all three for the same field.
type loose string

// UnmarshalJSON implements json.Unmarshaler.
func (l *loose) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*l = loose(s)
		return nil
	}
	if b[0] == '{' || b[0] == '[' {
		return &json.UnmarshalTypeError{Value: "object or array", Type: reflect.TypeFor[loose]()}
	}
	*l = loose(b)
	return nil
}

func (l loose) no() bool  { return l == "0" || l == "false" }
func (l loose) yes() bool { return l == "1" || l == "true" }

// mispAttribute is what is read of an attribute (MISP core format, section 2.4).
type mispAttribute struct {
	Type      string `json:"type"`
	Value     string `json:"value"`
	Comment   string `json:"comment"`
	ToIDs     loose  `json:"to_ids"`
	Deleted   loose  `json:"deleted"`
	Timestamp loose  `json:"timestamp"`
	FirstSeen loose  `json:"first_seen"`
}

// misp is an export being read.
type misp struct {
	r    *reader
	d    *document
	info string // of the event
	any  bool   // there was an attribute, or a list of them
}

// readMISP reads events or attributes as MISP's API and its feeds give them: {"Event": …}, {"response": [{"Event": …}]},
// {"response": {"Attribute": […]}}, and arrays of these.
func (r *reader) readMISP(in io.Reader) error {
	m := &misp{r: r, d: newDocument(in, r.limits)}
	if err := m.value(); err != nil {
		return err
	}
	if !m.any {
		return refusef("it has no attributes")
	}
	return r.ends(m.d)
}

// value reads something that may hold attributes somewhere below.
func (m *misp) value() error {
	t, err := m.d.token()
	switch {
	case err != nil:
		return err
	case t == json.Delim('['):
		return m.d.array(m.value)
	case t == json.Delim('{'):
		return m.d.object(m.member)
	}
	return nil
}

func (m *misp) member(name string) error {
	switch name {
	case "Event":
		m.info = ""
		return m.value()
	case "response", "Object":
		return m.value()
	case "Attribute":
		m.any = true
		if t, err := m.d.token(); err != nil || t == nil {
			return err
		} else if t != json.Delim('[') {
			return refusef("line %d: Attribute is no array", m.d.line())
		}
		return m.d.array(m.attribute)
	case "info":
		_, err := m.d.value(&m.info)
		return err
	case "publish_timestamp", "timestamp":
		var s loose
		_, err := m.d.value(&s)
		m.r.dated(parseStamp(string(s)))
		return err
	}
	return m.d.skip()
}

func (m *misp) attribute() error {
	if err := m.r.step(); err != nil {
		return err
	}
	var a mispAttribute
	misfit, err := m.d.value(&a)
	line := m.d.line()
	if err != nil {
		return err
	}
	if misfit != nil {
		m.r.unreadable(line, "an attribute: %v", misfit)
		return nil
	}
	e, used, err := typedEntry(a.Type, a.Value)
	if !used || a.ToIDs.no() || a.Deleted.yes() { // not to_ids: context, not a thing to look for
		m.r.summary.Ignored++
		return nil
	}
	if err != nil {
		m.r.unreadable(line, "an attribute of type %s, %s: %v", quote(a.Type), quote(a.Value), err)
		return nil
	}
	label, listed := a.Comment, parseStamp(string(a.FirstSeen))
	if label == "" {
		label = m.info
	}
	if listed.IsZero() {
		listed = parseStamp(string(a.Timestamp))
	}
	return m.r.take(e, line, label, listed)
}

// typedEntry makes an entry of a value whose type MISP or ThreatFox names; not used if the type is of no use here.
func typedEntry(sort, value string) (e entry, used bool, err error) {
	value = strings.TrimSpace(value)
	if _, composite, ok := strings.Cut(sort, "filename|"); ok {
		sort, value = composite, value[strings.LastIndexByte(value, '|')+1:]
	}
	switch sort {
	case "malware-sample":
		sort, value = "md5", value[strings.LastIndexByte(value, '|')+1:]
	case "domain|ip", "hostname|port":
		sort, _, _ = strings.Cut(sort, "|")
		value, _, _ = strings.Cut(value, "|")
	case "sha256_hash", "sha1_hash", "md5_hash":
		sort = strings.TrimSuffix(sort, "_hash")
	}
	switch sort {
	case "sha256", "sha1", "md5", "sha512":
		e, err = hashEntry("file", sort, value)
	case "x509-fingerprint-sha256", "x509-fingerprint-sha1":
		sum, _ := hexText(value)
		kind := certificateKind(len(sum))
		if "x509-fingerprint-"+strings.TrimPrefix(kind.String(), "cert-") != sort {
			err = fmt.Errorf("this is no %s", sort)
		}
		e = digestEntry(kind, sum)
	case "url", "uri":
		e, err = urlEntry(refang(value))
	case "domain":
		e, err = domainEntry(refang(value))
	case "hostname":
		e, err = hostEntry(refang(value))
	default:
		return entry{}, false, nil
	}
	return e, true, err
}
