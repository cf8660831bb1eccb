package policy

import (
	"crypto/sha256"
	"encoding/json"
	"hash"
	"regexp"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// anchor is a key, certificate or identity that the operator trusts. Which fields are set depends on its kind.
type anchor struct {
	name, kind                       string
	organization, commonName, issuer string                 // authenticode: wildcards; "" asks nothing
	country                          string                 // authenticode: "" asks nothing
	roots                            map[string]bool        // authenticode: SHA-256 of its own roots, lower-case hexadecimal; nil means those for everybody
	thumbprints                      []string               // authenticode: lower-case hexadecimal; nil asks nothing
	pins                             map[verify.Digest]bool // digest
	keys                             map[string]bool        // openpgp: fingerprints of its primary keys, upper-case hexadecimal; sigstore: SHA-256 of its keys, likewise
	tuf                              *verify.TUFAnchor      // tuf
	sigstore                         *verify.SigstoreAnchor // sigstore
	identity                         *regexp.Regexp         // sigstore: its identity_regexp; nil if it has none
}

// methods are the signature systems whose findings an anchor of a kind can vouch for.
var methods = map[string][]string{
	"authenticode": {"authenticode", "appx", "nuget", "vsix", "clickonce"},
	"openpgp":      {"apt", "openpgp", "rpm", "rpm-repo", "checksums"},
	"minisign":     {"minisign", "checksums"},
	"signify":      {"signify", "checksums"},
	"cms":          {"cms"},
	"tuf":          {"tuf"},
	"sigstore":     {"sigstore"},
	"digest":       {"digest"},
}

// evaluated reports whether this version can tell who signed under such an anchor.
func (a *anchor) evaluated() bool { return methods[a.kind] != nil }

// String describes the anchor for a person: `microsoft (organization "Microsoft Corporation")`.
func (a *anchor) String() string {
	switch {
	case a.kind == "authenticode":
		return a.name + " (" + a.publisherName() + ")"
	case a.kind == "openpgp":
		return a.name + " (OpenPGP keys)"
	case a.kind == "minisign" || a.kind == "signify":
		return a.name + " (" + a.kind + " keys)"
	case a.kind == "cms" && a.organization == "" && a.commonName == "":
		return a.name + " (certificates under roots of its own)"
	case a.kind == "cms":
		return a.name + " (" + a.publisherName() + ")"
	case a.kind == "tuf" && a.tuf != nil && len(a.tuf.Repositories) > 1:
		return a.name + " (TUF repositories for what is below " + a.tuf.Targets + ")"
	case a.kind == "tuf" && a.tuf != nil:
		return a.name + " (a TUF repository for what is below " + a.tuf.Targets + ")"
	case a.kind == "sigstore" && a.sigstore != nil:
		return a.name + " (" + sigstoreName(a.sigstore) + ")"
	case a.kind == "digest":
		return a.name + " (a list of files by their digests)"
	}
	return a.name + " (" + a.kind + ")"
}

// publisherName says everything that an anchor asks of a publisher's certificate.
func (a *anchor) publisherName() string {
	var asked []string
	if a.organization != "" && a.organization != "*" {
		asked = append(asked, "organization "+quote(a.organization))
	}
	if a.commonName != "" {
		asked = append(asked, "common name "+quote(a.commonName))
	}
	if a.country != "" {
		asked = append(asked, "country "+a.country)
	}
	if a.issuer != "" {
		asked = append(asked, "issuer "+quote(a.issuer))
	}
	if a.thumbprints != nil {
		asked = append(asked, "a certificate by its thumbprint")
	}
	who, own := strings.Join(asked, ", "), a.roots != nil || a.kind == "cms"
	switch {
	case who == "" && own:
		return "a publisher under roots of its own"
	case who == "":
		return "any publisher under a trusted root"
	case own:
		return who + " under roots of its own"
	}
	return who
}

// vouches reports whether a finding, whose status is not looked at, names this anchor as who signed.
func (a *anchor) vouches(f *verify.Finding) bool {
	if !contains(methods[a.kind], f.Method) {
		return false
	}
	if a.kind == "authenticode" {
		return a.names(f.Signer) && a.admits(f.Signer)
	}
	return contains(f.Anchors, a.name) && (a.kind != "cms" || a.names(f.Signer))
}

// sigstoreName says who may sign for a sigstore anchor.
func sigstoreName(s *verify.SigstoreAnchor) string {
	switch {
	case len(s.Keys) > 0:
		return "Sigstore keys"
	case s.IdentityRegexp != "":
		return "identities like " + shownValue(s.IdentityRegexp) + " by " + s.Issuer
	}
	return "identity " + shownValue(s.Identity) + " by " + s.Issuer
}

// mentions reports whether a finding names this anchor as who signed, for the anchor to be refused by it: the signature
// need not be good. Of a certificate the names count, wherever its chain ends, unless the anchor is nothing but its roots; of
// an OpenPGP key its fingerprint, also once the key has been revoked; of a Sigstore bundle the identity or key, whatever
// thresholds it misses. What a TUF repository does not list it does not name.
func (a *anchor) mentions(f *verify.Finding) bool {
	if f.Status == verify.Valid && a.vouches(f) {
		return true
	}
	switch {
	case !contains(methods[a.kind], f.Method):
		return false
	case a.kind == "authenticode":
		return a.names(f.Signer) && (a.roots == nil || a.particular() || a.admits(f.Signer))
	case a.kind == "sigstore":
		return a.identifies(f.Signer)
	}
	return a.keys[strings.ToUpper(f.Signer.Fingerprint)]
}

// anchors reads the anchors section and what it names.
func (b *builder) anchors(n node) {
	p := b.policy
	p.anchors = map[string]*anchor{}
	p.pins = map[verify.Digest][]string{}
	epoch := sha256.New()
	for _, pair := range n.pairs() {
		a := &anchor{name: pair.key.text()}
		p.anchors[a.name] = a
		kinds := pair.value.pairs()
		if len(kinds) != 1 {
			continue
		}
		a.kind = kinds[0].key.text()
		detail := kinds[0].value
		for _, part := range []string{a.name, a.kind} {
			writePart(epoch, []byte(part))
		}
		switch a.kind {
		case "authenticode":
			b.authenticodeAnchor(a, detail)
			for _, root := range sortedKeys(a.roots) {
				writePart(epoch, []byte(root))
			}
		case "openpgp":
			k := b.keyring(a, detail)
			p.keyrings = append(p.keyrings, k)
			writePart(epoch, k.Data)
			writePart(epoch, []byte(strings.Join(k.Suites, "\n")+"\n"+k.Lag.String()))
		case "minisign", "signify":
			for _, k := range b.bareKeys(a, detail) {
				p.publicKeys = append(p.publicKeys, k)
				writePart(epoch, k.Data)
			}
		case "cms":
			a.organization, a.commonName = detail.get("organization").text(), detail.get("common_name").text()
			roots := b.authority(a, detail)
			p.authorities = append(p.authorities, roots)
			for _, c := range roots.Roots {
				writePart(epoch, c.Raw)
			}
		case "tuf":
			a.tuf = b.tufAnchor(a, detail)
			p.tuf = append(p.tuf, *a.tuf)
			writeJSON(epoch, a.tuf)
		case "sigstore":
			a.sigstore = b.sigstoreAnchor(a, detail)
			p.sigstore = append(p.sigstore, *a.sigstore)
			writeSigstore(epoch, a.sigstore)
		case "digest":
			a.pins = map[verify.Digest]bool{}
			for _, d := range digests(detail.get("sha256")) {
				a.pins[d] = true
				p.pins[d] = append(p.pins[d], a.name)
				writePart(epoch, d[:])
			}
		}
	}
	p.epoch = verify.Digest(epoch.Sum(nil))
}

// writeSigstore writes all that a sigstore anchor is made of.
func writeSigstore(h hash.Hash, s *verify.SigstoreAnchor) {
	outline := *s
	outline.Local = nil // may be large
	writeJSON(h, &outline)
	for _, l := range s.Local {
		writePart(h, []byte(l.Name))
		writePart(h, l.Data)
	}
}

func writeJSON(h hash.Hash, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic("an anchor holds nothing that JSON cannot: " + err.Error())
	}
	writePart(h, data)
}

