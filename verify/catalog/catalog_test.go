package catalog

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net/url"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/internal/pe"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// world is a small public-key infrastructure and the moment in which it is looked at.
type world struct {
	vendor, expired, stranger, driver, tsa *at.Signer

	env verify.Env
}

func newWorld() *world {
	root, stampRoot := at.NewCA("Test Code Root"), at.NewCA("Test Stamp Root")
	w := &world{vendor: root.Issue(at.Leaf{Organization: "3CX Ltd", RSA: true}), tsa: stampRoot.TSA("Test TSA")}
	w.expired = root.Issue(at.Leaf{Organization: "3CX Ltd", NotAfter: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)})
	w.stranger = at.NewCA("Other Root").Issue(at.Leaf{Organization: "3CX Ltd"})
	w.driver = root.Issue(at.Leaf{Organization: "Microsoft Corporation", UnknownUsage: []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 10, 3, 5}}})
	w.env = verify.Env{At: now, Trust: verify.Trust{CodeSigning: []*x509.Certificate{root.Certificate}, Timestamping: []*x509.Certificate{stampRoot.Certificate}}}
	return w
}

func (w *world) stamp(year int) *at.Timestamp {
	return &at.Timestamp{Authority: w.tsa, Time: time.Date(year, 3, 1, 0, 0, 0, 0, time.UTC)}
}

func want(list ...string) []verifytest.Want {
	statuses := map[string]verify.Status{"valid": verify.Valid, "invalid": verify.Invalid, "untrusted": verify.Untrusted}
	var out []verifytest.Want
	for _, item := range list {
		status, code, _ := strings.Cut(item, ":")
		out = append(out, verifytest.Want{Status: statuses[status], Code: "authenticode/" + code})
	}
	return out
}

type vouchers []verify.Vouch

func (v vouchers) find(digest string, sum []byte) (verify.Finding, bool) {
	for _, o := range v {
		if o.Digest == digest && bytes.Equal(o.Sum, sum) {
			return o.Finding, true
		}
	}
	return verify.Finding{}, false
}

func artifactOf(b []byte) *verify.Artifact {
	return &verify.Artifact{Name: "driver.cat", Size: int64(len(b)), Content: bytes.NewReader(b), Digests: verify.Digests{SHA256: sha256.Sum256(b)}}
}

