package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// Bounds of a map file.
const (
	maxRepositories = 64
	maxMirrors      = 16 // of one repository
	maxMappings     = 1024
	maxMappingPaths = 1024 // of one entry
)

// tufMapFile is the map file of TAP 4. Of several URLs of a repository all but the first are mirrors.
type tufMapFile struct {
	Repositories map[string][]string `json:"repositories"`
	Mapping      []struct {
		Paths        []string `json:"paths"`
		Repositories []string `json:"repositories"`
		Terminating  bool     `json:"terminating"`
		Threshold    *int     `json:"threshold"`
	} `json:"mapping"`
}

// tufMap reads the map file of an anchor and the root metadata of the repositories in it.
func (b *builder) tufMap(t *verify.TUFAnchor, n node) {
	name, roots := n.get("map"), n.get("roots")
	if !name.present() || !roots.present() {
		b.add(n, "", "a tuf anchor with map needs roots, and one with roots needs map")
		return
	}
	data, ok := b.named(name, "map file")
	if !ok {
		return
	}
	m, err := parseTUFMap(data)
	if err != nil {
		b.add(name, "", "the map file %s cannot be used: %v", quote(name.text()), err)
		return
	}
	for _, pair := range roots.pairs() {
		if _, known := m.Repositories[pair.key.text()]; !known {
			b.add(pair.key, nearest(pair.key.text(), sortedKeys(m.Repositories)), "the map file has no repository %s", quote(pair.key.text()))
		}
	}
	for _, repository := range sortedKeys(m.Repositories) {
		root := roots.get(repository)
		if !root.present() {
			b.add(roots, "", "roots has no file for the repository %s of the map file", quote(repository))
			continue
		}
		r := verify.TUFRepository{Name: repository, Root: b.tufRoot(root)}
		for _, u := range m.Repositories[repository] {
			base, _ := parseBase(u)
			r.Metadata = append(r.Metadata, base+"metadata/")
		}
		t.Repositories = append(t.Repositories, r)
	}
	for _, e := range m.Mapping {
		t.Mapping = append(t.Mapping, verify.TUFMapping{Paths: e.Paths, Repositories: e.Repositories, Threshold: *e.Threshold, Terminating: e.Terminating})
	}
	b.sameRoots(t)
}

// sameRoots notes repositories of which several have to agree although they are one.
func (b *builder) sameRoots(t *verify.TUFAnchor) {
	if !slices.ContainsFunc(t.Mapping, func(m verify.TUFMapping) bool { return m.Threshold > 1 }) {
		return
	}
	for i, r := range t.Repositories {
		for _, other := range t.Repositories[:i] {
			if len(r.Root) > 0 && bytes.Equal(r.Root, other.Root) {
				b.warn(b.keyOf("anchors", t.Anchor), "", "anchor %s: the repositories %s and %s have the same root metadata, so that they agree says no more than one of them does", t.Anchor, other.Name, r.Name)
			}
		}
	}
}

func parseTUFMap(data []byte) (*tufMapFile, error) {
	var m tufMapFile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("it is no map file as TAP 4 has it: %w", mapFault(err))
	}
	if d.More() {
		return nil, errors.New("something follows the map")
	}
	switch {
	case len(m.Repositories) == 0 || len(m.Mapping) == 0:
		return nil, errors.New("it needs repositories and mapping")
	case len(m.Repositories) > maxRepositories:
		return nil, fmt.Errorf("it has more than %d repositories", maxRepositories)
	case len(m.Mapping) > maxMappings:
		return nil, fmt.Errorf("it has more than %d entries in mapping", maxMappings)
	}
	for _, name := range sortedKeys(m.Repositories) {
		if err := checkMirrors(name, m.Repositories[name]); err != nil {
			return nil, err
		}
	}
	for i := range m.Mapping {
		if err := m.checkMapping(i); err != nil {
			return nil, fmt.Errorf("entry %d of mapping %w", i+1, err)
		}
	}
	return &m, nil
}

// mapFault says what is wrong with a map file in the file's words, not in those of the program.
func mapFault(err error) error {
	var kind *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &kind):
		return fmt.Errorf("%s", quote(strings.TrimPrefix(err.Error(), "json: ")))
	case kind.Field == "":
		return fmt.Errorf("it is an object with repositories and mapping, this is of kind %s", kind.Value)
	}
	return fmt.Errorf("%s cannot be of kind %s", kind.Field, kind.Value)
}

func checkMirrors(name string, urls []string) error {
	if err := checkRepository(name); err != nil {
		return err
	}
	if len(urls) == 0 || len(urls) > maxMirrors {
		return fmt.Errorf("the repository %s has %d URLs, there must be 1 to %d", quote(name), len(urls), maxMirrors)
	}
	for _, u := range urls {
		if _, err := parseBase(u); err != nil {
			return fmt.Errorf("the repository %s: %w", quote(name), err)
		}
	}
	return nil
}

func (m *tufMapFile) checkMapping(i int) error {
	e := m.Mapping[i]
	if len(e.Paths) == 0 || len(e.Paths) > maxMappingPaths {
		return fmt.Errorf("has %d paths, there must be 1 to %d", len(e.Paths), maxMappingPaths)
	}
	for _, p := range e.Paths {
		if _, err := path.Match(p, ""); err != nil || strings.TrimSpace(p) == "" {
			return fmt.Errorf("has the path %s, which is no pattern", quote(p))
		}
	}
	for j, name := range e.Repositories {
		if _, known := m.Repositories[name]; !known {
			return fmt.Errorf("names a repository %s, which is not among the repositories", quote(name))
		}
		if slices.Contains(e.Repositories[:j], name) {
			return fmt.Errorf("names the repository %s twice", quote(name))
		}
	}
	switch {
	case len(e.Repositories) == 0:
		return errors.New("names no repositories")
	case e.Threshold == nil:
		return errors.New("has no threshold")
	case *e.Threshold < 1 || *e.Threshold > len(e.Repositories):
		return fmt.Errorf("has the threshold %d, of %d repositories", *e.Threshold, len(e.Repositories))
	}
	return nil
}
