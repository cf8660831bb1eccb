package authenticode

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

// world is a small public-key infrastructure and the moment in which it is looked at.
type world struct {
	root, stampRoot, other *at.CA
	vendor, stranger       *at.Signer
	tsa                    *at.Signer
	env                    verify.Env
}

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func newWorld() *world {
	w := &world{root: at.NewCA("Test Code Root"), stampRoot: at.NewCA("Test Stamp Root"), other: at.NewCA("Other Root")}
	w.vendor = w.root.Intermediate("Test Issuing CA", x509.ExtKeyUsageCodeSigning).Issue(at.Leaf{Organization: "3CX Ltd", RSA: true})
	w.stranger = w.other.Issue(at.Leaf{Organization: "3CX Ltd"})
	w.tsa = w.stampRoot.TSA("Test TSA")
	w.env = verify.Env{At: now, Trust: verify.Trust{
		CodeSigning:  []*x509.Certificate{w.root.Certificate},
		Timestamping: []*x509.Certificate{w.stampRoot.Certificate},
	}}
	return w
}

// stamp is a timestamp of a year.
func (w *world) stamp(year int) *at.Timestamp {
	return &at.Timestamp{Authority: w.tsa, Time: time.Date(year, 3, 1, 0, 0, 0, 0, time.UTC)}
}

func (w *world) leaf(l at.Leaf) *at.Signer { return w.root.Issue(l) }

// want is a list of codes with their statuses, such as "valid:valid" or "invalid:padding-data".
func want(list ...string) []verifytest.Want {
	statuses := map[string]verify.Status{"valid": verify.Valid, "invalid": verify.Invalid, "untrusted": verify.Untrusted, "absent": verify.Absent, "inconclusive": verify.Inconclusive}
	var out []verifytest.Want
	for _, item := range list {
		status, code, _ := strings.Cut(item, ":")
		out = append(out, verifytest.Want{Status: statuses[status], Code: "authenticode/" + code})
	}
	return out
}

// checksum is the only range of a signed image that is never covered.
func checksum(image []byte) []verifytest.Range {
	at, _, _, _ := at.Offsets(image)
	return []verifytest.Range{{From: int64(at), To: int64(at) + 4,
		Why: "the checksum field is left out of the digest, because signing changes it; Windows checks it for drivers only"}}
}

func TestGoodSignatures(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	expired := w.leaf(at.Leaf{Organization: "3CX Ltd", NotAfter: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)})
	for name, c := range map[string]struct {
		image at.Image
		sign  []at.Signature
		want  []verifytest.Want
	}{
		"PE32+, RSA, without timestamp":  {at.Image{}, []at.Signature{{Signer: w.vendor}}, want("valid:valid")},
		"PE32":                           {at.Image{PE32: true}, []at.Signature{{Signer: w.vendor}}, want("valid:valid")},
		"RSASSA-PSS":                     {at.Image{}, []at.Signature{{Signer: w.vendor, PSS: true}}, want("valid:valid")},
		"ECDSA with SHA-384":             {at.Image{}, []at.Signature{{Signer: w.leaf(at.Leaf{}), Hash: crypto.SHA384}}, want("valid:valid")},
		"SHA-512 and an overlay":         {at.Image{Overlay: []byte("installer data")}, []at.Signature{{Signer: w.vendor, Hash: crypto.SHA512}}, want("valid:valid")},
		"headers beyond the first 4 KiB": {at.Image{HeaderOffset: 6000}, []at.Signature{{Signer: w.vendor}}, want("valid:valid")},
		"attributes stored out of order": {at.Image{}, []at.Signature{{Signer: w.vendor, Unsorted: true}}, want("valid:valid")},
		"expired, with timestamp":        {at.Image{}, []at.Signature{{Signer: expired, Timestamp: w.stamp(2022)}}, want("valid:valid")},
		"nested":                         {at.Image{}, []at.Signature{{Signer: w.vendor, Nested: []at.Signature{{Signer: w.vendor, Hash: crypto.SHA384}}}}, want("valid:valid", "valid:valid")},
		"two entries":                    {at.Image{}, []at.Signature{{Signer: w.vendor}, {Signer: w.vendor, Hash: crypto.SHA384}}, want("valid:valid", "valid:valid")},
	} {
		image := at.Sign(at.BuildPE(c.image), c.sign...)
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: image, Env: w.env, Want: c.want, Uncovered: checksum(image), Flips: 250})
	}
}

