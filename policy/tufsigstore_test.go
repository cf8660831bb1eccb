package policy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// rootMetadata has the outline of a repository's root metadata.
func rootMetadata(name string) []byte {
	return fmt.Appendf(nil, `{"signatures": [{"keyid": %q, "sig": "00"}], "signed": {"_type": "root", "version": 1}}`, name)
}

const mapFile = `{
  "repositories": {"Acme": ["https://tuf.acme.example/", "https://mirror.example.org/acme"], "Auditor": ["https://tuf.auditor.example"]},
  "mapping": [
    {"paths": ["app/*", "app/*/*"], "repositories": ["Acme", "Auditor"], "terminating": true, "threshold": 2},
    {"paths": ["*"], "repositories": ["Acme"], "threshold": 1}
  ]
}`

// trustedRootOf has the outline of a trusted_root.json with one of each of some members.
func trustedRootOf(members ...string) []byte {
	s := `{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"`
	for _, m := range members {
		s += fmt.Sprintf(", %q: [{}]", m)
	}
	return []byte(s + "}")
}

// publicPEM is a public key as cosign.pub has it.
func publicPEM(key crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

var cosignKey = sync.OnceValue(func() []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return publicPEM(key.Public())
})

// mustParseIn is mustParse with files of the test's own.
func mustParseIn(t testing.TB, files fstest.MapFS, src string) *Policy {
	t.Helper()
	p, err := Parse("p", files, []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRepositoriesReachTheVerifiers(t *testing.T) {
	trust := mustParse(t, anchored("{tuf: {root: anchors/acme-root.json, metadata: 'https://tuf.example.org/m', targets: 'http://dl.example.org:8080/t/'}}")).Trust(verify.Trust{})
	if len(trust.TUF) != 1 {
		t.Fatalf("%+v", trust.TUF)
	}
	a := trust.TUF[0]
	if a.Anchor != "a" || a.Targets != "http://dl.example.org:8080/t/" || a.Refresh != 10*time.Minute || a.Mapping != nil || len(a.Repositories) != 1 ||
		a.Repositories[0].Name != "" || string(a.Repositories[0].Root) != string(rootMetadata("acme")) || !slices.Equal(a.Repositories[0].Metadata, []string{"https://tuf.example.org/m/"}) {
		t.Errorf("one repository: %+v", a)
	}
	a = mustParse(t, anchored("{tuf: {map: anchors/map.json, roots: {Acme: anchors/acme-root.json, Auditor: anchors/auditor-root.json}, targets: 'https://dl.example.org', refresh: 1d}}")).Trust(verify.Trust{}).TUF[0]
	if a.Targets != "https://dl.example.org/" || a.Refresh != 24*time.Hour || len(a.Repositories) != 2 || len(a.Mapping) != 2 {
		t.Fatalf("two repositories: %+v", a)
	}
	if r := a.Repositories[0]; r.Name != "Acme" || !slices.Equal(r.Metadata, []string{"https://tuf.acme.example/metadata/", "https://mirror.example.org/acme/metadata/"}) {
		t.Errorf("the first: %+v", r)
	}
	if r := a.Repositories[1]; r.Name != "Auditor" || string(r.Root) != string(rootMetadata("auditor")) {
		t.Errorf("the second: %+v", r)
	}
	if m := a.Mapping[0]; !m.Terminating || m.Threshold != 2 || len(m.Paths) != 2 || !slices.Equal(m.Repositories, []string{"Acme", "Auditor"}) || a.Mapping[1].Terminating {
		t.Errorf("the mapping: %+v", a.Mapping)
	}
}

func TestIdentitiesReachTheVerifiers(t *testing.T) {
	const who = "issuer: 'https://issuer.example', identity: 'https://ci.example/acme/*'"
	for _, c := range []struct {
		anchor           string
		rekor, time, sct int
	}{
		{who, 1, 0, 1},
		{who + ", rekor: 0, timestamp: 2, sct: 0", 0, 2, 0},
		{who + ", trusted_root: anchors/corp-trusted-root.json, sct: 0", 1, 0, 0},
		{"key: keys/cosign.pub", 0, 0, 0},
		{"key: keys/cosign.pub, trusted_root: anchors/corp-trusted-root.json", 1, 0, 0},
		{"key: keys/cosign.pub, trusted_root: anchors/corp-trusted-root.json, rekor: 0, timestamp: 1", 0, 1, 0},
	} {
		p := mustParse(t, anchored("{sigstore: {"+c.anchor+"}}"))
		s := p.Trust(verify.Trust{}).Sigstore[0]
		if s.Anchor != "a" || s.Rekor != c.rekor || s.Timestamps != c.time || s.SCTs != c.sct {
			t.Errorf("%s: %+v", c.anchor, s)
		}
		if !p.Plan(Request{URL: mustURL(t, "https://example.org/a.bin")}).Sidecars {
			t.Errorf("%s: nothing is asked for", c.anchor)
		}
	}
	s := mustParse(t, anchored("{sigstore: {issuer: 'https://issuer.example', identity_regexp: 'a|b', san_type: email, trusted_root: {root: anchors/acme-root.json, metadata: 'https://tuf.example.org', targets: 'https://tuf.example.org/targets', refresh: 2h}, "+
		"bundles: ['https://e.example.org/{sha256}.json', bundles, 'http://e.example.org/x?name={name}']}}")).Trust(verify.Trust{}).Sigstore[0]
	if s.Issuer != "https://issuer.example" || s.IdentityRegexp != "a|b" || s.SANType != "email" || s.TrustedRoot != nil || s.Keys != nil {
		t.Errorf("%+v", s)
	}
	if r := s.RootSource; r == nil || r.Anchor != "a" || r.Targets != "https://tuf.example.org/targets/" || r.Refresh != 2*time.Hour || len(r.Repositories) != 1 ||
		string(r.Repositories[0].Root) != string(rootMetadata("acme")) || r.Repositories[0].Metadata[0] != "https://tuf.example.org/" {
		t.Errorf("%+v", s.RootSource)
	}
	if len(s.Bundles) != 2 || len(s.Local) != 2 || s.Local[0].Name != "bundles/a.json" || string(s.Local[1].Data) != "{}\n{}\n" {
		t.Errorf("%q %+v", s.Bundles, s.Local)
	}
	file := mustParse(t, anchored("{sigstore: {"+who+", bundles: [bundles/b.jsonl]}}")).Trust(verify.Trust{}).Sigstore[0]
	if len(file.Local) != 1 || file.Local[0].Name != "bundles/b.jsonl" {
		t.Errorf("%+v", file.Local)
	}
}

// indented is PEM as a block of a YAML file.
func indented(pem []byte) string {
	return "\n        " + strings.ReplaceAll(strings.TrimSpace(string(pem)), "\n", "\n        ") + "\n"
}

func TestKeysOfSigstoreAnchors(t *testing.T) {
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)})
	files := testFiles()
	files["two.pub"] = &fstest.MapFile{Data: append(publicPEM(ed), pkcs1...)}
	p := mustParseIn(t, files, "version: 1\nanchors:\n  a:\n    sigstore:\n      key: |"+indented(cosignKey())+"      keys: [two.pub]\n")
	keys := p.sigstore[0].Keys
	if len(keys) != 3 || len(p.anchors["a"].keys) != 3 {
		t.Fatalf("%d keys", len(keys))
	}
	for i, want := range []crypto.PublicKey{nil, ed, rsaKey.Public()} {
		got, err := x509.ParsePKIXPublicKey(keys[i])
		if err != nil || want != nil && !got.(interface{ Equal(crypto.PublicKey) bool }).Equal(want) {
			t.Errorf("key %d: %v", i, err)
		}
	}
}

