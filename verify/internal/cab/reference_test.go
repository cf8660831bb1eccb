package cab_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sallyport-project/sallyport/verify/internal/cab"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

func tool(t *testing.T, name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: the comparison with it is left out", name)
	}
	return path
}

// sums returns the SHA-256 of each file below dir, by its path.
func sums(t *testing.T, dir string) map[string]string {
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		out[filepath.ToSlash(rel)] = fmt.Sprintf("%x", sha256.Sum256(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// ours returns the same of what this package unpacks.
func ours(files map[string][]byte) map[string]string {
	out := map[string]string{}
	for name, b := range files {
		out[name] = fmt.Sprintf("%x", sha256.Sum256(b))
	}
	return out
}

func compare(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name, sum := range want {
		if got[name] != sum {
			t.Errorf("%s: we unpack %.16s, the reference %.16s", name, got[name], sum)
		}
	}
	if len(got) != len(want) {
		t.Errorf("we unpack %d files, the reference %d", len(got), len(want))
	}
}

// What is made here is read by cabextract and 7z as well as by us, and with the same result.
func TestReferenceToolsUnpackTheSame(t *testing.T) {
	for _, name := range []string{"cabextract", "7z"} {
		t.Run(name, func(t *testing.T) {
			path := tool(t, name)
			for kind, folder := range folders() {
				dir := t.TempDir()
				file, into := filepath.Join(dir, "a.cab"), filepath.Join(dir, "out")
				b := cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{folder}})
				if err := os.WriteFile(file, b, 0o600); err != nil {
					t.Fatal(err)
				}
				cmd := exec.CommandContext(t.Context(), path, "-q", "-d", into, file)
				if name == "7z" {
					cmd = exec.CommandContext(t.Context(), path, "x", "-o"+into, file)
				}
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s: %v\n%s", kind, err, out)
					continue
				}
				got, err := unpack(b)
				if err != nil {
					t.Errorf("%s: %v", kind, err)
				}
				compare(t, ours(got), sums(t, into))
			}
		})
	}
}

// What gcab makes is read here as by cabextract.
func TestUnpacksWhatGcabMakes(t *testing.T) {
	gcab, cabextract := tool(t, "gcab"), tool(t, "cabextract")
	dir := t.TempDir()
	var names []string
	for i, n := range []int{0, 1, 40000, 250000} {
		names = append(names, fmt.Sprintf("file%d", i))
		if err := os.WriteFile(filepath.Join(dir, names[i]), mixed(n, uint64(i)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, options := range [][]string{{"-c"}, {"-c", "-z"}} {
		file := filepath.Join(dir, "a.cab")
		os.Remove(file)
		cmd := exec.CommandContext(t.Context(), gcab, append(append(options, file), names...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		into := filepath.Join(t.TempDir(), "out")
		if out, err := exec.CommandContext(t.Context(), cabextract, "-q", "-d", into, file).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := unpack(b)
		if err != nil {
			t.Errorf("%v: %v", options, err)
		}
		compare(t, ours(got), sums(t, into))
	}
}

// TestRealCabinets goes through every cabinet below the samples' directory. What we accept, cabextract unpacks with the
// same content; what it refuses, we refuse, unless a folder is in Quantum, which only it can read.
func TestRealCabinets(t *testing.T) {
	root := os.Getenv("SALLYPORT_SAMPLES")
	if root == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real cabinets are left out; .ci/test fetches them")
	}
	cabextract := tool(t, "cabextract")
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".cab") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		seen++
		t.Run(strings.TrimPrefix(path, root), func(t *testing.T) { realCabinet(t, cabextract, path, b) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d cabinets", seen)
}

func realCabinet(t *testing.T, cabextract, path string, b []byte) {
	c, err := cab.Parse(bytes.NewReader(b), int64(len(b)))
	if err == nil && (c.InSet() || len(c.Trailing()) > 0) {
		t.Skipf("in a set, or with bytes after it: %+v %v", c.Next, c.Trailing())
	}
	got, err := unpack(b)
	if err != nil && !errors.Is(err, cab.ErrMalformed) {
		t.Fatal(err)
	}
	into := filepath.Join(t.TempDir(), "out")
	out, theirs := exec.CommandContext(t.Context(), cabextract, "-q", "-d", into, path).CombinedOutput()
	if err != nil {
		t.Logf("refused: %v; by cabextract: %v %.200s", err, theirs, out)
		return
	}
	for i := range c.Folders {
		if c.Folders[i].Method() == cab.Quantum {
			t.Skip("Quantum")
		}
	}
	if theirs != nil {
		t.Errorf("we accept it, cabextract does not: %v\n%s", theirs, out)
		return
	}
	// cabextract chooses other names for those that it thinks dangerous or cannot read.
	if diff := cmp.Diff(contents(sums(t, into)), contents(ours(got))); diff != "" {
		t.Errorf("contents (-cabextract +ours):\n%s", diff)
	}
}

// contents counts the digests of files that are not empty.
func contents(files map[string]string) map[string]int {
	out := map[string]int{}
	for _, sum := range files {
		if sum != fmt.Sprintf("%x", sha256.Sum256(nil)) {
			out[sum]++
		}
	}
	return out
}
