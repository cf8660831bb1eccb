package verifytest

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

// defaultFlips is how many bits are flipped in a case that does not say it.
const defaultFlips = 400

// flip changes one bit at a time and demands that the artifact stops being valid, except in the ranges that the case
// names as uncovered; of those it demands that the claim is true of at least one of their bits.
func (s *subject) flip(t *testing.T, data []byte) {
	for _, r := range s.test.Uncovered {
		if r.Why == "" || r.From < 0 || r.From >= r.To || r.To > int64(len(data)) {
			t.Errorf("uncovered range %d-%d: needs a sentence why, and to lie within %d bytes", r.From, r.To, len(data))
			return
		}
		if !s.anyFlipSurvives(t, data, r) {
			t.Errorf("bytes %d-%d are said not to be covered (%s), but no change there went unnoticed", r.From, r.To, r.Why)
		}
	}
	for _, at := range s.positions(len(data)) {
		if s.survives(t, data, at, 1<<(at%8)) {
			t.Errorf("bit %d of byte %d (%#x) of %d flipped, and the artifact is still valid", at%8, at, at, len(data))
		}
	}
}

// positions spreads flips evenly over the bytes that are covered, each somewhere in its stretch.
func (s *subject) positions(size int) []int {
	n := s.test.Flips
	if n == 0 {
		n = defaultFlips
	}
	n = min(n, size)
	rng := rand.New(rand.NewPCG(1, uint64(size)))
	var out []int
	for i := range n {
		from, to := i*size/n, (i+1)*size/n
		if at := from + rng.IntN(to-from); !s.uncovered(at) {
			out = append(out, at)
		}
	}
	return out
}

func (s *subject) uncovered(at int) bool {
	for _, r := range s.test.Uncovered {
		if int64(at) >= r.From && int64(at) < r.To {
			return true
		}
	}
	return false
}

func (s *subject) anyFlipSurvives(t *testing.T, data []byte, r Range) bool {
	for at := r.From; at < min(r.To, r.From+64); at++ {
		if s.survives(t, data, int(at), 0x01) {
			return true
		}
	}
	return false
}

// survives reports whether the artifact, with mask applied to one byte, is still valid without reserve by no fewer
// signatures than before. (Of two signatures one may become untrusted, where the change is in a certificate.)
func (s *subject) survives(t *testing.T, data []byte, at int, mask byte) bool {
	changed := bytes.Clone(data)
	changed[at] ^= mask
	if !s.verifier.Match(s.artifact(changed)) {
		return false
	}
	found := s.verify(t, changed, false)
	return allValid(found) && count(found) >= s.vouchers
}

// count returns how many findings vouch for the artifact.
func count(found []verify.Finding) int {
	n := 0
	for _, f := range found {
		if vouched(f) {
			n++
		}
	}
	return n
}
