package apt

import (
	"bytes"
	"errors"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"
)

// TestDictionaryOfXZIsBounded guards against a header of a few bytes that asks for gigabytes of memory.
func TestDictionaryOfXZIsBounded(t *testing.T) {
	var b bytes.Buffer
	w, err := xz.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("Filename: a\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	raw := b.Bytes()
	if _, err := readIndex(raw, "Packages.xz", nil); err != nil {
		t.Fatal(err)
	}
	// The block header follows the stream header of 12 bytes: size, flags, filter 0x21, 1, dictionary size, ..., CRC-32.
	block := raw[12 : 12+4*(int(raw[12])+1)]
	at := bytes.Index(block, []byte{0x21, 1}) + 2
	block[at] = 38 // 2 GiB
	sum := crc32.ChecksumIEEE(block[:len(block)-4])
	for i := range 4 {
		block[len(block)-4+i] = byte(sum >> (8 * i))
	}
	_, err = readIndex(raw, "Packages.xz", nil)
	if err == nil || !strings.Contains(err.Error(), "dictionary") {
		t.Errorf("error = %v, want one about the dictionary", err)
	}
}

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
		if err := checkXZ(out); err != nil {
			t.Errorf("xz %v: %v", args, err)
		}
		all = append(append(all, out...), 0, 0, 0, 0)
	}
	if err := checkXZ(all); err != nil {
		t.Errorf("several streams with padding: %v", err)
	}
	large, err := exec.Command("xz", "--lzma2=dict=128MiB", "-c", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := checkXZ(large); err == nil || errors.Is(err, errXZ) {
		t.Errorf("a dictionary of 128 MiB: %v", err)
	}
	for _, b := range [][]byte{all[:len(all)-9], all[5:], []byte("YZ"), bytes.Repeat([]byte{0xff}, 64)} {
		if err := checkXZ(b); err == nil {
			t.Errorf("%d bytes that are no .xz file pass", len(b))
		}
	}
}

func FuzzCheckXZ(f *testing.F) {
	var b bytes.Buffer
	w, err := xz.NewWriter(&b)
	if err != nil {
		f.Fatal(err)
	}
	w.Write([]byte("Filename: a\n"))
	w.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) { checkXZ(b) })
}
