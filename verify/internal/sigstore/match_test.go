package sigstore

import (
	"crypto/sha256"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

func TestMatches(t *testing.T) {
	const issuer = "https://token.actions.githubusercontent.com"
	name := "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3"
	r := Result{Signer: verify.Identity{Name: name, Issuer: issuer}, SANType: "uri"}
	key := []byte("a key")
	sum := sha256.Sum256(key)
	byKey := Result{Signer: verify.Identity{Fingerprint: hexOf(sum)}}
	for _, tt := range []struct {
		name string
		a    verify.SigstoreAnchor
		r    Result
		want bool
	}{
		{"the same", verify.SigstoreAnchor{Issuer: issuer, Identity: name}, r, true},
		{"a star at the end", verify.SigstoreAnchor{Issuer: issuer, Identity: "https://github.com/acme/app/*"}, r, true},
		{"stars", verify.SigstoreAnchor{Issuer: "https://*.githubusercontent.com", Identity: "*/acme/*/release.yml@refs/tags/v*"}, r, true},
		{"another ref", verify.SigstoreAnchor{Issuer: issuer, Identity: "*@refs/heads/*"}, r, false},
		{"a beginning only", verify.SigstoreAnchor{Issuer: issuer, Identity: "https://github.com/acme/app"}, r, false},
		{"other capitals", verify.SigstoreAnchor{Issuer: issuer, Identity: "https://github.com/Acme/*"}, r, false},
		{"another issuer", verify.SigstoreAnchor{Issuer: "https://accounts.google.com", Identity: name}, r, false},
		{"no issuer", verify.SigstoreAnchor{Identity: name}, r, false},
		{"no identity", verify.SigstoreAnchor{Issuer: issuer}, r, false},
		{"nothing", verify.SigstoreAnchor{}, r, false},
		{"nothing, a key", verify.SigstoreAnchor{}, byKey, false},
		{"an expression", verify.SigstoreAnchor{Issuer: issuer, IdentityRegexp: `https://github\.com/acme/.*@refs/tags/v[0-9.]+`}, r, true},
		{"an expression for a part", verify.SigstoreAnchor{Issuer: issuer, IdentityRegexp: `https://github\.com/acme/`}, r, false},
		{"an expression that steps out", verify.SigstoreAnchor{Issuer: issuer, IdentityRegexp: `x)|(?:https://github`}, r, false},
		{"one of two", verify.SigstoreAnchor{Issuer: issuer, IdentityRegexp: `evil|https://github`}, r, false},
		{"an expression that is none", verify.SigstoreAnchor{Issuer: issuer, IdentityRegexp: `(`}, r, false},
		{"both", verify.SigstoreAnchor{Issuer: issuer, Identity: "*", IdentityRegexp: `x`}, r, false},
		{"the kind of name", verify.SigstoreAnchor{Issuer: issuer, Identity: "*", SANType: "uri"}, r, true},
		{"another kind of name", verify.SigstoreAnchor{Issuer: issuer, Identity: "*", SANType: "email"}, r, false},
		{"a key", verify.SigstoreAnchor{Keys: [][]byte{{1}, key}}, byKey, true},
		{"another key", verify.SigstoreAnchor{Keys: [][]byte{{1}}}, byKey, false},
		{"a key and an identity", verify.SigstoreAnchor{Keys: [][]byte{key}, Issuer: issuer, Identity: "*"}, byKey, false},
		{"a certificate where a key is asked for", verify.SigstoreAnchor{Keys: [][]byte{key}}, r, false},
		{"a key where a certificate is asked for", verify.SigstoreAnchor{Issuer: "*", Identity: "*"}, byKey, false},
	} {
		if got := Matches(&tt.a, tt.r); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"a*a", "a", false}, {"a*a", "aa", true}, {"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c-b", false}, {"*a*", "bab", true}, {"**", "x", true}, {"ab*bc", "abc", false}, {"a?c", "abc", false}, {"[a]", "a", false},
	} {
		if got := glob(tt.pattern, tt.s); got != tt.want {
			t.Errorf("%q on %q: %v", tt.pattern, tt.s, got)
		}
	}
}
