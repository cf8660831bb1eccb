package sigstore

import (
	"path"
	"strings"

	core "github.com/sallyport-project/sallyport/verify/internal/sigstore"
)

// otherAsked returns the package that a client asked for, before redirects led to the update, if the statement is about another
// one; "" otherwise. Without it whoever serves the files could have an older release, or another package by the same signer, take
// the place of the one that is wanted.
func (s *session) otherAsked(r *core.Result) string {
	for _, u := range s.asked {
		if n, ok := parseNPMPath(u.Path); ok && strings.HasPrefix(r.Subject, "pkg:") && !n.isPURL(r.Subject) {
			return n.purl()
		}
		name := path.Base(u.Path)
		if _, ok := parsePyPI(u.Path, name); ok && r.Attestation != nil && isPyPI(r) && normalizePyPI(path.Base(r.Subject)) != normalizePyPI(name) {
			return name
		}
	}
	return ""
}
