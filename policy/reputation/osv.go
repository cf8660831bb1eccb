package reputation

import (
	"encoding/json"
	"fmt"
	"io"
)

// osvRecord is what is read of a record (OSV schema 1.7). database_specific is left alone: the digests that OpenSSF puts
// there are those of reports, not of packages.
type osvRecord struct {
	ID        string   `json:"id"`
	Published string   `json:"published"`
	Modified  string   `json:"modified"`
	Withdrawn string   `json:"withdrawn"`
	Aliases   []string `json:"aliases"`
	Upstream  []string `json:"upstream"`
	Affected  []struct {
		Package struct {
			Ecosystem string `json:"ecosystem"`
			Name      string `json:"name"`
			PURL      string `json:"purl"`
		} `json:"package"`
		Versions []string `json:"versions"`
		Ranges   []Range  `json:"ranges"`
	} `json:"affected"`
	Vulns []json.RawMessage `json:"vulns"` // of an answer of api.osv.dev, instead of all others
}

const maxEvents = 10000

// readOSV reads one record, several one after the other, an array of them, or {"vulns": […]}.
func (r *reader) readOSV(in io.Reader) error {
	d := newDocument(in, r.limits)
	first := true
	for {
		if end, err := d.end(); err != nil {
			return err
		} else if end {
			break
		}
		if err := r.osvValue(d); err != nil {
			return err
		}
		first = false
	}
	if first {
		return refusef("it is empty")
	}
	return nil
}

func (r *reader) osvValue(d *document) error {
	b, err := d.peek()
	if err != nil {
		return err
	}
	if b != '[' {
		return r.osvElement(d)
	}
	if _, err := d.token(); err != nil {
		return err
	}
	return d.array(func() error { return r.osvElement(d) })
}

func (r *reader) osvElement(d *document) error {
	if err := r.step(); err != nil {
		return err
	}
	var o osvRecord
	misfit, err := d.value(&o)
	line := d.line()
	if err != nil {
		return err
	}
	if misfit != nil {
		r.unreadable(line, "the record %s: %v", quote(o.ID), misfit)
		return nil
	}
	for _, raw := range o.Vulns {
		var v osvRecord
		if err := json.Unmarshal(raw, &v); err != nil {
			r.unreadable(line, "a record: %v", err)
			continue
		}
		if err := r.osvRecord(&v, line); err != nil {
			return err
		}
	}
	if o.Vulns != nil && o.ID == "" {
		return nil
	}
	return r.osvRecord(&o, line)
}

func (r *reader) osvRecord(o *osvRecord, line int) error {
	if o.ID == "" {
		r.unreadable(line, "a record has no id")
		return nil
	}
	r.dated(parseTime(o.Modified))
	if o.Withdrawn != "" || len(o.Affected) == 0 {
		r.summary.Ignored++
		return nil
	}
	for i := range o.Affected {
		a := &o.Affected[i]
		p, err := Package{Ecosystem: a.Package.Ecosystem, Name: a.Package.Name}, error(nil)
		if p.Name == "" && a.Package.PURL != "" {
			p, err = ParsePackageURL(a.Package.PURL)
		}
		ranges, commits := usable(a.Ranges)
		if p.Name == "" && commits || commits && len(ranges) == 0 && len(a.Versions) == 0 {
			r.summary.Ignored++ // only commits of a repository
			continue
		}
		var e entry
		if err == nil {
			e, err = packageEntry(p, &Affected{Versions: a.Versions, Ranges: ranges, Aliases: cveIDs(append(o.Aliases, o.Upstream...))})
		}
		if err == nil {
			err = tooMany(a.Versions, ranges)
		}
		if err != nil {
			r.unreadable(line, "%s: %v", quote(o.ID), err)
			continue
		}
		if err := r.take(e, line, o.ID, parseTime(o.Published)); err != nil {
			return err
		}
	}
	return nil
}

// usable returns the ranges of versions, and whether there are ranges of commits.
func usable(all []Range) (list []Range, commits bool) {
	for _, r := range all {
		if r.Type == "GIT" {
			commits = true
			continue
		}
		list = append(list, r)
	}
	return list, commits
}

func tooMany(versions []string, ranges []Range) error {
	n := len(versions)
	for _, r := range ranges {
		n += 1 + len(r.Events)
	}
	if n > maxEvents {
		return fmt.Errorf("it has %d versions and events, more than %d", n, maxEvents)
	}
	return nil
}
