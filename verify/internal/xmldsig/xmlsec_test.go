package xmldsig

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// xmlsec is the xmlsec1 tool with a key.
type xmlsec struct {
	tool, dir, key string
	public         any
}

func newXMLSec(t *testing.T, private any) *xmlsec {
	t.Helper()
	tool, err := exec.LookPath("xmlsec1")
	if err != nil {
		t.Skip("xmlsec1 is not installed: signing with it is left out")
	}
	x := &xmlsec{tool: tool, dir: t.TempDir()}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	x.key = filepath.Join(x.dir, "key.pem")
	if err := os.WriteFile(x.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	switch k := private.(type) {
	case *rsa.PrivateKey:
		x.public = k.Public()
	case *ecdsa.PrivateKey:
		x.public = k.Public()
	}
	return x
}

// run signs or verifies a document; ids are the elements whose attribute Id is an identifier.
func (x *xmlsec) run(t *testing.T, mode string, doc []byte) ([]byte, bool) {
	t.Helper()
	in, out := filepath.Join(x.dir, "in.xml"), filepath.Join(x.dir, "out.xml")
	if err := os.WriteFile(in, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{mode, "--privkey-pem", x.key, "--id-attr:Id", NS + ":Object"}
	if mode == "--sign" {
		args = append(args, "--output", out)
	}
	msg, err := exec.CommandContext(t.Context(), x.tool, append(args, in)...).CombinedOutput()
	if err != nil {
		return msg, false
	}
	signed, _ := os.ReadFile(out)
	return signed, true
}

// template is a signature to be filled in, of the whole document or of an Object with the identifier o.
func template(form, method, digest, reference string) string {
	transforms := `<Transform Algorithm="` + NS + `enveloped-signature"/>`
	uri := ""
	if reference == "#o" {
		uri, transforms = reference, ""
	}
	return fmt.Sprintf(`<Signature xmlns="%s"><SignedInfo><CanonicalizationMethod Algorithm="%s"/><SignatureMethod Algorithm="%s"/>
 <Reference URI="%s"><Transforms>%s%s</Transforms><DigestMethod Algorithm="%s"/><DigestValue></DigestValue></Reference></SignedInfo><SignatureValue/></Signature>`,
		NS, form, method, uri, transforms, transform(form), digest)
}

func transform(form string) string {
	if strings.HasPrefix(form, nsExclusive) {
		return `<Transform Algorithm="` + form + `"><InclusiveNamespaces xmlns="` + nsExclusive + `" PrefixList="b #default"/></Transform>`
	}
	return `<Transform Algorithm="` + form + `"/>`
}

const (
	inclusive   = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
	sha256URI   = "http://www.w3.org/2001/04/xmlenc#sha256"
	rsaSHA256   = more + "rsa-sha256"
	ecdsaSHA256 = more + "ecdsa-sha256"
)

func rsaKey(t testing.TB) *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// verify follows the one reference of the one signature in a document.
func verify(doc []byte, key any) error {
	d, err := Parse(doc)
	if err != nil {
		return err
	}
	e := find(d.Root)
	if e == nil || d.Root.Count(NS, "Signature") != 1 {
		return malformed("not one signature")
	}
	s, err := d.ParseSignature(e)
	if err != nil {
		return err
	}
	if err := s.Verify(key); err != nil {
		return err
	}
	if len(s.References) != 1 {
		return malformed("not one reference")
	}
	if r := s.References[0]; r.URI != "" {
		o, err := s.Element.Only(NS, "Object")
		if err != nil {
			return err
		}
		return s.CheckElement(r, o)
	}
	return s.CheckDocument(s.References[0])
}

func find(e *Element) *Element {
	if e.Is(NS, "Signature") {
		return e
	}
	for _, c := range e.Elements() {
		if s := find(c); s != nil {
			return s
		}
	}
	return nil
}

// TestAcceptsWhatXMLSecSigns signs random documents, enveloped and as an Object, in all ways, and changes them.
func TestAcceptsWhatXMLSecSigns(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rng := mathrand.New(mathrand.NewPCG(3, 4))
	for _, way := range []struct {
		key                  any
		form, method, digest string
	}{
		{rsaKey(t), inclusive, rsaSHA256, sha256URI},
		{rsaKey(t), inclusive + "#WithComments", NS + "rsa-sha1", NS + "sha1"},
		{rsaKey(t), nsExclusive, more + "rsa-sha384", more + "sha384"},
		{rsaKey(t), nsExclusive + "WithComments", more + "rsa-sha512", "http://www.w3.org/2001/04/xmlenc#sha512"},
		{ec, nsExclusive, ecdsaSHA256, sha256URI},
	} {
		x := newXMLSec(t, way.key)
		for i := range 2 {
			reference := []string{"", "#o"}[i%2]
			sig := template(way.form, way.method, way.digest, reference)
			inner := generateValid(rng)
			if reference == "#o" {
				sig = strings.Replace(sig, "</Signature>", `<Object Id="o" xml:lang="x"><!-- c -->`+inner+`</Object></Signature>`, 1)
				inner = ""
			}
			doc := `<?p q?><w:root xmlns:w="urn:w" xmlns:b="urn:outer" xmlns="urn:default" xml:space="preserve" w:k="&#13;">` + inner + "<w:x>" + sig + "</w:x>\r\n</w:root><!-- z -->"
			signed, ok := x.run(t, "--sign", []byte(doc))
			if !ok {
				t.Fatalf("xmlsec1 does not sign: %s\n%s", signed, doc)
			}
			if err := verify(signed, x.public); err != nil {
				t.Fatalf("%s, %s: %v\n%s", way.form, way.method, err, signed)
			}
			x.changed(t, rng, signed)
		}
	}
}

func generateValid(rng *mathrand.Rand) string {
	for {
		if doc := generate(rng); len(doc) < 4000 {
			if _, err := Parse([]byte(doc)); err == nil {
				return doc
			}
		}
	}
}

// changed flips bits of a signed document: what we accept xmlsec1 must accept, too.
func (x *xmlsec) changed(t *testing.T, rng *mathrand.Rand, signed []byte) {
	t.Helper()
	accepted := 0
	for range 100 {
		b := bytes.Clone(signed)
		b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		if verify(b, x.public) != nil {
			continue
		}
		if accepted++; accepted > 2 {
			continue
		}
		if msg, ok := x.run(t, "--verify", b); !ok {
			t.Fatalf("accepted by us, refused by xmlsec1: %s\n%s", msg, b)
		}
	}
}