// digests reads SHA-256 digests that the check has accepted.
func digests(n node) []verify.Digest {
	var out []verify.Digest
	for _, item := range n.items() {
		if d, err := verify.ParseDigest(item.text()); err == nil {
			out = append(out, d)
		}
	}
	return out
}

// anchorsNamed returns the anchors that a list refers to. A name that leads nowhere, and an anchor that this version
// cannot evaluate, is an error.
func (b *builder) anchorsNamed(n node) []*anchor {
	var out []*anchor
	for _, item := range n.items() {
		a := b.policy.anchors[item.text()]
		if a == nil {
			b.add(item, nearest(item.text(), sortedKeys(b.policy.anchors)), "there is no anchor %s", quote(item.text()))
			continue
		}
		b.used[a.name] = true
		if a.kind != "" && !a.evaluated() {
			b.add(item, "remove it, or use an anchor of kind authenticode, openpgp, minisign, signify, cms, tuf, sigstore or digest",
				"anchor %s is of kind %s, which is not evaluated by this version", quote(a.name), a.kind)
			continue
		}
		out = append(out, a)
	}
	return out
}

// current reports whether a fact is still one.
func current(f *verify.Finding, now time.Time) bool {
	return f.NotAfter.IsZero() || !f.NotAfter.Before(now)
}
