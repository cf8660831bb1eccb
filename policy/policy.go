// Package policy is the operator's YAML language: it parses it, strictly, and judges by it, purely. LANGUAGE.md says
// what the language means; grammar.go is its grammar.
package policy

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
)

// Policy is a policy file that was read, checked and tested. It does not change, and is used by several goroutines
// at once. The zero Policy refuses everything.
type Policy struct {
	digest   verify.Digest
	defaults settings
	unmatched,
	otherHosts string // words of defaults.unmatched and defaults.hosts
	hosts       hostRules
	clients     map[string][]groupMember
	anchors     map[string]*anchor
	keyrings    []verify.Keyring        // in the order of the file
	publicKeys  []verify.PublicKey      // likewise
	authorities []verify.Authority      // likewise
	publishers  []verify.Authority      // anchors for authenticode with roots of their own, in the order of the file
	tuf         []verify.TUFAnchor      // in the order of the file
	sigstore    []verify.SigstoreAnchor // likewise
	revocation  revocation
	pins        map[verify.Digest][]string // anchors of kind digest, in the order of the file
	epoch       verify.Digest              // of all that anchors are made of
	denies      denyRules
	denied      []string                 // names of the anchors that deny rules refer to, sorted
	learned     map[hostPattern][]string // names of the openpgp anchors that channels with such a host refer to, sorted
	exceptions  []*exception
	exempt      map[verify.Digest][]*exception
	channels    []*channel
	channelName map[string]*channel
	channelHost hostIndex // ids are positions in channels
	feeds       []*Feed   // in the order of the file
	tests       []test
	warnings    []string
}

// settings are what a channel may set for itself and what defaults sets for all.
type settings struct {
	unproven Action
	observe  bool
	delivery Delivery
	holdMax  time.Duration
}

// Load reads a policy file. Files that it names are relative to it. The error lists everything that is wrong with
// it (type Errors), failing tests included.
func Load(path string) (*Policy, error) {
	p, _, err := load(path, true)
	return p, err
}

// Test reads a policy file as Load does and runs its tests, but takes failing ones for results instead of errors.
func Test(path string) ([]TestResult, error) {
	_, results, err := load(path, false)
	return results, err
}

func load(path string, strict bool) (*Policy, []TestResult, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading policy: %w", err)
	}
	defer f.Close()
	data, err := readLimited(f, maxFile)
	if err != nil {
		return nil, nil, fmt.Errorf("reading policy %s: %w", path, err)
	}
	return parse(path, folder(filepath.Dir(path)), data, strict)
}

// Parse reads a policy from memory. Errors call it name; the files that it names are opened in files, which may be nil
// for a policy that names none.
func Parse(name string, files fs.FS, data []byte) (*Policy, error) {
	p, _, err := parse(name, files, data, true)
	return p, err
}

func parse(name string, files fs.FS, data []byte, strict bool) (*Policy, []TestResult, error) {
	p := &problems{file: name}
	root := readYAML(data, p)
	if err := p.errors(); err != nil {
		return nil, nil, err
	}
	language.check(root, p)
	b := &builder{problems: p, source: newSourceText(data), files: files, read: map[string][]byte{}, policy: &Policy{}, used: map[string]bool{}, referred: map[string]bool{}}
	b.build(root)
	if err := p.errors(); err != nil {
		return nil, nil, err
	}
	b.policy.digest = b.digest(data)
	results := b.policy.RunTests()
	if strict {
		for _, r := range results {
			if !r.Passed {
				p.add(place{r.Line, r.Column}, "", "test %s fails: wanted %s, got %s by %s (%s)", quote(r.Name), r.Want, r.Got, r.Rule, printable.Text(strings.Join(r.Reasons, "; "), 600))
			}
		}
		if err := p.errors(); err != nil {
			return nil, nil, err
		}
	}
	return b.policy, results, nil
}

// Digest returns the SHA-256 over the policy file and all files that it names, each with its length before it.
func (p *Policy) Digest() verify.Digest { return p.digest }

// Channels returns the names of the channels, in the order of the file.
func (p *Policy) Channels() []string {
	names := make([]string, len(p.channels))
	for i, c := range p.channels {
		names[i] = c.name
	}
	return names
}

// Warnings returns what is not wrong but worth knowing, such as an exception that has expired at time now.
func (p *Policy) Warnings(now time.Time) []string {
	out := append([]string(nil), p.warnings...)
	for _, e := range p.exceptions {
		if e.expires.Before(now) {
			out = append(out, fmt.Sprintf("exception %s (%s) expired on %s and is ignored", e.name, e.owner, e.expires.Format(time.DateOnly)))
		}
	}
	if p.defaults.observe {
		out = append(out, "defaults.mode is observe: nothing but deny rules is stopped where a channel does not say enforce")
	}
	for _, c := range p.channels {
		if c.observe && !p.defaults.observe {
			out = append(out, fmt.Sprintf("channel %s only observes: what lacks proof is delivered", c.name))
		}
	}
	return out
}
