package main

import (
	"fmt"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/sigstore"
	"github.com/sallyport-project/sallyport/verify/tuf/client"
)

// checkPolicyRoots reads the root metadata and the trusted roots of Sigstore that a policy's anchors begin with as those do that
// verify by them. A root that its own keys have not signed, or a trusted root that names nobody, vouches for nothing, and the policy
// is not put in force. The error is policy.Errors.
func checkPolicyRoots(p *policy.Policy) error {
	trust := p.Trust(verify.Trust{})
	var wrong policy.Errors
	add := func(anchor, message string) {
		wrong = append(wrong, p.ErrorAt("policy", "anchors", anchor, message, ""))
	}
	for i := range trust.TUF {
		checkRoots(&trust.TUF[i], add)
	}
	for i := range trust.Sigstore {
		a := &trust.Sigstore[i]
		if a.RootSource != nil {
			checkRoots(a.RootSource, add)
		}
		if a.TrustedRoot == nil {
			continue
		}
		if err := sigstore.CheckTrustedRoot(a.TrustedRoot); err != nil {
			add(a.Anchor, fmt.Sprintf("anchor %s: the trusted root cannot be used: %s", printable.Text(a.Anchor, 200), printable.Text(err.Error(), 500)))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return wrong
}

func checkRoots(a *verify.TUFAnchor, add func(anchor, message string)) {
	for _, r := range a.Repositories {
		if _, err := client.New(r.Root, nothingKept{}, client.Limits{}).State(); err != nil {
			name := a.Anchor
			if r.Name != "" {
				name += ", repository " + r.Name
			}
			add(a.Anchor, fmt.Sprintf("anchor %s: the root metadata cannot be used: %s", printable.Text(name, 200), printable.Text(err.Error(), 500)))
		}
	}
}

// nothingKept is the state of a repository of which nothing is known but the root that a policy names.
type nothingKept struct{}

// Load returns nothing.
func (nothingKept) Load(string) ([]byte, error) { return nil, nil }

// Advance keeps nothing.
func (nothingKept) Advance(string, []byte, []byte) error { return nil }
