// Package verifytest is the suite that every signature format must pass. A format's own test names cases: an artifact,
// what the operator trusts, and the findings that must come of it. For each of them Run also
//
//   - hands the artifact to the verifier once with and once without what its Tap computed: both must say the same;
//   - lets the verifier run beside itself, under the race detector where that is on;
//   - flips single bits all over every artifact that is valid without reserve: it must stop being that.
//
// Bytes that a signature does not cover are named by the case, with a sentence why. That sentence is security
// documentation, and the suite checks that it is still true.
package verifytest

import (
	"os"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sallyport-project/sallyport/verify"
)

// Case is one artifact and what must be found out about it.
type Case struct {
	Name string // what the case is about: of a bad one, its defect

	Data []byte // the artifact's bytes; nil: those of File
	File string // read where Data is nil

	// Artifact gives what is known besides the bytes: Name (default: Case.Name), URL, Role, Format (default: sniffed),
	// Fetched. Its Size, Digests and Content are filled in.
	Artifact verify.Artifact
	Env      verify.Env

	// NewEnv, where set, makes an Env for each single run, so that what one run remembers does not reach the next.
	NewEnv func() verify.Env

	Want []Want // every finding, in the order in which the verifier reports them; nil: Match must refuse the artifact

	Uncovered []Range // bytes that may change while the artifact stays valid
	Flips     int     // how many bits to flip, spread over the artifact; 0 means 400, negative none
}

// Want is what must be so of one finding. Empty Subject, Signer and Anchor are compared as well, except where
// the comment says otherwise.
type Want struct {
	Status  verify.Status
	Code    string
	Subject string
	Signer  string // Finding.Signer.Name; "" is not compared
	Anchor  string // the first of Finding.Anchors; "" is not compared
}

// Range is a part of an artifact, from the byte at From to the one before To, that no signature covers.
type Range struct {
	From, To int64
	Why      string // a sentence for the security documentation
}

// Run runs every case as a subtest.
func Run(t *testing.T, v verify.Verifier, cases ...Case) {
	t.Helper()
	seen := map[string]bool{}
	for _, c := range cases {
		if c.Name == "" || seen[c.Name] {
			t.Errorf("case %q: a case needs a name of its own", c.Name)
		}
		seen[c.Name] = true
		t.Run(c.Name, func(t *testing.T) { c.run(t, v) })
	}
}

func (c Case) run(t *testing.T, v verify.Verifier) {
	data := c.Data
	if data == nil {
		var err error
		if data, err = os.ReadFile(c.File); err != nil {
			t.Fatalf("reading the artifact: %v", err)
		}
	}
	s := &subject{test: c, verifier: v}
	if a := s.artifact(data); c.Want == nil {
		if v.Match(a) {
			t.Errorf("Match accepted an artifact that this verifier has nothing to say about")
		}
		return
	}
	plain := s.verify(t, data, false)
	if diff := cmp.Diff(c.Want, s.wanted(plain)); diff != "" {
		t.Fatalf("findings (-want +got):\n%s\nin full: %+v", diff, plain)
	}
	if diff := cmp.Diff(plain, s.verify(t, data, true)); diff != "" {
		t.Errorf("with the Tap's digests the findings differ (-without +with):\n%s", diff)
	}
	s.together(t, data, plain)
	if c.Flips >= 0 && allValid(plain) {
		s.vouchers = count(plain)
		s.flip(t, data)
	}
}

// together runs the verifier three times at once: verifiers are shared by all requests.
func (s *subject) together(t *testing.T, data []byte, want []verify.Finding) {
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			if diff := cmp.Diff(want, s.verify(t, data, false)); diff != "" {
				t.Errorf("run beside itself the verifier says something else (-alone +beside):\n%s", diff)
			}
		})
	}
	group.Wait()
}