func TestSHA1StandsOnlyWithAnOldTimestamp(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	for name, c := range map[string]struct {
		stamp *at.Timestamp
		want  []verifytest.Want
	}{
		"stamped in 2016":            {w.stamp(2016), want("valid:valid", "valid:weak-digest")},
		"stamped in 2022":            {w.stamp(2022), want("untrusted:weak-digest")},
		"not stamped":                {nil, want("untrusted:weak-digest")},
		"stamped with SHA-1 in 2016": {&at.Timestamp{Authority: w.tsa, Time: time.Date(2016, 3, 1, 0, 0, 0, 0, time.UTC), Hash: crypto.SHA1, Legacy: true}, want("valid:valid", "valid:weak-digest")},
	} {
		image := at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: w.vendor, Hash: crypto.SHA1, Timestamp: c.stamp})
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: image, Env: w.env, Want: c.want, Flips: -1})
	}
	dual := at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: w.vendor, Hash: crypto.SHA1, Nested: []at.Signature{{Signer: w.vendor}}})
	verifytest.Run(t, New(), verifytest.Case{Name: "a nested SHA-256 signature stands for itself", Data: dual, Env: w.env,
		Want: want("untrusted:weak-digest", "valid:valid")})
}

func TestTimestamps(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	sign := func(s *at.Signer, ts *at.Timestamp) []byte {
		return at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: s, Timestamp: ts})
	}
	expired := w.leaf(at.Leaf{NotAfter: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)})
	threeDays := w.leaf(at.Leaf{NotBefore: time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2025, 3, 4, 0, 0, 0, 0, time.UTC)})
	lifetime := w.leaf(at.Leaf{NotAfter: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), UnknownUsage: []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 10, 3, 13}}})
	rsaTSA := w.stampRoot.Issue(at.Leaf{Organization: "Old TSA", RSA: true, Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}})
	day := time.Date(2022, 3, 1, 0, 0, 0, 0, time.UTC)
	old := time.Date(2016, 3, 1, 0, 0, 0, 0, time.UTC)
	var cases []verifytest.Case
	add := func(name string, data []byte, list ...string) {
		cases = append(cases, verifytest.Case{Name: name, Data: data, Env: w.env, Want: want(list...), Uncovered: checksum(data), Flips: 300})
	}
	add("legacy countersignature", sign(expired, &at.Timestamp{Authority: w.tsa, Time: day, Legacy: true}), "valid:valid")
	add("legacy countersignature over a bare SHA-1 hash", sign(expired, &at.Timestamp{Authority: rsaTSA, Time: old, Hash: crypto.SHA1, Legacy: true, Bare: true}), "valid:valid")
	add("bare hash with SHA-256", sign(expired, &at.Timestamp{Authority: rsaTSA, Time: old, Legacy: true, Bare: true}), "untrusted:expired", "invalid:bad-timestamp", "valid:superfluous-certificate")
	add("certificate of three days", sign(threeDays, w.stamp(2025)), "valid:valid")
	add("expired without timestamp", sign(expired, nil), "untrusted:expired")
	add("signed after expiry", sign(expired, w.stamp(2025)), "untrusted:expired")
	add("timestamp of something else", sign(expired, &at.Timestamp{Authority: w.tsa, Time: day, Of: []byte("other")}), "untrusted:expired", "invalid:bad-timestamp")
	add("timestamp by an unknown authority", sign(expired, &at.Timestamp{Authority: w.other.TSA("Fake TSA"), Time: day}), "untrusted:expired")
	add("timestamp by a code signer", sign(expired, &at.Timestamp{Authority: w.stampRoot.Issue(at.Leaf{}), Time: day}), "untrusted:expired")
	add("timestamp with SHA-1 in 2022", sign(expired, &at.Timestamp{Authority: w.tsa, Time: day, Hash: crypto.SHA1, Legacy: true}), "untrusted:expired")
	add("timestamp of the future", sign(w.leaf(at.Leaf{NotBefore: now.AddDate(1, 0, 0)}), w.stamp(2028)), "untrusted:expired")
	add("lifetime signing ends with the certificate", sign(lifetime, w.stamp(2022)), "untrusted:expired")
	verifytest.Run(t, New(), cases...)
}

