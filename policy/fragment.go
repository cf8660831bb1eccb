package policy

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Fact is one thing that is known about who vouches for a product's updates.
type Fact struct {
	Fact      string   `json:"fact"`
	Source    string   `json:"source"` // a URL, or the package URL of what was looked at
	Date      string   `json:"date"`   // when that was looked up: 2026-11-30
	Confirmed bool     `json:"confirmed"`
	About     []string `json:"about,omitempty"` // names of channels and anchors; none: all of the fragment
}

// Fragment is what the catalogue has about a product.
type Fragment struct {
	Name      string            `json:"name"`
	Product   string            `json:"product"`
	Vendor    string            `json:"vendor"`
	Platforms []string          `json:"platforms"`
	Confirmed bool              `json:"confirmed"` // every fact is
	Facts     []Fact            `json:"facts"`
	Cannot    []string          `json:"cannot"`          // what cannot be verified or looked into
	Exact     map[string]string `json:"exact,omitempty"` // hosts that are written out, and why
	Tunnelled []string          `json:"tunnelled,omitempty"`
	Channels  []FragmentChannel `json:"channels"`
	Anchors   []string          `json:"anchors"` // in words
	Tests     int               `json:"tests"`
	Text      string            `json:"text"` // the fragment as it is written
}

// FragmentChannel is a channel of a fragment, in words.
type FragmentChannel struct {
	Name    string   `json:"name"`
	Hosts   []string `json:"hosts"`
	Paths   []string `json:"paths,omitempty"`
	Require []string `json:"require"`
	Observe bool     `json:"observe"`
}

const (
	maxFragment  = 1 << 20 // bytes
	maxFragments = 1000    // of a catalogue, and of a policy
)

// FragmentNames returns the names of the fragments that a catalogue has, sorted.
func FragmentNames(catalogue fs.FS) ([]string, error) {
	files, err := fs.Glob(catalogue, "channels/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing the catalogue: %w", err)
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(path.Base(f), ".yaml")
	}
	return names, nil
}

// ReadFragment returns a fragment of a catalogue. The error lists all that is wrong with it (type Errors), which is more than what keeps a
// policy from using it: every fact has to have its source and date, every channel a test, and what rests on something that nobody
// confirmed has to be observed only.
func ReadFragment(catalogue fs.FS, name string) (*Fragment, error) {
	data := []byte("version: 1\nuse: [" + cataloguePrefix + name + "]\n")
	if err := checkFragmentName(cataloguePrefix + name); err != nil {
		return nil, err
	}
	b := newBuilder("use", nil, data, options{catalogue: catalogue})
	b.strictly = true
	b.run()
	for i, r := range b.results {
		if !r.Passed {
			b.failed(b.policy.tests[i].where, r)
		}
	}
	if err := b.errors(); err != nil {
		return nil, err
	}
	return b.policy.fragments[0].describe(b.policy), nil
}

// fragment is one that a policy uses.
type fragment struct {
	Fragment
	root  node // of its file, with the lines of all files together
	entry node // of `use` in the policy
}

func (b *builder) readFragment(entry node, name string) *fragment {
	file := catalogueFilePrefix + "channels/" + name + ".yaml"
	where := entry
	if n := entry.get("name"); n.present() {
		where = n
	}
	if b.catalogue == nil {
		b.add(where, "", "%v", errNoCatalogue)
		return nil
	}
	data, err := b.openUpTo(file, maxFragment)
	if err != nil {
		names, _ := FragmentNames(b.catalogue)
		hint := "`sallyport policy channels` lists what there is"
		if best := likely(name, names); best != "" {
			hint = "did you mean " + quote(cataloguePrefix+best) + "?"
		}
		b.add(where, hint, "there is no fragment %s: %v", quote(cataloguePrefix+name), err)
		return nil
	}
	shown := cataloguePrefix + name + ".yaml"
	before := b.addFile(shown, name, data)
	own := &problems{file: shown}
	root := readYAML(data, own)
	for _, e := range own.list {
		b.add(place{e.Line + before, e.Column}, e.Hint, "%s", e.Message)
	}
	if !root.present() {
		return nil
	}
	shift(root.y, before)
	errors := len(b.list)
	fragmentGrammar.check(root, b.problems)
	f := &fragment{root: root, entry: entry}
	f.read(string(data))
	if f.Name != name && len(b.list) == errors {
		b.add(root.get("name"), "", "the fragment is called %s and its file %s.yaml", quote(f.Name), name)
	}
	f.Name = name
	return f
}

// read fills in what stands beside the policy of a fragment.
func (f *fragment) read(text string) {
	word := func(key string) string { return f.root.get(key).text() }
	f.Name, f.Product, f.Vendor, f.Text = word("name"), word("product"), word("vendor"), text
	f.Platforms, f.Cannot = f.root.get("platforms").texts(), f.root.get("cannot").texts()
	f.Confirmed = true
	for _, item := range f.root.get("facts").items() {
		fact := Fact{
			Fact: item.get("fact").text(), Source: item.get("source").text(), Date: item.get("date").text(),
			Confirmed: item.get("confirmed").text() == "true", About: item.get("about").texts(),
		}
		f.Confirmed = f.Confirmed && fact.Confirmed
		f.Facts = append(f.Facts, fact)
	}
	for _, pair := range f.root.get("exact").pairs() {
		if f.Exact == nil {
			f.Exact = map[string]string{}
		}
		f.Exact[pair.key.text()] = pair.value.text()
	}
	f.Tunnelled = f.root.get("policy").get("hosts").get("tunnel").texts()
	f.Tests = len(f.root.get("policy").get("tests").items())
}

// describe fills in what the fragment came to be in a policy of its own.
func (f *fragment) describe(p *Policy) *Fragment {
	out := f.Fragment
	for _, c := range p.channels {
		d := FragmentChannel{Name: c.name, Observe: c.observe}
		for _, h := range c.hosts {
			d.Hosts = append(d.Hosts, h.String())
		}
		for _, g := range c.paths {
			d.Paths = append(d.Paths, g.glob)
		}
		for _, r := range c.requires {
			d.Require = append(d.Require, r.String())
		}
		out.Channels = append(out.Channels, d)
	}
	for _, name := range sortedKeys(p.anchors) {
		out.Anchors = append(out.Anchors, p.anchors[name].String())
	}
	if out.Cannot == nil {
		out.Cannot = []string{}
	}
	return &out
}
