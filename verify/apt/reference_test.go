package apt

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/apt/apttest"
)

func compressed(t testing.TB, text []byte, ending string) []byte {
	t.Helper()
	var b bytes.Buffer
	var z io.WriteCloser
	var err error
	switch ending {
	case ".gz":
		z = gzip.NewWriter(&b)
	case ".xz":
		z, err = xz.NewWriter(&b)
	case ".zst":
		z, err = zstd.NewWriter(&b)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// aptGet is apt with a directory of its own and one source.
type aptGet struct{ dir string }

func newAptGet(t *testing.T, url, suite string, key *apttest.Key) *aptGet {
	t.Helper()
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("apt-get is not installed: the comparison with apt itself is left out")
	}
	dir := t.TempDir()
	for _, sub := range []string{"etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d", "state/lists/partial", "cache/archives/partial", "dpkg"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	public, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(dir, "key.asc")
	for file, text := range map[string]string{
		keyFile:                       string(public),
		dir + "/dpkg/status":          "",
		dir + "/etc/apt/sources.list": "deb [signed-by=" + keyFile + " arch=amd64] " + url + " " + suite + "\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// Options on the command line come too late to keep the machine's own configuration out.
	var conf strings.Builder
	for _, o := range []string{
		`Dir "` + dir + `"`, `Dir::Etc "` + dir + `/etc/apt"`, `Dir::State "` + dir + `/state"`, `Dir::Cache "` + dir + `/cache"`,
		`Dir::State::status "` + dir + `/dpkg/status"`, `APT::Architecture "amd64"`, `APT::Architectures {"amd64";}`, `APT::Sandbox::User "root"`,
		`Acquire::Languages "none"`, `Acquire::http::Proxy "DIRECT"`, `Acquire::Retries "0"`, `APT::Update::Error-Mode "any"`, `Debug::NoLocking "true"`,
	} {
		conf.WriteString(o + ";\n")
	}
	if err := os.WriteFile(filepath.Join(dir, "apt.conf"), []byte(conf.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return &aptGet{dir}
}

// ok runs apt-get and says whether it was content.
func (a *aptGet) ok(args ...string) (bool, string) {
	cmd := exec.Command("apt-get", args...)
	cmd.Dir = a.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "APT_CONFIG="+filepath.Join(a.dir, "apt.conf"))
	out, err := cmd.CombinedOutput()
	return err == nil, string(out)
}

// TestSameVerdictAsApt has apt itself use the archives that these tests are made of, and compares what it thinks of
// them with what we do.
func TestSameVerdictAsApt(t *testing.T) {
	today := time.Now().UTC().Truncate(time.Second)
	tests := []struct {
		name           string
		change         func(w *world, s *apttest.Suite)
		after          func(w *world)
		update, upload bool // what both must think of the metadata and of the package
	}{
		{"good", nil, nil, true, true},
		{"Release and Release.gpg", func(_ *world, s *apttest.Suite) { s.Detached = true }, nil, true, true},
		{"only xz", func(_ *world, s *apttest.Suite) { s.Compressions = []string{".xz"} }, nil, true, true},
		{"only zst", func(_ *world, s *apttest.Suite) { s.Compressions = []string{".zst"} }, nil, true, true},
		{"no by-hash", func(_ *world, s *apttest.Suite) { s.ByHash = false }, nil, true, true},
		{"architecture all", func(_ *world, s *apttest.Suite) { s.Packages[0].Arch = "all" }, nil, true, true},
		{"flat", func(_ *world, s *apttest.Suite) { s.Path = "" }, nil, true, true},
		{"a known key after another", func(w *world, s *apttest.Suite) { s.Signers = []*apttest.Key{newKey(w.t, "Other"), w.key} }, nil, true, true},
		{"stranger", func(w *world, s *apttest.Suite) { s.Signers = []*apttest.Key{newKey(w.t, "Other")} }, nil, false, false},
		{"unsigned", func(_ *world, s *apttest.Suite) { s.Signers = nil }, nil, false, false},
		{"expired", func(_ *world, s *apttest.Suite) { s.ValidUntil = today.Add(-time.Minute) }, nil, false, false},
		{"future", func(_ *world, s *apttest.Suite) { s.Date, s.SignedAt = today.Add(26*time.Hour), today }, nil, false, false},
		{"text after the message", nil, func(w *world) { w.archive.Set(inRel, append(w.archive.Get(inRel), "Origin: Evil\n"...)) }, false, false},
		{"changed text", nil, func(w *world) {
			w.archive.Set(inRel, bytes.Replace(w.archive.Get(inRel), []byte("Label: Debian"), []byte("Label: Debiam"), 1))
		}, false, false},
		{"flipped package", nil, func(w *world) { w.archive.Flip(hello) }, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.env.At = today
			w.env.Trust.Keyrings[0].Suites = []string{"bookworm"}
			s := w.bookworm(func(s *apttest.Suite) { s.Date = today.Add(-time.Hour) })
			if tt.change != nil {
				tt.change(w, &s)
			}
			w.publish(s)
			if tt.after != nil {
				tt.after(w)
			}
			server := httptest.NewServer(w.archive)
			defer server.Close()
			where := "bookworm main"
			if s.Path == "" {
				where = "./"
			}
			apt := newAptGet(t, server.URL+"/debian/", where, w.key)
			if ok, out := apt.ok("update"); ok != tt.update {
				t.Errorf("apt-get update: %v, want %v\n%s", ok, tt.update, out)
			}
			if ok, out := apt.ok("download", "hello"); ok != tt.upload {
				t.Errorf("apt-get download: %v, want %v\n%s", ok, tt.upload, out)
			}
			release := strings.TrimPrefix("dists/"+s.Path+"/InRelease", "dists//")
			for _, other := range []string{"InRelease", "Release"} {
				if name := strings.Replace(release, "InRelease", other, 1); w.archive.Get(name) != nil {
					if got := w.get(name); (got.Status == verify.Valid) != tt.update {
						t.Errorf("%s: %v %s: %s", name, got.Status, got.Code, got.Detail)
					}
				}
			}
			if got := w.get(s.Packages[0].Path(s.Path == "")); (got.Status == verify.Valid) != tt.upload {
				t.Errorf("package: %v %s: %s", got.Status, got.Code, got.Detail)
			}
		})
	}
}

func TestMadePackagesAreRealOnes(t *testing.T) {
	tool, err := exec.LookPath("dpkg-deb")
	if err != nil {
		t.Skip("dpkg-deb is not installed: that apttest's packages are real ones is left out")
	}
	file := filepath.Join(t.TempDir(), "x.deb")
	if err := os.WriteFile(file, deb(t, "hello", "1:2.10-3", "amd64").Content, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "--field", file, "Package", "Version", "Architecture").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Version: 1:2.10-3") {
		t.Errorf("%v\n%s", err, out)
	}
}
