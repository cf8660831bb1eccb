package sigstore

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

// addSamples seeds a fuzz target with the real documents where there are any.
func addSamples(f *testing.F, patterns ...string) {
	for _, pattern := range patterns {
		names, _ := filepath.Glob(filepath.Join(os.Getenv("SALLYPORT_SAMPLES"), "sigstore", pattern))
		for _, name := range names {
			if data, err := os.ReadFile(name); err == nil && os.Getenv("SALLYPORT_SAMPLES") != "" {
				f.Add(data)
			}
		}
	}
}

func FuzzDocument(f *testing.F) {
	i := sigstoretest.New("sigstore.test", time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC))
	by := sigstoretest.Signer{Identity: "https://github.com/acme/app", Issuer: "https://token.example.com"}
	statement := sigstoretest.Provenance(sigstoretest.Build{Builder: "b"}, sigstoretest.Of("a", []byte("a")))
	message, attestation := i.Sign([]byte("a"), by), i.Attest(statement, by)
	_, _, old := sigstoretest.Cosign(message)
	for _, seed := range [][]byte{
		message, attestation, old, sigstoretest.Lines(message, attestation), sigstoretest.NPM(attestation), sigstoretest.PyPIProvenance(nil, attestation),
		sigstoretest.GitHubAttestations(1, attestation), []byte(`[[[[[{}]]]]]`), []byte(`{"attestations":[{"bundle":null,"bundle_url":"x"}]}`), []byte(`{"payload":"","payloadType":"","signatures":[{},{}]}`),
		[]byte(`{"version":1,"verification_material":{},"envelope":{}}`), []byte(`{"base64Signature":1}`), []byte("\xef\xbb\xbf{}"), []byte(`{"message":"Not Found"}`),
	} {
		f.Add(seed)
	}
	addSamples(f, "npm-attestations/*.json", "gh-cli/*.json*", "slsa-go/*.jsonl", "vsa/*.jsonl", "npm/*.json", "bundles/*.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := readDocument(data)
		if err != nil && len(entries) > 0 || len(entries) > maxEntries {
			t.Fatalf("%d entries and error %v", len(entries), err)
		}
		for _, e := range entries {
			if (e.bundle == nil) == (e.err == nil) {
				t.Fatalf("an entry with bundle %v and error %v", e.bundle, e.err)
			}
		}
		if err != nil || len(data) > 1<<16 {
			return
		}
		// Twice the document is twice its bundles.
		again, err := readDocument(append(append(append([]byte(" "), data...), '\n'), data...))
		if err != nil || len(again) != 2*len(entries) {
			t.Fatalf("%d bundles, twice in a row %d: %v", len(entries), len(again), err)
		}
		for n, e := range entries {
			if again[n].id != e.id || again[n+len(entries)].id != e.id {
				t.Fatal("one bundle has two identities")
			}
		}
	})
}

func FuzzTemplate(f *testing.F) {
	for _, name := range []string{"app-1.2.3.tgz", "..", "%2e%2e", "a/../../b", "?x=y&z#q", "@acme/app", "a\x00b", "äö", "//evil.example.net", "\\..\\", "a;b=c+d"} {
		f.Add(name, "dir/"+name)
	}
	templates := []string{
		"https://b.example.org/x/{name}", "https://b.example.org/x/{path}/y", "https://b.example.org/x/{dir}/{name}.json", "https://b.example.org/?q={name}&p={path}",
		"http://b.example.org:8080/v1/{package}@{version}", "https://b.example.org/{sha256}/{name}",
	}
	f.Fuzz(func(t *testing.T, name, path string) {
		p := &place{name: name, path: path, pack: name, version: &version{text: name}}
		for _, template := range templates {
			filled, ok := expand(template, func(v string) (string, bool) { return p.variable(v, func(string) string { return "00" }) })
			if !ok {
				continue
			}
			prefix, _, _ := strings.Cut(template, "{")
			want, _ := url.Parse(prefix)
			base, _ := url.Parse("https://update.example.com/a/b")
			u, err := base.Parse(filled)
			if err != nil || u.Scheme != want.Scheme || u.Host != want.Host || u.User != nil || u.Fragment != "" || !strings.HasPrefix(u.Path, want.Path) {
				t.Fatalf("%s became %s (%v)", template, filled, err)
			}
			if clean := u.JoinPath().EscapedPath(); strings.TrimSuffix(clean, "/") != strings.TrimSuffix(u.EscapedPath(), "/") {
				t.Fatalf("%s became %s, which is %s when cleaned", template, filled, clean)
			}
			if strings.Contains(template, "?q=") && (u.Query().Get("q") != name || len(u.Query()) != 2) {
				t.Fatalf("%q became the query %q", name, u.RawQuery)
			}
		}
	})
}

func FuzzNPMPath(f *testing.F) {
	for _, path := range []string{
		"/app/-/app-1.2.3.tgz", "/@acme/app/-/app-1.2.3.tgz", "/npm/@acme/app/-/@acme/app-1.2.3-rc.1+b.tgz", "/a/b/c/-/c-0.0.0.tgz", "//evil.example.net/x/-/x-1.0.0.tgz",
		"/../x/-/x-1.0.0.tgz", "/x/-/x-1.0.0.tgz/-/y-1.0.0.tgz", "/@/-/-1.0.0.tgz", "/%2e/-/%2e-1.0.0.tgz",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		p, ok := parseNPMPath(path)
		if !ok {
			return
		}
		if !p.isPURL(p.purl()) {
			t.Fatalf("%+v: its package URL %s is another's", p, p.purl())
		}
		base := p.name[strings.LastIndexByte(p.name, '/')+1:]
		plain := p.prefix + p.name + "/-/" + base + "-" + p.version + ".tgz"
		if scoped := p.prefix + p.name + "/-/" + p.name + "-" + p.version + ".tgz"; plain != path && scoped != path {
			t.Fatalf("%q was read as %+v", path, p)
		}
		for _, other := range []npmPackage{{name: p.name, version: p.version + "0"}, {name: p.name + "0", version: p.version}} {
			if p.isPURL(other.purl()) {
				t.Fatalf("%+v takes %s for its own", p, other.purl())
			}
		}
		origin, _ := url.Parse("https://registry.example.com/x")
		u, err := origin.Parse(p.attestations())
		if err != nil || u.Host != origin.Host || u.Path != p.prefix+"-/npm/v1/attestations/"+p.name+"@"+p.version {
			t.Fatalf("%+v: its attestations are at %v (%v)", p, u, err)
		}
	})
}

func FuzzVersion(f *testing.F) {
	f.Add("1.2.3", "1.2.3-rc.1", "1.2.10")
	f.Add("1.0", "1.0.0", "3.12.0a7")
	f.Add("app-2.0.0-beta.2-linux-amd64", "v1.2+build", "1.2.3.4.5.6")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		var all []version
		for _, s := range []string{a, b, c} {
			if v, from, to, ok := findVersion(s); ok {
				if s[from:to] != v.text || v.compare(v) != 0 {
					t.Fatalf("%q has the version %+v", s, v)
				}
				all = append(all, v)
			}
		}
		if len(all) < 3 {
			return
		}
		x, y, z := all[0], all[1], all[2]
		if x.compare(y) != -y.compare(x) {
			t.Fatalf("%+v and %+v have no order", x, y)
		}
		if x.compare(y) <= 0 && y.compare(z) <= 0 && x.compare(z) > 0 {
			t.Fatalf("%+v, %+v, %+v go round", x, y, z)
		}
	})
}
