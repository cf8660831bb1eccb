package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/verifytest/fetch"
)

type verdictOf struct {
	code  string
	valid bool
}

func findings(list []verdictOf) (out []verify.Finding) {
	for _, v := range list {
		f := verify.Finding{Code: v.code, Status: verify.Invalid}
		if v.valid {
			f.Status, f.Anchors = verify.Valid, []string{"a"}
		}
		out = append(out, f)
	}
	return out
}

func TestOurVerdictIsThatOfAPolicy(t *testing.T) {
	signed := verify.Finding{Status: verify.Valid, Code: "a/valid", Signer: verify.Identity{Name: "Acme"}}
	for name, c := range map[string]struct {
		found    []verify.Finding
		accepted bool
		text     string
	}{
		"signed":            {[]verify.Finding{{Status: verify.Valid, Code: "a/note"}, signed}, true, "valid a/valid (Acme)"},
		"wrong as well":     {[]verify.Finding{signed, {Status: verify.Invalid, Code: "a/hidden-data"}}, false, "invalid a/hidden-data"},
		"only a note":       {[]verify.Finding{{Status: verify.Valid, Code: "a/note"}}, false, "valid a/note"},
		"of something else": {[]verify.Finding{{Status: verify.Valid, Subject: "inner", Code: "a/valid", Signer: signed.Signer}}, false, "nothing to say"},
		"nobody known":      {[]verify.Finding{{Status: verify.Untrusted, Code: "a/untrusted-root"}, {Status: verify.Absent, Code: "b/unsigned"}}, false, "untrusted a/untrusted-root"},
	} {
		if v := oursOf(c.found); v.accepted != c.accepted || v.text != c.text {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestRecordedVerdicts(t *testing.T) {
	for text, want := range map[string]verdict{
		"osslsigncode: PASS (roots: x); with others only: FAIL [SHA256 ok]":                          {known: true, accepted: true},
		"osslsigncode: FAIL (roots: x); with others only: FAIL":                                      {known: true},
		"own check: PASS only when sorted; openssl cms reports bad signature":                        {known: true, accepted: true},
		"rpmkeys -Kv: Header V4 RSA/SHA256 Signature, key ID 19: OK; Payload SHA256 digest: BAD (x)": {known: true},
		"rpmkeys -Kv: Header V4 RSA/SHA256 Signature, key ID 19: OK; Header SHA256 digest: OK":       {known: true, accepted: true},
		"rpmkeys -Kv: Header SHA1 digest: OK; MD5 digest: OK":                                        {known: true},
		"rpmkeys -Kv: V3 DSA/SHA1 Signature, key ID 44: NOKEY; MD5 digest: OK":                       {known: true},
		"private CA":                  {known: true},
		"not checked":                 {},
		"signature of the file above": {},
		"":                            {},
	} {
		if v := recorded(text); v.known != want.known || v.accepted != want.accepted {
			t.Errorf("%q: %+v", text, v)
		}
	}
}

func TestExplanationsNameChapters(t *testing.T) {
	document, err := os.ReadFile("../../verify/FORMATS.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range explanations {
		if !strings.Contains(string(document), "\n## "+e.chapter+"\n") {
			t.Errorf("FORMATS.md has no chapter %q", e.chapter)
		}
	}
}

func TestManifestRefusals(t *testing.T) {
	header := strings.Join(columns, "\t")
	sum := strings.Repeat("0", 64)
	for defect, text := range map[string]string{
		"no header":              "a\tb",
		"a path that leads out":  header + "\nk\t../f\t" + sum + "\t1\ts\t\t\t\t\t",
		"a short digest":         header + "\nk\tf\t00\t1\ts\t\t\t\t\t",
		"a size that is none":    header + "\nk\tf\t" + sum + "\t-1\ts\t\t\t\t\t",
		"a column that is short": header + "\nk\tf\t" + sum,
	} {
		if _, err := parseManifest(text); err == nil {
			t.Errorf("%s was accepted", defect)
		}
	}
}

func TestParseSource(t *testing.T) {
	for source, want := range map[string]struct {
		p     fetch.Package
		inner string
	}{
		"npm @a/b@1.0 package/x y.exe":                                                        {fetch.Package{Client: "npm", Spec: "@a/b@1.0"}, "package/x y.exe"},
		"go-module example.org/m@v1.0.0 testdata/f":                                           {fetch.Package{Client: "go", Spec: "example.org/m@v1.0.0"}, "testdata/f"},
		"debian-deb shim=1 usr/lib/x":                                                         {fetch.Package{Client: "deb", Spec: "shim=1"}, "usr/lib/x"},
		"debian-apt apt-get source --download-only (deb-src) a_1-2.dsc":                       {fetch.Package{Client: "source", Spec: "a=1-2"}, "a_1-2.dsc"},
		"debian-apt apt-get source --download-only hello debian.tar.xz:debian/upstream/k.asc": {fetch.Package{Client: "source", Spec: "hello"}, "debian.tar.xz:debian/upstream/k.asc"},
	} {
		if p, inner, err := parseSource(row{source: source}); err != nil || p != want.p || inner != want.inner {
			t.Errorf("%q: %v %q %v", source, p, inner, err)
		}
	}
	if _, _, err := parseSource(row{source: "github-snapshot a/b@c d"}); err == nil {
		t.Error("a snapshot is no package")
	}
}

func TestUncoveredRegionsOfAMinisignSignature(t *testing.T) {
	free := regionsOf("x.minisig", []byte("untrusted comment: abc\nRWQ\n"))
	if len(free) != 1 || free[0].from != 19 || free[0].to != 22 {
		t.Errorf("%+v", free)
	}
}

func TestPlaceSplitsOverExtents(t *testing.T) {
	got := place([]region{{2, 6, "w", true}}, []extent{{0, 100, 4}, {4, 200, 4}})
	if len(got) != 2 || got[0] != (region{102, 104, "w", true}) || got[1] != (region{200, 202, "w", true}) {
		t.Errorf("%+v", got)
	}
}

// TestRealSamplesAgree runs the command over what verifytest/samples fetched: a manifest made of it must hold no surprise.
func TestRealSamplesAgree(t *testing.T) {
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real samples are left out")
	}
	w := newWorld(t)
	st := &store{dirs: []string{dir}}
	for file, verdict := range map[string]string{
		"cat/relic-hyperv.cat": "osslsigncode: PASS", "authenticode-pe/node-pty/conpty-x64.dll": "osslsigncode: PASS",
		"authenticode-pe/saferwall/putty_modified.exe": "osslsigncode: FAIL", "msi/relic-dummy.msi": "osslsigncode: FAIL",
		"minisign/aead/message.txt": "minisign: PASS", "rpm/fedora/zlib-1.2.8-10.fc24.i686.rpm": "rpmkeys: Signature: OK",
	} {
		s := st.find(file, "")
		if s == nil {
			t.Logf("%s is not among the samples: it is left out", file)
			continue
		}
		kind, _, _ := strings.Cut(file, "/")
		kind = map[string]string{"cat": "authenticode-cat", "msi": "authenticode-msi"}[kind] + map[string]string{"authenticode-pe": kind, "minisign": kind, "rpm": kind}[kind]
		w.add(kind, file, s.data, verdict)
	}
	for _, file := range []string{"minisign/aead/message.txt.minisig", "minisign/aead/minisign.pub", "rpm/fedora/RPM-GPG-KEY-fedora-25-i386"} {
		if s := st.find(file, ""); s != nil {
			w.write(file, s.data)
			if strings.Contains(file, "GPG-KEY") {
				w.add("openpgp-key", file, s.data, "")
			}
		}
	}
	if len(w.lines) == 1 {
		t.Skip("none of the samples is there")
	}
	if out, err := w.run(20); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestFetchAsksForNothingThatIsThere(t *testing.T) {
	w := newWorld(t)
	w.add("nuget", "nuget/a.nupkg", []byte("a"), "")
	w.add("tuf-seed", "tuf/gone", nil, "")
	rows, err := parseManifest(strings.Join(w.lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	fetchMissing(context.Background(), &store{dirs: []string{w.dir}}, rows, options{fetch: t.TempDir()}, &log)
	if log.Len() > 0 {
		t.Errorf("said %q", log.String())
	}
}