func TestWhoIsTrusted(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	server := w.leaf(at.Leaf{Organization: "Web Ltd", Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	narrow := w.root.Intermediate("TLS CA", x509.ExtKeyUsageServerAuth).Issue(at.Leaf{})
	critical := w.leaf(at.Leaf{Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}})
	sign := func(s *at.Signer) []byte { return at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: s}) }
	verifytest.Run(t, New(),
		verifytest.Case{Name: "another root, the same name", Data: sign(w.stranger), Env: w.env, Want: []verifytest.Want{
			{Status: verify.Untrusted, Code: "authenticode/untrusted-root", Signer: "3CX Ltd"}}},
		verifytest.Case{Name: "a TLS certificate", Data: sign(server), Env: w.env, Want: []verifytest.Want{
			{Status: verify.Untrusted, Code: "authenticode/wrong-usage", Signer: "Web Ltd"}}},
		verifytest.Case{Name: "an issuer that may not issue for code signing", Data: sign(narrow), Env: w.env, Want: want("untrusted:wrong-usage")},
		verifytest.Case{Name: "a signer that plays authority", Data: sign(w.vendor.AsCA().Issue(at.Leaf{})), Env: w.env, Want: want("untrusted:bad-chain")},
		verifytest.Case{Name: "an unknown critical extension", Data: sign(critical), Env: w.env, Want: want("untrusted:bad-chain")},
		verifytest.Case{Name: "nobody is trusted", Data: sign(w.vendor), Env: verify.Env{At: now, Trust: verify.Trust{CodeSigning: []*x509.Certificate{}}}, Want: want("untrusted:untrusted-root")},
		verifytest.Case{Name: "embedded roots know no test root", Data: sign(w.vendor), Env: verify.Env{At: now}, Want: want("untrusted:untrusted-root")},
		verifytest.Case{Name: "no time of judgement", Data: sign(w.vendor), Env: verify.Env{Trust: w.env.Trust}, Want: want("untrusted:expired")},
	)
}

func TestBrokenSignatures(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	image := at.BuildPE(at.Image{})
	md5 := at.Signature{Signer: w.vendor, Hash: crypto.MD5}
	verifytest.Run(t, New(),
		verifytest.Case{Name: "wrong file digest, untrusted signer", Data: at.Sign(image, at.Signature{Signer: w.stranger, Digest: make([]byte, 32)}), Env: w.env, Want: want("invalid:digest-mismatch")},
		verifytest.Case{Name: "signature value does not fit", Data: at.Sign(image, at.Signature{Signer: w.vendor, Breaks: true}), Env: w.env, Want: want("invalid:bad-signature")},
		verifytest.Case{Name: "MD5", Data: at.Sign(image, md5), Env: w.env, Want: want("invalid:weak-digest")},
		verifytest.Case{Name: "signature of a cabinet", Data: at.Sign(image, at.Signature{Signer: w.vendor, Kind: cms.NewOID(1, 3, 6, 1, 4, 1, 311, 2, 1, 25)}), Env: w.env, Want: want("invalid:malformed")},
		verifytest.Case{Name: "good outside, wrong nested", Data: at.Sign(image, at.Signature{Signer: w.vendor, Nested: []at.Signature{{Signer: w.vendor, Digest: make([]byte, 32)}}}), Env: w.env, Want: want("valid:valid", "invalid:digest-mismatch")},
		verifytest.Case{Name: "nested without end", Data: at.Sign(image, nestedDeep(w.vendor, 5)), Env: w.env, Want: want("valid:valid", "valid:valid", "valid:valid", "invalid:malformed")},
		verifytest.Case{Name: "unsigned", Data: image, Env: w.env, Want: want("absent:unsigned")},
		verifytest.Case{Name: "unsigned, no security directory", Data: at.BuildPE(at.Image{Directories: 4}), Env: w.env, Want: want("absent:unsigned")},
		verifytest.Case{Name: "DOS program", Data: append([]byte("MZ"), make([]byte, 200)...), Env: w.env, Want: want("absent:unsigned")},
		verifytest.Case{Name: "no program", Data: []byte("#!/bin/sh\necho hello to everybody out there"), Env: w.env},
	)
}

