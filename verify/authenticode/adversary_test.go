package authenticode

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
	"slices"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

// extensionOf is a certificate of nobody's with value in an everyday extension.
func extensionOf(value []byte) [][]byte {
	ext := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 9}, Value: value}
	return [][]byte{at.NewCA("Nobody").Issue(at.Leaf{Extensions: []pkix.Extension{ext}}).Certificate.Raw}
}

// TestNothingRunsFromTheCertificateTable guards against signed programs that are something else as well: an HTML
// application (Zloader, 2021) or a Java archive (CVE-2020-1464), stored where no signature covers it.
func TestNothingRunsFromTheCertificateTable(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	image := at.BuildPE(at.Image{})
	sign := func(s at.Signature) []byte { s.Signer = w.vendor; return at.Sign(image, s) }
	signed := sign(at.Signature{})
	omaha := func(text string) []byte {
		return append(binary.BigEndian.AppendUint16([]byte("Gact2.0Omaha"), uint16(len(text))), text...)
	}
	script := []byte("<SCRIPT language=vbscript>CreateObject(\"WScript.Shell\").Run \"calc\"</SCRIPT>")
	zip := append([]byte("PK\x05\x06"), make([]byte, 18)...)
	hostile := at.NewCA("Nobody").Issue(at.Leaf{Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 9}, Value: script}},
		Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping, x509.ExtKeyUsageCodeSigning}})
	run := func(name string, data []byte, list ...string) {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: data, Env: w.env, Want: want(list...), Flips: -1})
	}
	run("a script in a foreign certificate", sign(at.Signature{Certificates: extensionOf(script)}),
		"valid:valid", "invalid:hidden-data", "valid:superfluous-certificate")
	run("the end of a zip file in a foreign certificate", sign(at.Signature{Certificates: extensionOf(zip)}),
		"valid:valid", "invalid:hidden-data", "valid:superfluous-certificate")
	run("a script in an untrusted timestamp", sign(at.Signature{Timestamp: &at.Timestamp{Authority: hostile, Time: now.AddDate(-1, 0, 0)}}),
		"valid:valid", "invalid:hidden-data", "invalid:hidden-data")
	run("a script in an untrusted nested signature", sign(at.Signature{Nested: []at.Signature{{Signer: hostile}}}),
		"valid:valid", "untrusted:untrusted-root", "invalid:hidden-data", "invalid:hidden-data")
	run("a script in an Omaha tag", at.Stuff(signed, omaha("a="+string(script))), "valid:valid", "invalid:padding-data")
	run("a script in Mozilla's area", at.Stuff(signed, append([]byte("__MOZCUSTOM__:"), script...)), "valid:valid", "invalid:padding-data")
	run("a certificate that speaks of scripts", sign(at.Signature{Certificates: extensionOf([]byte("no <scripting> here, a < body, PK"))}),
		"valid:valid", "valid:superfluous-certificate")
}

// TestUnprovenBytesAreBoundedTogether gives each untrusted thing an honest size, and there are many of them.
func TestUnprovenBytesAreBoundedTogether(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	image := at.BuildPE(at.Image{})
	tsa := func(ca *at.CA, n int) *at.Signer {
		return ca.Issue(at.Leaf{Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
			Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 9}, Value: noise(n)}}})
	}
	stamp := func(s *at.Signer) *at.Timestamp { return &at.Timestamp{Authority: s, Time: now.AddDate(-1, 0, 0)} }
	run := func(name string, s at.Signature, list ...string) {
		s.Signer = w.vendor
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: at.Sign(image, s), Env: w.env, Want: want(list...), Flips: -1})
	}
	run("an authority of another public-key infrastructure", at.Signature{Timestamp: stamp(tsa(at.NewCA("Retired").Intermediate("Retired TSA"), 100))}, "valid:valid")

	loop := at.NewCA("Loop")
	legacy := stamp(tsa(loop, 100))
	legacy.Legacy = true
	var above [][]byte
	for range 20 {
		above = append(above, caWith(loop, noise(1900)))
	}
	run("authorities above an untrusted countersigner", at.Signature{Timestamp: legacy, Certificates: above}, "valid:valid", "invalid:hidden-data")

	run("many untrusted timestamps", at.Signature{More: slices.Repeat([]*at.Timestamp{stamp(tsa(loop, 1900))}, 12)}, "valid:valid", "invalid:hidden-data")
	run("more timestamps than are checked", at.Signature{More: slices.Repeat([]*at.Timestamp{w.stamp(2022)}, 17)}, "valid:valid", "invalid:malformed")
}

