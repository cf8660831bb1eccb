package reputation

import (
	"encoding/json"
	"io"
)

// hashlookupObject is what is read of an object of CIRCL's hashlookup.
type hashlookupObject struct {
	SHA256    string          `json:"SHA-256"`
	SHA1      string          `json:"SHA-1"`
	MD5       string          `json:"MD5"`
	FileName  string          `json:"FileName"`
	Special   string          `json:"SpecialCode"`
	Malicious json.RawMessage `json:"KnownMalicious"`
}

// readHashlookup reads objects one after the other, or an array of them.
func (r *reader) readHashlookup(in io.Reader) error {
	d := newDocument(in, r.limits)
	for {
		if end, err := d.end(); err != nil || end {
			return err
		}
		b, err := d.peek()
		if err != nil {
			return err
		}
		if b == '[' {
			if _, err = d.token(); err == nil {
				err = d.array(func() error { return r.hashlookupElement(d) })
			}
		} else {
			err = r.hashlookupElement(d)
		}
		if err != nil {
			return err
		}
	}
}

func (r *reader) hashlookupElement(d *document) error {
	if err := r.step(); err != nil {
		return err
	}
	var o hashlookupObject
	misfit, err := d.value(&o)
	line := d.line()
	if err != nil {
		return err
	}
	if misfit != nil {
		r.unreadable(line, "an object: %v", misfit)
		return nil
	}
	if r.Good && (o.Special != "" || o.Malicious != nil && string(o.Malicious) != "null") {
		r.summary.Ignored++
		return nil
	}
	c := noColumns()
	c.sha256, c.sha1, c.md5, c.label = 0, 1, 2, 3
	before := r.summary.Unreadable + r.summary.Entries + r.summary.Ignored
	if err := c.row(r, []string{o.SHA256, o.SHA1, o.MD5, o.FileName}, line); err != nil {
		return err
	}
	if r.summary.Unreadable+r.summary.Entries+r.summary.Ignored == before {
		r.unreadable(line, "an object has no digest")
	}
	return nil
}