func nestedDeep(s *at.Signer, depth int) at.Signature {
	out := at.Signature{Signer: s}
	if depth > 1 {
		out.Nested = []at.Signature{nestedDeep(s, depth-1)}
	}
	return out
}

func noise(n int) []byte {
	rng := mathrand.New(mathrand.NewPCG(7, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func octetString(b []byte) []byte {
	der, err := asn1.Marshal(b)
	if err != nil {
		panic(err)
	}
	return der
}

func TestNothingHidesInTheCertificateTable(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	image := at.BuildPE(at.Image{})
	signed := at.Sign(image, at.Signature{Signer: w.vendor})
	der := at.SignedData(image, at.Signature{Signer: w.vendor})
	omaha := func(text string) []byte {
		return append(binary.BigEndian.AppendUint16([]byte("Gact2.0Omaha"), uint16(len(text))), text...)
	}
	mozilla := append([]byte("__MOZCUSTOM__:campaign%3Dx%26source%3Dy"), make([]byte, 900)...)
	with := func(s at.Signature) []byte { s.Signer = w.vendor; return at.Sign(image, s) }
	foreign := at.NewCA("Foreign CA").Certificate.Raw
	stuffed := func(id asn1.ObjectIdentifier, value []byte) []byte {
		return at.NewCA("Dummy").Issue(at.Leaf{Extensions: []pkix.Extension{{Id: id, Value: value}}}).Certificate.Raw
	}
	omahaOID := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 1, 9999}
	privateOID := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 7}
	fat := func(n int, usage x509.ExtKeyUsage) *at.Signer {
		return at.NewCA("Nobody").Issue(at.Leaf{Usage: []x509.ExtKeyUsage{usage}, Extensions: []pkix.Extension{{Id: privateOID, Value: octetString(noise(n))}}})
	}
	curve := bytes.Replace(foreign, []byte("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"), []byte("\x30\x08\x02\x01\x01\x04\x03\x00\x00\x00"), 1)
	changed, changedRoot := slices.Clone(w.vendor.Certificate.Raw), slices.Clone(foreign)
	changed[len(changed)-8] ^= 1
	changedRoot[len(changedRoot)-8] ^= 1
	otherType := slices.Concat(at.Entry(der), at.Entry(noise(40)))
	otherType[len(at.Entry(der))+6] = 1
	entry := at.Entry(der)
	for name, c := range map[string]struct {
		data []byte
		want []verifytest.Want
	}{
		"noise after the signature":                {at.Stuff(signed, noise(5000)), want("valid:valid", "invalid:padding-data")},
		"one byte after the signature":             {at.Stuff(signed, []byte{1}), want("valid:valid", "invalid:padding-data")},
		"more zero bytes than alignment":           {at.Stuff(signed, make([]byte, 64)), want("valid:valid", "invalid:padding-data")},
		"bytes behind the last entry":              {at.WithTable(image, append(slices.Clone(entry), noise(5)...)), want("valid:valid", "invalid:padding-data")},
		"zero bytes behind the last entry":         {at.WithTable(image, append(slices.Clone(entry), make([]byte, 16)...)), want("valid:valid", "invalid:padding-data")},
		"overlay after the table":                  {append(slices.Clone(signed), noise(512)...), want("valid:valid", "invalid:overlay")},
		"an entry that is no signature":            {at.WithTable(image, otherType), want("valid:valid", "invalid:hidden-data")},
		"the same entry twice":                     {at.WithTable(image, slices.Concat(entry, entry)), want("valid:valid", "invalid:duplicate-signature")},
		"an unknown unsigned attribute":            {with(at.Signature{Unsigned: []at.Unsigned{{OID: cms.NewOID(1, 3, 6, 1, 4, 1, 42921, 1, 2, 1), Value: octetString(noise(4000))}}}), want("valid:valid", "invalid:unauthenticated-data")},
		"a timestamp's own attributes":             {with(at.Signature{Timestamp: &at.Timestamp{Authority: w.tsa, Time: now.AddDate(-1, 0, 0), Unsigned: []at.Unsigned{{OID: cms.OIDTimestampToken, Value: octetString(noise(5000))}}}}), want("valid:valid", "invalid:unauthenticated-data")},
		"a large timestamp by nobody":              {with(at.Signature{Timestamp: &at.Timestamp{Authority: fat(100_000, x509.ExtKeyUsageTimeStamping), Time: now.AddDate(-1, 0, 0)}}), want("valid:valid", "invalid:hidden-data", "invalid:hidden-data")},
		"a stuffed authority that nobody trusts":   {with(at.Signature{Timestamp: &at.Timestamp{Authority: fat(7000, x509.ExtKeyUsageTimeStamping), Time: now.AddDate(-1, 0, 0)}}), want("valid:valid", "invalid:hidden-data")},
		"a stuffed nested signature by nobody":     {with(at.Signature{Nested: []at.Signature{{Signer: fat(100_000, x509.ExtKeyUsageCodeSigning)}}}), want("valid:valid", "untrusted:untrusted-root", "invalid:hidden-data", "invalid:hidden-data")},
		"an unknown attribute in the timestamp":    {with(at.Signature{Timestamp: &at.Timestamp{Authority: w.tsa, Time: now.AddDate(-1, 0, 0), Unsigned: []at.Unsigned{{OID: cms.NewOID(1, 2, 3), Value: octetString(noise(100))}}}}), want("valid:valid", "invalid:unauthenticated-data")},
		"a foreign certificate":                    {with(at.Signature{Certificates: [][]byte{foreign}}), want("valid:valid", "valid:superfluous-certificate")},
		"a certificate with a curve of its own":    {with(at.Signature{Certificates: [][]byte{curve}}), want("valid:valid", "invalid:explicit-curve")},
		"the signer's certificate twice":           {with(at.Signature{Certificates: [][]byte{w.vendor.Certificate.Raw}}), want("valid:valid")},
		"a changed copy of a certificate":          {with(at.Signature{Certificates: [][]byte{changed}}), want("valid:valid", "invalid:hidden-data")},
		"a self-signed one that is not":            {with(at.Signature{Certificates: [][]byte{changedRoot}}), want("valid:valid", "invalid:hidden-data")},
		"many foreign certificates":                {with(at.Signature{Certificates: manyCertificates(50)}), want("valid:valid", "invalid:hidden-data")},
		"noise in a certificate's extension":       {with(at.Signature{Certificates: [][]byte{stuffed(privateOID, octetString(noise(3000)))}}), want("valid:valid", "invalid:hidden-data")},
		"noise for a certificate":                  {with(at.Signature{Certificates: [][]byte{octetString(noise(3000))}}), want("valid:valid", "invalid:hidden-data")},
		"noise for a revocation list":              {with(at.Signature{CRLs: [][]byte{octetString(noise(3000))}}), want("valid:valid", "invalid:hidden-data")},
		"Omaha tag":                                {at.Stuff(signed, omaha("appguid={8A69}&iid={1}&lang=de")), want("valid:valid", "valid:omaha-tag")},
		"noise behind the Omaha magic":             {at.Stuff(signed, omaha(string(noise(300)))), want("valid:valid", "invalid:padding-data")},
		"noise behind an Omaha tag":                {at.Stuff(signed, append(omaha("a=b"), noise(300)...)), want("valid:valid", "invalid:padding-data")},
		"Omaha tag that is too long":               {at.Stuff(signed, omaha("a="+strings.Repeat("x", 5000))), want("valid:valid", "invalid:padding-data")},
		"Omaha tag in its own certificate":         {with(at.Signature{Certificates: [][]byte{stuffed(omahaOID, append(omaha("brand=GGLS"), make([]byte, 8000)...))}}), want("valid:valid", "valid:omaha-tag")},
		"noise in an Omaha certificate":            {with(at.Signature{Certificates: [][]byte{stuffed(omahaOID, append(omaha("brand=GGLS"), noise(8000)...))}}), want("valid:valid", "invalid:hidden-data")},
		"Omaha tag in another extension":           {with(at.Signature{Certificates: [][]byte{stuffed(privateOID, append(omaha("brand=GGLS"), make([]byte, 8000)...))}}), want("valid:valid", "invalid:hidden-data")},
		"Mozilla attribution":                      {at.Stuff(signed, mozilla), want("valid:valid", "valid:mozilla-attribution")},
		"Mozilla attribution in a certificate":     {with(at.Signature{Certificates: [][]byte{stuffed(privateOID, octetString(mozilla))}}), want("valid:valid", "valid:mozilla-attribution")},
		"noise behind the Mozilla magic":           {at.Stuff(signed, append([]byte("__MOZCUSTOM__:"), noise(500)...)), want("valid:valid", "invalid:padding-data")},
		"Mozilla attribution larger than its area": {at.Stuff(signed, append(slices.Clone(mozilla), make([]byte, 2000)...)), want("valid:valid", "invalid:padding-data")},
	} {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: c.data, Env: w.env, Want: c.want, Flips: -1})
	}
}

