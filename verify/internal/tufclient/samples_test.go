package tufclient

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// samples returns the directory of real repositories.
func samples(t testing.TB) string {
	for _, dir := range []string{os.Getenv("SALLYPORT_SAMPLES"), filepath.Join(os.Getenv("SALLYPORT_SAMPLES"), "tuf")} {
		if _, err := os.Stat(filepath.Join(dir, "sigstore-prod")); err == nil && os.Getenv("SALLYPORT_SAMPLES") != "" {
			return dir
		}
	}
	t.Skip("SALLYPORT_SAMPLES has no TUF repositories: real ones are left out")
	return ""
}

// mirror serves a repository from a directory, which may hold its files with or without the number of their version.
func mirror(dirs ...string) Fetch {
	return func(_ context.Context, name string, limit int64) ([]byte, error) {
		plain, _ := url.PathUnescape(name)
		_, bare, _ := strings.Cut(plain, ".")
		for _, dir := range dirs {
			for _, name := range []string{name, plain, bare} {
				if strings.HasSuffix(plain, ".root.json") && name == bare {
					continue
				}
				data, err := os.ReadFile(filepath.Join(dir, name))
				if err == nil && int64(len(data)) > limit {
					return nil, verify.ErrTooLarge
				}
				if !errors.Is(err, fs.ErrNotExist) {
					return data, err
				}
			}
		}
		return nil, verify.ErrNotExist
	}
}

func TestRealRepositories(t *testing.T) {
	dir := samples(t)
	for _, r := range []struct {
		name, root string
		dirs       []string
		at         string
		targets    map[string]string // path to file
		lookUp     map[string]string // path to code
	}{
		{"sigstore-prod", "sigstore-prod/metadata/root_history/14.root.json", []string{"sigstore-prod/metadata", "sigstore-prod/metadata/root_history"}, "2026-08-27T00:00:00Z",
			map[string]string{"trusted_root.json": "sigstore-prod/targets/trusted_root.json", "signing_config.v0.2.json": "sigstore-prod/targets/signing_config.v0.2.json"}, map[string]string{"x": NotListed}},
		{"sigstore of the suite", "conformance-static/sigstore-root-signing/initial_root.json", []string{"conformance-static/sigstore-root-signing/metadata"}, "2025-02-15T00:00:00Z",
			map[string]string{"trusted_root.json": "conformance-static/sigstore-root-signing/targets/f44a1b88128e55ebfb62189becbc0fa48d4ec9915c65ac54ba0e46a008b12d5b.trusted_root.json"}, nil},
		{"tuf-demo", "tuf-demo/metadata/root_history/5.root.json", []string{"tuf-demo/metadata"}, "2026-08-22T00:00:00Z",
			map[string]string{"jku/file2": "tuf-demo/targets/jku/file2", "kommendorkapten/newfile.txt": "tuf-demo/targets/kommendorkapten/newfile.txt"}, nil},
		{"dubious names", "tough/dubious-role-names/metadata/1.root.json", []string{"tough/dubious-role-names/metadata"}, "2026-01-01T00:00:00Z",
			map[string]string{"1.txt": "tough/dubious-role-names/targets/1.txt", "2.txt": "tough/dubious-role-names/targets/2.txt"}, nil},
		{"expired", "tough/simple-rsa/root.json", []string{"tough/expired-repository/metadata"}, "2026-01-01T00:00:00Z", nil, nil},
	} {
		t.Run(r.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, r.at)
			if err != nil {
				t.Fatal(err)
			}
			root, err := os.ReadFile(filepath.Join(dir, r.root))
			if err != nil {
				t.Fatal(err)
			}
			var dirs []string
			for _, d := range r.dirs {
				dirs = append(dirs, filepath.Join(dir, d))
			}
			c := New(root, newShelf(), Limits{})
			_, err = c.Refresh(context.Background(), mirror(dirs...), at)
			if r.targets == nil {
				if code(err) != Threshold && code(err) != Expired {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for path, file := range r.targets {
				checkSample(t, c, mirror(dirs...), at, path, filepath.Join(dir, file))
			}
			for path, want := range r.lookUp {
				if _, err := c.Lookup(context.Background(), mirror(dirs...), at, path); code(err) != want {
					t.Errorf("%s: %v", path, err)
				}
			}
		})
	}
}

func checkSample(t *testing.T, c *Client, fetch Fetch, at time.Time, path, file string) {
	t.Helper()
	target, err := c.Lookup(context.Background(), fetch, at, path)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Check(int64(len(data)), digestOf(data)); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	data = append(data, 0)
	if err := target.Check(int64(len(data)), digestOf(data)); code(err) != DigestMismatch {
		t.Errorf("%s with a byte more: %v", path, err)
	}
}

func digestOf(data []byte) func(string) ([]byte, error) {
	return func(algorithm string) ([]byte, error) {
		if algorithm == "sha512" {
			sum := sha512.Sum512(data)
			return sum[:], nil
		}
		sum := sha256.Sum256(data)
		return sum[:], nil
	}
}

// Real roots are good by themselves, but for those that are made to be refused.
func TestRealRoots(t *testing.T) {
	dir := samples(t)
	bad := map[string]string{"cross-sign-root": Threshold, "invalid-root-json-signature": Threshold, "mismatched-root-json-keyids": Threshold, "no-root-json-signatures": Threshold,
		"duplicate-keyid": Malformed, "duplicate-sigs": Malformed, "duplicate-sig-keys": Malformed}
	seen := 0
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, "root.json") || strings.HasSuffix(file, "trusted_root.json") {
			return err
		}
		root, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		want := "good"
		for name, code := range bad {
			if strings.Contains(file, "/"+name+"/") {
				want = code
			}
		}
		seen++
		if _, err := New(root, newShelf(), Limits{}).State(); code(err) != want {
			t.Errorf("%s: %v, want %s", file, err, want)
		}
		return nil
	})
	if err != nil || seen < 40 {
		t.Errorf("%d roots, %v", seen, err)
	}
}

// Sigstore's chain of roots can be followed as far as the samples have it.
func TestRealChains(t *testing.T) {
	dir := samples(t)
	for from, want := range map[string]int64{
		"sigstore-prod/metadata/root_history/1.root.json": 2, "sigstore-prod/metadata/root_history/5.root.json": 12, "sigstore-prod/metadata/root_history/14.root.json": 15,
		"sigstore-staging/metadata/root_history/4.root.json": 9, "sigstore-staging/metadata/root_history/11.root.json": 14,
	} {
		root, err := os.ReadFile(filepath.Join(dir, from))
		if err != nil {
			t.Fatal(err)
		}
		c := New(root, newShelf(), Limits{})
		changed, err := c.Refresh(context.Background(), mirror(filepath.Join(dir, filepath.Dir(from))), time.Date(2026, 8, 27, 0, 0, 0, 0, time.UTC))
		if changed.RootVersion != want {
			t.Errorf("from %s root %d is reached, want %d: %v", from, changed.RootVersion, want, err)
		}
	}
}
