package appx

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	ax "github.com/sallyport-project/sallyport/verify/appx/appxtest"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	zt "github.com/sallyport-project/sallyport/verify/internal/zipfile/ziptest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

type world struct {
	root          *at.CA
	vendor, other *at.Signer
	tsa           *at.Signer
	env           verify.Env
}

func newWorld() *world {
	root, stamp := at.NewCA("Test Code Root"), at.NewCA("Test Stamp Root")
	w := &world{root: root, tsa: stamp.TSA("Test TSA"), other: at.NewCA("Other Root").Issue(at.Leaf{})}
	w.vendor = root.Intermediate("Test Issuing CA", x509.ExtKeyUsageCodeSigning).Issue(at.Leaf{RSA: true})
	w.env = verify.Env{At: now, Trust: verify.Trust{CodeSigning: []*x509.Certificate{root.Certificate}, Timestamping: []*x509.Certificate{stamp.Certificate}}}
	return w
}

// want is a list such as "valid:valid", with a subject after a second colon. What is wrong has none: the Examiner makes it
// a finding about the whole.
func want(list ...string) []verifytest.Want {
	statuses := map[string]verify.Status{"valid": verify.Valid, "invalid": verify.Invalid, "untrusted": verify.Untrusted, "absent": verify.Absent, "inconclusive": verify.Inconclusive}
	var out []verifytest.Want
	for _, item := range list {
		p := strings.SplitN(item, ":", 3)
		w := verifytest.Want{Status: statuses[p[0]], Code: "appx/" + p[1]}
		if len(p) > 2 {
			w.Subject = p[2]
		}
		out = append(out, w)
	}
	return out
}

// free returns the bytes of the signature's own records that nothing covers.
func free(b []byte) []verifytest.Range {
	name := []byte("AppxSignature.p7x")
	local := int64(bytes.LastIndex(b, append([]byte{byte(len(name)), 0, 0, 0}, append(name, "PKCX"...)...))) - 26
	central := int64(bytes.LastIndex(b, name)) - 46
	const why = "the signature's own records in the zip file are in no digest: versions, dates and attributes there mean nothing to Windows"
	return []verifytest.Range{
		{From: local + 4, To: local + 6, Why: why},
		{From: local + 10, To: local + 14, Why: why},
		{From: central + 4, To: central + 8, Why: why},
		{From: central + 12, To: central + 16, Why: why},
		{From: central + 36, To: central + 42, Why: why},
	}
}

func TestGoodPackages(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	inner := ax.Package{}.Bytes()
	for name, c := range map[string]struct {
		p    ax.Package
		want []verifytest.Want
	}{
		"package":          {ax.Package{}, want("valid:valid", "valid:identity")},
		"SHA-512":          {ax.Package{Hash: crypto.SHA512}, want("valid:valid", "valid:identity")},
		"SHA-384":          {ax.Package{Hash: crypto.SHA384}, want("valid:valid", "valid:identity")},
		"code integrity":   {ax.Package{Catalogue: true}, want("valid:valid", "valid:identity")},
		"timestamp":        {ax.Package{Timestamp: &at.Timestamp{Authority: w.tsa, Time: now.AddDate(-1, 0, 0)}}, want("valid:valid", "valid:identity")},
		"without Zip64":    {ax.Package{Container: func(z *zt.File) { z.Zip64 = false }}, want("valid:valid", "valid:identity")},
		"empty file":       {ax.Package{Files: []ax.File{{Name: "empty", Stored: true}}}, want("valid:valid", "valid:identity")},
		"bundle":           {ax.Package{Inner: []ax.Inner{{Name: "app.msix", Version: "1.2.3.4", Content: inner}}}, want("valid:valid", "valid:identity", "valid:inner-unsigned:app.msix", "valid:identity:app.msix")},
		"publisher turned": {ax.Package{Publisher: "C=DE,O=Test Publisher,CN=&quot;Test Publisher&quot;"}, want("valid:valid", "valid:identity")},
	} {
		c.p.Signer = w.vendor
		b := c.p.Bytes()
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: b, Artifact: verify.Artifact{Name: "a.msix"}, Env: w.env, Want: c.want, Uncovered: free(b), Flips: 80})
	}
}

