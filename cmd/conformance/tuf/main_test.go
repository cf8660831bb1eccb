package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// suite is a repository with a client directory, as the suite prepares them.
type suite struct {
	t      *testing.T
	repo   *tuftest.Repository
	server tuftest.Server
	url    string
	dir    string
}

func newSuite(t *testing.T) *suite {
	t.Setenv("TUF_NOW", "1795435200") // noon
	s := &suite{t: t, dir: t.TempDir()}
	var err error
	if s.repo, err = tuftest.New(tuftest.Options{At: noon, Seed: "suite"}); err != nil {
		t.Fatal(err)
	}
	s.repo.Add(s.repo.Targets, "path/app.msi", []byte("installer"))
	s.publish()
	for _, name := range []string{"metadata", "targets"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ts := httptest.NewServer(&s.server)
	t.Cleanup(ts.Close)
	s.url = ts.URL
	root := filepath.Join(s.dir, "root")
	if err := os.WriteFile(root, s.repo.TrustedRoot(1), 0o644); err != nil {
		t.Fatal(err)
	}
	s.run(nil, "init", root)
	return s
}

func (s *suite) publish() tuftest.Files {
	files, err := s.repo.Publish()
	if err != nil {
		s.t.Fatal(err)
	}
	s.server.Serve(files)
	return files
}

// run runs a command of the client and demands that it succeeds, or fails but not as wrong usage.
func (s *suite) run(refused error, args ...string) {
	s.t.Helper()
	args = append([]string{"--metadata-url", s.url + "/metadata", "--metadata-dir", filepath.Join(s.dir, "metadata")}, args...)
	err := run(context.Background(), args, io.Discard)
	if errors.Is(err, errUsage) || (err == nil) != (refused == nil) {
		s.t.Fatalf("%v: %v", args, err)
	}
}

var errRefused = errors.New("refused")

func (s *suite) download(refused error, names ...string) {
	s.t.Helper()
	var args []string
	for _, n := range names {
		args = append(args, "--target-name", n)
	}
	s.run(refused, append(args, "--target-dir", filepath.Join(s.dir, "targets"), "--target-base-url", s.url+"/targets/", "download")...)
}

func (s *suite) list(dir string) string {
	entries, err := os.ReadDir(filepath.Join(s.dir, dir))
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestAClientOfTheSuite(t *testing.T) {
	s := newSuite(t)
	s.run(nil, "refresh")
	if got := s.list("metadata"); got != "pinned_root root.json snapshot.json state targets.json timestamp.json" {
		t.Errorf("the directory holds %s", got)
	}
	s.download(nil, "path/app.msi")
	s.server.Forget()
	s.download(nil, "path/app.msi") // it is there
	data, err := os.ReadFile(filepath.Join(s.dir, "targets", "path%2Fapp.msi"))
	if err != nil || string(data) != "installer" {
		t.Errorf("%q, %v", data, err)
	}
	s.download(errRefused, "path/app.msi", "absent", "path/app.msi")
}

func TestATargetThatDiffersNeverAppears(t *testing.T) {
	s := newSuite(t)
	files := s.publish().Clone()
	for _, name := range files.OfTarget("path/app.msi") {
		files[name] = []byte("installed")
	}
	s.server.Serve(files)
	s.download(errRefused, "path/app.msi")
	if got := s.list("targets"); got != "" {
		t.Errorf("there is %s", got)
	}
	s.publish()
	s.download(nil, "path/app.msi")
}

func TestExpiredMetadataIsRefused(t *testing.T) {
	s := newSuite(t)
	s.run(nil, "refresh")
	t.Setenv("TUF_NOW", "4102444800")
	s.run(errRefused, "refresh")
	t.Setenv("TUF_NOW", "noon")
	s.run(errRefused, "refresh")
}

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"refresh"}, {"--metadata-dir", "d"}, {"--metadata-dir", "d", "init"}, {"--metadata-dir", "d", "init", "a", "b"}, {"--metadata-dir", "d", "refresh"},
		{"--metadata-dir", "d", "--metadata-url", "u", "download"}, {"--nonsense"}, {"--metadata-dir", "d", "--metadata-url", "u", "frob"}} {
		if err := run(context.Background(), args, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestFetching(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/m/there":
			io.WriteString(w, "0123456789")
		case "/m/chunked":
			for range 100 {
				io.WriteString(w, "0123456789")
				w.(http.Flusher).Flush()
			}
		case "/m/near":
			http.Redirect(w, r, "/m/there", http.StatusFound)
		case "/m/far":
			http.Redirect(w, r, other.URL+"/m/there", http.StatusFound)
		case "/m/forbidden":
			w.WriteHeader(http.StatusForbidden)
		case "/m/broken":
			w.WriteHeader(http.StatusInternalServerError)
		case "/m/short":
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "012")
		default:
			http.NotFound(w, r)
		}
	}))
	defer ts.Close()
	o := newOrigin(ts.URL + "/m")
	for name, want := range map[string]error{"there": nil, "near": nil, "absent": verify.ErrNotExist, "forbidden": verify.ErrNotExist, "chunked": verify.ErrTooLarge} {
		if data, err := o.metadata(context.Background(), name, 10); !errors.Is(err, want) || err == nil && len(data) != 10 {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	for _, name := range []string{"far", "broken", "short"} {
		if data, err := o.metadata(context.Background(), name, 10); err == nil || errors.Is(err, verify.ErrNotExist) || errors.Is(err, verify.ErrTooLarge) {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	if _, err := o.metadata(context.Background(), "there", 9); !errors.Is(err, verify.ErrTooLarge) {
		t.Error(err)
	}
}

func TestNamesStayInTheirDirectory(t *testing.T) {
	for _, name := range []string{"..", ".", "../a", "/a", "a/../../b", `a\b`, "a:b", strings.Repeat("x", 5000), strings.Repeat("/", 300)} {
		for _, file := range []string{fileName(name), filepath.Base(directory("d").path("..%2F" + fileName(name) + ".json"))} {
			if file == "." || file == ".." || strings.ContainsAny(file, `/\:`) || len(file) > 255 || file == "" {
				t.Errorf("%.20q becomes %.300q", name, file)
			}
		}
	}
}

func TestTheDirectoryIsACompareAndSwap(t *testing.T) {
	d := directory(t.TempDir())
	for _, step := range []struct {
		old, new, now string
		want          error
	}{{"", "a", "a", nil}, {"", "b", "a", verify.ErrConflict}, {"x", "b", "a", verify.ErrConflict}, {"a", "b", "b", nil}, {"b", "", "", nil}, {"", "", "", nil}} {
		if err := d.Advance("root.json", []byte(step.old), []byte(step.new)); !errors.Is(err, step.want) {
			t.Errorf("%+v: %v", step, err)
		}
		if now, err := d.Load("root.json"); err != nil || string(now) != step.now {
			t.Errorf("%+v: %q, %v", step, now, err)
		}
	}
}
