package proxy

import (
	"slices"

	"github.com/sallyport-project/sallyport/verify"
)

// Failing returns a sentence for each anchor of the policy in force whose repository or trusted root could not be brought up to
// date when that was tried last, sorted.
func (r *Refreshers) Failing() []string {
	trust := r.gate.trustUnder(r.gate.Policy()).whole
	var all []string
	for _, one := range r.all {
		all = append(all, one.failures(&trust)...)
	}
	slices.Sort(all)
	return all
}

// failures returns what was told of the anchors that fail and that the trust still has.
func (r *refresher) failures(trust *verify.Trust) []string {
	in := map[string]bool{"": true}
	for i := range trust.TUF {
		in[trust.TUF[i].Anchor] = true
	}
	for i := range trust.Sigstore {
		in[trust.Sigstore[i].Anchor] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for anchor, text := range r.failing {
		if in[anchor] {
			all = append(all, text)
		}
	}
	return all
}
