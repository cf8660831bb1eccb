package xzdict

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ulikunitz/xz"
)

func check(b []byte) error { return Check(bytes.NewReader(b), int64(len(b))) }

// What the reference tool makes passes, in several blocks and streams too; what is cut or changed is refused or at
// least does not crash.
func TestXZFilesOfTheReferenceToolPass(t *testing.T) {
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip("xz is not installed: comparing with it is left out; .ci/test installs it")
	}
	plain := bytes.Repeat([]byte("Package: a\nFilename: pool/a.deb\nSize: 1\n\n"), 50_000)
	file := filepath.Join(t.TempDir(), "Packages")
	if err := os.WriteFile(file, plain, 0o600); err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, args := range [][]string{{"-6"}, {"-9"}, {"-0", "--block-size=65536"}, {"-T2", "--block-size=100000"}} {
		out, err := exec.Command("xz", append(args, "-c", file)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := check(out); err != nil {
			t.Errorf("xz %v: %v", args, err)
		}
		all = append(append(all, out...), 0, 0, 0, 0)
	}
	if err := check(all); err != nil {
		t.Errorf("several streams with padding: %v", err)
	}
	large, err := exec.Command("xz", "--lzma2=dict=128MiB", "-c", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := check(large); err == nil || !errors.Is(err, ErrTooLarge) {
		t.Errorf("a dictionary of 128 MiB: %v", err)
	}
	for _, b := range [][]byte{all[:len(all)-9], all[5:], []byte("YZ"), bytes.Repeat([]byte{0xff}, 64)} {
		if err := check(b); err == nil {
			t.Errorf("%d bytes that are no .xz file pass", len(b))
		}
	}
}

func FuzzCheck(f *testing.F) {
	var b bytes.Buffer
	w, err := xz.NewWriter(&b)
	if err != nil {
		f.Fatal(err)
	}
	w.Write([]byte("Filename: a\n"))
	w.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) { Check(bytes.NewReader(b), int64(len(b))) })
}
