package unpack

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	zt "github.com/sallyport-project/sallyport/verify/internal/zipfile/ziptest"
)

// TestReadersDisagreeOnlyWhereItIsReported lists ambiguous archives with other readers. Where one of them sees other
// names than the directory has, or unpacks other content, there must be a finding.
func TestReadersDisagreeOnlyWhereItIsReported(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed: the comparison with its reader is left out")
	}
	a := zt.Entry{Name: "a", Content: []byte("harmless")}
	evil := zt.Entry{Name: "a", Content: []byte("evil")}
	inner := zt.File{Entries: []zt.Entry{{Name: "evil", Content: []byte("evil")}}}.Bytes()
	differing := 0
	for name, f := range map[string]zt.File{
		"plain":             {Entries: []zt.Entry{a, {Name: "b"}}},
		"duplicate":         {Entries: []zt.Entry{a, evil}},
		"other local name":  {Entries: []zt.Entry{{Name: "a", LocalName: "evil"}}},
		"hidden entry":      {Entries: []zt.Entry{a, {Name: "evil", Content: []byte("evil"), Unlisted: true}}},
		"archive in tail":   {Entries: []zt.Entry{a}, Comment: string(inner)},
		"unicode path":      {Entries: []zt.Entry{{Name: "readme", Extra: []byte("\x75\x70\x09\x00\x01\x00\x00\x00\x00evil")}}},
		"archive before":    {Entries: []zt.Entry{a}, Prefix: inner, Shifted: true},
		"too few counted":   {Entries: []zt.Entry{a, {Name: "evil"}}, Count: -1},
		"NUL":               {Entries: []zt.Entry{{Name: "evil\x00.txt"}}},
		"trailing":          {Entries: []zt.Entry{a}, Trailing: []byte("\n")},
		"several, in order": {Entries: []zt.Entry{{Name: "x"}, {Name: "y", Deflate: true, Content: bytes.Repeat([]byte("y"), 99)}}},
	} {
		path := filepath.Join(t.TempDir(), "a.zip")
		b := f.Bytes()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		c, found := openZipBytes(t, b)
		for reader, args := range map[string][]string{
			"python": {python, "-c", "import zipfile,sys\nz=zipfile.ZipFile(sys.argv[1])\nfor n in z.namelist(): print(n+'='+z.read(n).decode())", path},
			"stream": {python, "-c", streamingReader, path},
		} {
			out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).Output()
			theirs := strings.Split(strings.TrimSpace(string(out)), "\n")
			var ours []string
			for _, n := range c.order {
				ours = append(ours, n+"="+c.files[n])
			}
			slices.Sort(ours)
			slices.Sort(theirs)
			if err == nil && slices.Equal(ours, theirs) {
				continue
			}
			differing++
			if len(found) == 0 {
				t.Errorf("%s: %s sees %q (%v), we see %q and report nothing", name, reader, theirs, err, ours)
			}
		}
	}
	if differing < 5 {
		t.Errorf("only %d readings differ: the archives are not ambiguous", differing)
	}
}

// streamingReader unpacks from the beginning, as readers of pipes do.
const streamingReader = `
import struct,sys,zlib
b=open(sys.argv[1],'rb').read(); at=0
while b[at:at+4]==b'PK\x03\x04':
  m,=struct.unpack('<H',b[at+8:at+10]); p,s,n,x=struct.unpack('<IIHH',b[at+18:at+30])
  name=b[at+30:at+30+n]; at+=30+n+x; d=b[at:at+p]; at+=p
  print(name.decode('latin-1')+'='+(zlib.decompress(d,-15) if m==8 else d).decode())
`
