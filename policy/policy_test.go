package policy

import (
	"bytes"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/sallyport-project/sallyport/verify"
)

// now is when tests judge.
var now = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

// keyringData returns an OpenPGP public key made for these tests.
var keyringData = sync.OnceValue(newKey)

func newKey() []byte {
	e, err := openpgp.NewEntity("Test Archive", "", "archive@example.org", nil)
	if err != nil {
		panic(err)
	}
	var b bytes.Buffer
	if err := e.Serialize(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// armoured puts an OpenPGP public key into ASCII armour, with a line end after it.
func armoured(key []byte) []byte {
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
	if err == nil {
		_, err = w.Write(key)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err)
	}
	return append(b.Bytes(), '\n')
}

// fingerprintOf returns the fingerprint of the one key in a keyring, as findings have it.
func fingerprintOf(t testing.TB, key []byte) string {
	t.Helper()
	list, err := openpgp.ReadKeyRing(bytes.NewReader(key))
	if err != nil || len(list) != 1 {
		t.Fatal(len(list), err)
	}
	return fmt.Sprintf("%X", list[0].PrimaryKey.Fingerprint)
}

// testFiles are the files that policies in these tests may name.
func testFiles() fstest.MapFS {
	return fstest.MapFS{
		"keys/archive.gpg":           {Data: keyringData()},
		"anchors/debian-archive.gpg": {Data: keyringData()},
		"keys/other.gpg":             {Data: keyringData()},
		"keys/bsd.pub":               {Data: []byte("untrusted comment: a key\nRWRV0hjvoUjVM8v6fTBGJDgnILt/+Pt7lAd3slTcyg+NoY4lA9a89zpG\n")},
		"crls/acme.crl":              {Data: revocationList()},
		"crls/more/b.crl":            {Data: revocationList()},
		"keys/acme-ca.pem":           {Data: rootPEM()},
		"anchors/acme-root.json":     {Data: rootMetadata("acme")},
		"anchors/auditor-root.json":  {Data: rootMetadata("auditor")},
		"anchors/map.json":           {Data: []byte(mapFile)},
		"anchors/timestamp.json":     {Data: []byte(`{"signatures": [{}], "signed": {"_type": "timestamp"}}`)},
		"keys/cosign.pub":            {Data: cosignKey()},
		"bundles/a.json":             {Data: []byte("{}")},
		"bundles/b.jsonl":            {Data: []byte("{}\n{}\n")},
		"bundles/README":             {Data: []byte("not read")},
		"secrets/vt.key":             {Data: []byte("0123abcd\n")},
		"secrets/desk.key":           {Data: []byte("Bearer-x")},

		"anchors/corp-trusted-root.json": {Data: trustedRootOf("tlogs", "certificateAuthorities", "timestampAuthorities")},

		"keys/empty.gpg": {Data: nil},
		"keys/text.gpg":  {Data: []byte("this is no key\n")},
		"keys/huge.gpg":  {Data: make([]byte, maxNamedFile+1)},
	}
}

func mustParse(t testing.TB, src string) *Policy {
	t.Helper()
	p, err := Parse("policy.yaml", testFiles(), []byte(src))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return p
}

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func client(addr string) Client { return Client{Addr: netip.MustParseAddr(addr)} }

func sum(b byte) verify.Digest { return verify.Digest{0: b, 31: 0xff} }

// facts returns what is known of some update from a URL.
func facts(t testing.TB, rawURL string, findings ...verify.Finding) Facts {
	return Facts{
		Request: Request{Client: client("192.0.2.7"), Method: "GET", URL: mustURL(t, rawURL)},
		Update:  Update{SHA256: sum(1)},
		Report:  verify.Report{Findings: findings},
		Now:     now,
	}
}

func signedAs(organization string) verify.Finding {
	return verify.Finding{Method: "authenticode", Status: verify.Valid, Signer: verify.Identity{
		Name: organization, Organization: organization, Fingerprint: strings.Repeat("ab", 16) + hexOf(organization),
	}}
}

func hexOf(s string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		b.WriteByte(digits[s[i]>>4])
		b.WriteByte(digits[s[i]&15])
	}
	return b.String()
}

func under(method, fingerprint string, anchors ...string) verify.Finding {
	return verify.Finding{Method: method, Status: verify.Valid, Anchors: anchors, Signer: verify.Identity{Fingerprint: fingerprint}}
}

