package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// published is a TUF repository as its files lie in the corpus: metadata/ROLE.json in its newest version, older roots in
// metadata/root_history/, and targets/.
type published struct {
	dir     string // below the store's directories
	at      time.Time
	pin     *sample
	alias   map[string]string
	missing string // why it cannot be judged; "" if it can
}

// head is what is read of metadata to lay a repository out. Nothing is believed of it.
type head struct {
	Signed struct {
		Type    string `json:"_type"`
		Version int
		Expires time.Time
	}
}

func headOf(f *sample) (h head, ok bool) {
	return h, f != nil && json.Unmarshal(f.data, &h) == nil && h.Signed.Version > 0
}

// published returns the repository below dir. It is judged at a moment at which none of its metadata had ended, and from the oldest
// root of which an unbroken chain leads to the newest.
func (s *session) published(dir string) *published {
	p := &published{dir: dir, alias: map[string]string{}}
	for _, role := range []string{"root", "timestamp", "snapshot", "targets"} {
		f := s.store.find(dir+"/metadata/"+role+".json", "")
		h, ok := headOf(f)
		if !ok {
			p.missing = "metadata of a repository whose " + role + " is not there"
			return p
		}
		if p.at.IsZero() || h.Signed.Expires.Before(p.at) {
			p.at = h.Signed.Expires
		}
		if role == "root" {
			p.chain(s, f, h.Signed.Version)
		}
	}
	p.at = p.at.Add(-time.Hour)
	for _, r := range s.rows {
		if rest, ok := strings.CutPrefix(r.file, dir+"/metadata/"); ok && !strings.Contains(rest, "/") && rest != "timestamp.json" && rest != "root.json" {
			if h, ok := headOf(s.store.find(r.file, "")); ok {
				p.alias[fmt.Sprintf("%s/metadata/%d.%s", dir, h.Signed.Version, rest)] = r.file
			}
		}
	}
	return p
}

// chain finds the roots that lead to the newest.
func (p *published) chain(s *session, newest *sample, version int) {
	p.pin = newest
	p.alias[fmt.Sprintf("%s/metadata/%d.root.json", p.dir, version)] = newest.file
	for version--; version > 0; version-- {
		older := s.store.find(fmt.Sprintf("%s/metadata/root_history/%d.root.json", p.dir, version), "")
		if older == nil {
			return
		}
		p.pin = older
		p.alias[fmt.Sprintf("%s/metadata/%d.root.json", p.dir, version)] = older.file
	}
}

// repositories returns a target, or metadata, of a repository as its clients ask for it.
func (s *session) repositories(r row, found *sample) ([]*subject, string) {
	parts := strings.SplitN(r.file, "/", 4)
	if len(parts) < 4 {
		return nil, "a root to begin with, and no repository"
	}
	p := s.published(path.Join(parts[0], parts[1]))
	if p.missing != "" {
		return nil, p.missing
	}
	name := parts[2] + "/" + parts[3]
	if parts[2] == "metadata" {
		if name = p.asked(r.file); name == "" {
			return nil, "a root from which no unbroken chain leads to the newest"
		}
	}
	u, err := url.Parse(origin + name)
	if err != nil {
		return nil, "no file that a client could ask for"
	}
	anchor := verify.TUFAnchor{Anchor: parts[1], Targets: origin + "targets/",
		Repositories: []verify.TUFRepository{{Root: p.pin.data, Metadata: []string{origin + "metadata/"}}}}
	return []*subject{{sample: found, kind: r.kind, root: p.dir, url: u, alias: p.alias, at: p.at, trust: verify.Trust{TUF: []verify.TUFAnchor{anchor}}}}, ""
}

// asked returns the path by which clients ask for a file of metadata.
func (p *published) asked(file string) string {
	if file == p.dir+"/metadata/timestamp.json" {
		return "metadata/timestamp.json"
	}
	for name, of := range p.alias {
		if of == file {
			return strings.TrimPrefix(name, p.dir+"/")
		}
	}
	if base := path.Base(file); path.Base(path.Dir(file)) == "root_history" {
		// The newest root lies there a second time.
		version, _ := strconv.Atoi(strings.TrimSuffix(base, ".root.json"))
		if _, ok := p.alias[fmt.Sprintf("%s/metadata/%d.root.json", p.dir, version)]; ok {
			return "metadata/" + base
		}
	}
	return ""
}
