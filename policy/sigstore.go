package policy

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/sallyport-project/sallyport/verify"
)

const (
	maxThreshold = 16   // of log entries and timestamps that a sigstore anchor asks for
	maxRegexp    = 1024 // bytes of a regular expression: what it is compiled to may be very much larger
)

// sigstoreAnchor reads a sigstore anchor: an identity that an instance of Sigstore certifies, or keys.
func (b *builder) sigstoreAnchor(a *anchor, n node) *verify.SigstoreAnchor {
	s := &verify.SigstoreAnchor{
		Anchor: a.name, Issuer: n.get("issuer").text(), Identity: n.get("identity").text(),
		IdentityRegexp: n.get("identity_regexp").text(), SANType: n.get("san_type").text(),
	}
	keys := append([]node{n.get("key")}, n.get("keys").items()...)
	for _, k := range keys {
		s.Keys = append(s.Keys, b.publicKeys(k)...)
	}
	a.keys = map[string]bool{}
	for _, der := range s.Keys {
		a.keys[fmt.Sprintf("%X", sha256.Sum256(der))] = true
	}
	b.trustedRoot(s, n.get("trusted_root"))
	b.signers(s, n)
	b.demands(s, n)
	b.bundles(s, n.get("bundles"))
	if re, err := wholeRegexp(s.IdentityRegexp); err == nil && s.IdentityRegexp != "" {
		a.identity = re
	}
	if n.present() {
		b.wide(s)
	}
	return s
}

// keyed reports whether an anchor, as written, is for keys.
func keyed(n node) bool { return n.get("key").present() || n.get("keys").present() }

// signers checks that an anchor says in exactly one way who may sign.
func (b *builder) signers(s *verify.SigstoreAnchor, n node) {
	identity, pattern := n.get("identity"), n.get("identity_regexp")
	const apart = "make two anchors of it: signed_by takes any of several"
	switch {
	case !n.present():
	case keyed(n):
		for _, name := range []string{"identity", "identity_regexp"} {
			if k := n.get(name); k.present() {
				b.add(k, apart, "a sigstore anchor has either an identity or keys, this has both")
			}
		}
		for _, name := range []string{"issuer", "san_type"} {
			if k := n.get(name); k.present() {
				b.add(k, "remove it", "%s is said of identities, a key has none", name)
			}
		}
	case identity.present() && pattern.present():
		b.add(pattern, apart, "a sigstore anchor has either identity or identity_regexp, this has both")
	case !identity.present() && !pattern.present():
		b.add(n, "", "a sigstore anchor needs identity, identity_regexp, key or keys")
	case !n.get("issuer").present():
		b.add(n, `GitHub Actions is "https://token.actions.githubusercontent.com"`, "a sigstore anchor with an identity needs issuer: an identity means nothing without who vouches for it")
	}
}

// demands reads how many log entries and timestamps are asked for, and checks that the instance can have as many.
func (b *builder) demands(s *verify.SigstoreAnchor, n node) {
	byKey := keyed(n)
	if !byKey {
		s.Rekor, s.SCTs = 1, 1
	} else if s.TrustedRoot != nil || s.RootSource != nil {
		s.Rekor = 1
	}
	for _, d := range []struct {
		key  string
		into *int
	}{{"rekor", &s.Rekor}, {"timestamp", &s.Timestamps}, {"sct", &s.SCTs}} {
		if k, err := parseThreshold(n.get(d.key).text()); err == nil {
			*d.into = k
		}
	}
	for _, key := range []string{"rekor", "timestamp"} {
		if k := n.get(key); byKey && k.present() && k.text() != "0" && !n.get("trusted_root").present() {
			b.add(k, "add trusted_root", "%s asks for something by an instance of Sigstore, but without trusted_root a key belongs to none", key)
		}
	}
	if k := n.get("sct"); byKey && s.SCTs > 0 {
		b.add(k, "remove it", "sct asks for certificates to be logged, a key has none")
	}
	b.kept(s, n)
}

// kept checks that an instance given by a file keeps the logs and timestamping authorities that are asked for.
func (b *builder) kept(s *verify.SigstoreAnchor, n node) {
	root := n.get("trusted_root")
	out, err := parseTrustedRoot(s.TrustedRoot)
	if s.TrustedRoot == nil || err != nil {
		return
	}
	for _, d := range []struct {
		key, what   string
		asked, kept int
	}{
		{"rekor", "transparency log", s.Rekor, out.logs},
		{"timestamp", "timestamping authority", s.Timestamps, out.timestamping},
		{"sct", "certificate transparency log", s.SCTs, out.certificateLogs},
	} {
		if d.asked == 0 || d.kept > 0 {
			continue
		}
		where, hint := n.get(d.key), "take another file"
		if !where.present() {
			where, hint = root, "write "+d.key+": 0, if this instance has none"
		}
		b.add(where, hint, "%s is %d, but the trusted root %s names no %s", d.key, d.asked, quote(root.text()), d.what)
	}
	if !keyed(n) && out.authorities == 0 {
		b.add(root, "", "the trusted root %s names no certificate authority, so that it knows no identities", quote(root.text()))
	}
}

func parseThreshold(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > maxThreshold {
		return 0, fmt.Errorf("%s is no whole number from 0 to %d", quote(s), maxThreshold)
	}
	return n, nil
}

// wholeRegexp compiles an expression that has to match all of a text (RE2 syntax).
func wholeRegexp(s string) (*regexp.Regexp, error) {
	if len(s) > maxRegexp {
		return nil, errors.New("it is too long")
	}
	if _, err := regexp.Compile(s); err != nil { // by itself first: "a)|(b" would be one in the parentheses below
		return nil, fmt.Errorf("%s is no regular expression (RE2): %w", quote(s), err)
	}
	return regexp.Compile(`\A(?:` + s + `)\z`)
}

func checkRegexp(s string) error {
	if err := checkText(s); err != nil {
		return err
	}
	if len(s) > maxRegexp {
		return fmt.Errorf("this regular expression has %d bytes, the most is %d", len(s), maxRegexp)
	}
	_, err := wholeRegexp(s)
	return err
}