func TestBadRepositoriesAndIdentitiesAreRefused(t *testing.T) {
	weak, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	files := testFiles()
	for name, data := range map[string]string{
		"text.json": "hello", "list.json": "[]", "unsigned.json": `{"signatures": [], "signed": {"_type": "root"}}`, "huge.json": strings.Repeat(" ", maxNamedFile+1),
		"nobody.json": string(trustedRootOf("tlogs", "ctlogs")), "empty.json": string(trustedRootOf()), "old.json": `{"mediaType": "application/vnd.dev.sigstore.trustedroot.v0.2+json", "certificate_authorities": [{}]}`,
		"weak.pub": string(publicPEM(weak.Public())), "private.pem": string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte{1}})),
		"cert.pem": string(rootPEM()), "broken.pub": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte{1}})), "no.pub": "x",
		"bad/a.json": "no bundle", "void/README": "x",
		"unknown.map": `{"repositories": {"A": ["https://a.example"]}, "mapping": [{"paths": ["*"], "repositories": ["A"], "treshold": 1}]}`,
		"nothing.map": `{"repositories": {}, "mapping": []}`,
		"more.map":    `{"repositories": {"A": ["https://a.example"]}, "mapping": [{"paths": ["*"], "repositories": ["A"], "threshold": 1}]} {}`,
		"name.map":    `{"repositories": {"../A": ["https://a.example"]}, "mapping": [{"paths": ["*"], "repositories": ["../A"], "threshold": 1}]}`,
		"url.map":     `{"repositories": {"A": ["file:///etc"]}, "mapping": [{"paths": ["*"], "repositories": ["A"], "threshold": 1}]}`,
		"nourl.map":   `{"repositories": {"A": []}, "mapping": [{"paths": ["*"], "repositories": ["A"], "threshold": 1}]}`,
		"who.map":     `{"repositories": {"A": ["https://a.example"]}, "mapping": [{"paths": ["*"], "repositories": ["B"], "threshold": 1}]}`,
		"twice.map":   `{"repositories": {"A": ["https://a.example"]}, "mapping": [{"paths": ["*"], "repositories": ["A", "A"], "threshold": 2}]}`,
		"none.map":    `{"repositories": {"A": ["https://a.example"]}, "mapping": [{"paths": ["*"], "repositories": ["A"]}]}`,
		"zero.map":    `{"repositories": {"A": ["https://a.example"]}, "mapping": [{"paths": ["*"], "repositories": ["A"], "threshold": 0}]}`,
		"high.map":    `{"repositories": {"A": ["https://a.example"]}, "mapping": [{"paths": ["*"], "repositories": ["A"], "threshold": 2}]}`,
		"glob.map":    `{"repositories": {"A": ["https://a.example"]}, "mapping": [{"paths": ["["], "repositories": ["A"], "threshold": 1}]}`,
		"paths.map":   `{"repositories": {"A": ["https://a.example"]}, "mapping": [{"paths": [], "repositories": ["A"], "threshold": 1}]}`,
		"alone.map":   `{"repositories": {"A": ["https://a.example"]}, "mapping": [{"paths": ["*"], "repositories": [], "threshold": 1}]}`,
	} {
		files[name] = &fstest.MapFile{Data: []byte(data)}
	}
	tuf := func(s string) string { return "{tuf: {" + s + ", targets: 'https://t.example/'}}" }
	root := func(file string) string { return tuf("root: " + file + ", metadata: 'https://m.example/'") }
	at := func(u string) string { return tuf("root: anchors/acme-root.json, metadata: '" + u + "'") }
	mapped := func(s string) string { return tuf("map: " + s + ", roots: {A: anchors/acme-root.json}") }
	sig := func(s string) string { return "{sigstore: {" + s + "}}" }
	const who = "issuer: 'https://i.example', identity: 'https://ci.example/acme/app'"
	bundle := func(s string) string { return sig(who + ", bundles: ['" + s + "']") }
	for _, c := range []struct{ anchor, want string }{
		{"{tuf: {root: anchors/acme-root.json, metadata: 'https://m.example/'}}", `p:2:20: a tuf anchor needs "targets"`},
		{tuf("root: anchors/acme-root.json"), "needs root and metadata, or map and roots"},
		{tuf("refresh: 10m"), "needs root and metadata, or map and roots"},
		{tuf("root: anchors/acme-root.json, metadata: 'https://m.example/', map: anchors/map.json"), "either root and metadata, or map and roots"},
		{tuf("map: anchors/map.json"), "needs roots"},
		{root("missing.json"), `p:2:27: the root metadata "missing.json" cannot be read: file does not exist; file names are relative`},
		{root("huge.json"), "more than 4194304 bytes"},
		{root("text.json"), "no JSON object"},
		{root("list.json"), "no JSON object"},
		{root("anchors/timestamp.json"), `TUF metadata of the role "timestamp"`},
		{root("unsigned.json"), "nobody has signed it"},
		{root("anchors/corp-trusted-root.json"), "belongs into a sigstore anchor"},
		{at("ftp://m.example/"), `p:2:61: "ftp://m.example/" is no http or https URL`},
		{at("https://user@m.example/"), "is no http or https URL"},
		{at("https://m.example/?x=1"), "has a query or fragment"},
		{at("https://m.example/?"), "has a query or fragment"},
		{at("https://m.example/#x"), "has a query or fragment"},
		{at("https://m.example/#"), "has a query or fragment"},
		{at("https://m.example/a/../b"), "has a . or .."},
		{at("https://m.example/a/%2e%2e/b"), "has a . or .."},
		{at("https:///m"), "is no http or https URL"},
		{tuf("root: anchors/acme-root.json, metadata: 'https://m.example', refresh: 100ms"), "1s to 7d"},
		{tuf("root: anchors/acme-root.json, metadata: 'https://m.example', refresh: 8d"), "1s to 7d"},
		{tuf("map: anchors/map.json, roots: {Acme: anchors/acme-root.json}"), `roots has no file for the repository "Auditor"`},
		{tuf("map: anchors/map.json, roots: {Acme: anchors/acme-root.json, Auditr: anchors/auditor-root.json}"), `no repository "Auditr"; did you mean "Auditor"?`},
		{tuf("map: anchors/map.json, roots: {Acme: anchors/acme-root.json, Auditor: text.json}"), "no JSON object"},
		{tuf("map: anchors/map.json, roots: {../x: anchors/acme-root.json}"), "is no name of a repository"},
		{mapped("text.json"), "no map file"}, {mapped("unknown.map"), "treshold"}, {mapped("nothing.map"), "needs repositories and mapping"}, {mapped("more.map"), "follows the map"},
		{mapped("name.map"), "is no name of a repository"}, {mapped("url.map"), "no http or https URL"}, {mapped("nourl.map"), "0 URLs"}, {mapped("who.map"), `a repository "B"`},
		{mapped("twice.map"), "twice"}, {mapped("none.map"), "has no threshold"}, {mapped("zero.map"), "threshold 0, of 1"}, {mapped("high.map"), "threshold 2, of 1"},
		{mapped("glob.map"), "no pattern"}, {mapped("paths.map"), "0 paths"}, {mapped("alone.map"), "names no repositories"},

		{sig("issuer: 'https://i.example'"), "p:2:25: a sigstore anchor needs identity, identity_regexp, key or keys"},
		{sig("identity: x"), "p:2:25: a sigstore anchor with an identity needs issuer"},
		{sig("identity_regexp: x"), "needs issuer"},
		{sig(who + ", identity_regexp: x"), "either identity or identity_regexp, this has both; make two anchors"},
		{sig(who + ", key: keys/cosign.pub"), "either an identity or keys, this has both; make two anchors"},
		{sig("identity_regexp: x, keys: [keys/cosign.pub]"), "either an identity or keys"},
		{sig("issuer: x, key: keys/cosign.pub"), "p:2:34: issuer is said of identities, a key has none; remove it"},
		{sig("san_type: uri, key: keys/cosign.pub"), "san_type is said of identities"},
		{sig(who + ", san_type: dns"), `"dns" is not one of email, uri, other`},
		{sig("issuer: x, identity_regexp: '('"), `p:2:54: "(" is no regular expression (RE2): error parsing regexp: missing closing )`},
		{sig("issuer: x, identity_regexp: 'a)|(b'"), "is no regular expression"},
		{sig("issuer: x, identity_regexp: '(?=a)'"), "is no regular expression"},
		{sig("issuer: x, identity_regexp: '" + strings.Repeat("a", maxRegexp+1) + "'"), "has 1025 bytes, the most is 1024"},
		{sig(who + ", rekor: 17"), "is no whole number from 0 to 16"}, {sig(who + ", timestamp: -1"), "is no whole number from 0 to 16"}, {sig(who + ", sct: many"), "is no whole number"},
		{sig("key: missing.pub"), "cannot be read"}, {sig("key: weak.pub"), "P-224, which is too small"}, {sig("key: private.pem"), "a private key"}, {sig("key: cert.pem"), `"CERTIFICATE", not a PUBLIC KEY`},
		{sig("key: broken.pub"), "cannot be parsed"}, {sig("key: no.pub"), "no public key in PEM"}, {sig("keys: []"), "this list is empty"}, {sig("key: '-----BEGIN x'"), "the key cannot be used: it has no public key"},
		{sig("key: keys/cosign.pub, rekor: 1"), "without trusted_root a key belongs to none; add trusted_root"},
		{sig("key: keys/cosign.pub, timestamp: 1"), "without trusted_root a key belongs to none"},
		{sig("key: keys/cosign.pub, sct: 1"), "sct asks for certificates to be logged"},
		{sig(who + ", trusted_root: text.json"), "no JSON object as a trusted_root.json"}, {sig(who + ", trusted_root: missing.json"), "cannot be read"},
		{sig(who + ", trusted_root: list.json"), "no JSON object"}, {sig(who + ", trusted_root: anchors/map.json"), "its media type"},
		{sig(who + ", trusted_root: anchors/acme-root.json"), "write trusted_root: {root: …, metadata: …, targets: …}"},
		{sig(who + ", trusted_root: {root: anchors/acme-root.json}"), `trusted_root needs "metadata"`},
		{sig(who + ", trusted_root: {root: text.json, metadata: 'https://m.example', targets: 'https://t.example'}"), "no JSON object"},
		{sig(who + ", trusted_root: anchors/corp-trusted-root.json"), `sct is 1, but the trusted root "anchors/corp-trusted-root.json" names no certificate transparency log; write sct: 0, if this instance has none`},
		{sig(who + ", trusted_root: empty.json"), "rekor is 1"}, {sig(who + ", trusted_root: empty.json"), "no certificate authority"},
		{sig(who + ", trusted_root: nobody.json"), "no certificate authority"}, {sig(who + ", trusted_root: nobody.json, timestamp: 1"), "names no timestamping authority; take another file"},
		{sig(who + ", trusted_root: old.json"), "rekor is 1"},
		{sig("key: keys/cosign.pub, trusted_root: empty.json"), "rekor is 1, but"},
		{bundle("https://{name}/a"), "scheme and host are written out"}, {bundle("https://e.{dir}/a"), "needs a slash after its host"}, {bundle("https://e.example.org{path}"), "needs a slash after its host"},
		{bundle("https://e.example.org"), "needs a slash after its host"}, {bundle("{path}://e.example.org/"), "scheme and host"}, {bundle("ftp://e.example.org/"), "no template"}, {bundle("https://u:p@e.example.org/{name}"), "no template"},
		{bundle("https://e.example.org/{sha265}"), `a template has no variable "sha265"; did you mean "sha256"?`}, {bundle("https://e.example.org/{}"), `no variable ""`}, {bundle("https://e.example.org/{zzzzzz}"), "there are: name, path"},
		{bundle("https://e.example.org/{name"), "a brace"}, {bundle("https://e.example.org/name}"), "a brace"}, {bundle("https://e.example.org/{na{me}}"), "no variable"}, {bundle("https://e.example.org/{name}#x"), "fragment"},
		{bundle("https://e.example.org/../{name}"), "has a . or .."}, {bundle("https://e.example.org/%zz{name}"), "no template"}, {bundle("https://e.example.org:{name}/x"), "needs a slash after its host"},
		{bundle("missing"), "the bundles in \"missing\" cannot be read: file does not exist; file names are relative to the policy file, and URLs begin with https://"},
		{bundle("bad"), `the bundle "bad/a.json" cannot be used: it is no JSON object`},
	} {
		_, err := Parse("p", files, []byte(anchored(c.anchor)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n%v\nwant %q", c.anchor, err, c.want)
		}
	}
}