func TestSignedInnerPackages(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	good := ax.Package{Signer: w.vendor}.Bytes()
	changed := bytes.Clone(good)
	changed[60] ^= 1
	for name, c := range map[string]struct {
		inner ax.Inner
		want  []verifytest.Want
	}{
		"good":          {ax.Inner{Version: "1.2.3.4", Content: good}, want("valid:valid", "valid:identity", "valid:valid:app.msix", "valid:identity:app.msix")},
		"other version": {ax.Inner{Version: "9.9.9.9", Content: good}, want("valid:valid", "valid:identity", "invalid:bundle-mismatch", "valid:valid:app.msix", "valid:identity:app.msix")},
		"other place":   {ax.Inner{Version: "1.2.3.4", Content: good, Shift: 1}, want("valid:valid", "valid:identity", "invalid:bundle-mismatch")},
		"other publisher": {ax.Inner{Version: "1.2.3.4", Content: ax.Package{Publisher: "CN=Somebody"}.Bytes()}, want("valid:valid", "valid:identity",
			"valid:inner-unsigned:app.msix", "valid:identity:app.msix", "invalid:bundle-mismatch")},
		"no package": {ax.Inner{Version: "1.2.3.4", Content: []byte("something else")}, want("valid:valid", "valid:identity", "invalid:malformed")},
	} {
		c.inner.Name = "app.msix"
		b := ax.Package{Signer: w.vendor, Inner: []ax.Inner{c.inner}}.Bytes()
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: b, Artifact: verify.Artifact{Name: "a.msixbundle"}, Env: w.env, Want: c.want, Flips: -1})
	}
	b := ax.Package{Signer: w.vendor, Inner: []ax.Inner{{Name: "app.msix", Version: "1.2.3.4", Content: changed}}}.Bytes()
	found, err := New().Verify(t.Context(), artifact(b), w.env)
	if err != nil || found[0].Code != "appx/valid" || !slices.ContainsFunc(found, func(f verify.Finding) bool {
		return f.Status == verify.Invalid && strings.HasPrefix(f.Subject, "app.msix")
	}) {
		t.Errorf("a changed inner package goes unnoticed: %v, %+v", err, found)
	}
}

func artifact(b []byte) *verify.Artifact {
	return &verify.Artifact{Name: "a.msix", Format: "msix", Size: int64(len(b)), Content: bytes.NewReader(b)}
}

func TestWrongPackages(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	exe := ax.File{Name: "App.exe", Content: bytes.Repeat([]byte("app "), 40000)}
	with := func(p ax.Package) []byte {
		if p.Signer == nil {
			p.Signer = w.vendor
		}
		return p.Bytes()
	}
	doubled := `<?xml version="1.0"?><Package xmlns="http://schemas.microsoft.com/appx/manifest/foundation/windows10"><Identity Name="a" Publisher="CN=Microsoft" Publisher="CN=x" Version="1.0"/></Package>`
	doctype := `<?xml version="1.0"?><!DOCTYPE Package [<!ENTITY x "y">]><Package xmlns="http://schemas.microsoft.com/appx/manifest/foundation/windows10"><Identity Name="a" Publisher="&x;" Version="1.0"/></Package>`
	container := func(f func(*zt.File)) []byte { return with(ax.Package{Container: f}) }
	for name, c := range map[string]struct {
		data []byte
		want []verifytest.Want
	}{
		"unsigned":               {ax.Package{}.Bytes(), want("absent:unsigned", "valid:identity")},
		"untrusted":              {with(ax.Package{Signer: w.other}), want("untrusted:untrusted-root", "valid:identity")},
		"another publisher":      {with(ax.Package{Publisher: ax.Publisher("Contoso")}), want("valid:valid", "valid:identity", "invalid:publisher-mismatch")},
		"a part of the name":     {with(ax.Package{Publisher: "CN=Test Publisher"}), want("valid:valid", "valid:identity", "invalid:publisher-mismatch")},
		"no name at all":         {with(ax.Package{Publisher: "Test Publisher"}), want("valid:valid", "valid:identity", "invalid:publisher-mismatch")},
		"publisher twice":        {with(ax.Package{Manifest: doubled}), want("valid:valid", "invalid:malformed")},
		"document type":          {with(ax.Package{Manifest: doctype}), want("valid:valid", "invalid:malformed")},
		"signed as a bundle":     {with(ax.Package{Kind: ax.BundleGUID}), want("invalid:malformed", "valid:identity")},
		"other digests":          {with(ax.Package{Digests: func(b []byte) []byte { b[20] ^= 1; return b }}), want("invalid:digest-mismatch", "invalid:part-mismatch", "valid:identity")},
		"a digest too few":       {with(ax.Package{Digests: func(b []byte) []byte { return b[:len(b)-36] }}), want("invalid:malformed", "valid:identity")},
		"a digest too many":      {with(ax.Package{Digests: func(b []byte) []byte { return append(b, b[4:40]...) }}), want("invalid:digest-mismatch", "invalid:part-mismatch", "valid:identity")},
		"bytes after signature":  {with(ax.Package{P7X: func(b []byte) []byte { return append(b, "hidden"...) }}), want("valid:valid", "invalid:padding-data", "valid:identity")},
		"no PKCX":                {with(ax.Package{P7X: func(b []byte) []byte { return b[4:] }}), want("invalid:malformed", "valid:identity")},
		"empty signature":        {with(ax.Package{P7X: func([]byte) []byte { return nil }}), want("invalid:malformed", "valid:identity")},
		"signed comment":         {container(func(z *zt.File) { z.Comment = "hello" }), want("valid:valid", "invalid:layout", "valid:identity")},
		"signed duplicate":       {container(func(z *zt.File) { z.Entries = append(z.Entries, z.Entries[0]) }), want("valid:valid", "invalid:layout")},
		"unlisted file":          {container(func(z *zt.File) { z.Entries = append(z.Entries, zt.Entry{Name: "evil.dll"}) }), want("valid:valid", "valid:identity", "invalid:unlisted-file")},
		"missing file":           {container(func(z *zt.File) { z.Entries = z.Entries[1:] }), want("valid:valid", "valid:identity", "invalid:missing-file")},
		"other content":          {container(func(z *zt.File) { z.Entries[1].Content = []byte("evil") }), want("valid:valid", "valid:identity", "invalid:block-mismatch")},
		"other method":           {container(func(z *zt.File) { z.Entries[1].Deflate = true }), want("valid:valid", "valid:identity", "invalid:block-mismatch")},
		"no block map":           {container(func(z *zt.File) { z.Entries[3].Name = "AppxBlockMap.bak" }), want("invalid:malformed", "valid:identity", "invalid:malformed")},
		"block map is noise":     {with(ax.Package{Files: []ax.File{exe}, BlockMap: "<BlockMap>"}), want("valid:valid", "valid:identity", "invalid:malformed")},
		"block map without hash": {with(ax.Package{Files: []ax.File{exe}, BlockMap: `<BlockMap xmlns="http://schemas.microsoft.com/appx/2010/blockmap"/>`}), want("valid:valid", "valid:identity", "invalid:malformed")},
		"cut off":                {ax.Package{Signer: w.vendor}.Bytes()[:3000], want("invalid:malformed")},
	} {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: c.data, Artifact: verify.Artifact{Name: "a.msix"}, Env: w.env, Want: c.want, Flips: -1})
	}
}

