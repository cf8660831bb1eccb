package apt

import (
	"bytes"
	"fmt"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const sampleRelease = `Origin: Debian
Label: Debian
Suite: oldstable
Codename: bookworm
Date: Sat, 21 Nov 2026  0:45:27 UTC
Valid-Until: Sat, 28 Nov 2026 00:45:27 UTC
Acquire-By-Hash: yes
MD5Sum:
 0123456789abcdef0123456789abcdef 1 main/x
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-amd64/Packages
`

func FuzzParseRelease(f *testing.F) {
	f.Add([]byte(sampleRelease))
	f.Add([]byte("Date: Mon, 02 Jan 2006 15:04:05 GMT\nSHA256:\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		rel, err := parseRelease(in)
		if err != nil {
			return
		}
		again, err := parseRelease(rel.appendText(nil))
		if err != nil {
			t.Fatalf("what is remembered cannot be read: %v", err)
		}
		if diff := cmp.Diff(rel, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("what is remembered is not what was read: %s", diff)
		}
	})
}

func FuzzParseIndex(f *testing.F) {
	f.Add([]byte("Package: a\nFilename: pool/a.deb\nSize: 1\nSHA256: " + strings.Repeat("ab", 32) + "\n\n"))
	f.Add([]byte("Filename: ../../etc/passwd\nSize: -1\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		x, err := parseIndex(bytes.NewReader(in))
		if err != nil {
			return
		}
		if n := bytes.Count(bytes.ToLower(in), []byte("filename:")); len(x.rows) > n {
			t.Errorf("%d packages from %d file names", len(x.rows), n)
		}
		for _, r := range x.rows {
			if r.size < 0 {
				t.Errorf("a size of %d", r.size)
			}
		}
	})
}

func FuzzParsePatches(f *testing.F) {
	f.Add([]byte("SHA256-Download:\n " + strings.Repeat("ab", 32) + " 1 T-1.gz\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := parsePatches(in)
		if err == nil && len(got) > maxPatches {
			t.Errorf("%d patches", len(got))
		}
	})
}

func FuzzReadIndex(f *testing.F) {
	f.Add([]byte("Package: a\n"), uint8(0))
	f.Fuzz(func(t *testing.T, in []byte, which uint8) {
		name := "Packages" + []string{"", ".gz", ".xz", ".zst", ".bz2"}[int(which)%5]
		plain := &file{Size: 1000}
		if _, err := readIndex(in, name, plain); err == nil {
			t.Error("it has the digest that is all zeros")
		}
	})
}

// FuzzPlaces checks that nothing an artifact's URL says leads to another host or out of the path.
func FuzzPlaces(f *testing.F) {
	f.Add("http://mirror.debian.org/debian/pool/main/h/hello/hello_2.10-3_amd64.deb")
	f.Add("https://download.docker.com/linux/debian/dists/bookworm/pool/stable/amd64/containerd.io_1.7.27-1_amd64.deb")
	f.Add("http://mirror.debian.org/debian/dists/bookworm/main/binary-amd64/by-hash/SHA256/" + strings.Repeat("ab", 32))
	f.Add("http://user:pass@host:80//pool/%2e%2e/dists//InRelease?x#y")
	f.Add("https://pkgs.example.org/deb/./InRelease")
	f.Add("https://pkgs.k8s.io/core:/stable:/v1.30/deb/amd64/kubectl_1.30.0-1.1_amd64.deb")
	f.Fuzz(func(t *testing.T, in string) {
		u, err := url.Parse(in)
		if err != nil {
			return
		}
		check := func(s suite, name string) {
			got, err := url.Parse(s.url(name))
			if err != nil {
				t.Fatalf("%s: %v", s.url(name), err)
			}
			if got.Scheme != u.Scheme || !strings.EqualFold(got.Host, u.Host) || got.User != nil || got.RawQuery != "" || got.Fragment != "" {
				t.Errorf("%q leads to %q", in, got)
			}
			if strings.Contains(got.Path+"/", "/../") || !strings.HasPrefix(got.Path, s.archive.path) {
				t.Errorf("%q leads out of its archive to %q", in, got)
			}
		}
		for _, p := range targets(u) {
			check(p.suite, p.name)
			check(p.suite, "InRelease")
			if joined := p.suite.archive.path + p.suite.base() + p.name; joined != path.Clean(u.Path) {
				t.Errorf("%q was taken apart into %q", u.Path, joined)
			}
		}
		all := candidates(u)
		if len(all) > 2*maxParents {
			t.Errorf("%d candidates", len(all))
		}
		for _, c := range all {
			check(suite{c.archive, c.hint}, "InRelease")
			if c.archive.path+c.file != path.Clean(u.Path) {
				t.Errorf("%q was taken apart into %q and %q", u.Path, c.archive.path, c.file)
			}
		}
	})
}

func TestReleaseRefusals(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(sampleRelease, old, new, 1) }
	for name, text := range map[string]string{
		"no date":                           replace("Date: Sat, 21 Nov 2026  0:45:27 UTC\n", ""),
		"date in a local zone":              replace("0:45:27 UTC", "0:45:27 CET"),
		"no digests":                        sampleRelease[:strings.Index(sampleRelease, "SHA256:")],
		"second stanza":                     sampleRelease + "\nOrigin: Evil\n",
		"field twice":                       sampleRelease + "origin: Evil\n",
		"file twice, differently":           sampleRelease + " " + strings.Repeat("ab", 32) + " 1 main/binary-amd64/Packages\n",
		"the same file by another spelling": sampleRelease + " " + strings.Repeat("ab", 32) + " 1 ./main//binary-amd64/Packages\n",
		"negative size":                     replace(" 0 main/binary", " -1 main/binary"),
		"digest too short":                  replace("SHA256:\n e3b0", "SHA256:\n b0"),
		"endless name":                      replace("Origin: Debian", "Origin: "+strings.Repeat("x", maxIdentity+1)),
		"too long":                          sampleRelease + strings.Repeat("X", maxRelease),
		"binary":                            "\x00\x01",
	} {
		t.Run(name, func(t *testing.T) {
			if rel, err := parseRelease([]byte(text)); err == nil {
				t.Errorf("read %+v", rel)
			}
		})
	}
}

