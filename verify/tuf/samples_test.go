package tuf

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

// real are repositories as their vendors publish them and as the reference implementations make them, below SALLYPORT_SAMPLES/tuf.
// Of the vendors' roots some are missing, so that each begins with the oldest from which the chain is whole.
var real = []struct {
	dir      string
	root     string // metadata file that is pinned
	targets  int    // how many files are there
	unlisted string // one that the repository does not list
	refused  string // code, where our bounds are narrower than theirs
}{
	{"sigstore-prod", "root_history/14.root.json", 8, "registry/keys.json", ""},
	{"tuf-demo", "root.json", 4, "", ""},
	{"python-tuf-3.0.0", "1.root.json", 2, "", ""},
	{"python-tuf-3.0.0-consistent", "1.root.json", 2, "", ""},
	{"go-tuf-multirepo", "1.root.json", 6, "", ""},
	{"go-tuf-testdata", "root.json", 3, "", "tuf/threshold"},
}

// head is what one needs of a metadata file to publish it under its name, and to judge it as of its time.
type head struct {
	Signed struct {
		Version int64     `json:"version"`
		Expires time.Time `json:"expires"`
	} `json:"signed"`
}

// published makes the files of a repository's source what clients find, and returns them with the time when it was.
func published(t *testing.T, dir string) (tuftest.Files, time.Time) {
	t.Helper()
	files, first := tuftest.Files{}, time.Time{}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if !strings.HasPrefix(rel, "metadata/") {
			files[rel] = body
			return nil
		}
		var h head
		if err := json.Unmarshal(body, &h); err != nil {
			return fmt.Errorf("%s: %w", rel, err)
		}
		role := strings.TrimSuffix(filepath.Base(rel), ".json")
		if _, number, ok := strings.Cut(role, "."); ok {
			role = number
		}
		files["metadata/"+filepath.Base(rel)] = body
		if name := fmt.Sprintf("metadata/%d.%s.json", h.Signed.Version, role); files[name] == nil {
			files[name] = body
		}
		if role != "root" && (first.IsZero() || h.Signed.Expires.Before(first)) {
			first = h.Signed.Expires
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, first
}

func TestRealRepositories(t *testing.T) {
	samples := os.Getenv("SALLYPORT_SAMPLES")
	for _, r := range real {
		t.Run(r.dir, func(t *testing.T) {
			dir := filepath.Join(samples, "tuf", r.dir)
			pin, err := os.ReadFile(filepath.Join(dir, "metadata", r.root))
			if samples == "" || err != nil {
				t.Skipf("SALLYPORT_SAMPLES names no directory with tuf/%s: real repositories are left out", r.dir)
			}
			files, first := published(t, dir)
			w := &world{t: t, server: &tuftest.Server{Prefix: "/acme/"}}
			w.server.Serve(files)
			w.env = verify.Env{At: first.Add(-time.Hour), Memory: newMemory(), Sidecars: w.server}
			w.env.Trust.TUF = []verify.TUFAnchor{{Anchor: anchor, Targets: base + "targets/",
				Repositories: []verify.TUFRepository{{Root: pin, Metadata: []string{base + "metadata/"}}}}}
			w.restart()
			n := 0
			for ref, body := range files {
				path, ok := strings.CutPrefix(ref, "targets/")
				if !ok {
					continue
				}
				n++
				f := w.offer("targets/"+(&url.URL{Path: path}).EscapedPath(), body)
				if r.refused != "" { // RSA keys of 1024 bits
					w.want(path, f, verify.Invalid, r.refused)
					continue
				}
				if path == r.unlisted {
					w.want(path, f, verify.Absent, "tuf/not-listed")
					continue
				}
				w.want(path, f, verify.Valid, "tuf/listed")
				w.want(path+", changed", w.offer("targets/"+path, append([]byte("x"), body...)), verify.Invalid, "tuf/digest-mismatch")
			}
			if n != r.targets {
				t.Errorf("%d targets were judged, want %d", n, r.targets)
			}
			if r.refused == "" {
				w.valid("metadata/timestamp.json")
			}
			w.env.At = first.Add(time.Hour)
			w.clock.advance(time.Hour)
			for ref := range files {
				if strings.HasPrefix(ref, "targets/") {
					if f := w.get(ref); f.Status == verify.Valid {
						t.Errorf("%s: valid after the end of its metadata", ref)
					}
				}
			}
		})
	}
}
