package policy

import (
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// publicIssuers are OIDC issuers at which anybody may get an identity, and what an identity of a stranger looks like there.
var publicIssuers = []struct{ issuer, stranger string }{
	{"https://token.actions.githubusercontent.com", "https://github.com/zz-somebody-else/zz/.github/workflows/zz.yml@refs/heads/main"},
	{"https://gitlab.com", "https://gitlab.com/zz-somebody-else/zz//.gitlab-ci.yml@refs/heads/main"},
	{"https://agent.buildkite.com", "https://buildkite.com/zz-somebody-else/zz"},
	{"https://oidc.codefresh.io", "https://g.codefresh.io/zz-somebody-else/zz:zz/zz"},
	{"https://accounts.google.com", "zz.somebody.else@gmail.com"},
	{"https://github.com/login/oauth", "zz.somebody.else@gmail.com"},
	{"https://login.microsoftonline.com", "zz.somebody.else@outlook.com"},
	{"https://oauth2.sigstore.dev/auth", "zz.somebody.else@gmail.com"},
}

// wide notes identities that fit more than their writer can have meant.
func (b *builder) wide(s *verify.SigstoreAnchor) {
	warn := func(format string, args ...any) {
		b.warn(b.keyOf("anchors", s.Anchor), "", "anchor %s: "+format, append([]any{s.Anchor}, args...)...)
	}
	if s.Issuer != "" && !strings.Contains(s.Issuer, "://") && !strings.Contains(s.Issuer, "*") {
		warn("the issuer %s is no URL, as issuers are", quote(s.Issuer))
	}
	if i := strings.IndexByte(s.Issuer, '*'); i >= 0 && strings.Count(s.Issuer[:i], "/") < 3 {
		warn("the issuer %s fits issuers on other hosts: write the host out, with a slash after it", quote(s.Issuer))
	}
	for _, text := range []string{s.Issuer, s.Identity} {
		if i := strings.IndexAny(text, `[{\?`); i >= 0 {
			warn("in %s the character %s stands for itself: * is the only wildcard", quote(text), quote(text[i:i+1]))
		}
	}
	own := s.TrustedRoot != nil || s.RootSource != nil // the operator's own instance: all whom it knows may be meant
	if text := s.Identity + s.IdentityRegexp; text != "" && !own && fitsAll(s) {
		warn("%s fits every identity: anybody whom %s vouches for can sign", quote(text), quote(s.Issuer))
		return
	}
	for _, p := range publicIssuers {
		if !starred(s.Issuer, p.issuer) {
			continue
		}
		if s.Identity != "" && (starred(s.Identity, p.stranger) || !bounded(s.Identity)) || fitsRegexp(s.IdentityRegexp, p.stranger) {
			warn("%s fits more than one owner's identities, and at %s anybody can get one: write the owner out, with the slash or the @ that ends or begins it",
				quote(s.Identity+s.IdentityRegexp), p.issuer)
			return
		}
	}
}

// bounded reports whether a pattern with stars says whose the identities are that fit it: it is a URL whose host and owner are written
// out, or ends in the domain of an address.
func bounded(pattern string) bool {
	first := strings.IndexByte(pattern, '*')
	if first < 0 || strings.Count(pattern[:first], "/") >= 4 { // https://host/owner/
		return true
	}
	tail := pattern[strings.LastIndexByte(pattern, '*')+1:]
	_, domain, found := strings.Cut(tail, "@")
	return found && domain != "" && !strings.Contains(domain, "/")
}

func fitsRegexp(pattern, text string) bool {
	re, err := wholeRegexp(pattern)
	return pattern != "" && err == nil && re.MatchString(text)
}

// fitsAll reports whether an identity is none: it fits whatever it is shown.
func fitsAll(s *verify.SigstoreAnchor) bool {
	samples := []string{"", "zz", "zz@zz.example", "https://zz.example/zz"}
	return !slices.ContainsFunc(samples[1:], func(text string) bool {
		return !(s.Identity != "" && starred(s.Identity, text)) && !fitsRegexp(s.IdentityRegexp, text)
	}) || fitsRegexp(s.IdentityRegexp, samples[0])
}
