package apt

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

const (
	lists         = "/var/lib/apt/lists" // where apt keeps what it fetched (apt.conf(5), Dir::State::lists)
	debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
)

// realFiles returns apt's own copies of Debian's files with that ending.
func realFiles(t testing.TB, ending string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(lists, "*debian*_dists_*"+ending))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Skipf("%s has no %s of Debian (apt-get update fetches them): real ones are left out", lists, ending)
	}
	return found
}

func TestRealInReleases(t *testing.T) {
	ring, err := os.ReadFile(debianKeyring)
	if err != nil {
		t.Skipf("Debian's keyring is not installed, so its real files are left out: %v", err)
	}
	for _, file := range realFiles(t, "_InRelease") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			url := "http://" + strings.ReplaceAll(filepath.Base(file), "_", "/")
			env := verify.Env{
				Memory: newMemory(), Trust: verify.Trust{Keyrings: []verify.Keyring{{Anchor: "debian", Data: ring}}},
			}
			env.At = releaseDate(t, body).Add(time.Hour)
			list, err := New().Verify(t.Context(), artifact(url, body), env)
			if err != nil || len(list) != 1 || list[0].Status != verify.Valid {
				t.Fatalf("%+v, %v", list, err)
			}
			t.Logf("%s, signed by %s", list[0].Detail, list[0].Signer)
			for _, at := range []int{100, len(body) / 3, len(body) / 2} {
				bad := bytes.Clone(body)
				bad[at] ^= 1
				if list, err := New().Verify(t.Context(), artifact(url, bad), env); err != nil || len(list) != 1 || list[0].Status == verify.Valid {
					t.Errorf("with a bit flipped at %d: %+v, %v", at, list, err)
				}
			}
		})
	}
}

func releaseDate(t *testing.T, body []byte) time.Time {
	t.Helper()
	_, rest, _ := strings.Cut(string(body), "\nDate: ")
	line, _, _ := strings.Cut(rest, "\n")
	date, err := parseDate(line)
	if err != nil {
		t.Fatal(err)
	}
	return date
}

// plainIndex returns a real Packages file, decompressed by apt.
func plainIndex(t testing.TB, file string) []byte {
	t.Helper()
	const helper = "/usr/lib/apt/apt-helper"
	if _, err := os.Stat(helper); err != nil {
		t.Skipf("apt's helper is not installed, so real indexes are left out: %v", err)
	}
	out, err := exec.Command(helper, "cat-file", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRealPackages(t *testing.T) {
	for _, file := range realFiles(t, "_Packages*") {
		text := plainIndex(t, file)
		start := time.Now()
		x, err := parseIndex(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		want := bytes.Count(text, []byte("\nFilename: "))
		if len(x.rows) != want {
			t.Errorf("%s: %d packages, want %d", file, len(x.rows), want)
		}
		t.Logf("%s: %d packages, %d bytes, kept in %d, read in %v", filepath.Base(file), want, len(text), x.bytes(), time.Since(start))
	}
}

func BenchmarkParseIndex(b *testing.B) {
	var largest []byte
	for _, file := range realFiles(b, "_Packages*") {
		if text := plainIndex(b, file); len(text) > len(largest) {
			largest = text
		}
	}
	b.SetBytes(int64(len(largest)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseIndex(bytes.NewReader(largest)); err != nil {
			b.Fatal(err)
		}
	}
}
