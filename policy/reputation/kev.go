package reputation

import (
	"encoding/json"
	"io"
	"regexp"
	"strings"
)

// kevVulnerability is what is read of an entry of a catalogue of known exploited vulnerabilities, as CISA publishes it.
type kevVulnerability struct {
	ID      string `json:"cveID"`
	Name    string `json:"vulnerabilityName"`
	Added   string `json:"dateAdded"`
	Vendor  string `json:"vendorProject"`
	Product string `json:"product"`
}

// readKEV reads a catalogue: an object with an array vulnerabilities.
func (r *reader) readKEV(in io.Reader) error {
	d := newDocument(in, r.limits)
	if t, err := d.token(); err != nil {
		return err
	} else if t != json.Delim('{') {
		return refusef("a catalogue of known exploited vulnerabilities is a JSON object")
	}
	found := false
	if err := d.object(func(name string) error {
		switch name {
		case "dateReleased":
			var date string
			if _, err := d.value(&date); err != nil {
				return err
			}
			r.dated(parseTime(date))
			return nil
		case "vulnerabilities":
			found = true
			if t, err := d.token(); err != nil || t != json.Delim('[') {
				return orElse(err, refusef("line %d: vulnerabilities is no array", d.line()))
			}
			return d.array(func() error { return r.kevElement(d) })
		}
		return d.skip()
	}); err != nil {
		return err
	}
	if !found {
		return refusef("the catalogue has no vulnerabilities")
	}
	return r.ends(d)
}

func (r *reader) kevElement(d *document) error {
	if err := r.step(); err != nil {
		return err
	}
	var v kevVulnerability
	misfit, err := d.value(&v)
	line := d.line()
	switch {
	case err != nil:
		return err
	case misfit != nil:
		r.unreadable(line, "the vulnerability %s: %v", quote(v.ID), misfit)
		return nil
	}
	id, ok := vulnerabilityID(v.ID)
	if !ok {
		r.unreadable(line, "%s is no CVE identifier", quote(v.ID))
		return nil
	}
	return r.take(textEntry(KindVulnerability, id), line, strings.TrimSpace(v.Vendor+" "+v.Product+": "+v.Name), parseTime(v.Added))
}

var cveID = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,19}$`)

// vulnerabilityID returns the one spelling of a CVE identifier.
func vulnerabilityID(s string) (string, bool) {
	if len(s) > 32 {
		return "", false
	}
	s = strings.ToUpper(strings.TrimSpace(s))
	return s, cveID.MatchString(s)
}
