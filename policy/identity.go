package policy

import (
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// starred reports whether a text fits a pattern in which * stands for any text, slashes and nothing included, and every other character
// for itself. The text is matched whole.
func starred(pattern, text string) bool {
	first, rest, any := strings.Cut(pattern, "*")
	if !any {
		return pattern == text
	}
	if !strings.HasPrefix(text, first) {
		return false
	}
	text = text[len(first):]
	parts := strings.Split(rest, "*")
	last := parts[len(parts)-1]
	for _, part := range parts[:len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, last)
}

// identifies reports whether a signer is, by name and issuer or by key, one of a sigstore anchor's. Whether anything proves it,
// and the kind of name, is not asked.
func (a *anchor) identifies(id verify.Identity) bool {
	s := a.sigstore
	switch {
	case s == nil:
		return false
	case len(s.Keys) > 0:
		return a.keys[strings.ToUpper(id.Fingerprint)]
	case id.Name == "" || !starred(s.Issuer, id.Issuer):
		return false
	case a.identity != nil:
		return a.identity.MatchString(id.Name)
	}
	return s.Identity != "" && starred(s.Identity, id.Name)
}
