package sigstore

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/lru"
)

// Matches reports whether r is by somebody whom the anchor names. Everything that is set has to fit. Issuer and Identity are
// compared as a whole, capitals and small letters told apart; a star stands for any text, also none and also slashes, and there is
// no way to write a star that stands for itself. IdentityRegexp has to fit the whole name. An anchor that names no signer, which
// is one with neither identity nor keys or with an identity but no issuer, matches nobody.
//
// What the bundle was verified against (instance, thresholds) is not looked at: that is for the Demand.
func Matches(a *verify.SigstoreAnchor, r Result) bool {
	if len(a.Keys) > 0 {
		return r.SANType == "" && a.Issuer == "" && a.Identity == "" && a.IdentityRegexp == "" && a.SANType == "" &&
			keyAmong(a.Keys, r.Signer.Fingerprint)
	}
	if r.SANType == "" || a.Issuer == "" || a.Identity == "" && a.IdentityRegexp == "" {
		return false
	}
	return glob(a.Issuer, r.Signer.Issuer) &&
		(a.SANType == "" || a.SANType == r.SANType) &&
		(a.Identity == "" || glob(a.Identity, r.Signer.Name)) &&
		(a.IdentityRegexp == "" || wholeRegexp(a.IdentityRegexp, r.Signer.Name))
}

func keyAmong(keys [][]byte, fingerprint string) bool {
	for _, der := range keys {
		sum := sha256.Sum256(der)
		if hex.EncodeToString(sum[:]) == fingerprint {
			return true
		}
	}
	return false
}

// glob reports whether pattern, in which a star stands for any text, is all of s. It takes linear time for each star.
func glob(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	head, tail := parts[0], parts[len(parts)-1]
	if len(s) < len(head)+len(tail) || !strings.HasPrefix(s, head) || !strings.HasSuffix(s, tail) {
		return false
	}
	s = s[len(head) : len(s)-len(tail)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}

// regexps holds the expressions of anchors, compiled; nil stands for one that cannot be.
var regexps = lru.New[string, *regexp.Regexp](256)

// wholeRegexp reports whether expr fits all of s. The expression is compiled alone first: one such as "a)|(b" would step out of the
// parentheses that hold it to the ends of the text.
func wholeRegexp(expr, s string) bool {
	re, ok := regexps.Get(expr)
	if !ok {
		if _, err := regexp.Compile(expr); err == nil {
			re, _ = regexp.Compile(`\A(?:` + expr + `)\z`)
		}
		regexps.Put(expr, re, 1)
	}
	return re != nil && re.MatchString(s)
}
