package policy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// privateCA makes a root of its own and an empty revocation list by it.
func privateCA(name string) (root *x509.Certificate, list []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: []byte{1},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	if root, err = x509.ParseCertificate(der); err != nil {
		panic(err)
	}
	list, err = x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}, root, key)
	if err != nil {
		panic(err)
	}
	return root, list
}

// revocationList is a list in DER.
var revocationList = sync.OnceValue(func() []byte {
	_, list := privateCA("Lists")
	return list
})

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// The root of one anchor must never serve another, nor anybody under a trusted root.
func TestRootsOfOneAnchorServeNoOther(t *testing.T) {
	one, _ := privateCA("One")
	two, _ := privateCA("Two")
	public, _ := privateCA("Public")
	files := fstest.MapFS{
		"one.pem": {Data: pemOf("CERTIFICATE", one.Raw)}, "two.pem": {Data: pemOf("CERTIFICATE", two.Raw)},
		"public.pem": {Data: pemOf("CERTIFICATE", public.Raw)},
	}
	const src = `version: 1
anchors:
  one: {authenticode: {organization: Acme, roots: one.pem}}
  two: {authenticode: {organization: Acme, roots: two.pem}}
  bare: {authenticode: {roots: one.pem}}
  star: {authenticode: {organization: "*"}}
  plain: {authenticode: {organization: Acme}}
  pinned: {authenticode: {organization: Acme, roots: public.pem}}
  thumb: {authenticode: {thumbprint: [aa124a4b4df12b34e74ee7f6c683b2ebec4ce9a8edcf9be345823b4fdcf5d868]}}
`
	const leaf = "aa124a4b4df12b34e74ee7f6c683b2ebec4ce9a8edcf9be345823b4fdcf5d868"
	anchors := []string{"bare", "one", "pinned", "plain", "star", "thumb", "two"}
	for name, c := range map[string]struct {
		root    string
		private bool
		want    []string
	}{
		"under one's root":             {fingerprint(one), true, []string{"bare", "one"}},
		"under two's root":             {fingerprint(two), true, []string{"two"}},
		"under everybody's":            {fingerprint(public), false, []string{"pinned", "plain", "star", "thumb"}},
		"under another of everybody's": {strings.Repeat("0", 64), false, []string{"plain", "star", "thumb"}},
		"under an unknown private one": {strings.Repeat("0", 64), true, nil},
		"one's, trusted by everybody":  {fingerprint(one), false, []string{"bare", "one", "plain", "star", "thumb"}},
		"no root said":                 {"", false, []string{"plain", "star", "thumb"}},
		"private, no root said":        {"", true, nil},
		"in capitals":                  {strings.ToUpper(fingerprint(one)), true, []string{"bare", "one"}},
	} {
		var got []string
		for _, a := range anchors {
			p, err := Parse("p", files, []byte(src+"channels: [{name: c, hosts: [a.example], require: [{signed_by: ["+a+"]}]}]\n"))
			if err != nil {
				t.Fatal(err)
			}
			d := p.Decide(Facts{
				Request: Request{URL: mustURL(t, "https://a.example/x.exe")}, Update: Update{SHA256: verify.Digest{1}}, Now: time.Now(),
				Report: verify.Report{Findings: []verify.Finding{{Method: "authenticode", Status: verify.Valid, Signer: verify.Identity{
					Name: "Acme", Organization: "Acme", Fingerprint: leaf, RootFingerprint: c.root, PrivateRoot: c.private,
				}}}},
			})
			if d.Action == Allow {
				got = append(got, a)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q vouch, want %q", name, got, c.want)
		}
	}
	p, err := Parse("p", files, []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	base := verify.Trust{Publishers: []verify.Authority{{Anchor: "base"}}}
	var names []string
	for _, a := range p.Trust(base).Publishers {
		names = append(names, a.Anchor)
	}
	if !slices.Equal(names, []string{"base", "one", "two", "bare", "pinned"}) {
		t.Errorf("publishers %q", names)
	}
}

// What a deny rule names is refused under whatever root it is signed.
func TestDenyLooksAtNamesUnderEveryRoot(t *testing.T) {
	one, _ := privateCA("One")
	files := fstest.MapFS{"one.pem": {Data: pemOf("CERTIFICATE", one.Raw)}}
	p, err := Parse("p", files, []byte(`version: 1
anchors:
  evil: {authenticode: {organization: Evil}}
  acme: {authenticode: {organization: "*", roots: one.pem}}
deny: [{name: evil, signed_by: [evil]}]
channels: [{name: c, hosts: [a.example], require: [{signed_by: [acme]}]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	for org, want := range map[string]Action{"Evil": Block, "Good": Allow} {
		d := p.Decide(Facts{
			Request: Request{URL: mustURL(t, "https://a.example/x.exe")}, Update: Update{SHA256: verify.Digest{1}}, Now: time.Now(),
			Report: verify.Report{Findings: []verify.Finding{{Method: "authenticode", Status: verify.Valid,
				Signer: verify.Identity{Name: org, Organization: org, RootFingerprint: fingerprint(one), PrivateRoot: true}}}},
		})
		if d.Action != want {
			t.Errorf("%s: %s by %s", org, d.Action, d.Rule)
		}
	}
}

func TestRevocationBecomesTrust(t *testing.T) {
	der := revocationList()
	files := fstest.MapFS{
		"a.crl": {Data: der}, "more/b.pem": {Data: pemOf("X509 CRL", der)}, "more/c.der": {Data: der}, "more/README": {Data: []byte("text")},
		"more/.d.crl": {Data: []byte("being written")},
	}
	parse := func(section string) *Policy {
		t.Helper()
		p, err := Parse("p", files, []byte("version: 1\nrevocation: "+section+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := parse("{crls: [a.crl, more], unknown: refuse, max_stale: 7d}")
	seen := 0
	base := verify.Trust{Epoch: "e", Revocation: verify.Revocation{Lists: []*verify.RevocationList{{Name: "fetched"}}, Seen: func(verify.Published) { seen++ }}}
	r := p.Trust(base).Revocation
	var names []string
	for _, l := range r.Lists {
		names = append(names, l.Name)
	}
	if !slices.Equal(names, []string{"a.crl", "more/b.pem", "more/c.der"}) || !r.Required || r.MaxStale != 7*24*time.Hour {
		t.Errorf("lists %q, required %t, max stale %s", names, r.Required, r.MaxStale)
	}
	if r.Seen != nil || p.FetchesRevocation() {
		t.Error("a policy that does not ask for it has lists fetched")
	}
	f := parse("{fetch: true}")
	r = f.Trust(base).Revocation
	if r.Seen == nil || len(r.Lists) != 1 || r.Lists[0].Name != "fetched" || r.Required || !f.FetchesRevocation() {
		t.Errorf("with fetch: %+v", r)
	}
	epochs := map[string]string{}
	for _, section := range []string{"{}", "{crls: [a.crl]}", "{crls: [more]}", "{fetch: true}", "{unknown: refuse, fetch: true}", "{max_stale: 1h}", "{max_stale: 2h}"} {
		e := parse(section).Trust(base).Epoch
		if other, again := epochs[e]; again {
			t.Errorf("%s and %s have one epoch", section, other)
		}
		epochs[e] = section
	}
	if w := parse("{unknown: refuse}").Warnings(time.Now()); len(w) != 1 || !strings.Contains(w[0].Message, "every X.509 signature is refused") {
		t.Errorf("warnings %q", w)
	}
}

func TestBadRevocationIsRefused(t *testing.T) {
	root, der := privateCA("Root")
	files := fstest.MapFS{
		"cert.crl": {Data: root.Raw}, "cert.pem": {Data: pemOf("CERTIFICATE", root.Raw)}, "text.crl": {Data: []byte("-----BEGIN nothing")},
		"cut.crl": {Data: der[:len(der)-1]}, "long.crl": {Data: append(slices.Clone(der), 0)}, "empty.crl": {Data: nil},
		"bad/ok.crl": {Data: der}, "bad/no.crl": {Data: []byte("x")}, "huge.crl": {Data: make([]byte, maxListFile+1)},
	}
	for crl, want := range map[string]string{
		"cert.crl": "it is no certificate revocation list", "cert.pem": `it holds a "CERTIFICATE"`, "text.crl": "it is no certificate revocation list",
		"cut.crl": "it is no certificate revocation list", "long.crl": "it is no certificate revocation list", "empty.crl": "it is no certificate revocation list",
		"bad": `"bad/no.crl" cannot be used`, "missing.crl": "file does not exist; file names are relative", "huge.crl": "more than 67108864 bytes",
	} {
		_, err := Parse("p", files, []byte("version: 1\nrevocation:\n  crls: ["+crl+"]\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "p:3:10: the revocation list ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", crl, err)
		}
	}
	for section, want := range map[string]string{
		"{unknown: block}": `p:2:23: "block" is not one of allow, refuse`, "{fetch: maybe}": "neither true nor false", "{crl: [a]}": `has no key "crl"; did you mean "crls"?`,
		"{crls: a.crl}": "is a list", "{max_stale: soon}": "is no duration", "{crls: []}": "this list is empty",
	} {
		_, err := Parse("p", files, []byte("version: 1\nrevocation: "+section+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", section, err)
		}
	}
}

func TestBadRootsOfAnAnchorAreRefused(t *testing.T) {
	root, der := privateCA("Root")
	files := fstest.MapFS{
		"list.pem": {Data: pemOf("X509 CRL", der)}, "none.pem": {Data: []byte("no certificate\n")}, "broken.pem": {Data: pemOf("CERTIFICATE", root.Raw[:50])},
	}
	for name, want := range map[string]string{
		"list.pem": `is a "X509 CRL"`, "none.pem": "no certificate", "broken.pem": "cannot be parsed", "missing.pem": "file does not exist",
	} {
		_, err := Parse("p", files, []byte("version: 1\nanchors: {a: {authenticode: {organization: A, roots: "+name+"}}}\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "p:2:") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Parse("p", files, []byte("version: 1\nanchors: {a: {authenticode: {organization: A, country: de}}}\n")); err == nil || !strings.Contains(err.Error(), "two capital letters") {
		t.Errorf("country: %v", err)
	}
}