func invalid(code string) verify.Finding {
	return verify.Finding{Method: "authenticode", Status: verify.Invalid, Code: code, Detail: "it is wrong"}
}

func TestZeroPolicyRefusesEverything(t *testing.T) {
	var p Policy
	f := facts(t, "https://example.org/a.exe", signedAs("Anybody"))
	if d := p.Decide(f); d.Action != Block || d.Observed {
		t.Errorf("zero policy decides %+v", d)
	}
	if a, _ := p.Host(Client{}, "example.org"); a != DenyHost {
		t.Errorf("zero policy says %s", a)
	}
	if p.Port("example.org", 22) || p.Upgrade("example.org") {
		t.Error("zero policy opens a port or upgrades")
	}
}

func TestZeroFactsAreNeverAllowed(t *testing.T) {
	p := mustParse(t, `
version: 1
defaults: {hosts: inspect, unmatched: allow}
channels: [{name: lax, hosts: [example.org], require: []}]
`)
	if d := p.Decide(Facts{}); d.Action == Allow {
		t.Errorf("allowed by %s %q", d.Rule, d.Reasons)
	}
	noDigest := facts(t, "https://example.org/x")
	noDigest.Update = Update{}
	noTime := facts(t, "https://example.org/x")
	noTime.Now = time.Time{}
	for _, f := range []Facts{noDigest, noTime} {
		if d := p.Decide(f); d.Action == Allow {
			t.Errorf("allowed by %s %q", d.Rule, d.Reasons)
		}
	}
	if d := p.Decide(facts(t, "https://example.org/x")); d.Action != Allow {
		t.Errorf("the same with digest and time: %s by %s", d.Action, d.Rule)
	}
}

func TestDigestCoversEveryFileNamed(t *testing.T) {
	src := "version: 1\nanchors: {a: {openpgp: {keyring: keys/archive.gpg}}}\n"
	first := mustParse(t, src).Digest()
	if again := mustParse(t, src).Digest(); again != first || first.IsZero() {
		t.Errorf("digest %s, then %s", first, again)
	}
	if mustParse(t, src+"# a comment\n").Digest() == first {
		t.Error("the policy's own text does not count")
	}
	files := testFiles()
	files["keys/archive.gpg"] = &fstest.MapFile{Data: append(keyringData(), keyringData()...)}
	p, err := Parse("policy.yaml", files, []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if p.Digest() == first {
		t.Error("the keyring's content does not count")
	}
}

func TestTrustAddsAnchorsAndChangesEpoch(t *testing.T) {
	src := `
version: 1
anchors:
  deb: {openpgp: {keyring: keys/archive.gpg, suites: [bookworm], lag: 2d}}
  pins: {digest: {sha256: [` + sum(9).String() + `]}}
`
	p := mustParse(t, src)
	base := verify.Trust{Epoch: "roots-1", Pins: map[verify.Digest][]string{sum(9): {"ours"}}}
	got := p.Trust(base)
	if len(got.Keyrings) != 1 || got.Keyrings[0].Anchor != "deb" || got.Keyrings[0].Lag != 48*time.Hour ||
		!bytes.Equal(got.Keyrings[0].Data, keyringData()) || got.Keyrings[0].Suites[0] != "bookworm" {
		t.Errorf("keyrings %+v", got.Keyrings)
	}
	if names := got.Pins[sum(9)]; len(names) != 2 || len(base.Pins[sum(9)]) != 1 {
		t.Errorf("pins %v, base %v", names, base.Pins)
	}
	epochs := map[string]string{got.Epoch: "first"}
	for what, trust := range map[string]verify.Trust{
		"base epoch": p.Trust(verify.Trust{Epoch: "roots-2"}),
		"lag":        mustParse(t, strings.Replace(src, "2d", "3d", 1)).Trust(base),
		"pin":        mustParse(t, strings.Replace(src, sum(9).String(), sum(8).String(), 1)).Trust(base),
		"suite":      mustParse(t, strings.Replace(src, "bookworm", "trixie", 1)).Trust(base),
	} {
		if same, ok := epochs[trust.Epoch]; ok {
			t.Errorf("a change of %s leaves the epoch of %s", what, same)
		}
		epochs[trust.Epoch] = what
	}
	if other := mustParse(t, src+"defaults: {mode: observe}\n").Trust(base); other.Epoch != got.Epoch {
		t.Error("a change that touches no anchor changes the epoch: every report would be made again")
	}
}

func TestWarningsNameExpiredExceptionsAndUnevaluatedAnchors(t *testing.T) {
	p := mustParse(t, `
version: 1
anchors: {mac: {apple: {team: 33CF4654HL}}}
feeds: {bad: {file: feeds/bad.txt}}
channels: [{name: c, hosts: [example.org], require: [], mode: observe}]
exceptions: [{name: old, channel: c, sha256: [`+sum(1).String()+`], reason: r, owner: alice, expires: 2026-06-14}]
`)
	all := warningsOf(p, now)
	for _, want := range []string{`exception "old" ("alice") expired on 2026-06-14`, "anchor mac is of kind apple", "feed bad is kept up to date, but no requirement and no deny rule names it", "channel c only observes"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning %q in:\n%s", want, all)
		}
	}
	if early := warningsOf(p, now.AddDate(0, 0, -1)); strings.Contains(early, "expired") {
		t.Errorf("the exception holds until the end of its day: %s", early)
	}
}