func manyCertificates(n int) [][]byte {
	var out [][]byte
	ca := at.NewCA("Prolific CA")
	for range n {
		out = append(out, ca.Issue(at.Leaf{}).Certificate.Raw)
	}
	return out
}

func TestDetailSaysWhatIsHidden(t *testing.T) {
	w := newWorld()
	s := at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: w.vendor})
	_, _, table, size := at.Offsets(s)
	stuffed := at.Stuff(s, noise(2000))
	found, err := New().Verify(t.Context(), &verify.Artifact{Size: int64(len(stuffed)), Content: bytes.NewReader(stuffed)}, w.env)
	if err != nil {
		t.Fatal(err)
	}
	last := found[len(found)-1]
	if last.Code != "authenticode/padding-data" || !strings.Contains(last.Detail, "like random") || !strings.Contains(last.Detail, "CVE-2013-3900") {
		t.Errorf("finding = %+v, want the hidden bytes described (table at %d, %d bytes)", last, table, size)
	}
	id := found[0].Signer
	if id.Name != "3CX Ltd" || id.Organization != "3CX Ltd" || id.Country != "DE" || id.Issuer != "Test Issuing CA" || id.Root != "Test Code Root" || len(id.Fingerprint) != 64 {
		t.Errorf("identity = %+v", id)
	}
	if !found[0].SignedAt.IsZero() || !found[0].NotAfter.Equal(at.LeafEnd) {
		t.Errorf("without a timestamp the finding ends with the certificate: %v, %v", found[0].SignedAt, found[0].NotAfter)
	}
}

// TestPublisherCannotStuffACopyOfItsIssuer has a trusted publisher sign, with its own code-signing key, a certificate
// of its issuer's name and key. That certificate lies above the publisher's, and under it as well.
func TestPublisherCannotStuffACopyOfItsIssuer(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	issuer, err := x509.ParseCertificate(w.vendor.Chain[0])
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), RawSubject: issuer.RawSubject, NotBefore: at.CAStart, NotAfter: at.CAEnd,
		IsCA: true, BasicConstraintsValid: true,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 7}, Value: octetString(noise(6000))}},
	}
	forged, err := x509.CreateCertificate(rand.Reader, template, w.vendor.Certificate, issuer.PublicKey, w.vendor.Key)
	if err != nil {
		t.Fatal(err)
	}
	image := at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: w.vendor, Certificates: [][]byte{forged}})
	verifytest.Run(t, New(), verifytest.Case{Name: "stuffed", Data: image, Env: w.env, Want: want("valid:valid", "invalid:hidden-data")})
}
