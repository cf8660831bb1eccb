package unpack

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/apt/apttest"
	"github.com/sallyport-project/sallyport/verify/rpm/rpmtest"
)

// unixListing is an Inside that writes down what it is offered: name, then digest, link or kind.
type unixListing struct {
	t     testing.TB
	lines []string
	fail  error
}

// Offer implements verify.Inside.
func (l *unixListing) Offer(e verify.Entry) error {
	if l.fail != nil {
		return l.fail
	}
	what := ""
	switch {
	case e.Unread != "":
		what = "unread"
	case e.Directory:
		what = "folder"
	case e.Link != "":
		what = "-> " + e.Link
	default:
		r := e.Reader
		if e.Content != nil {
			r = io.NewSectionReader(e.Content, 0, e.Size)
		}
		h := sha256.New()
		n, err := io.Copy(h, r)
		switch {
		case errors.Is(err, verify.ErrBroken):
			what = "broken"
		case err != nil:
			return err
		case e.Size >= 0 && n != e.Size:
			l.t.Errorf("%s: %d bytes, declared %d", e.Name, n, e.Size)
		default:
			what = fmt.Sprintf("%x", h.Sum(nil))
		}
	}
	l.lines = append(l.lines, e.Name+" "+what)
	return nil
}

func (l *unixListing) String() string { return strings.Join(l.lines, "\n") }

func unixSum(content string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(content))) }

func unixArtifact(name string, data []byte) *verify.Artifact {
	return &verify.Artifact{Name: name, Format: verify.Sniff(data[:min(len(data), verify.SniffLen)], name), Size: int64(len(data)), Content: bytes.NewReader(data)}
}

// unixOpeners are those of this file, in the order in which they are asked.
func unixOpeners() []verify.Opener {
	return append([]verify.Opener{NewDeb(), NewRPM(), NewTar(), NewAR(), NewCpio()}, NewCompressed()...)
}

// openUnix opens data with the first opener that matches. codes are the findings' codes, joined.
func openUnix(t testing.TB, name string, data []byte) (l *unixListing, method, codes string) {
	t.Helper()
	a := unixArtifact(name, data)
	for _, o := range unixOpeners() {
		if !o.Match(a) {
			continue
		}
		l = &unixListing{t: t}
		found, err := o.Open(context.Background(), a, l)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var list []string
		for _, f := range found {
			if f.Detail == "" || f.Method != o.Method() || !strings.HasPrefix(f.Code, o.Method()+"/") {
				t.Errorf("%s: %+v", name, f)
			}
			list = append(list, f.Code)
		}
		return l, o.Method(), strings.Join(list, " ")
	}
	return nil, "", ""
}