// TestEveryRegionIsCovered changes one byte in each region of a signed package.
func TestEveryRegionIsCovered(t *testing.T) {
	w := newWorld()
	b := ax.Package{Signer: w.vendor, Catalogue: true}.Bytes()
	covered := 0
	frees := free(b)
	for at := range b {
		if at%5 != 0 || slices.ContainsFunc(frees, func(r verifytest.Range) bool { return int64(at) >= r.From && int64(at) < r.To }) {
			continue
		}
		covered++
		changed := bytes.Clone(b)
		changed[at] ^= 0x40
		found, err := New().Verify(t.Context(), artifact(changed), w.env)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(found, func(f verify.Finding) bool {
			return f.Status == verify.Invalid || f.Status == verify.Untrusted || f.Status == verify.Absent
		}) {
			t.Errorf("byte %d of %d changed and nothing is noticed", at, len(b))
		}
	}
	t.Logf("%d bytes changed one by one", covered)
}

func TestMatch(t *testing.T) {
	b := ax.Package{}.Bytes()
	for name, c := range map[string]struct {
		a    verify.Artifact
		want bool
	}{
		"by name":    {verify.Artifact{Format: "msix", Content: bytes.NewReader(nil)}, true},
		"by content": {verify.Artifact{Format: "zip", Size: int64(len(b)), Content: bytes.NewReader(b)}, true},
		"another":    {verify.Artifact{Format: "zip", Size: 22, Content: bytes.NewReader(zt.File{}.Bytes())}, false},
	} {
		if got := New().Match(&c.a); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestPublisherNames(t *testing.T) {
	w := newWorld()
	subject := w.vendor.Certificate.RawSubject // C=DE, O=Test Publisher, CN=Test Publisher
	for text, same := range map[string]bool{
		"CN=Test Publisher, O=Test Publisher, C=DE":                true,
		"cn=Test  Publisher,o=Test Publisher,c=DE":                 true,
		`CN="Test Publisher"; OID.2.5.4.10=Test\ Publisher; C=DE`:  true,
		"C=DE, O=Test Publisher, CN=Test Publisher":                true,
		"CN=Test Publisher, O=Test Publisher":                      false,
		"O=Test Publisher, CN=Test Publisher, C=DE":                false,
		"CN=test publisher, O=Test Publisher, C=DE":                false,
		"CN=Test Publisher + O=Test Publisher, C=DE":               false,
		`CN="Test Publisher, O=Test Publisher, C=DE`:               false,
		"CN=Test Publisher, O=Test Publisher, C=DE, OU=Department": false,
		"": false,
	} {
		if why := comparePublisher(text, subject); (why == "") != same {
			t.Errorf("%q: %q", text, why)
		}
	}
}
