package nuget

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/internal/cms/cmstest"
	zt "github.com/sallyport-project/sallyport/verify/internal/zipfile/ziptest"
	nt "github.com/sallyport-project/sallyport/verify/nuget/nugettest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

type world struct {
	root, stamp            *at.CA
	author, repo, stranger *at.Signer
	tsa                    *at.Signer
	env                    verify.Env
}

func newWorld() *world {
	w := &world{root: at.NewCA("Test Code Root"), stamp: at.NewCA("Test Stamp Root")}
	w.author = w.root.Intermediate("Author CA", x509.ExtKeyUsageCodeSigning).Issue(at.Leaf{Organization: "Author Ltd", RSA: true})
	w.repo = w.root.Intermediate("Repository CA", x509.ExtKeyUsageCodeSigning).Issue(at.Leaf{Organization: "Gallery", RSA: true})
	w.stranger = at.NewCA("Other Root").Issue(at.Leaf{Organization: "Author Ltd", RSA: true})
	w.tsa = w.stamp.TSA("Test TSA")
	w.env = verify.Env{At: now, Trust: verify.Trust{CodeSigning: []*x509.Certificate{w.root.Certificate}, Timestamping: []*x509.Certificate{w.stamp.Certificate}}}
	return w
}

func (w *world) stamped(year int) *at.Timestamp {
	return &at.Timestamp{Authority: w.tsa, Time: time.Date(year, 3, 1, 0, 0, 0, 0, time.UTC)}
}

func want(list ...string) []verifytest.Want {
	statuses := map[string]verify.Status{"valid": verify.Valid, "invalid": verify.Invalid, "untrusted": verify.Untrusted, "absent": verify.Absent}
	var out []verifytest.Want
	for _, item := range list {
		p := strings.SplitN(item, ":", 3)
		w := verifytest.Want{Status: statuses[p[0]], Code: "nuget/" + p[1]}
		if len(p) > 2 {
			w.Subject = p[2]
		}
		out = append(out, w)
	}
	return out
}

// free returns the bytes of the signature's own zip records that nothing covers.
func free(b []byte) []verifytest.Range {
	name := []byte(".signature.p7s")
	local, central := int64(bytes.Index(b, name))-30, int64(bytes.LastIndex(b, name))-46
	const why = "the signature's own records in the zip file are in no digest: versions and dates there mean nothing to NuGet"
	return []verifytest.Range{
		{From: local + 4, To: local + 6, Why: why},
		{From: local + 10, To: local + 14, Why: why},
		{From: central + 4, To: central + 8, Why: why},
		{From: central + 12, To: central + 16, Why: why},
		{From: central + 36, To: central + 38, Why: why},
	}
}

func TestGoodSignatures(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	expired := w.root.Issue(at.Leaf{Organization: "Author Ltd", RSA: true, NotAfter: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)})
	counter := []nt.Signature{{Signer: w.repo, Repository: true, Owners: []string{"alice", "bob"}}}
	stampedCounter := []nt.Signature{{Signer: w.repo, Repository: true, Timestamp: w.stamped(2025)}}
	for name, c := range map[string]struct {
		p    nt.Package
		s    nt.Signature
		want []verifytest.Want
	}{
		"author":                     {nt.Package{}, nt.Signature{Signer: w.author}, want("valid:author", "valid:identity")},
		"author, SHA-512":            {nt.Package{}, nt.Signature{Signer: w.author, Hash: crypto.SHA512}, want("valid:author", "valid:identity")},
		"author, SHA-384":            {nt.Package{Comment: "with a comment"}, nt.Signature{Signer: w.author, Hash: crypto.SHA384}, want("valid:author", "valid:identity")},
		"repository":                 {nt.Package{}, nt.Signature{Signer: w.repo, Repository: true}, want("valid:repository", "valid:identity")},
		"author and repository":      {nt.Package{}, nt.Signature{Signer: w.author, Counter: counter}, want("valid:author", "valid:repository", "valid:identity")},
		"both with timestamps":       {nt.Package{}, nt.Signature{Signer: w.author, Timestamp: w.stamped(2024), Counter: stampedCounter}, want("valid:author", "valid:repository", "valid:identity")},
		"expired, with timestamp":    {nt.Package{}, nt.Signature{Signer: expired, Timestamp: w.stamped(2022)}, want("valid:author", "valid:identity")},
		"signature before the files": {nt.Package{First: true}, nt.Signature{Signer: w.author}, want("valid:author", "valid:identity")},
	} {
		c.p.Signature = &c.s
		b := c.p.Bytes()
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: b, Artifact: verify.Artifact{Name: "a.nupkg"}, Env: w.env, Want: c.want, Uncovered: free(b), Flips: 100})
	}
}