func TestBundlesOfAPolicyAreBounded(t *testing.T) {
	files := fstest.MapFS{}
	for i := range maxBundleFiles + 1 {
		files[fmt.Sprintf("many/%d.json", i)] = &fstest.MapFile{Data: []byte("{}")}
	}
	large := append([]byte("{"), make([]byte, maxNamedFile-1)...)
	for i := range 17 {
		files[fmt.Sprintf("large/%02d.bundle", i)] = &fstest.MapFile{Data: large}
	}
	files["one/a.json"] = &fstest.MapFile{Data: append(large, ' ')}
	for folder, want := range map[string]string{"many": "more than 1024 files", "large": "more than 67108864 bytes", "one": "more than 4194304 bytes"} {
		_, err := Parse("p", files, []byte(anchored("{sigstore: {issuer: 'https://i.example', identity: x, bundles: ["+folder+"]}}")))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", folder, err)
		}
	}
}

func TestEpochAndDigestCoverRepositoriesAndBundles(t *testing.T) {
	const base = "{tuf: {root: anchors/acme-root.json, metadata: 'https://m.example/', targets: 'https://t.example/'}}"
	const who = "{sigstore: {issuer: 'https://i.example', identity: 'https://ci.example/acme/*', bundles: [bundles]}}"
	const mapped = "{tuf: {map: anchors/map.json, roots: {Acme: anchors/acme-root.json, Auditor: anchors/auditor-root.json}, targets: 'https://dl.example.org'}}"
	seen := map[string]string{}
	add := func(what string, files fstest.MapFS, anchor string) {
		t.Helper()
		epoch := mustParseIn(t, files, anchored(anchor)).Trust(verify.Trust{}).Epoch
		if other, again := seen[epoch]; again {
			t.Errorf("%s and %s have one epoch", what, other)
		}
		seen[epoch] = what
	}
	with := func(name, data string) fstest.MapFS {
		files := testFiles()
		files[name] = &fstest.MapFile{Data: []byte(data)}
		return files
	}
	add("tuf", testFiles(), base)
	for _, c := range [][2]string{{"m.example", "n.example"}, {"t.example", "u.example"}, {"acme-root", "auditor-root"}, {"targets", "refresh: 1h, targets"}} {
		add("tuf, "+c[1], testFiles(), strings.Replace(base, c[0], c[1], 1))
	}
	add("root", with("anchors/acme-root.json", string(rootMetadata("other"))), base)
	add("map", testFiles(), mapped)
	add("map, terminating", with("anchors/map.json", strings.Replace(mapFile, "true", "false", 1)), mapped)
	add("map, mirror", with("anchors/map.json", strings.Replace(mapFile, "mirror", "miror", 1)), mapped)
	add("sigstore", testFiles(), who)
	for _, c := range [][2]string{
		{"i.example", "j.example"}, {"acme", "acne"}, {"identity", "identity_regexp"}, {"bundles:", "rekor: 2, bundles:"}, {"bundles:", "timestamp: 2, bundles:"}, {"bundles:", "sct: 0, bundles:"},
		{"bundles:", "san_type: uri, bundles:"}, {"bundles:", "sct: 0, trusted_root: anchors/corp-trusted-root.json, bundles:"}, {"[bundles]", "[bundles, 'https://e.example.org/{name}']"},
		{"bundles:", "trusted_root: {root: anchors/acme-root.json, metadata: 'https://m.example', targets: 'https://t.example'}, bundles:"},
	} {
		add("sigstore, "+c[1], testFiles(), strings.Replace(who, c[0], c[1], 1))
	}
	add("key", testFiles(), "{sigstore: {key: keys/cosign.pub}}")
	add("another bundle", with("bundles/c.json", "{}"), who)
	add("a changed bundle", with("bundles/a.json", "{ }"), who)
	add("what is no bundle", with("bundles/README.json", "{}"), who)
	before := mustParse(t, anchored(who)).Digest()
	for name, data := range map[string]string{"bundles/a.json": "{ }", "bundles/c.sigstore": "{}"} {
		if mustParseIn(t, with(name, data), anchored(who)).Digest() == before {
			t.Errorf("the digest does not cover %s", name)
		}
	}
}