func vouchesOf(t *testing.T, b []byte) vouchers {
	t.Helper()
	out, err := New().Vouches(t.Context(), artifactOf(b), verify.Env{At: samplesAt})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func imageDigests(t *testing.T, b []byte) map[crypto.Hash][]byte {
	t.Helper()
	l, err := pe.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	sums, err := pe.Digest(t.Context(), bytes.NewReader(b), l, crypto.SHA1, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

func sum256(s string) []byte { h := sha256.Sum256([]byte(s)); return h[:] }
func sum1(s string) []byte   { h := sha1.Sum([]byte(s)); return h[:] }

func TestCatalogues(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	v1 := at.Catalog{Version: 1, Members: []at.Member{{Sum: sum1("driver.inf"), Kind: oidCabinetData, Name: "driver.inf"}}}
	v2 := at.Catalog{Members: []at.Member{{Sum: sum256("program"), Kind: cms.OIDPEImageData, Name: "driver.sys"}, {Sum: sum256("readme"), Kind: oidCabinetData}, {Sum: sum1("?")}}}
	list := func(m at.Member) at.Catalog { return at.Catalog{Members: []at.Member{m}} }
	signed := v2.Sign(at.Signature{Signer: w.vendor})
	nest := func(other at.Catalog) []byte {
		s := at.Signature{Signer: w.vendor, Nested: []at.Signature{{Signer: w.vendor, Hash: crypto.SHA384}}}
		return at.SignContent(at.CatalogType, v2.Content(), s, func(n at.Signature) []byte { return other.Sign(n) })
	}
	for name, c := range map[string]struct {
		data []byte
		want []verifytest.Want
	}{
		"version 1":                           {v1.Sign(at.Signature{Signer: w.vendor}), want("valid:valid", "valid:catalog-members")},
		"version 2, with timestamp":           {v2.Sign(at.Signature{Signer: w.expired, Timestamp: w.stamp(2022)}), want("valid:valid", "valid:catalog-members")},
		"two signatures":                      {nest(v2), want("valid:valid", "valid:valid", "valid:catalog-members")},
		"for drivers":                         {v2.Sign(at.Signature{Signer: w.driver}), want("valid:valid", "valid:catalog-members", "valid:driver-catalog")},
		"empty":                               {at.Catalog{}.Sign(at.Signature{Signer: w.vendor}), want("valid:valid", "valid:catalog-members")},
		"a name for a tag":                    {list(at.Member{Sum: sum256("x"), Kind: oidCabinetData, Tag: []byte("a\x00b\x00")}).Sign(at.Signature{Signer: w.vendor}), want("valid:valid", "valid:catalog-members")},
		"an unknown digest":                   {list(at.Member{Sum: make([]byte, 64), Kind: oidCabinetData}).Sign(at.Signature{Signer: w.vendor}), want("valid:valid", "valid:catalog-members")},
		"by somebody unknown":                 {v2.Sign(at.Signature{Signer: w.stranger}), want("untrusted:untrusted-root", "valid:catalog-members")},
		"past its own end":                    {at.Catalog{Expires: now.AddDate(-1, 0, 0)}.Sign(at.Signature{Signer: w.vendor}), want("valid:valid", "valid:catalog-members", "untrusted:expired")},
		"a signature that does not fit":       {v2.Sign(at.Signature{Signer: w.vendor, Breaks: true}), want("invalid:bad-signature", "valid:catalog-members")},
		"bytes after it":                      {append(bytes.Clone(signed), "PK"...), want("valid:valid", "invalid:trailing-data", "valid:catalog-members")},
		"zero bytes after it":                 {append(bytes.Clone(signed), 0), want("valid:valid", "invalid:trailing-data", "valid:catalog-members")},
		"cut off":                             {signed[:len(signed)-5], want("invalid:malformed")},
		"a second signature of another list":  {nest(v1), want("invalid:malformed", "valid:valid", "valid:catalog-members")},
		"a tag that contradicts its digest":   {list(at.Member{Sum: sum256("x"), Kind: oidCabinetData, Tag: sum256("y")}).Sign(at.Signature{Signer: w.vendor}), want("invalid:malformed")},
		"a digest stated twice":               {list(at.Member{Sum: sum256("x"), Kind: oidCabinetData, Doubled: true}).Sign(at.Signature{Signer: w.vendor}), want("invalid:malformed")},
		"an unknown attribute of a signature": {v2.Sign(at.Signature{Signer: w.vendor, Unsigned: []at.Unsigned{{OID: cms.NewOID(1, 2, 3), Value: []byte{5, 0}}}}), want("valid:valid", "invalid:unauthenticated-data", "valid:catalog-members")},
	} {
		slicesOfWant(t, c.want)
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: c.data, Env: w.env, Want: c.want, Flips: 50})
	}
	other := at.Catalog{Usage: cms.NewOID(1, 3, 6, 1, 4, 1, 311, 10, 3, 9)}.Sign(at.Signature{Signer: w.vendor})
	verifytest.Run(t, New(),
		verifytest.Case{Name: "a list of roots", Data: other, Env: w.env},
		verifytest.Case{Name: "a signed program", Data: at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: w.vendor}), Env: w.env},
		verifytest.Case{Name: "nothing", Data: []byte{}, Env: w.env})
}

// slicesOfWant guards against a case that would demand nothing.
func slicesOfWant(t *testing.T, w []verifytest.Want) {
	if len(w) == 0 {
		t.Error("a case without findings")
	}
}