// caWith makes one more certificate for a root's name and key, issued by itself.
func caWith(ca *at.CA, value []byte) []byte {
	return ca.AsLoop(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 9}, Value: value}).Certificate.Raw
}

// TestChecksOfCertificatesAreBounded offers certificates that all signed one another: a thousand signatures in a file
// of some KiB, which take minutes where each timestamp begins anew.
func TestChecksOfCertificatesAreBounded(t *testing.T) {
	w := newWorld()
	loop := at.NewCA("Loop")
	var clique [][]byte
	for range 40 {
		clique = append(clique, loop.AsLoop().Certificate.Raw)
	}
	image := at.Sign(at.BuildPE(at.Image{}), at.Signature{
		Signer: w.vendor, Certificates: clique, Timestamp: &at.Timestamp{Authority: loop.TSA("TSA"), Time: now.AddDate(-1, 0, 0)}})
	found, err := New().Verify(t.Context(), artifactOf(image), w.env)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Code == "authenticode/malformed" {
			return
		}
	}
	t.Errorf("findings = %+v, want one about too many certificates", found)
}

func artifactOf(b []byte) *verify.Artifact {
	return &verify.Artifact{Size: int64(len(b)), Content: bytes.NewReader(b)}
}

func TestSignerStatementsThatReadersDisagreeOn(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	image := at.BuildPE(at.Image{})
	type kind = at.Unsigned
	contentType := func(o cms.OID) kind {
		return kind{OID: cms.OIDContentType, Value: append([]byte{6, byte(len(o))}, o...)}
	}
	for name, c := range map[string]struct {
		s    at.Signature
		want []verifytest.Want
	}{
		"two signers":                    {at.Signature{Signers: 2}, want("invalid:malformed")},
		"no signer":                      {at.Signature{Signers: -1}, want("invalid:malformed")},
		"two content types":              {at.Signature{Attributes: []kind{contentType(cms.OIDData)}}, want("invalid:bad-signature")},
		"the same content type twice":    {at.Signature{Attributes: []kind{contentType(cms.OIDIndirectData)}}, want("invalid:bad-signature")},
		"two message digests":            {at.Signature{Attributes: []kind{{OID: cms.OIDMessageDigest, Value: octetString(make([]byte, 32))}}}, want("invalid:bad-signature")},
		"no content type":                {at.Signature{Without: cms.OIDContentType}, want("invalid:bad-signature")},
		"no message digest":              {at.Signature{Without: cms.OIDMessageDigest}, want("invalid:bad-signature")},
		"content type of something else": {at.Signature{Without: cms.OIDContentType, Attributes: []kind{{OID: cms.OIDSigningTime, Value: []byte{5, 0}}}}, want("invalid:bad-signature")},
	} {
		c.s.Signer = w.vendor
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: at.Sign(image, c.s), Env: w.env, Want: c.want, Flips: -1})
	}
}

// TestAuthoritiesThatAreNone has certificates of a trusted issuer play issuers or authorities.
func TestAuthoritiesThatAreNone(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	image := at.BuildPE(at.Image{})
	stamped := w.leaf(at.Leaf{NotAfter: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)})
	tsaAsSigner := w.root.Issue(at.Leaf{Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}})
	codeRootTSA := w.root.TSA("TSA below a root for code only")
	twin := at.NewCA("Test Code Root") // the root's name, another key
	for name, c := range map[string]struct {
		s    at.Signature
		want []verifytest.Want
	}{
		"a timestamping certificate signs code":       {at.Signature{Signer: tsaAsSigner}, want("untrusted:wrong-usage")},
		"an authority below a root for code only":     {at.Signature{Signer: stamped, Timestamp: &at.Timestamp{Authority: codeRootTSA, Time: time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)}}, want("untrusted:expired")},
		"a root of the trusted name comes along":      {at.Signature{Signer: twin.Issue(at.Leaf{}), Certificates: [][]byte{twin.Certificate.Raw}}, want("untrusted:untrusted-root")},
		"stamped before the certificate began":        {at.Signature{Signer: stamped, Timestamp: w.stamp(2014)}, want("untrusted:expired")},
		"the code root as authority for timestamping": {at.Signature{Signer: stamped, Timestamp: &at.Timestamp{Authority: w.vendor, Time: time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)}}, want("untrusted:expired")},
	} {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: at.Sign(image, c.s), Env: w.env, Want: c.want, Flips: -1})
	}
}

