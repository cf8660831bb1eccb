package unpack

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// linkTargets are what a symbolic link may hold, and whether only a link can make something of it.
var linkTargets = map[string]struct {
	target string
	link   bool
}{
	"run.bat": {"calc.exe", false}, "program": {"MZ and so on", false}, "tool.sh.": {"x", false}, "lib.so": {"lib.so.1", true}, "README": {"docs/readme.txt", true},
}

func checkLinks(t *testing.T, s *sink, broken []string) {
	t.Helper()
	if len(broken) > 0 {
		t.Errorf("findings %v", broken)
	}
	for name, c := range linkTargets {
		if got := s.links[name] == c.target; got != c.link {
			t.Errorf("%s: offered as a link: %v, want %v", name, got, c.link)
		}
		if got := string(s.files[name]) == c.target; got == c.link {
			t.Errorf("%s: offered as a file: %v, want %v", name, got, !c.link)
		}
	}
}

// Windows writes a file where the archive has a symbolic link of Unix.
func TestZipLinkThatIsAFileToOthers(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, c := range linkTargets {
		h := &zip.FileHeader{Name: name}
		h.SetMode(fs.ModeSymlink | 0o777)
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(c.target)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s, found := openWith(t, NewZip(), b.Bytes())
	checkLinks(t, s, found)
}

func TestSevenZipLinkThatIsAFileToOthers(t *testing.T) {
	dir := t.TempDir()
	for name, c := range linkTargets {
		if err := os.Symlink(c.target, filepath.Join(dir, name)); err != nil {
			t.Skip("symbolic links cannot be made here:", err)
		}
	}
	s, found := openWith(t, NewSevenZip(), pack7z(t, dir, "-snl"))
	checkLinks(t, s, found)
}