func TestVouches(t *testing.T) {
	w := newWorld()
	c := at.Catalog{Members: []at.Member{
		{Sum: sum256("image"), Kind: cms.OIDPEImageData, Name: "driver.sys"}, {Sum: sum256("file"), Kind: oidCabinetData},
		{Sum: sum256("either")}, {Sum: sum1("image"), Kind: cms.OIDPEImageData}, {Sum: sum1("file"), Kind: oidCabinetData}, {Sum: sum1("either")},
		{Sum: sum256("script"), Kind: cms.NewOID(1, 3, 6, 1, 4, 1, 311, 2, 1, 30)}, {Sum: make([]byte, 64), Kind: oidCabinetData},
	}}
	type vouch struct {
		digest, of string
		status     verify.Status
	}
	all := func(sha1 verify.Status) []vouch {
		return []vouch{{imageSHA256, "image", verify.Valid}, {fileSHA256, "file", verify.Valid}, {imageSHA256, "either", verify.Valid}, {fileSHA256, "either", verify.Valid},
			{imageSHA1, "image", sha1}, {fileSHA1, "file", sha1}, {imageSHA1, "either", sha1}, {fileSHA1, "either", sha1}}
	}
	for name, s := range map[string]struct {
		data []byte
		want []vouch
	}{
		"stamped in 2016":         {c.Sign(at.Signature{Signer: w.vendor, Timestamp: w.stamp(2016)}), all(verify.Valid)},
		"stamped in 2022":         {c.Sign(at.Signature{Signer: w.vendor, Timestamp: w.stamp(2022)}), all(verify.Untrusted)},
		"not stamped":             {c.Sign(at.Signature{Signer: w.vendor}), all(verify.Untrusted)},
		"by somebody unknown":     {c.Sign(at.Signature{Signer: w.stranger, Timestamp: w.stamp(2016)}), nil},
		"with something after it": {append(c.Sign(at.Signature{Signer: w.vendor}), 0), nil},
		"wrong":                   {c.Sign(at.Signature{Signer: w.vendor, Breaks: true}), nil},
		"expired by itself":       {at.Catalog{Members: c.Members, Expires: now.AddDate(0, -1, 0)}.Sign(at.Signature{Signer: w.vendor}), nil},
		"no catalogue":            {[]byte("something else entirely"), nil},
	} {
		got, err := New().Vouches(t.Context(), artifactOf(s.data), w.env)
		if err != nil || len(got) != len(s.want) {
			t.Fatalf("%s: %d vouches, %v, want %d", name, len(got), err, len(s.want))
		}
		for _, v := range s.want {
			sum := sum256(v.of)
			if strings.HasSuffix(v.digest, "sha1") {
				sum = sum1(v.of)
			}
			f, ok := vouchers(got).find(v.digest, sum)
			if !ok || f.Status != v.status || f.Signer.Organization != "3CX Ltd" || !strings.Contains(f.Detail, "driver.cat") {
				t.Errorf("%s: %s of %q: %v, %+v", name, v.digest, v.of, ok, f)
			}
		}
	}
}

func TestNamesOfMembersAreForPeopleOnly(t *testing.T) {
	w := newWorld()
	long := strings.Repeat("x", 5000)
	c := at.Catalog{Members: []at.Member{{Sum: sum256("a"), Kind: oidCabinetData, Name: "a\x1b[2J\u202eexe.txt"}, {Sum: sum256("b"), Kind: oidCabinetData, Name: long}}}
	got, err := New().Vouches(t.Context(), artifactOf(c.Sign(at.Signature{Signer: w.vendor})), w.env)
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	if d := got[0].Finding.Detail; !strings.Contains(d, `"a[2Jexe.txt"`) {
		t.Errorf("detail = %q", d)
	}
	if d := got[1].Finding.Detail; len(d) > 400 {
		t.Errorf("detail of %d bytes", len(d))
	}
}

// shelf is files beside an artifact.
type shelf map[string][]byte

func (s shelf) Fetch(_ context.Context, ref string, limit int64) ([]byte, error) {
	b, ok := s[ref]
	if !ok {
		return nil, verify.ErrNotExist
	}
	if int64(len(b)) > limit {
		return nil, verify.ErrTooLarge
	}
	return b, nil
}

func TestCatalogueBesideADriver(t *testing.T) {
	w := newWorld()
	image := append(at.BuildPE(at.Image{Size: 1000}), 1, 2, 3) // no multiple of 8
	sums := imageDigests(t, image)
	inf := []byte("[Version]\r\nSignature=\"$WINDOWS NT$\"\r\n")
	infSum, infSHA1 := sha256.Sum256(inf), sha1.Sum(inf)
	c := at.Catalog{Members: []at.Member{{Sum: sums[crypto.SHA256], Kind: cms.OIDPEImageData}, {Sum: infSum[:], Kind: oidCabinetData}}}
	weak := at.Catalog{Version: 1, Members: []at.Member{{Sum: sums[crypto.SHA1], Kind: cms.OIDPEImageData}, {Sum: infSHA1[:], Kind: oidCabinetData}}}
	good := shelf{"./my%20driver.cat": c.Sign(at.Signature{Signer: w.vendor})}
	for name, s := range map[string]struct {
		file string
		data []byte
		by   verify.Sidecars
		want []verifytest.Want
	}{
		"a driver":                    {"my driver.sys", image, good, want("valid:catalog")},
		"a description":               {"my driver.inf", inf, good, want("valid:catalog")},
		"by SHA-1, stamped in time":   {"my driver.sys", image, shelf{"./my%20driver.cat": weak.Sign(at.Signature{Signer: w.vendor, Timestamp: w.stamp(2016)})}, want("valid:catalog")},
		"by SHA-1, not stamped":       {"my driver.inf", inf, shelf{"./my%20driver.cat": weak.Sign(at.Signature{Signer: w.vendor})}, want("untrusted:weak-digest")},
		"by somebody unknown":         {"my driver.sys", image, shelf{"./my%20driver.cat": c.Sign(at.Signature{Signer: w.stranger})}, want("untrusted:untrusted-root")},
		"not there":                   {"my driver.sys", image, shelf{}, nil},
		"no sidecars at all":          {"my driver.sys", image, verify.NoSidecars{}, nil},
		"for another driver":          {"my driver.sys", at.BuildPE(at.Image{Seed: 9}), good, nil},
		"wrong":                       {"my driver.sys", image, shelf{"./my%20driver.cat": c.Sign(at.Signature{Signer: w.vendor, Breaks: true})}, nil},
		"no catalogue":                {"my driver.sys", image, shelf{"./my%20driver.cat": []byte("<html>not found")}, nil},
		"a driver with its signature": {"my driver.sys", at.Sign(image, at.Signature{Signer: w.vendor}), good, nil},
		"a DOS program":               {"my driver.sys", append([]byte("MZ"), make([]byte, 200)...), good, nil},
	} {
		a := artifactOf(s.data)
		a.Name, a.URL = s.file, &url.URL{Scheme: "https", Host: "example.com", Path: "/drivers/" + s.file}
		a.Format = verify.Sniff(s.data, s.file)
		env := w.env
		env.Sidecars = s.by
		if !New().Match(a) {
			t.Errorf("%s: not matched", name)
		}
		found, err := New().Verify(t.Context(), a, env)
		if err != nil || len(found) != len(s.want) {
			t.Errorf("%s: %+v, %v", name, found, err)
			continue
		}
		for i, f := range found {
			if f.Status != s.want[i].Status || f.Code != s.want[i].Code || len(f.Evidence) != 1 || f.Evidence[0].SHA256.IsZero() {
				t.Errorf("%s: %+v, want %+v", name, f, s.want[i])
			}
		}
	}
}