// One and the same identity of Sigstore does not reach a threshold of two, however it is written.
func TestOneIdentityOfSigstoreIsOneSigner(t *testing.T) {
	by := func(name, issuer string, fingerprint string, anchors ...string) verify.Finding {
		return verify.Finding{Method: "sigstore", Status: verify.Valid, Code: "sigstore/valid", Anchors: anchors,
			Signer: verify.Identity{Name: name, Issuer: issuer, Fingerprint: fingerprint}}
	}
	p, err := Parse("p", testFiles(), []byte(`version: 1
anchors:
  one: {sigstore: {issuer: "https://issuer.example", identity: "*@acme.example"}}
  two: {sigstore: {issuer: "https://issuer.example", identity: "*@Acme.example"}}
channels: [{name: v, hosts: [v.example], require: [{signed_by: {anchors: [one, two], threshold: 2}}]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	const issuer = "https://issuer.example"
	for _, c := range []struct {
		name          string
		first, second verify.Finding
		want          Action
	}{
		{"two people", by("alice@acme.example", issuer, "aa", "one"), by("bob@acme.example", issuer, "bb", "two"), Allow},
		{"one person", by("alice@acme.example", issuer, "aa", "one"), by("Alice@Acme.example", issuer, "bb", "two"), Quarantine},
		{"one workflow at two refs", by("https://ci.example/acme/app@refs/heads/a", issuer, "aa", "one"), by("https://ci.example/Acme/app@refs/heads/b", issuer, "bb", "two"), Quarantine},
		{"two workflows", by("https://ci.example/acme/app@refs/heads/a", issuer, "aa", "one"), by("https://ci.example/acme/lib@refs/heads/a", issuer, "bb", "two"), Allow},
		{"one certificate", by("alice@acme.example", issuer, "aa", "one"), by("bob@acme.example", issuer, "AA", "two"), Quarantine},
	} {
		if d := p.Decide(facts(t, "https://v.example/x", c.first, c.second)); d.Action != c.want {
			t.Errorf("%s: %s %q", c.name, d.Action, d.Reasons)
		}
	}
}
