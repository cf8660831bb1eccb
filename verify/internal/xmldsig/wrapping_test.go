package xmldsig

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// signObject makes a signature with an Object, without the package's own canonical form: everything is written as it is
// in canonical form already, but for the namespace that an element inherits.
func signObject(t testing.TB, key *rsa.PrivateKey, body string) string {
	t.Helper()
	declared := ` xmlns="` + NS + `"`
	object := `<Object Id="o">` + body + `</Object>`
	sum := sha256.Sum256([]byte(strings.Replace(object, "<Object", "<Object"+declared, 1)))
	info := fmt.Sprintf(`<SignedInfo><CanonicalizationMethod Algorithm="%s"></CanonicalizationMethod><SignatureMethod Algorithm="%s"></SignatureMethod><Reference URI="#o"><DigestMethod Algorithm="%s"></DigestMethod><DigestValue>%s</DigestValue></Reference></SignedInfo>`,
		inclusive, rsaSHA256, sha256URI, base64.StdEncoding.EncodeToString(sum[:]))
	hash := sha256.Sum256([]byte(strings.Replace(info, "<SignedInfo", "<SignedInfo"+declared, 1)))
	value, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, hash[:])
	if err != nil {
		t.Fatal(err)
	}
	return `<Signature` + declared + `>` + info + `<SignatureValue>` + base64.StdEncoding.EncodeToString(value) + `</SignatureValue>` + object + `</Signature>`
}

// TestWrapping holds the ways to make a signature of one thing look like one of another.
func TestWrapping(t *testing.T) {
	key := rsaKey(t)
	good := signObject(t, key, "<a>good</a>")
	if err := verify([]byte(good), &key.PublicKey); err != nil {
		t.Fatal(err)
	}
	replace := func(old, by string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("nothing to replace: %s", old)
		}
		return strings.Replace(good, old, by, 1)
	}
	evil := `<Object Id="o"><a>evil</a></Object>`
	object := good[strings.Index(good, "<Object") : strings.Index(good, "</Object>")+len("</Object>")]
	info := good[strings.Index(good, "<SignedInfo") : strings.Index(good, "</SignedInfo>")+len("</SignedInfo>")]
	for name, doc := range map[string]string{
		"changed content":            replace("good", "evil"),
		"two objects with one id":    replace(object, evil+object),
		"the signed one elsewhere":   `<r>` + object + replace(object, evil) + `</r>`,
		"the signed one inside":      replace(object, `<Object Id="o"><a>evil</a>`+object+`</Object>`),
		"same id under another name": replace(object, strings.Replace(object, "<a>", `<a ID="o">`, 1)),
		"same id on the signature":   replace("<Signature ", `<Signature Id="o" `),
		"same id as xml:id":          `<r xml:id="o">` + good + `</r>`,
		"two SignedInfo":             replace(info, info+info),
		"two signatures":             `<r>` + good + good + `</r>`,
		"a signature in an object":   replace("<a>good</a>", good),
		"comment in the digest":      replace("</DigestValue>", "<!-- x --></DigestValue>"),
		"comment in SignedInfo":      replace("<SignedInfo>", "<SignedInfo><!-- x -->"),
		"instruction in SignedInfo":  replace("<SignedInfo>", "<SignedInfo><?x?>"),
		"text in SignedInfo":         replace("<SignedInfo>", "<SignedInfo>x"),
		"another namespace":          strings.Replace(good, NS, NS+"x", 1),
		"unknown digest":             replace(sha256URI, "http://www.w3.org/2001/04/xmldsig-more#md5"),
		"unknown signature":          replace(rsaSHA256, NS+"hmac-sha1"),
		"unknown canonicalisation":   replace(inclusive, "http://www.w3.org/TR/1999/REC-xslt-19991116"),
		"another reference":          replace("#o", "#p"),
		"no reference":               replace(`URI="#o"`, `URI=""`),
		"an XPointer":                replace("#o", "#xpointer(id('o'))"),
		"spare base64 bits":          replace("=</DigestValue>", "A</DigestValue>"),
		"an xslt transform":          replace("<DigestMethod", `<Transforms><Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/></Transforms><DigestMethod`),
		"an unknown element":         replace("</Signature>", "<x/></Signature>"),
		"an unknown attribute":       replace("<SignatureValue>", `<SignatureValue x="">`),
		"a document type":            `<!DOCTYPE Signature>` + good,
	} {
		if err := verify([]byte(doc), &key.PublicKey); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := verify([]byte(replace("good", "evil")), &key.PublicKey); !errors.Is(err, ErrDigest) {
		t.Errorf("changed content: %v, want ErrDigest", err)
	}
	if err := verify([]byte(good), &rsaKey(t).PublicKey); !errors.Is(err, ErrSignature) {
		t.Errorf("another key: %v, want ErrSignature", err)
	}
}