func TestMatchOfOtherFiles(t *testing.T) {
	image := at.BuildPE(at.Image{})
	for _, name := range []string{"setup.exe", "lib.dll", "driver.sys"} {
		a := artifactOf(image)
		a.Name, a.Format = name, "pe"
		if name != "driver.sys" {
			a.URL = &url.URL{Path: "/" + name}
		}
		if New().Match(a) {
			t.Errorf("%s is matched", name)
		}
	}
}

func TestReadErrorsAreOurs(t *testing.T) {
	w := newWorld()
	signed := at.Catalog{}.Sign(at.Signature{Signer: w.vendor})
	a := artifactOf(signed)
	a.Size++ // the content ends early
	if _, err := New().Verify(t.Context(), a, w.env); err == nil {
		t.Error("no error of a disk that gives too little")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New().Verify(ctx, artifactOf(signed), w.env); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}

func TestTapKnowsDescriptionsOfDrivers(t *testing.T) {
	inf := "; a driver\r\n[Version]\r\n"
	wide := []byte("\xff\xfe")
	for _, c := range inf {
		wide = append(wide, byte(c), 0)
	}
	for name, c := range map[string]struct {
		data []byte
		want bool
	}{"plain": {[]byte(inf), true}, "UTF-16": {wide, true}, "a program": {[]byte("MZ [Version]"), false}, "a text": {[]byte("version"), false}, "nothing": {nil, false}} {
		sums := map[string][]byte{}
		if tap := New().Tap(c.data); tap != nil {
			tap.Write(c.data)
			tap.Sum(sums)
		}
		sum := sha1.Sum(c.data)
		if got := bytes.Equal(sums[fileSHA1], sum[:]); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestMembersAreBounded offers more members than are read.
func TestMembersAreBounded(t *testing.T) {
	w := newWorld()
	c := at.Catalog{Members: make([]at.Member, maxMembers+1)}
	for i := range c.Members {
		c.Members[i].Tag = []byte{byte(i)}
	}
	found, err := New().Verify(t.Context(), artifactOf(c.Sign(at.Signature{Signer: w.vendor})), w.env)
	if err != nil || len(found) != 1 || found[0].Code != "authenticode/malformed" || !strings.Contains(found[0].Detail, "200000") {
		t.Errorf("%+v, %v", found, err)
	}
}

// stuffed is a certificate's extension with value in it.
func stuffed(value []byte) []pkix.Extension {
	return []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 7}, Value: value}}
}

func TestNothingHidesInACatalogue(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	foreign := at.NewCA("Nobody").Issue(at.Leaf{Extensions: stuffed(bytes.Repeat([]byte("MZ\x90\x00"), 1000))}).Certificate.Raw
	data := at.Catalog{}.Sign(at.Signature{Signer: w.vendor, Certificates: [][]byte{foreign}})
	verifytest.Run(t, New(), verifytest.Case{Name: "a stuffed certificate", Data: data, Env: w.env,
		Want: want("valid:valid", "invalid:hidden-data", "valid:catalog-members"), Flips: -1})
}