func unixTar(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		content := h.Uname // what a test's member holds
		h.Uname = ""
		if h.Typeflag == 0 || h.Typeflag == tar.TypeReg {
			h.Size = int64(len(content))
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			io.WriteString(w, content)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unixPacked(t testing.TB, data []byte, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch format {
	case "gz":
		w = gzip.NewWriter(&b)
	case "xz":
		w, err = xz.NewWriter(&b)
	case "zst":
		w, err = zstd.NewWriter(&b)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnixContainers(t *testing.T) {
	long := strings.Repeat("long/", 60) + "name"
	plain := unixTar(t, tar.Header{Name: "a", Uname: "one"}, tar.Header{Name: "d/", Typeflag: tar.TypeDir}, tar.Header{Name: long, Uname: "two"},
		tar.Header{Name: "s", Typeflag: tar.TypeSymlink, Linkname: "../etc/passwd"}, tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "a"})
	inTar := "a " + unixSum("one") + "\nd/ folder\n" + long + " " + unixSum("two") + "\ns -> ../etc/passwd\nh -> a"
	device := unixTar(t, tar.Header{Name: "dev", Typeflag: tar.TypeChar}, tar.Header{Name: "a", Uname: "one"})
	gz := unixPacked(t, []byte("hello"), "gz")
	two := append(bytes.Clone(gz), unixPacked(t, []byte(" again"), "gz")...)
	// "hello" by bzip2(1).
	bz, err := hex.DecodeString("425a68393141592653591931653d00000081000244a000219a68334d07338bb9229c28480c98b29e80")
	if err != nil {
		t.Fatal(err)
	}
	ar := []byte("!<arch>\n" +
		fmt.Sprintf("%-48s%-10d`\n%s", "//", 24, "a_long_name_of_a_member/") +
		fmt.Sprintf("%-48s%-10d`\n%s\n", "/0", 3, "abc") +
		fmt.Sprintf("%-48s%-10d`\n%s", "#1/4", 6, "bsd\x00xy") +
		fmt.Sprintf("%-48s%-10d`\n%s", "short/", 2, "hi"))
	member := func(name, content string) string {
		return fmt.Sprintf("070707%06o%06o%06o%06o%06o%06o%06o%011o%06o%011o%s\x00%s", 1, 2, 0o100644, 0, 0, 1, 0, 0, len(name)+1, len(content), name, content)
	}
	cpio := member("a", "abc") + member("TRAILER!!!", "")
	for _, c := range []struct {
		name   string
		data   []byte
		method string
		codes  string
		want   string
	}{
		{"x.tar", plain, "tar", "", inTar},
		{"x.tar.gz", unixPacked(t, plain, "gz"), "tar", "", inTar},
		{"x.tar.xz", unixPacked(t, plain, "xz"), "tar", "", inTar},
		{"x.tar.zst", unixPacked(t, plain, "zst"), "tar", "", inTar},
		{"padded.tar", append(bytes.Clone(plain), make([]byte, 9000)...), "tar", "", inTar},
		{"two.tar", append(bytes.Clone(plain), plain...), "tar", "tar/trailing-data", inTar},
		{"behind.tar", append(bytes.Clone(plain), "MZ"...), "tar", "tar/trailing-data", inTar},
		{"cut.tar", plain[:513], "tar", "tar/truncated", "a broken"},
		{"device.tar", device, "tar", "tar/special-file", "a " + unixSum("one")},
		{"bad.tar", append(bytes.Clone(plain[:1024]), bytes.Repeat([]byte("x"), 1024)...), "tar", "tar/malformed", "a " + unixSum("one")},
		{"behind.tar.gz", append(unixPacked(t, plain, "gz"), "#!/bin/sh"...), "tar", "tar/trailing-data", inTar},
		{"hello.gz", gz, "gzip", "", "hello " + unixSum("hello")},
		{"hello.gz", two, "gzip", "", "hello " + unixSum("hello again")},
		{"hello.gz", append(bytes.Clone(gz), 0, 0, 0), "gzip", "", "hello " + unixSum("hello")},
		{"hello.gz", append(bytes.Clone(gz), "PK"...), "gzip", "gzip/trailing-data", "hello " + unixSum("hello")},
		{"hello.gz", gz[:len(gz)-3], "gzip", "gzip/truncated", "hello broken"},
		{"hello.xz", unixPacked(t, []byte("hello"), "xz"), "xz", "", "hello " + unixSum("hello")},
		{"hello.xz", append(unixPacked(t, []byte("hello"), "xz"), "more"...), "xz", "xz/malformed", ""},
		{"hello.zst", unixPacked(t, []byte("hello"), "zst"), "zstd", "", "hello " + unixSum("hello")},
		{"hello.zst", append(unixPacked(t, []byte("hello"), "zst"), "more"...), "zstd", "zstd/malformed", "hello broken"},
		{"hello.bz2", bz, "bzip2", "", "hello " + unixSum("hello")},
		{"hello.bz2", append(bytes.Clone(bz), "more"...), "bzip2", "bzip2/malformed", "hello broken"},
		{"open.tar", plain[:1024], "tar", "", "a " + unixSum("one")},
		{"lib.a", ar, "ar", "", "a_long_name_of_a_member " + unixSum("abc") + "\nbsd " + unixSum("xy") + "\nshort " + unixSum("hi")},
		{"lib.a", append(bytes.Clone(ar), "evil"...), "ar", "ar/malformed", "a_long_name_of_a_member " + unixSum("abc") + "\nbsd " + unixSum("xy") + "\nshort " + unixSum("hi")},
		{"initrd", []byte(cpio), "cpio", "", "a " + unixSum("abc")},
		{"initrd", []byte(cpio + "MZ"), "cpio", "cpio/trailing-data", "a " + unixSum("abc")},
		{"initrd", []byte(cpio[:80]), "cpio", "cpio/malformed", "a broken"},
	} {
		l, method, codes := openUnix(t, c.name, c.data)
		if l == nil {
			t.Errorf("%s: nobody opens it", c.name)
			continue
		}
		if method != c.method || codes != c.codes || l.String() != c.want {
			t.Errorf("%s: %s, findings %q, want %s, %q\n%s\nwant\n%s", c.name, method, codes, c.method, c.codes, l, c.want)
		}
	}
}

func TestOpenersReturnWhatInsideReturns(t *testing.T) {
	stop := fmt.Errorf("enough: %w", verify.ErrBroken)
	pkg, err := rpmtest.Package{Files: []rpmtest.File{{Path: "/a", Content: "x"}}}.Build()
	if err != nil {
		t.Fatal(err)
	}
	plain := unixTar(t, tar.Header{Name: "a", Uname: "one"})
	for name, data := range map[string][]byte{
		"x.tar": plain, "x.tar.gz": unixPacked(t, plain, "gz"), "x.gz": unixPacked(t, []byte("x"), "gz"), "x.rpm": pkg, "x.deb": unixDeb(t),
	} {
		a := unixArtifact(name, data)
		for _, o := range unixOpeners() {
			if !o.Match(a) {
				continue
			}
			if _, err := o.Open(context.Background(), a, &unixListing{t: t, fail: stop}); err != stop {
				t.Errorf("%s: %v, want what Offer returned", name, err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if _, err := o.Open(ctx, a, &unixListing{t: t}); name != "x.deb" && !errors.Is(err, context.Canceled) {
				t.Errorf("%s, cancelled: %v", name, err)
			}
			break
		}
	}
}

func unixDeb(t testing.TB) []byte {
	t.Helper()
	p, err := apttest.Deb("hello", "1.0", "amd64", "a test")
	if err != nil {
		t.Fatal(err)
	}
	return p.Content
}

// arMemberOf returns one member of an ar archive.
func arMemberOf(name, content string) string {
	s := fmt.Sprintf("%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", name, 0, 0, 0, "100644", len(content), content)
	if len(content)%2 == 1 {
		s += "\n"
	}
	return s
}

func TestDeb(t *testing.T) {
	control := string(unixPacked(t, unixTar(t, tar.Header{Name: "./postinst", Uname: "#!/bin/sh\n", Mode: 0o755}), "xz"))
	data := string(unixPacked(t, unixTar(t, tar.Header{Name: "./usr/bin/x", Uname: "ELF"}, tar.Header{Name: "./usr/bin/y", Typeflag: tar.TypeSymlink, Linkname: "x"}), "zst"))
	version, ctl, dat := arMemberOf("debian-binary", "2.0\n"), arMemberOf("control.tar.xz", control), arMemberOf("data.tar.zst", data)
	inside := "control/postinst " + unixSum("#!/bin/sh\n") + "\ndata/usr/bin/x " + unixSum("ELF") + "\ndata/usr/bin/y -> x"
	for _, c := range []struct{ name, data, codes, want string }{
		{"as it should be", version + ctl + dat, "", inside},
		{"signature behind", version + ctl + dat + arMemberOf("_gpgorigin", "sig"), "deb/signature-member", inside + "\nextra/_gpgorigin " + unixSum("sig")},
		{"member in front", version + arMemberOf("_x", "1") + ctl + dat, "deb/extra-member", "extra/_x " + unixSum("1") + "\n" + inside},
		{"second data.tar", version + ctl + dat + dat, "deb/extra-member", inside + "\nextra/data.tar.zst " + unixSum(data)},
		{"data before control", version + dat + ctl, "deb/malformed deb/malformed", "extra/data.tar.zst " + unixSum(data) + "\ncontrol/postinst " + unixSum("#!/bin/sh\n")},
		{"no data", version + ctl, "deb/malformed", "control/postinst " + unixSum("#!/bin/sh\n")},
		{"format 9", arMemberOf("debian-binary", "9.0\n") + ctl + dat, "deb/malformed", inside},
		{"bytes behind", version + ctl + dat + "MZ", "deb/malformed", inside},
		{"unknown compression", version + ctl + arMemberOf("data.tar.lz4", "x"), "deb/not-looked-into", "control/postinst " + unixSum("#!/bin/sh\n")},
		{"broken data", version + ctl + arMemberOf("data.tar.gz", strings.Repeat("x", 40)), "deb/malformed", "control/postinst " + unixSum("#!/bin/sh\n")},
	} {
		l, _, codes := openUnix(t, "x.deb", []byte("!<arch>\n"+c.data))
		if codes != c.codes || l.String() != c.want {
			t.Errorf("%s: %q\n%s\nwant %q\n%s", c.name, codes, l, c.codes, c.want)
		}
	}
}

func TestRPMContents(t *testing.T) {
	files := []rpmtest.File{
		{Path: "/usr/bin/x", Content: "ELF", Mode: 0o100755}, {Path: "/usr/share/doc", Mode: 0o040755},
		{Path: "/usr/bin/y", Content: "x", Mode: 0o120777}, {Path: "/var/log/x", Content: "never packed", Ghost: true},
	}
	want := "scriptlets/post " + unixSum("#!/bin/sh\necho hi\n") + "\nfiles/usr/bin/x " + unixSum("ELF") + "\nfiles/usr/share/doc folder\nfiles/usr/bin/y -> x"
	base := rpmtest.Package{Files: files, Scripts: map[uint32]string{1024: "echo hi\n"}}
	for name, change := range map[string]func(*rpmtest.Package){
		"plain": func(p *rpmtest.Package) {}, "gzip": func(p *rpmtest.Package) { p.Compressor = "gzip" },
		"xz": func(p *rpmtest.Package) { p.Compressor = "xz" }, "zstd": func(p *rpmtest.Package) { p.Compressor = "zstd" },
		"format 3": func(p *rpmtest.Package) { p.Format = 3 }, "format 6": func(p *rpmtest.Package) { p.Format = 6; p.Compressor = "zstd" },
	} {
		p := base
		change(&p)
		data, err := p.Build()
		if err != nil {
			t.Fatal(err)
		}
		l, _, codes := openUnix(t, "x.rpm", data)
		if codes != "" || l.String() != want {
			t.Errorf("%s: %q\n%s\nwant\n%s", name, codes, l, want)
		}
	}
	trailing := base
	trailing.Trailing = []byte("MZ")
	data, err := trailing.Build()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, codes := openUnix(t, "x.rpm", data); codes != "rpm/trailing-data" {
		t.Errorf("bytes behind the archive: %q", codes)
	}
	good, err := base.Build()
	if err != nil {
		t.Fatal(err)
	}
	renamed := bytes.Replace(good, []byte("./usr/bin/x\x00"), []byte("./usr/bin/z\x00"), 1)
	if l, _, codes := openUnix(t, "x.rpm", renamed); codes != "rpm/malformed" || strings.Contains(l.String(), "bin/z") {
		t.Errorf("a file that the header does not list: %q\n%s", codes, l)
	}
}

// TestRealContainers compares with what the tools of the formats list, on files that they make.
func TestContainersOfTheReferenceTools(t *testing.T) {
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	if err := os.MkdirAll(filepath.Join(tree, "sub", strings.Repeat("deep", 30)), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"a": "one", "sub/b": strings.Repeat("two", 50000), "sub/" + strings.Repeat("deep", 30) + "/" + strings.Repeat("c", 90): "three", "empty": ""} {
		if err := os.WriteFile(filepath.Join(tree, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", filepath.Join(tree, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(tree, "a"), filepath.Join(tree, "hard")); err != nil {
		t.Fatal(err)
	}
	sparse, err := os.Create(filepath.Join(tree, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	sparse.WriteAt([]byte("end"), 1<<20)
	sparse.Close()
	run := func(script string) []byte {
		t.Helper()
		cmd := exec.Command("sh", "-c", script)
		cmd.Dir = tree
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		return out
	}
	for _, c := range []struct{ tool, make, list string }{
		{"tar", "tar -cSf - --format=gnu .", ""},
		{"tar", "tar -cSf - --format=posix .", ""},
		{"tar", "tar -czf - --format=ustar --exclude='*deepdeep*' .", ""},
		{"xz", "tar -cJf - .", ""},
		{"zstd", "tar -c . | zstd -12 --long -q", ""},
		{"bzip2", "tar -cjf - .", ""},
		{"cpio", "find . | LC_ALL=C sort | cpio -o -H newc --quiet", ""},
		{"cpio", "find . | LC_ALL=C sort | cpio -o -H crc --quiet", ""},
		{"cpio", "find . | LC_ALL=C sort | cpio -o -H odc --quiet", ""},
		{"bsdtar", "bsdtar -cf - --format=pax .", ""},
	} {
		if _, err := exec.LookPath(c.tool); err != nil {
			t.Logf("%s is not installed: %s is left out", c.tool, c.make)
			continue
		}
		data := run(c.make)
		l, method, codes := openUnix(t, "x", data)
		if l == nil || codes != "" {
			t.Errorf("%s: %s %q", c.make, method, codes)
			continue
		}
		got := map[string]string{}
		for _, line := range l.lines {
			name, what, _ := strings.Cut(strings.TrimPrefix(line, "./"), " ")
			got[name] = what
		}
		for _, name := range []string{"a", "sub/b", "empty", "sparse"} {
			content, err := os.ReadFile(filepath.Join(tree, name))
			if err != nil {
				t.Fatal(err)
			}
			what := got[name]
			if other, ok := strings.CutPrefix(what, "-> "); ok {
				what = got[strings.TrimPrefix(other, "./")]
			}
			if what != unixSum(string(content)) {
				t.Errorf("%s: %s is %q", c.make, name, got[name])
			}
		}
		if got["link"] != "-> a" || got["hard"] == "" {
			t.Errorf("%s: link %q, hard link %q", c.make, got["link"], got["hard"])
		}
	}
}