func TestWrongSignatures(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	expired := w.root.Issue(at.Leaf{Organization: "Author Ltd", RSA: true, NotAfter: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)})
	server := w.root.Issue(at.Leaf{RSA: true, Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	lifetime := w.root.Issue(at.Leaf{RSA: true, UnknownUsage: []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 10, 3, 13}}})
	ec := w.root.Issue(at.Leaf{})
	commitment, certificate := cms.NewOID(1, 2, 840, 113549, 1, 9, 16, 2, 16), cms.OIDSigningCertV2
	repository := func(s nt.Signature) nt.Signature { s.Signer, s.Repository = w.repo, true; return s }
	author := func(s nt.Signature) nt.Signature { s.Signer = w.author; return s }
	content := func(s string) nt.Signature { return author(nt.Signature{Content: []byte(s)}) }
	good := "2.16.840.1.101.3.4.2.1-Hash:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=\n\n"
	noise := cmstest.Attribute{OID: cms.NewOID(1, 2, 3, 4), Value: []byte{4, 3, 1, 2, 3}}
	for name, c := range map[string]struct {
		s    nt.Signature
		want []verifytest.Want
	}{
		"untrusted":                     {nt.Signature{Signer: w.stranger}, want("untrusted:untrusted-root", "valid:identity")},
		"expired":                       {nt.Signature{Signer: expired}, want("untrusted:expired", "valid:identity")},
		"signed after expiry":           {nt.Signature{Signer: expired, Timestamp: w.stamped(2025)}, want("untrusted:expired", "valid:identity")},
		"a TLS certificate":             {nt.Signature{Signer: server}, want("untrusted:wrong-usage", "valid:identity")},
		"lifetime signing":              {nt.Signature{Signer: lifetime}, want("invalid:malformed", "valid:identity")},
		"an elliptic key":               {nt.Signature{Signer: ec}, want("invalid:malformed", "valid:identity")},
		"SHA-1":                         {author(nt.Signature{Hash: crypto.SHA1}), want("invalid:malformed", "valid:identity")},
		"of another package":            {content("Version:1\n\n" + good), want("invalid:digest-mismatch", "valid:identity")},
		"version 2":                     {content("Version:2\n\n" + good), want("invalid:malformed", "valid:identity")},
		"two digests":                   {content("Version:1\n\n" + strings.TrimSuffix(good, "\n") + good), want("invalid:malformed", "valid:identity")},
		"no digest":                     {content("Version:1\n\n"), want("invalid:malformed", "valid:identity")},
		"a digest that is cut":          {content("Version:1\n\n2.16.840.1.101.3.4.2.1-Hash:AAAA\n\n"), want("invalid:malformed", "valid:identity")},
		"neither author nor repository": {author(nt.Signature{Without: commitment}), want("invalid:malformed", "valid:identity")},
		"no signing certificate":        {author(nt.Signature{Without: certificate}), want("invalid:malformed", "valid:identity")},
		"no signing time":               {author(nt.Signature{Without: cms.OIDSigningTime}), want("invalid:malformed", "valid:identity")},
		"names another certificate":     {author(nt.Signature{Names: w.repo}), want("invalid:malformed", "valid:identity")},
		"repository without index":      {repository(nt.Signature{Without: oidServiceIndex}), want("invalid:malformed", "valid:identity")},
		"repository on plain http":      {repository(nt.Signature{Index: "http://packages.example.com/"}), want("invalid:malformed", "valid:identity")},
		"owner without a name":          {repository(nt.Signature{Owners: []string{" "}}), want("invalid:malformed", "valid:identity")},
		"noise, unsigned":               {author(nt.Signature{Unsigned: []cmstest.Attribute{noise}}), want("valid:author", "invalid:unauthenticated-data", "valid:identity")},
		"repository countersigned":      {repository(nt.Signature{Counter: []nt.Signature{repository(nt.Signature{})}}), want("valid:repository", "valid:repository", "invalid:unauthenticated-data", "valid:identity")},
		"countersigned by an author":    {author(nt.Signature{Counter: []nt.Signature{author(nt.Signature{Hash: crypto.SHA384})}}), want("invalid:malformed", "valid:author", "valid:identity")},
		"countersigned twice":           {author(nt.Signature{Counter: []nt.Signature{repository(nt.Signature{}), repository(nt.Signature{Hash: crypto.SHA384})}}), want("valid:author", "valid:repository", "invalid:unauthenticated-data", "valid:identity")},
		"timestamp of something else":   {author(nt.Signature{Timestamp: &at.Timestamp{Authority: w.tsa, Time: now.AddDate(-1, 0, 0), Of: []byte("x")}}), want("valid:author", "invalid:bad-timestamp", "valid:identity")},
		"a foreign certificate":         {author(nt.Signature{Extra: [][]byte{w.stranger.Certificate.Raw}}), want("valid:author", "valid:superfluous-certificate", "valid:identity")},
		"noise for a certificate":       {author(nt.Signature{Extra: [][]byte{{4, 3, 1, 2, 3}}}), want("valid:author", "invalid:hidden-data", "valid:identity")},
	} {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: nt.Package{Signature: &c.s}.Bytes(), Artifact: verify.Artifact{Name: "a.nupkg"}, Env: w.env, Want: c.want, Flips: -1})
	}
}

