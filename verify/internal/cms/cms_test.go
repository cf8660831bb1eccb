package cms_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"testing"
	"time"

	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

var now = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func parse(t *testing.T, der []byte) *cms.Certificate {
	t.Helper()
	c, err := cms.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOIDString(t *testing.T) {
	for oid, want := range map[cms.OID]string{
		cms.NewOID(1, 2, 840, 113549, 1, 7, 2):                  "1.2.840.113549.1.7.2",
		cms.NewOID(2, 5, 29, 37):                                "2.5.29.37",
		cms.NewOID(2, 999, 3):                                   "2.999.3",
		cms.OID("\x2a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"): "0x2affffffffffffffffff7f",
	} {
		if got := oid.String(); got != want {
			t.Errorf("%x = %s, want %s", string(oid), got, want)
		}
	}
}

func TestParseCertificateReadsWhatCountsInPaths(t *testing.T) {
	root := at.NewCA("Root")
	c := parse(t, root.Issue(at.Leaf{Organization: "Acme Ltd", CommonName: "Acme Signer"}).Certificate.Raw)
	if c.Subject != (cms.Name{CommonName: "Acme Signer", Organization: "Acme Ltd", Country: "DE"}) || c.Issuer.CommonName != "Root" {
		t.Errorf("subject %+v, issuer %+v", c.Subject, c.Issuer)
	}
	if !c.Allows(cms.OIDCodeSigning) || c.Allows(cms.OIDTimeStamping) || !c.NotAfter.Equal(at.LeafEnd) || c.SignatureHash() != crypto.SHA256 {
		t.Errorf("usage, validity or signature algorithm not read: %+v", c)
	}
}

// paths are small forests; each has one thing wrong with it.
func TestPath(t *testing.T) {
	root := at.NewCA("Root")
	inter := root.Intermediate("Intermediate")
	deep := inter.Intermediate("Deeper")
	for name, c := range map[string]struct {
		signer *at.Signer
		drop   bool // the intermediates are missing
		at     time.Time
		usage  cms.OID
		reason cms.PathReason
		ok     bool
	}{
		"directly below the root":  {signer: root.Issue(at.Leaf{}), ok: true},
		"below two intermediates":  {signer: deep.Issue(at.Leaf{}), ok: true},
		"intermediate missing":     {signer: inter.Issue(at.Leaf{}), drop: true, reason: cms.NoRoot},
		"other root of that name":  {signer: at.NewCA("Root").Issue(at.Leaf{}), reason: cms.NoRoot},
		"expired":                  {signer: root.Issue(at.Leaf{}), at: at.LeafEnd.Add(time.Second), reason: cms.OutOfTime},
		"valid to the last second": {signer: root.Issue(at.Leaf{}), at: at.LeafEnd, ok: true},
		"not valid yet":            {signer: root.Issue(at.Leaf{}), at: at.LeafStart.Add(-time.Second), reason: cms.OutOfTime},
		"other usage":              {signer: root.Issue(at.Leaf{}), usage: cms.OIDTimeStamping, reason: cms.WrongUsage},
		"issuer for other usage":   {signer: root.Intermediate("TSA CA", x509.ExtKeyUsageTimeStamping).Issue(at.Leaf{}), reason: cms.WrongUsage},
		"issuer for any usage":     {signer: root.Intermediate("Any CA", x509.ExtKeyUsageAny).Issue(at.Leaf{}), ok: true},
		"leaf for any usage":       {signer: root.Issue(at.Leaf{Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}), reason: cms.WrongUsage},
		"leaf issued by a leaf":    {signer: root.Issue(at.Leaf{}).AsCA().Issue(at.Leaf{}), reason: cms.Unfit},
		"unknown critical":         {signer: root.Issue(at.Leaf{Extensions: extension(asn1.ObjectIdentifier{1, 2, 3}, true, 5, 0)}), reason: cms.Unfit},
		"unknown harmless":         {signer: root.Issue(at.Leaf{Extensions: extension(asn1.ObjectIdentifier{1, 2, 3}, false, 5, 0)}), ok: true},
	} {
		t.Run(name, func(t *testing.T) {
			var pool []*cms.Certificate
			for _, der := range c.signer.Chain {
				if !c.drop {
					pool = append(pool, parse(t, der))
				}
			}
			if c.at.IsZero() {
				c.at = now
			}
			if c.usage == "" {
				c.usage = cms.OIDCodeSigning
			}
			p := cms.NewPool(pool, cms.NewRoots([]*x509.Certificate{root.Certificate}), cms.NewChecks(256))
			path, err := p.Path(parse(t, c.signer.Certificate.Raw), c.usage, c.at)
			var pathErr *cms.PathError
			switch {
			case c.ok && (err != nil || !bytes.Equal(path.Root().Raw, root.Certificate.Raw)):
				t.Errorf("path of %d, %v", len(path), err)
			case !c.ok && (!errors.As(err, &pathErr) || pathErr.Reason != c.reason):
				t.Errorf("error = %#v, want reason %d", err, c.reason)
			}
		})
	}
}

func extension(id asn1.ObjectIdentifier, critical bool, value ...byte) []pkix.Extension {
	return []pkix.Extension{{Id: id, Critical: critical, Value: value}}
}

// TestPathSearchIsBounded offers many issuers of one name and key for every certificate, which makes the number of
// chains exponential.
func TestPathSearchIsBounded(t *testing.T) {
	root := at.NewCA("Root")
	var pool []*cms.Certificate
	ca := at.NewCA("Loop")
	for range 100 {
		pool = append(pool, parse(t, ca.AsLoop().Certificate.Raw))
	}
	start := time.Now()
	p := cms.NewPool(pool, cms.NewRoots([]*x509.Certificate{root.Certificate}), cms.NewChecks(256))
	if _, err := p.Path(parse(t, ca.Issue(at.Leaf{}).Certificate.Raw), cms.OIDCodeSigning, now); err == nil {
		t.Error("found a path where there is none")
	}
	p.Vouched()
	t.Logf("took %s", time.Since(start))
}

func TestSignedAttributesAreRequired(t *testing.T) {
	image := at.BuildPE(at.Image{})
	signer := at.NewCA("Root").Issue(at.Leaf{})
	d, err := cms.ParseContentInfo(at.SignedData(image, at.Signature{Signer: signer}))
	if err != nil {
		t.Fatal(err)
	}
	si, leaf := d.Signers[0], cms.FindSigner(d.Signers[0], d.Certificates)
	if err := si.Verify(leaf, d.ContentType, d.Content); err != nil {
		t.Fatalf("a good signature: %v", err)
	}
	if err := si.Verify(leaf, cms.OIDData, d.Content); err == nil {
		t.Error("accepted for another content type")
	}
	if err := si.Verify(leaf, d.ContentType, append(bytes.Clone(d.Content), 0)); !errors.Is(err, cms.ErrDigest) {
		t.Errorf("other content: %v", err)
	}
	if err := si.Verify(parse(t, at.NewCA("Root").Issue(at.Leaf{}).Certificate.Raw), d.ContentType, d.Content); err == nil {
		t.Error("accepted with another key")
	}
	si.Signed = nil
	if err := si.Verify(leaf, d.ContentType, d.Content); err == nil {
		t.Error("accepted without signed attributes")
	}
}

func TestParseContentInfoRefusesWhatDERForbids(t *testing.T) {
	good := at.SignedData(at.BuildPE(at.Image{}), at.Signature{Signer: at.NewCA("Root").Issue(at.Leaf{})})
	indefinite := bytes.Clone(good)
	indefinite[1] = 0x80
	for defect, der := range map[string][]byte{
		"nothing":             nil,
		"cut":                 good[:len(good)-1],
		"trailing byte":       append(bytes.Clone(good), 0),
		"indefinite length":   indefinite,
		"length of gigabytes": {0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 6, 9},
		"nested sequences":    bytes.Repeat([]byte{0x30, 0x80}, 10000),
	} {
		if _, err := cms.ParseContentInfo(der); !errors.Is(err, cms.ErrMalformed) {
			t.Errorf("%s: error = %v", defect, err)
		}
	}
}

// FuzzParseContentInfo looks for inputs on which the parsers or the checks panic.
func FuzzParseContentInfo(f *testing.F) {
	image := at.BuildPE(at.Image{})
	root := at.NewCA("Root")
	signer, tsa := root.Issue(at.Leaf{}), root.TSA("TSA")
	for _, s := range []at.Signature{
		{Signer: signer},
		{Signer: signer, Timestamp: &at.Timestamp{Authority: tsa, Time: now}},
		{Signer: signer, Timestamp: &at.Timestamp{Authority: tsa, Time: now, Legacy: true}},
		{Signer: root.Issue(at.Leaf{RSA: true}), PSS: true, Nested: []at.Signature{{Signer: signer}}},
	} {
		f.Add(at.SignedData(image, s))
	}
	roots := cms.NewRoots([]*x509.Certificate{root.Certificate})
	f.Fuzz(func(t *testing.T, der []byte) {
		d, err := cms.ParseContentInfo(der)
		if err != nil {
			if !errors.Is(err, cms.ErrMalformed) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		cms.ParseIndirectData(d)
		p := cms.NewPool(d.Certificates, roots, cms.NewChecks(256))
		p.Vouched()
		for _, si := range d.Signers {
			if leaf := cms.FindSigner(si, d.Certificates); leaf != nil {
				_ = si.Verify(leaf, d.ContentType, d.Content)
				p.Path(leaf, cms.OIDCodeSigning, now)
				p.Above(leaf)
			}
			for _, a := range si.Unsigned {
				for _, v := range a.Values {
					cms.ParseTimestamp(v, si.Signature, d.Certificates)
					cms.ParseCountersignature(v, si.Signature, d.Certificates)
				}
			}
		}
	})
}

// FuzzParseCertificate looks for inputs on which the certificate parser panics.
func FuzzParseCertificate(f *testing.F) {
	root := at.NewCA("Root")
	f.Add(root.Certificate.Raw)
	f.Add(root.Issue(at.Leaf{}).Certificate.Raw)
	f.Add(root.Issue(at.Leaf{RSA: true}).Certificate.Raw)
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := cms.ParseCertificate(der)
		if err != nil {
			return
		}
		if !bytes.Equal(c.Raw, der) {
			t.Fatal("the parsed certificate is not all of the input")
		}
		c.PublicKey()
		c.SignatureHash()
	})
}
