package policy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// rootPEM is a file of one root certificate.
var rootPEM = sync.OnceValue(func() []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Acme CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
})

const keyA = "RWTqE843E5pNB/K7mKCGSHTtsi+X8ipor1EQlAG5cJwvWmnYiq+aQJHw"

func anchored(anchor string) string {
	return "version: 1\nanchors: {a: " + anchor + "}\nchannels: [{name: c, hosts: [example.org], require: [{signed_by: [a]}]}]\n"
}

func TestKeysReachTheVerifiers(t *testing.T) {
	files := fstest.MapFS{
		"two.pub": {Data: []byte("untrusted comment: one\n" + keyA + "\nuntrusted comment: two\r\nRWR35TKDJJTSwgvgtwx21j+gLtjOyTiuLUHxwLofdQILpTHyowANLpK/\r\n")},
		"ca.pem":  {Data: append(rootPEM(), rootPEM()...)},
	}
	for _, c := range []struct {
		anchor, system string
		keys, roots    int
	}{
		{"{minisign: {key: " + keyA + "}}", "minisign", 1, 0},
		{"{minisign: {key: " + keyA + ", keys: [RWR35TKDJJTSwgvgtwx21j+gLtjOyTiuLUHxwLofdQILpTHyowANLpK/], file: two.pub}}", "minisign", 4, 0},
		{"{signify: {file: two.pub}}", "signify", 2, 0},
		{"{cms: {roots: ca.pem}}", "", 0, 2},
	} {
		p, err := Parse("p", files, []byte(anchored(c.anchor)))
		if err != nil {
			t.Errorf("%s: %v", c.anchor, err)
			continue
		}
		trust := p.Trust(verify.Trust{})
		if len(trust.PublicKeys) != c.keys || len(trust.Authorities) != min(c.roots, 1) {
			t.Fatalf("%s: %d keys and %d authorities", c.anchor, len(trust.PublicKeys), len(trust.Authorities))
		}
		for _, k := range trust.PublicKeys {
			if k.Anchor != "a" || k.System != c.system || len(k.Data) != bareKeySize {
				t.Errorf("%s: %+v", c.anchor, k)
			}
		}
		if c.roots > 0 && len(trust.Authorities[0].Roots) != c.roots {
			t.Errorf("%s: %d roots", c.anchor, len(trust.Authorities[0].Roots))
		}
		if !p.Plan(Request{URL: mustURL(t, "https://example.org/a.bin")}).Sidecars {
			t.Errorf("%s: nothing beside the update is fetched", c.anchor)
		}
	}
}

func TestEpochChangesWithKeysAndRoots(t *testing.T) {
	seen := map[string]string{}
	for _, anchor := range []string{
		"{minisign: {key: " + keyA + "}}", "{minisign: {key: RWR35TKDJJTSwgvgtwx21j+gLtjOyTiuLUHxwLofdQILpTHyowANLpK/}}", "{signify: {key: " + keyA + "}}", "{cms: {roots: ca.pem}}",
	} {
		p, err := Parse("p", fstest.MapFS{"ca.pem": {Data: rootPEM()}}, []byte(anchored(anchor)))
		if err != nil {
			t.Fatal(err)
		}
		epoch := p.Trust(verify.Trust{}).Epoch
		if other, again := seen[epoch]; again {
			t.Errorf("%s and %s have one epoch", anchor, other)
		}
		seen[epoch] = anchor
	}
}

func TestBadKeysAndRootsAreRefused(t *testing.T) {
	zero := base64.StdEncoding.EncodeToString(append([]byte("Ed12345678"), append([]byte{1}, make([]byte, 31)...)...))
	secret := base64.StdEncoding.EncodeToString(append([]byte("EdB2"), make([]byte, 154)...))
	files := fstest.MapFS{
		"empty.pub": {Data: []byte("untrusted comment: no key\n")}, "secret.pub": {Data: []byte("untrusted comment: x\n" + secret + "\n")},
		"none.pem": {Data: []byte("nothing")}, "key.pem": {Data: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}})},
		"bad.pem": {Data: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0}})},
	}
	for _, c := range []struct{ anchor, want string }{
		{"{minisign: {key: RWQ}}", "no public key of minisign"},
		{"{minisign: {keys: [" + zero + "]}}", "cannot be one"},
		{"{minisign: {}}", "needs key, keys or file"},
		{"{signify: {file: empty.pub}}", "no key in it"},
		{"{signify: {file: secret.pub}}", "no public key"},
		{"{signify: {file: missing.pub}}", "cannot be read"},
		{"{cms: {organization: Acme}}", "roots"},
		{"{cms: {roots: none.pem}}", "no certificate in it"},
		{"{cms: {roots: key.pem}}", "PRIVATE KEY"},
		{"{cms: {roots: bad.pem}}", "cannot be parsed"},
		{"{cms: {roots: missing.pem}}", "cannot be read"},
	} {
		_, err := Parse("p", files, []byte(anchored(c.anchor)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.anchor, err, c.want)
		}
	}
}