func TestWrongPackages(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	s := &nt.Signature{Signer: w.author}
	container := func(f func(*zt.File)) []byte { return nt.Package{Signature: s, Container: f}.Bytes() }
	entry := func(f func(*zt.Entry)) []byte { return nt.Package{Signature: s, Entry: f}.Bytes() }
	spec := zt.Entry{Name: "a.nuspec", Content: []byte(nt.Nuspec)}
	for name, c := range map[string]struct {
		data []byte
		want []verifytest.Want
	}{
		"unsigned":             {nt.Package{}.Bytes(), want("absent:unsigned", "valid:identity")},
		"no zip file":          {[]byte("something else"), want("invalid:malformed")},
		"signature deflated":   {entry(func(e *zt.Entry) { e.Deflate = true }), want("invalid:malformed", "valid:identity")},
		"signature streamed":   {entry(func(e *zt.Entry) { e.Descriptor = true }), want("invalid:malformed", "valid:identity")},
		"signature with extra": {entry(func(e *zt.Entry) { e.Extra = []byte{9, 9, 1, 0, 7} }), want("invalid:malformed", "valid:identity")},
		"signature is noise":   {entry(func(e *zt.Entry) { e.Content = []byte("noise") }), want("invalid:malformed", "valid:identity")},
		"added file":           {container(func(z *zt.File) { z.Entries = append(z.Entries, zt.Entry{Name: "evil.dll"}) }), want("invalid:digest-mismatch", "valid:identity")},
		"changed file":         {container(func(z *zt.File) { z.Entries[1].Content = []byte("b library") }), want("invalid:digest-mismatch", "valid:identity")},
		"file removed":         {container(func(z *zt.File) { z.Entries = z.Entries[0:1:1] }), want("absent:unsigned", "valid:identity")},
		"signature twice":      {container(func(z *zt.File) { z.Entries = append(z.Entries, z.Entries[2]) }), want("invalid:digest-mismatch", "invalid:layout", "valid:identity")},
		"Zip64":                {container(func(z *zt.File) { z.Zip64 = true }), want("invalid:malformed", "valid:identity")},
		"hidden between":       {container(func(z *zt.File) { z.Entries[2].Before = []byte("noise") }), want("invalid:digest-mismatch", "invalid:layout", "valid:identity")},
		"signed duplicate":     {nt.Package{Signature: s, Entries: []zt.Entry{spec, {Name: "x", Content: []byte("1")}, {Name: "x", Content: []byte("2")}}}.Bytes(), want("valid:author", "invalid:layout", "valid:identity")},
		"signed, same in case": {nt.Package{Signature: s, Entries: []zt.Entry{spec, {Name: "x"}, {Name: "X"}}}.Bytes(), want("valid:author", "invalid:layout", "valid:identity")},
		"two specifications":   {nt.Package{Signature: s, Entries: []zt.Entry{spec, {Name: "b.nuspec"}}}.Bytes(), want("valid:author", "invalid:layout")},
		"no specification":     {nt.Package{Signature: s, Entries: []zt.Entry{{Name: "x"}}}.Bytes(), want("valid:author", "invalid:malformed")},
		"two ids":              {nt.Package{Signature: s, Entries: []zt.Entry{{Name: "a.nuspec", Content: []byte(strings.Replace(nt.Nuspec, "<version>", "<id>Other</id><version>", 1))}}}.Bytes(), want("valid:author", "invalid:malformed")},
	} {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: c.data, Artifact: verify.Artifact{Name: "a.nupkg", Format: "nupkg"}, Env: w.env, Want: c.want, Flips: -1})
	}
}

