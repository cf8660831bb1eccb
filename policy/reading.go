package policy

import (
	"io/fs"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
)

func newBuilder(name string, files fs.FS, data []byte, o options) *builder {
	b := &builder{
		problems: &problems{file: name}, files: files, catalogue: o.catalogue, data: data, read: map[string][]byte{}, policy: &Policy{},
		used: map[string]bool{}, referred: map[string]bool{}, scanned: map[string]bool{},
	}
	b.addFile(name, "", data)
	return b
}

// run reads the policy and tries its tests, whatever is wrong with it.
func (b *builder) run() {
	root := readYAML(b.data, b.problems)
	if !root.present() {
		return
	}
	language.check(root, b.problems)
	b.root = b.use(root)
	b.build(b.root)
	b.checkFragments(b.root)
	b.remarks()
	b.policy.digest = b.digest(b.data)
	b.policy.remember()
	if len(b.list) == 0 {
		b.results = b.policy.RunTests()
		return
	}
	b.tryWhatCanBe(root)
}

// failed adds the error that a test has failed.
func (b *builder) failed(where at, r TestResult) {
	hint := "`sallyport policy explain` shows what is asked of its URL"
	switch {
	case r.Got != Allow && r.Want != Allow:
		hint = "unproven of the channel, or defaults.unmatched, says which refusal it is"
	case r.Rule == "defaults.hosts" || r.Rule == "hosts.tunnel":
		hint = "name its host in a channel, or under hosts.inspect"
	}
	b.add(where, hint, "test %s fails: wanted %s, got %s by %s (%s)", quote(r.Name), r.Want, r.Got, r.Rule, printable.Text(strings.Join(r.Reasons, "; "), 600))
}

// Checked is all that there is to say about a policy.
type Checked struct {
	Policy   *Policy   // nil if there are errors
	Errors   Errors    // in the order of the file
	More     int       // errors besides, of which nothing is kept
	Untried  []Warning // tests of which it could not be told how they come out, because of errors elsewhere
	Warnings []Warning // as of now
	// Draft is the policy, errors or not, to look at the files that it names. With errors it refuses everything.
	Draft *Policy
	file  string
}

func (c Checked) err() error {
	if len(c.Errors) == 0 {
		return nil
	}
	return c.Errors.and(c.More, c.file)
}

// Check reads a policy as Parse does, and says all that is to be said about it: with errors in one part, the others are looked at all the
// same, and so are the tests that do not rest on that part.
func Check(name string, files fs.FS, data []byte, opts ...Option) Checked {
	b := newBuilder(name, files, data, optionsOf(opts))
	b.run()
	for i, r := range b.results {
		switch {
		case r.Passed:
		case r.Fragment == "":
			b.failed(b.policy.tests[i].where, r)
		default:
			b.warnOfFragment(r)
		}
	}
	b.keepPlaces()
	c := Checked{Untried: b.untried, Warnings: b.policy.Warnings(time.Now()), Draft: b.policy, file: name}
	if len(b.list) > 0 {
		c.Errors, c.More, b.policy.broken = b.sorted(), b.more, true
		return c
	}
	c.Policy = b.policy
	return c
}

// warnOfFragment notes that a test of a fragment does not come out as it does in a policy that has nothing else in it.
func (b *builder) warnOfFragment(r TestResult) {
	for _, f := range b.policy.fragments {
		if f.Name == r.Fragment {
			b.warn(f.entry, "", "with this policy a test of %s does not hold: %s: wanted %s, got %s by %s", cataloguePrefix+f.Name, quote(r.Name), r.Want, r.Got, r.Rule)
		}
	}
}

// keepPlaces remembers where things are defined.
func (b *builder) keepPlaces() {
	b.policy.places = map[[2]string]position{}
	for _, section := range []string{"anchors", "feeds", "lookups", "scanners", "clients"} {
		for _, pair := range b.root.get(section).pairs() {
			b.policy.places[[2]string{section, pair.key.text()}] = b.locate(pair.key)
		}
	}
	for _, item := range b.root.get("revocation").get("crls").items() {
		b.policy.places[[2]string{"revocation", item.text()}] = b.locate(item)
	}
}

// ErrorAt returns an error about something that the policy defines: an anchor, a feed or the like by the name of its section and its own;
// about the whole file if there is none of that name.
func (p *Policy) ErrorAt(file, section, name, message, hint string) Error {
	if at, ok := p.places[[2]string{section, name}]; ok {
		return Error{File: at.file, Line: at.line, Column: at.column, Message: message, Hint: hint}
	}
	return Error{File: file, Message: message, Hint: hint}
}
