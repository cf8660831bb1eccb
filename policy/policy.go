// Package policy is the operator's YAML language: it parses it, strictly, and judges by it, purely. LANGUAGE.md says
// what the language means; grammar.go is its grammar.
package policy

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Policy is a policy file that was read, checked and tested. It does not change, and is used by several goroutines
// at once. The zero Policy refuses everything.
type Policy struct {
	digest   verify.Digest
	defaults settings
	freeze   *freeze // of defaults; nil: none
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
	scanners    []*Scanner
	approval    Approval
	tests       []test
	fragments   []*fragment // that it uses, in the order of the file
	noted       []noted
	places      map[[2]string]position // of what is defined, by section and name
	broken      bool                   // it has errors, and refuses everything
	basisOf, sourceOf,
	scannerOf map[string]string // see Asked
	revocationOf string // likewise
	asksClients  bool   // something depends on who asks
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
func Load(path string, opts ...Option) (*Policy, error) {
	data, err := readPolicyFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, folder(filepath.Dir(path)), data, opts...)
}

// Test reads a policy file as Load does and runs its tests, but takes failing ones for results instead of errors.
func Test(path string, opts ...Option) ([]TestResult, error) {
	data, err := readPolicyFile(path)
	if err != nil {
		return nil, err
	}
	b := newBuilder(path, folder(filepath.Dir(path)), data, optionsOf(opts))
	b.run()
	if err := b.errors(); err != nil {
		return nil, err
	}
	return b.results, nil
}

func readPolicyFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading policy: %w", err)
	}
	defer f.Close()
	data, err := readLimited(f, maxFile)
	if err != nil {
		return nil, fmt.Errorf("reading policy %s: %w", path, err)
	}
	return data, nil
}

// Parse reads a policy from memory. Errors call it name; the files that it names are opened in files, which may be nil
// for a policy that names none.
func Parse(name string, files fs.FS, data []byte, opts ...Option) (*Policy, error) {
	c := Check(name, files, data, opts...)
	return c.Policy, c.err()
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