func TestIndexRefusals(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	good := "Filename: a.deb\nSize: 1\nSHA256: " + sum + "\n"
	for name, text := range map[string]string{
		"two file names":  good + "Filename: b.deb\n",
		"two sizes":       good + "Size: 2\n",
		"two digests":     good + "SHA256: " + sum + "\n",
		"size in words":   "Size: one\n",
		"digest too long": "SHA256: " + sum + "ab\n",
	} {
		if _, err := parseIndex(strings.NewReader(text)); err == nil {
			t.Errorf("%s: read", name)
		}
	}
	for name, text := range map[string]string{
		"no digest": "Filename: a.deb\nSize: 1\n", "no size": "Filename: a.deb\nSHA256: " + sum + "\n", "no name": "Size: 1\nSHA256: " + sum + "\n",
	} {
		x, err := parseIndex(strings.NewReader(text))
		if err != nil || len(x.rows) != 0 {
			t.Errorf("%s: %d rows, %v", name, len(x.rows), err)
		}
	}
}

func TestDecompressionIsBoundedByWhatTheReleaseLists(t *testing.T) {
	bomb := []byte("Filename: " + strings.Repeat("x", 1<<20) + "\n")
	for _, ending := range []string{".gz", ".xz", ".zst"} {
		w := newWorld(t)
		w.publish(w.bookworm())
		raw := compressed(t, bomb, ending)
		if _, err := readIndex(raw, "Packages"+ending, &file{Size: 1000}); err == nil {
			t.Errorf("%s: read more than is listed", ending)
		}
	}
}

func TestIndexInMemoryIsCompact(t *testing.T) {
	var b bytes.Buffer
	const n = 10_000
	for i := range n {
		fmt.Fprintf(&b, "Package: p%d\nFilename: pool/main/p/p%d/p%d_1_amd64.deb\nSize: %d\nSHA256: %064x\n\n", i, i, i, i, i)
	}
	x, err := parseIndex(&b)
	if err != nil {
		t.Fatal(err)
	}
	if per := x.bytes() / n; per > 64 {
		t.Errorf("%d bytes a package", per)
	}
	for i := range n {
		got := x.lookup(fmt.Sprintf("pool/main/p/p%d/p%d_1_amd64.deb", i, i))
		if len(got) != 1 || got[0].Size != int64(i) {
			t.Fatalf("package %d: %+v", i, got)
		}
	}
	if got := x.lookup("pool/other"); len(got) != 0 {
		t.Errorf("found %+v", got)
	}
}