func TestWarningsNameChannelsThatAreNeverReached(t *testing.T) {
	p := mustParse(t, `
version: 1
clients: {lab: [10.0.0.0/8]}
channels:
- {name: lab, hosts: [a.example, b.example], clients: [lab], require: []}
- {name: paths, hosts: [a.example], paths: ["/x"], require: []}
- {name: all, hosts: ["*.example"], require: []}
- {name: exact, hosts: [a.example], require: []}
- {name: deeper, hosts: ["*.b.example"], paths: ["/x"], require: []}
- {name: half, hosts: [a.example, example], require: []}
- {name: wider, hosts: ["*.elsewhere"], require: []}
- {name: widest, hosts: ["*.elsewhere", "*.x"], require: []}
- {name: folder, hosts: [folders.test], paths: ["/b/**", "/[ab]/**"], require: []}
- {name: inside, hosts: [folders.test], paths: ["/b/c/*.exe", "/b/**"], require: []}
- {name: beside, hosts: [folders.test], paths: ["/b/c/*", "/bc/*", "/a/x"], require: []}
- {name: files, hosts: [files.test], paths: ["/b/*"], require: []}
- {name: deep, hosts: [files.test], paths: ["/b/c/d"], require: []}
`)
	var got []string
	for _, w := range p.Warnings(now) {
		if strings.Contains(w.Message, "is never reached") {
			got = append(got, strings.Fields(w.Message)[1])
		}
	}
	if want := "exact deeper inside"; strings.Join(got, " ") != want {
		t.Errorf("warnings about %q, want %q", got, want)
	}
}

func TestLoadReadsNamedFilesRelativeToThePolicy(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/keys/archive.gpg", keyringData())
	write(t, dir+"/conf/p.yaml", []byte("version: 1\nanchors: {a: {openpgp: {keyring: ../keys/archive.gpg}}, b: {openpgp: {keyring: '"+dir+"/keys/archive.gpg'}}}\n"))
	p, err := Load(dir + "/conf/p.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(p.Trust(verify.Trust{}).Keyrings); n != 2 {
		t.Errorf("%d keyrings", n)
	}
	if _, err := Load(dir + "/conf"); err == nil {
		t.Error("a directory loads")
	}
	if _, err := Load(dir + "/none.yaml"); err == nil {
		t.Error("a missing file loads")
	}
}

func TestTestReportsFailuresThatLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/p.yaml", []byte("version: 1\ndefaults: {hosts: deny}\ntests:\n- {name: good, url: 'https://a.example/x', want: block}\n- {name: bad, url: 'https://a.example/x', want: allow}\n"))
	results, err := Test(dir + "/p.yaml")
	if err != nil || len(results) != 2 || !results[0].Passed || results[1].Passed || results[1].Line != 5 || results[1].Got != Block {
		t.Errorf("results %+v, error %v", results, err)
	}
	_, err = Load(dir + "/p.yaml")
	if err == nil || !strings.Contains(err.Error(), `p.yaml:5:3: test "bad" fails: wanted allow, got block by defaults.hosts`) {
		t.Errorf("Load says %v", err)
	}
}