func TestDetailSaysWhoClaimsWhat(t *testing.T) {
	w := newWorld()
	b := nt.Package{Signature: &nt.Signature{Signer: w.author, Counter: []nt.Signature{{Signer: w.repo, Repository: true, Owners: []string{"alice"}}}}}.Bytes()
	found, err := New().Verify(t.Context(), &verify.Artifact{Size: int64(len(b)), Content: bytes.NewReader(b)}, w.env)
	if err != nil || len(found) != 3 {
		t.Fatal(err, found)
	}
	for i, words := range [][]string{{"author's signature", "its own"}, {"https://packages.example.com/v3/index.json", "alice", "not that it made it"}, {"Test.Package", "1.2.3"}} {
		for _, word := range words {
			if !strings.Contains(found[i].Detail, word) {
				t.Errorf("%q lacks %q", found[i].Detail, word)
			}
		}
	}
	if found[0].Signer.Name != "Author Ltd" || found[1].Signer.Name != "Gallery" || !found[2].Signer.IsZero() {
		t.Errorf("signers %v, %v, %v", found[0].Signer, found[1].Signer, found[2].Signer)
	}
}

func TestEveryByteIsCovered(t *testing.T) {
	w := newWorld()
	b := nt.Package{Signature: &nt.Signature{Signer: w.author}}.Bytes()
	frees := free(b)
	for at := range b {
		if slices.ContainsFunc(frees, func(r verifytest.Range) bool { return int64(at) >= r.From && int64(at) < r.To }) || at%2 == 1 {
			continue
		}
		changed := bytes.Clone(b)
		changed[at] ^= 0x20
		found, err := New().Verify(t.Context(), &verify.Artifact{Format: "nupkg", Size: int64(len(b)), Content: bytes.NewReader(changed)}, w.env)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(found, func(f verify.Finding) bool { return f.Status != verify.Valid }) {
			t.Errorf("byte %d of %d changed and nothing is noticed", at, len(b))
		}
	}
}
