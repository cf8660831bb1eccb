package reputation

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// stixObject is what is read of an object of a STIX 2.0 or 2.1 bundle.
type stixObject struct {
	Type        string            `json:"type"`
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Pattern     string            `json:"pattern"`
	PatternType string            `json:"pattern_type"`
	Revoked     bool              `json:"revoked"`
	ValidFrom   string            `json:"valid_from"`
	ValidUntil  string            `json:"valid_until"`
	Modified    string            `json:"modified"`
	Value       string            `json:"value"`
	Hashes      map[string]string `json:"hashes"`
	Serial      string            `json:"serial_number"`
	Issuer      string            `json:"issuer"`
}

// readSTIX reads a bundle. Its indicators count; if it has none, its observables do. open begins from the start.
func (r *reader) readSTIX(open func() (io.Reader, error)) error {
	indicators := 0
	if err := r.stixPass(open, func(o *stixObject, line int) error {
		r.dated(parseTime(o.Modified))
		if o.Type != "indicator" {
			return nil
		}
		indicators++
		return r.indicator(o, line)
	}); err != nil || indicators > 0 {
		return err
	}
	return r.stixPass(open, r.observable)
}

func (r *reader) stixPass(open func() (io.Reader, error), see func(*stixObject, int) error) error {
	in, err := open()
	if err != nil {
		return err
	}
	d := newDocument(in, r.limits)
	if t, err := d.token(); err != nil {
		return err
	} else if t != json.Delim('{') {
		return refusef("a bundle is a JSON object")
	}
	found := false
	if err := d.object(func(name string) error {
		if name != "objects" {
			return d.skip()
		}
		found = true
		if t, err := d.token(); err != nil || t != json.Delim('[') {
			return orElse(err, refusef("line %d: objects is no array", d.line()))
		}
		return d.array(func() error { return r.stixElement(d, see) })
	}); err != nil {
		return err
	}
	if !found {
		return refusef("the bundle has no objects")
	}
	return r.ends(d)
}

// ends refuses what follows the end.
func (r *reader) ends(d *document) error {
	end, err := d.end()
	if err == nil && !end {
		err = refusef("line %d: something follows the end", d.line())
	}
	return err
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

func (r *reader) stixElement(d *document, see func(*stixObject, int) error) error {
	if err := r.step(); err != nil {
		return err
	}
	var o stixObject
	misfit, err := d.value(&o)
	line := d.line()
	if err != nil {
		return err
	}
	if misfit != nil {
		if o.Type == "indicator" || o.Type == "" {
			r.unreadable(line, "an object %s: %v", quote(o.ID), misfit)
		}
		return nil
	}
	return see(&o, line)
}

// indicator takes what a pattern names by itself.
func (r *reader) indicator(o *stixObject, line int) error {
	if o.Revoked || o.PatternType != "" && o.PatternType != "stix" {
		r.summary.Ignored++
		return nil
	}
	alternatives, err := parsePattern(o.Pattern)
	if err != nil || o.Pattern == "" {
		r.unreadable(line, "the pattern of %s cannot be read: %v", quote(o.ID), orElse(err, fmt.Errorf("it is empty")))
		return nil
	}
	until := parseTime(o.ValidUntil)
	if o.ValidUntil != "" && until.IsZero() {
		r.unreadable(line, "valid_until of %s is no time", quote(o.ID))
		return nil
	}
	taken := false
	for _, terms := range alternatives {
		entries, err := stixEntries(terms)
		if err != nil {
			r.unreadable(line, "%s: %v", quote(o.ID), err)
			return nil
		}
		for _, e := range entries {
			taken = true
			e.until = seconds(until)
			if err := r.take(e, line, o.Name, parseTime(o.ValidFrom)); err != nil {
				return err
			}
		}
	}
	if !taken {
		r.summary.Ignored++
	}
	return nil
}

// stixEntries returns what a conjunction names. A digest, a certificate or a URL is enough by itself, whatever else is
// asked for; a name only together with other properties of the name.
func stixEntries(terms []term) (list []entry, err error) {
	issuer, names := "", true
	for _, t := range terms {
		if t.path == "x509-certificate:issuer" && t.equal && len(t.values) == 1 {
			issuer = t.values[0]
		}
		names = names && strings.HasPrefix(t.path, "domain-name:")
	}
	best := 0
	for _, t := range terms {
		rank := stixRank(t.path)
		if !t.equal || rank == 0 || rank < best || t.path == "domain-name:value" && !names {
			continue
		}
		if rank > best {
			best, list = rank, nil
		}
		for _, v := range t.values {
			e, err := stixEntry(t.path, v, issuer)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", quote(v), err)
			}
			list = append(list, e)
		}
	}
	return list, nil
}

// stixRank tells how well a property identifies; 0 if it is of no use here.
func stixRank(path string) int {
	object, property, _ := strings.Cut(path, ":")
	algorithm, hash := strings.CutPrefix(property, "hashes.")
	switch {
	case hash && (object == "file" || object == "artifact") || hash && object == "x509-certificate":
		return map[string]int{"SHA256": 9, "SHA512": 8, "SHA1": 7, "MD5": 6}[strings.ToUpper(algorithm)]
	case path == "x509-certificate:serial_number":
		return 5
	case path == "url:value":
		return 4
	case path == "domain-name:value":
		return 3
	}
	return 0
}

func stixEntry(path, value, issuer string) (entry, error) {
	switch path {
	case "x509-certificate:serial_number":
		return serialEntry(value, issuer)
	case "url:value":
		return urlEntry(refang(value))
	case "domain-name:value":
		return domainEntry(refang(value))
	}
	object, property, _ := strings.Cut(path, ":hashes.")
	return hashEntry(object, property, value)
}

// hashEntry makes an entry of a named hash.
func hashEntry(object, algorithm, value string) (entry, error) {
	sum, err := hex.DecodeString(value)
	kind := fileKind(len(sum))
	if name := strings.ToLower(strings.ReplaceAll(algorithm, "-", "")); err != nil || kind == KindNone || kind.String() != name {
		return entry{}, fmt.Errorf("this is no %s", algorithm)
	}
	if object == "x509-certificate" {
		if kind = certificateKind(len(sum)); kind == KindNone {
			return entry{}, fmt.Errorf("certificates are known by SHA-1 and SHA-256 here, not by %s", algorithm)
		}
	}
	return digestEntry(kind, sum), nil
}

// observable takes an object that is seen rather than described by a pattern.
func (r *reader) observable(o *stixObject, line int) error {
	e, err := observed(o)
	switch {
	case err != nil:
		r.unreadable(line, "%s: %v", quote(o.ID), err)
	case e.kind != KindNone:
		return r.take(e, line, o.Name, time.Time{})
	}
	return nil
}

func observed(o *stixObject) (entry, error) {
	switch o.Type {
	case "url":
		return urlEntry(refang(o.Value))
	case "domain-name":
		return domainEntry(refang(o.Value))
	case "file", "artifact", "x509-certificate":
		best, at := 0, ""
		for name := range o.Hashes {
			if rank := stixRank(o.Type + ":hashes." + strings.ReplaceAll(name, "-", "")); rank > best {
				best, at = rank, name
			}
		}
		if at != "" {
			return hashEntry(o.Type, at, o.Hashes[at])
		}
		if o.Serial != "" {
			return serialEntry(o.Serial, o.Issuer)
		}
	}
	return entry{}, nil
}