func TestRelationshipsTransform(t *testing.T) {
	const part = "<?xml version=\"1.0\"?>\r\n<Relationships xmlns=\"" + NSRelationships + "\">\n <Relationship Type=\"t2\" Id=\"b\" Target=\"/y\" TargetMode=\"External\"/>" +
		"\n <Relationship Target=\"/x\" Id=\"a\" Type=\"t1\"/><Relationship Target=\"/z\" Id=\"B\" Type=\"t3\"/></Relationships>"
	const head, tail = `<Relationships xmlns="` + NSRelationships + `">`, `</Relationships>`
	a := `<Relationship Id="a" Target="/x" TargetMode="Internal" Type="t1"></Relationship>`
	b := `<Relationship Id="b" Target="/y" TargetMode="External" Type="t2"></Relationship>`
	upper := `<Relationship Id="B" Target="/z" TargetMode="Internal" Type="t3"></Relationship>`
	for parameters, want := range map[string]struct {
		text string
		all  bool
	}{
		`<m:RelationshipReference SourceId="a"/>`:                                                                               {a, false},
		`<m:RelationshipReference SourceId="b"/><m:RelationshipReference SourceId="a"/>`:                                        {a + b, false},
		`<m:RelationshipReference SourceId="b"/><m:RelationshipReference SourceId="a"/><m:RelationshipReference SourceId="B"/>`: {upper + a + b, true},
		`<m:RelationshipsGroupReference SourceType="t1"/><m:RelationshipsGroupReference SourceType="t3"/>`:                      {upper + a, false},
		`<m:RelationshipReference SourceId="nothing"/>`:                                                                         {"", false},
	} {
		r := reference(t, `<Transform Algorithm="`+transformRelationship+`" xmlns:m="`+NSDigital+`">`+parameters+`</Transform><Transform Algorithm="`+inclusive+`"/>`)
		got, all, err := r.Transform([]byte(part))
		if err != nil || string(got) != head+want.text+tail || all != want.all {
			t.Errorf("%s:\n got %s, all %v, %v\nwant %s", parameters, got, all, err, head+want.text+tail)
		}
	}
	r := reference(t, `<Transform Algorithm="`+transformRelationship+`"/>`)
	if _, _, err := r.Transform([]byte(part)); err == nil {
		t.Error("accepted without canonicalisation")
	}
	r = reference(t, `<Transform Algorithm="`+transformRelationship+`"/><Transform Algorithm="`+inclusive+`"/>`)
	for _, bad := range []string{head + `<Relationship Id="a"/><Relationship Id="a"/>` + tail, `<x/>`, head + `<x/>` + tail, head + `text` + tail, head + `<Relationship Id="a" x=""/>` + tail, "no XML"} {
		if _, _, err := r.Transform([]byte(bad)); err == nil {
			t.Errorf("accepted: %s", bad)
		}
	}
}

// reference returns a reference with some transforms.
func reference(t *testing.T, transforms string) Reference {
	t.Helper()
	sum := base64.StdEncoding.EncodeToString(make([]byte, 32))
	d, err := Parse([]byte(`<Manifest xmlns="` + NS + `"><Reference URI="/x"><Transforms>` + transforms + `</Transforms><DigestMethod Algorithm="` + sha256URI + `"/><DigestValue>` + sum + `</DigestValue></Reference></Manifest>`))
	if err != nil {
		t.Fatal(err)
	}
	list, err := ReadManifest(d.Root)
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}
