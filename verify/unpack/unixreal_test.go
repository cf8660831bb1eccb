package unpack

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/rpm/rpmtest"
)

// unixOnDisk lists the files below dir as unixListing does.
func unixOnDisk(t testing.TB, dir string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := strings.TrimPrefix(file, dir)
		if d.Type() == fs.ModeSymlink {
			to, err := os.Readlink(file)
			lines = append(lines, name+" -> "+to)
			return err
		}
		b, err := os.ReadFile(file)
		lines = append(lines, fmt.Sprintf("%s %x", name, sha256.Sum256(b)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// unixBelow returns the lines of l about files below a prefix, hard links as what they lead to.
func unixBelow(l *unixListing, prefix string) string {
	content := map[string]string{}
	for _, line := range l.lines {
		name, what, _ := strings.Cut(line, " ")
		content[name] = what
	}
	var lines []string
	for name, what := range content {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok || what == "folder" {
			continue
		}
		if to, ok := strings.CutPrefix(what, "-> "); ok && (strings.HasPrefix(to, "/") && content["files"+to] != "" && prefix == "files" || strings.HasPrefix(to, prefix)) {
			if other := content[strings.TrimPrefix("files"+to, "filesfiles")]; prefix == "files" && len(other) == 64 {
				what = other
			} else if other := content[to]; len(other) == 64 {
				what = other
			}
		}
		lines = append(lines, "/"+strings.TrimPrefix(rest, "/")+" "+what)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// TestRealRPMs compares the contents of packages that others made with what libarchive unpacks.
func TestRealRPMs(t *testing.T) {
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: packages that others made are left out")
	}
	if _, err := exec.LookPath("bsdtar"); err != nil {
		t.Skip("bsdtar is not installed: comparing contents with it is left out")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "rpm", "*", "*.rpm*"))
	more, _ := filepath.Glob(filepath.Join(dir, "rpm", "*", "*", "*.rpm"))
	if files = append(files, more...); len(files) == 0 {
		t.Skipf("%s holds no rpm packages: those that others made are left out", dir)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		l, _, codes := openUnix(t, "x.rpm", data)
		if strings.Contains(file, "corrupted") {
			if codes == "" {
				t.Errorf("%s: nothing found", file)
			}
			continue
		}
		out := t.TempDir()
		if msg, err := exec.Command("bsdtar", "-xf", file, "-C", out).CombinedOutput(); err != nil {
			t.Logf("%s: bsdtar: %v %s", file, err, msg)
		}
		if got, want := unixBelow(l, "files"), unixOnDisk(t, out); got != want || codes != "" {
			t.Errorf("%s: %q\n%s\nbsdtar:\n%s", filepath.Base(file), codes, got, want)
		}
	}
}

// TestDebsOfDpkg compares with what dpkg-deb unpacks of packages that it made.
func TestDebsOfDpkg(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not installed: comparing with it is left out")
	}
	tree := t.TempDir()
	for name, content := range map[string]string{
		"DEBIAN/control":  "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n",
		"DEBIAN/postinst": "#!/bin/sh\n", "usr/bin/x": "ELF", "usr/share/" + strings.Repeat("n", 120): strings.Repeat("long", 9000),
	} {
		file := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("x", filepath.Join(tree, "usr/bin/y")); err != nil {
		t.Fatal(err)
	}
	for _, z := range []string{"none", "gzip", "xz", "zstd"} {
		file := filepath.Join(t.TempDir(), "x.deb")
		if out, err := exec.Command("dpkg-deb", "--root-owner-group", "-Z"+z, "-b", tree, file).CombinedOutput(); err != nil {
			t.Logf("dpkg-deb -Z%s: %v: %s", z, err, out)
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		l, _, codes := openUnix(t, "x.deb", data)
		out := t.TempDir()
		if msg, err := exec.Command("dpkg-deb", "-R", file, out).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, msg)
		}
		got := unixBelow(l, "data") + "\n" + strings.ReplaceAll("\n"+unixBelow(l, "control"), "\n/", "\n/DEBIAN/")[1:]
		lines := strings.Split(got, "\n")
		sort.Strings(lines)
		if want := unixOnDisk(t, out); strings.Join(lines, "\n") != want || codes != "" {
			t.Errorf("%s: %q\n%s\ndpkg-deb:\n%s", z, codes, strings.Join(lines, "\n"), want)
		}
	}
}

// unixDrain is an Inside that reads everything and keeps nothing.
type unixDrain struct{ bytes int64 }

func (d *unixDrain) Offer(e verify.Entry) error {
	if e.Reader == nil {
		return nil
	}
	var b [32 << 10]byte
	for {
		n, err := e.Reader.Read(b[:])
		if d.bytes += int64(n); err != nil {
			return nil
		}
	}
}

// FuzzUnixContainers opens whatever it is: no opener may crash, end in an error that is nobody's, or go on for ever.
func FuzzUnixContainers(f *testing.F) {
	pkg, err := rpmtest.Package{Files: []rpmtest.File{{Path: "/a", Content: "x"}, {Path: "/b", Content: "a", Mode: 0o120777}}, Scripts: map[uint32]string{1024: "x"}}.Build()
	if err != nil {
		f.Fatal(err)
	}
	six, err := rpmtest.Package{Format: 6, Compressor: "gzip", Files: []rpmtest.File{{Path: "/a", Content: "x"}}}.Build()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pkg)
	f.Add(six)
	f.Add(unixDeb(f))
	f.Add(unixPacked(f, []byte("hello"), "gz"))
	f.Add(unixPacked(f, []byte("hello"), "xz"))
	f.Add(unixPacked(f, []byte("hello"), "zst"))
	f.Add([]byte("070701" + strings.Repeat("0", 104)))
	f.Add([]byte("!<arch>\n" + arMemberOf("a/", "x")))
	f.Add(unixPacked(f, unixTar(f), "gz"))
	if dir := os.Getenv("SALLYPORT_SAMPLES"); dir != "" {
		files, _ := filepath.Glob(filepath.Join(dir, "rpm", "*", "*.rpm"))
		for _, file := range files {
			if b, err := os.ReadFile(file); err == nil && len(b) < 32<<10 {
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a := unixArtifact("x", data)
		for _, o := range unixOpeners() {
			if !o.Match(a) {
				continue
			}
			d := &unixDrain{}
			if _, err := o.Open(context.Background(), a, d); err != nil {
				t.Fatalf("%s: %v", o.Method(), err)
			}
			if d.bytes > 1<<32 {
				t.Fatalf("%s: %d bytes out of %d", o.Method(), d.bytes, len(data))
			}
		}
	})
}

func unixBenchmark(b *testing.B, name string, data []byte) {
	a := unixArtifact(name, data)
	var out int64
	for b.Loop() {
		for _, o := range unixOpeners() {
			if o.Match(a) {
				d := &unixDrain{}
				if found, err := o.Open(context.Background(), a, d); err != nil || len(found) > 0 {
					b.Fatal(found, err)
				}
				out = d.bytes
				break
			}
		}
	}
	b.SetBytes(out)
}

// unixWords is text that compresses about as programs do.
func unixWords(n int) string {
	var s strings.Builder
	x := uint32(1)
	for s.Len() < n {
		x = x*1664525 + 1013904223
		fmt.Fprintf(&s, "%x %s ", x>>12, []string{"the", "quick", "brown", "fox", "mov", "call"}[x>>29%6])
	}
	return s.String()
}
