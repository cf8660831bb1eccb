package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// TUFAnchor is one anchor of The Update Framework: one repository, or several with a map that says which of them have to agree
// (TAP 4).
type TUFAnchor struct {
	Anchor       string
	Repositories []TUFRepository // one at least
	Mapping      []TUFMapping    // nil: the only repository vouches for every path
	Targets      string          // URL, ending in "/", below which an update's path is the path of a target
	Refresh      time.Duration   // how old what is known of a repository may be before it is asked again
}

// TUFRepository is one repository.
type TUFRepository struct {
	Name     string   // among the repositories of the anchor; "" if it has only one
	Root     []byte   // root metadata that is trusted from the beginning, JSON
	Metadata []string // URLs, ending in "/", below which metadata is found; all but the first are mirrors
}

// TUFMapping is one entry of a map file (TAP 4 section "map file"): the first whose paths match a target decides.
type TUFMapping struct {
	Paths        []string // patterns of target paths, as in delegations
	Repositories []string // names
	Threshold    int      // how many of them have to list the target, with the same length and hashes
	Terminating  bool     // when they do not, no later entry is looked at
}

// SigstoreAnchor is one anchor for Sigstore: an identity under one instance, or keys. Everything that is set has to fit.
type SigstoreAnchor struct {
	Anchor         string
	Issuer         string        // OIDC issuer, a glob in which * stands for any text
	Identity       string        // subject alternative name, likewise
	IdentityRegexp string        // the whole subject alternative name, RE2 syntax
	SANType        string        // "email", "uri" or "other"; "" asks nothing
	Keys           [][]byte      // instead of an identity: public keys (SubjectPublicKeyInfo, DER), any of which may have signed
	TrustedRoot    []byte        // the instance, as in a trusted_root.json; nil means the public-good instance, for keys none
	RootSource     *TUFAnchor    // where newer trusted roots are found, as the target trusted_root.json; nil means nowhere (public good: where that instance publishes them)
	Rekor          int           // how many entries of transparency logs are asked for
	Timestamps     int           // how many timestamps of timestamping authorities are asked for
	SCTs           int           // how many certificate timestamps of certificate transparency logs are asked for
	Bundles        []string      // URL templates of places to look for bundles besides those that every update has
	Local          []LocalBundle // bundles from a folder of the operator's
}

// LocalBundle is a bundle that the operator has put beside the policy.
type LocalBundle struct {
	Name string // of the file
	Data []byte
}

// PublicGoodTUF is where the public-good instance of Sigstore publishes its trusted root, by its own TUF repository.
const PublicGoodTUF = "https://tuf-repo-cdn.sigstore.dev/"

// Sources returns the URL prefixes, besides the update's own origin, below which the anchors let evidence be asked for, sorted.
func (t *Trust) Sources() []string {
	var out []string
	tuf := func(a *TUFAnchor) {
		for _, r := range a.Repositories {
			out = append(out, r.Metadata...)
		}
	}
	for i := range t.TUF {
		tuf(&t.TUF[i])
	}
	for i := range t.Sigstore {
		a := &t.Sigstore[i]
		for _, template := range a.Bundles {
			prefix, _, _ := strings.Cut(template, "{")
			out = append(out, prefix)
		}
		switch {
		case a.RootSource != nil:
			tuf(a.RootSource)
			out = append(out, a.RootSource.Targets)
		case a.TrustedRoot == nil && len(a.Keys) == 0:
			out = append(out, PublicGoodTUF)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Only returns what of t is left when no anchors count but these: others are neither looked for nor asked about. Roots for
// everybody, revocation lists and pins stay. The Epoch changes with the names.
func (t Trust) Only(anchors []string) Trust {
	names := slices.Clone(anchors)
	slices.Sort(names)
	names = slices.Compact(names)
	in := func(name string) bool { _, ok := slices.BinarySearch(names, name); return ok }
	t.Publishers = retain(t.Publishers, func(a Authority) bool { return in(a.Anchor) })
	t.Keyrings = retain(t.Keyrings, func(k Keyring) bool { return in(k.Anchor) })
	t.PublicKeys = retain(t.PublicKeys, func(k PublicKey) bool { return in(k.Anchor) })
	t.Authorities = retain(t.Authorities, func(a Authority) bool { return in(a.Anchor) })
	t.TUF = retain(t.TUF, func(a TUFAnchor) bool { return in(a.Anchor) })
	t.Sigstore = retain(t.Sigstore, func(a SigstoreAnchor) bool { return in(a.Anchor) })
	h := sha256.New()
	for _, part := range append([]string{t.Epoch}, names...) {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	t.Epoch = hex.EncodeToString(h.Sum(nil))
	return t
}

func retain[T any](from []T, keep func(T) bool) []T {
	var out []T
	for _, v := range from {
		if keep(v) {
			out = append(out, v)
		}
	}
	return out
}
