package audit

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
)

// saltSize is the length of every salt, in bytes. It is fixed so that no byte can move between salt and value.
const saltSize = 16

// maxRecord bounds the line of a record that Append writes, in bytes; readers accept maxLine.
const maxRecord = 1 << 20

// leaf is a record as it stands in the log and enters the tree: a Record whose personal values are replaced by
// commitments to them.
type leaf struct {
	Record
	Client  *leafClient  `json:"client,omitempty"`
	Request *leafRequest `json:"request,omitempty"`
}

type leafClient struct {
	Addr *commitment `json:"addr,omitempty"`
	User *commitment `json:"user,omitempty"`
}

type leafRequest struct {
	Method string      `json:"method,omitempty"`
	URL    *commitment `json:"url,omitempty"`
}

// commitment is SHA-256 over a salt and a value.
type commitment struct {
	C []byte `json:"c"`
}

// personal is a line of the file of personal values: what the commitments of record N stand for.
type personal struct {
	N    int64   `json:"n"`
	Addr *secret `json:"addr,omitempty"`
	User *secret `json:"user,omitempty"`
	URL  *secret `json:"url,omitempty"`
}

type secret struct {
	Salt  []byte `json:"s"`
	Value string `json:"v"`
}

func (s *secret) commit() *commitment {
	sum := sha256.Sum256(append(append([]byte(nil), s.Salt...), s.Value...))
	return &commitment{C: sum[:]}
}

// fits reports whether s is what c stands for.
func (s *secret) fits(c *commitment) bool {
	return s != nil && len(s.Salt) == saltSize && bytes.Equal(s.commit().C, c.C)
}

// conceal replaces a value by a commitment; an empty value has none.
func conceal(value string) (*commitment, *secret) {
	if value == "" {
		return nil, nil
	}
	s := &secret{Salt: make([]byte, saltSize), Value: value}
	rand.Read(s.Salt)
	return s.commit(), s
}

// encodeLeaf returns the line of a record, without its end, and its personal values, nil where it has none.
func encodeLeaf(r Record) ([]byte, *personal, error) {
	l := leaf{Record: r}
	var p personal
	if c := r.Client; c != nil {
		l.Client = &leafClient{}
		l.Client.Addr, p.Addr = conceal(c.Addr)
		l.Client.User, p.User = conceal(c.User)
	}
	if q := r.Request; q != nil {
		l.Request = &leafRequest{Method: q.Method}
		l.Request.URL, p.URL = conceal(q.URL)
	}
	line, err := encodeLine(l)
	if err == nil && len(line) > maxRecord {
		l.Record = shrunk(l.Record)
		line, err = encodeLine(l)
	}
	if err == nil && len(line) > maxRecord {
		err = fmt.Errorf("it has %d bytes, more than %d", len(line), maxRecord)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a record: %w", err)
	}
	if p == (personal{}) {
		return line, nil, nil
	}
	return line, &p, nil
}

// encodeLine encodes v as JSON without a line end, and without turning <, > and & into escapes.
func encodeLine(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

var errNoRecord = errors.New("the line is no record")

// decodeLeaf reads a record's line.
func decodeLeaf(line []byte) (leaf, error) {
	var l leaf
	if err := json.Unmarshal(line, &l); err != nil {
		return leaf{}, fmt.Errorf("%w: %w", errNoRecord, err)
	}
	if l.V < 1 || l.Kind == "" || l.ID == "" {
		return leaf{}, errNoRecord
	}
	// The struct that is embedded has fields of these names too, which the file never fills.
	l.Record.Client, l.Record.Request, l.Record.Deleted, l.Record.Altered = nil, nil, nil, nil
	return l, nil
}

// decodePersonal reads a line of personal values. A line of spaces, which is what may be left of one, is nil.
func decodePersonal(line []byte) (*personal, error) {
	if len(bytes.TrimSpace(line)) == 0 {
		return nil, nil
	}
	var p personal
	if err := json.Unmarshal(line, &p); err != nil {
		return nil, fmt.Errorf("reading personal values: %w", err)
	}
	return &p, nil
}

// personalState is what became of one personal value.
type personalState uint8

const (
	personalNone    personalState = iota // there never was one
	personalKept                         // it is there and fits its commitment
	personalDeleted                      // it is gone
	personalAltered                      // it does not fit its commitment
)

// reveal compares a value with its commitment.
func reveal(c *commitment, s *secret) (string, personalState) {
	switch {
	case c == nil && s == nil:
		return "", personalNone
	case c == nil:
		return "", personalAltered
	case s == nil:
		return "", personalDeleted
	case !s.fits(c):
		return "", personalAltered
	}
	return s.Value, personalKept
}

// join puts the personal values back into a record. p is nil where they are gone.
func (l leaf) join(p *personal) Record {
	r := l.Record
	if p == nil {
		p = &personal{}
	}
	take := func(name string, c *commitment, s *secret) string {
		value, state := reveal(c, s)
		switch state {
		case personalDeleted:
			r.Deleted = append(r.Deleted, name)
		case personalAltered:
			r.Altered = append(r.Altered, name)
		}
		return value
	}
	client, request := l.Client, l.Request
	if client != nil || p.Addr != nil || p.User != nil {
		if client == nil {
			client = &leafClient{}
		}
		r.Client = &Client{Addr: take("client.addr", client.Addr, p.Addr), User: take("client.user", client.User, p.User)}
	}
	if request != nil || p.URL != nil {
		if request == nil {
			request = &leafRequest{}
		}
		r.Request = &Request{Method: request.Method, URL: take("request.url", request.URL, p.URL)}
	}
	return r
}
