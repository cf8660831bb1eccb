package main

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/sallyport-project/sallyport/verify/signify/signifytest"
)

// releaseKey is an OpenPGP key of a vendor, made for the test.
type releaseKey struct {
	entity *openpgp.Entity
	config *packet.Config
}

func newReleaseKey(t *testing.T, name string) releaseKey {
	t.Helper()
	then := time.Now().Add(-time.Hour)
	c := &packet.Config{Time: func() time.Time { return then }, DefaultHash: crypto.SHA256, Algorithm: packet.PubKeyAlgoEdDSA}
	e, err := openpgp.NewEntity(name, "", "release@example.org", c)
	if err != nil {
		t.Fatal(err)
	}
	return releaseKey{e, c}
}

func (k releaseKey) public(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := k.entity.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (k releaseKey) sign(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&b, []*openpgp.Entity{k.entity}, bytes.NewReader(data), &openpgp.SignParams{Config: k.config}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sloppy answers what does not exist with a page and the status of success, as many servers do.
type sloppy struct{ *files }

// ServeHTTP implements http.Handler.
func (s sloppy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	_, ok := s.by[r.URL.Path]
	s.mu.Unlock()
	if !ok {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!DOCTYPE html><html><title>Nothing here</title></html>")
		return
	}
	s.files.ServeHTTP(w, r)
}

// A tarball with each kind of signature beside it is let through for whoever signed it, and for nobody else.
func TestPlainSignaturesThroughTheProxy(t *testing.T) {
	vendor, stranger := newReleaseKey(t, "Vendor"), newReleaseKey(t, "Stranger")
	bare, other := signifytest.NewKey(t, 1), signifytest.NewKey(t, 2)
	mini := func(k *signifytest.Key, name string) func([]byte) map[string][]byte {
		return func(data []byte) map[string][]byte {
			return map[string][]byte{".minisig": k.Minisign(data, true, "timestamp:1700000000\tfile:"+name+"\thashed")}
		}
	}
	asc := func(k releaseKey) func([]byte) map[string][]byte {
		return func(data []byte) map[string][]byte { return map[string][]byte{".asc": k.sign(t, data)} }
	}
	sums := func(keys ...releaseKey) func([]byte) map[string][]byte {
		return func(data []byte) map[string][]byte {
			list := []byte(fmt.Sprintf("%x  tool.tar.gz\n", sha256.Sum256(data)))
			out := map[string][]byte{"SHA256SUMS": list}
			for _, k := range keys {
				out["SHA256SUMS.asc"] = k.sign(t, list)
			}
			return out
		}
	}
	cases := []struct {
		name   string
		beside func(signed []byte) map[string][]byte
		tamper bool
		status string
		code   string
	}{
		{"openpgp", asc(vendor), false, "200", "openpgp/valid"},
		{"openpgp-tampered", asc(vendor), true, "403", "openpgp/bad-signature"},
		{"openpgp-foreign", asc(stranger), false, "403", "openpgp/unknown-key"},
		{"minisign", mini(bare, "tool.tar.gz"), false, "200", "minisign/valid"},
		{"minisign-tampered", mini(bare, "tool.tar.gz"), true, "403", "minisign/bad-signature"},
		{"minisign-other-file", mini(bare, "older-tool.tar.gz"), false, "403", "minisign/wrong-file"},
		{"minisign-foreign", mini(other, "tool.tar.gz"), false, "403", "minisign/unknown-key"},
		{"checksums", sums(vendor), false, "200", "checksums/valid"},
		{"checksums-tampered", sums(vendor), true, "403", "checksums/digest-mismatch"},
		{"checksums-foreign", sums(stranger), false, "403", "checksums/untrusted-list"},
		{"checksums-unsigned", sums(), false, "403", "checksums/unsigned"},
		{"nothing", func([]byte) map[string][]byte { return nil }, false, "403", "openpgp/unsigned"},
	}
	bodies := map[string][]byte{}
	for _, pages := range []bool{false, true} {
		origin := newFiles()
		for _, c := range cases {
			// Every case has a file of its own: the log has one record for one file.
			body := append([]byte("\x1f\x8b\x08\x00"), bytes.Repeat([]byte(c.name+" released "), 5000)...)
			sidecars := c.beside(body)
			if c.tamper {
				body[30000] ^= 1
			}
			bodies[c.name] = body
			origin.put("/"+c.name+"/tool.tar.gz", body)
			for name, data := range sidecars {
				if strings.HasPrefix(name, ".") {
					name = "tool.tar.gz" + name
				}
				origin.put("/"+c.name+"/"+name, data)
			}
		}
		var handler http.Handler = origin
		if pages {
			handler = sloppy{origin}
		}
		g := newGateway(t, fmt.Sprintf(`version: 1
anchors:
  vendor: {openpgp: {keyring: vendor.gpg}}
  vendor-mini: {minisign: {key: %s}}
channels:
- {name: tools, hosts: [dl.example], paths: ["/**"], require: [{signed_by: [vendor, vendor-mini]}]}
`, base64.StdEncoding.EncodeToString(bare.Public("", "").Data)), map[string]string{"dl.example": tlsOrigin(t, handler, "dl.example")})
		g.write("vendor.gpg", vendor.public(t))
		g.start()
		for _, c := range cases {
			t.Run(fmt.Sprintf("%s, pages %v", c.name, pages), func(t *testing.T) {
				got := g.curl("https://dl.example/" + c.name + "/tool.tar.gz")
				if got.status != c.status || c.status == "200" != bytes.Equal(got.body, bodies[c.name]) {
					t.Errorf("status %s, %d bytes: %.400s", got.status, len(got.body), got.header)
				}
				if rec := g.decisions()[0]; !strings.Contains(codes(rec), c.code) {
					t.Errorf("the log says %q, want %s", codes(rec), c.code)
				}
			})
		}
		g.stop()
	}
}

// What is not asked for is not fetched: a channel without such an anchor costs its origin no requests.
func TestNoSidecarsWithoutNeed(t *testing.T) {
	vendor := newReleaseKey(t, "Vendor")
	origin := newFiles()
	origin.put("/tool.tar.gz", []byte("\x1f\x8b\x08\x00 tool"))
	g := newGateway(t, `version: 1
anchors:
  vendor: {openpgp: {keyring: vendor.gpg}}
  windows: {authenticode: {organization: Vendor}}
channels:
- {name: tools, hosts: [dl.example], paths: ["/**"], require: [{signed_by: [windows]}]}
- {name: signed, hosts: [other.example], require: [{signed_by: [vendor]}]}
`, map[string]string{"dl.example": tlsOrigin(t, origin, "dl.example")})
	g.write("vendor.gpg", vendor.public(t))
	g.start()
	if got := g.curl("https://dl.example/tool.tar.gz"); got.status != "403" {
		t.Errorf("status %s", got.status)
	}
	origin.mu.Lock()
	defer origin.mu.Unlock()
	if len(origin.seen) != 1 {
		t.Errorf("the origin was asked for %v", origin.seen)
	}
}