// TestSubjectsWithTwoOrganizationsNameNone: readers differ in which of them counts.
func TestSubjectsWithTwoOrganizationsNameNone(t *testing.T) {
	w := newWorld()
	names := pkix.Name{CommonName: "Mallory", ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "3CX Ltd"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "Mallory Ltd"}}}
	key := w.vendor.Key
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(9), Subject: names, NotBefore: at.LeafStart, NotAfter: at.LeafEnd,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}, w.root.Certificate, key.Public(), w.root.Signer())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	image := at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: &at.Signer{Certificate: cert, Key: key}})
	found, err := New().Verify(t.Context(), artifactOf(image), w.env)
	if err != nil || len(found) != 1 {
		t.Fatalf("findings = %+v, %v", found, err)
	}
	if id := found[0].Signer; id.Organization != "" || bytes.Contains([]byte(id.Name), []byte("3CX")) {
		t.Errorf("identity = %+v, want no organization", id)
	}
}

// Whoever has a certificate can add a signature to somebody else's signed program. It breaks nothing, and what is in it
// is signed; but the program is still that publisher's, and has no room for what a stranger brings along.
func TestNothingHidesInAnotherSignersSignature(t *testing.T) {
	w := newWorld()
	private := at.NewCA("Private Root")
	w.env.Trust.Publishers = []verify.Authority{{Anchor: "acme", Roots: []*x509.Certificate{private.Certificate}}}
	image := at.BuildPE(at.Image{})
	payload, err := asn1.Marshal(bytes.Repeat([]byte{0xcc, 0x90, 1}, 20_000))
	if err != nil {
		t.Fatal(err)
	}
	script, err := asn1.Marshal([]byte("<script>new ActiveXObject('WScript.Shell')</script>"))
	if err != nil {
		t.Fatal(err)
	}
	stranger := w.root.Issue(at.Leaf{Organization: "Stranger Ltd"})
	inside := private.Issue(at.Leaf{Organization: "Acme", Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: payload}}})
	signed := func(s *at.Signer, value []byte) at.Signature {
		return at.Signature{Signer: s, Attributes: []at.Unsigned{{OID: cms.NewOID(1, 2, 3), Value: value}}}
	}
	vendor := at.Signature{Signer: w.vendor}
	both := want("valid:valid", "valid:valid")
	hidden := want("valid:valid", "valid:valid", "invalid:hidden-data")
	for name, c := range map[string]struct {
		data []byte
		want []verifytest.Want
	}{
		"nothing":                              {at.Sign(image, vendor, at.Signature{Signer: stranger}), both},
		"a word":                               {at.Sign(image, vendor, signed(stranger, []byte{0x0c, 1, 'x'})), both},
		"a payload":                            {at.Sign(image, vendor, signed(stranger, payload)), hidden},
		"a payload, nested":                    {at.Sign(image, at.Signature{Signer: w.vendor, Nested: []at.Signature{signed(stranger, payload)}}), hidden},
		"a script":                             {at.Sign(image, vendor, signed(stranger, script)), hidden},
		"a payload as the kind's own data":     {at.Sign(image, vendor, at.Signature{Signer: stranger, Data: payload}), want("valid:valid", "valid:valid", "invalid:hidden-data", "valid:image-data")},
		"a certificate under an anchor's root": {at.Sign(image, vendor, at.Signature{Signer: inside}), hidden},
		"the publisher's own payload":          {at.Sign(image, vendor, signed(w.vendor, payload)), both},
		"only one signer":                      {at.Sign(image, signed(stranger, payload)), want("valid:valid")},
	} {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: c.data, Env: w.env, Want: c.want, Flips: -1})
	}
}
