package unpack

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

func TestCABHandsOnEveryFile(t *testing.T) {
	text := []byte(strings.Repeat("some text, ", 9000))
	b := cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{
		{Method: cabtest.MSZIP, Files: []cabtest.File{{Name: `dir\a.txt`, Data: text}, {Name: "empty"}, {Name: "b.txt", Data: text[:1000]}}},
		{Method: cabtest.LZX, Files: []cabtest.File{{Name: "c.txt", Data: text}}},
		{Method: cabtest.Quantum, Files: []cabtest.File{{Name: "d.txt", Data: text[:10]}}},
	}})
	s, found := openWith(t, NewCAB(), b)
	want := map[string][]byte{"dir/a.txt": text, "empty": {}, "b.txt": text[:1000], "c.txt": text}
	if diff := cmp.Diff(shaOf(want), shaOf(s.files)); diff != "" || len(s.broken) > 0 || len(found) > 0 {
		t.Errorf("files (-want +got):\n%s\nbroken %v, findings %v", diff, s.broken, found)
	}
	if !strings.Contains(s.unread["d.txt"], "Quantum") {
		t.Errorf("unread: %v", s.unread)
	}
}

func TestCABFindings(t *testing.T) {
	text := []byte(strings.Repeat("some text, ", 9000))
	one := func(files ...cabtest.File) cabtest.Cabinet {
		return cabtest.Cabinet{Folders: []cabtest.Folder{{Method: cabtest.MSZIP, Files: files}}}
	}
	a, c := cabtest.File{Name: "a.txt", Data: text}, cabtest.File{Name: "c.txt", Data: text[:50]}
	good := cabtest.Build(one(a, c))
	start := bytes.Index(good, []byte("c.txt")) - 12 // uoffFolderStart of the second file
	change := func(at int, delta byte) []byte { b := bytes.Clone(good); b[at] += delta; return b }
	gap := one(a)
	gap.Gap = 100
	bad := change(bytes.Index(good, []byte("CK"))+40, 1)
	full := cabtest.Build(gap)
	full[bytes.Index(full, []byte("a.txt\x00"))+50] = 'x'
	first := one(a, cabtest.File{Name: "next.txt", Data: text[:100], Folder: 0xfffe})
	first.Next = [2]string{"b.cab", "two"}
	later := one(cabtest.File{Name: "from.txt", Data: text[:100], Folder: 0xfffd}, a)
	later.Prev, later.Index = [2]string{"a.cab", "one"}, 1
	for name, c := range map[string]struct {
		data                  []byte
		want                  []string
		files, unread, broken int
	}{
		"good":                      {good, nil, 2, 0, 0},
		"bytes after it":            {append(bytes.Clone(good), "tail"...), []string{"invalid:trailing-data"}, 2, 0, 0},
		"zero bytes after it":       {append(bytes.Clone(good), make([]byte, 100)...), []string{"valid:padding"}, 2, 0, 0},
		"many zero bytes after it":  {append(bytes.Clone(good), make([]byte, 5000)...), []string{"invalid:trailing-data"}, 2, 0, 0},
		"gap of zero bytes":         {cabtest.Build(gap), []string{"valid:padding"}, 1, 0, 0},
		"gap":                       {full, []string{"invalid:gap"}, 1, 0, 0},
		"file over another":         {change(start, 0xff), []string{"invalid:overlap", "invalid:unowned-data"}, 1, 1, 0},
		"bytes that no file owns":   {change(bytes.Index(good, []byte("c.txt"))-16, 0xff), []string{"invalid:unowned-data"}, 2, 0, 0},
		"wrong checksum":            {bad, nil, 0, 0, 2},
		"name that is no UTF-8":     {cabtest.Build(one(cabtest.File{Name: "\xff", Attributes: 0x80, Data: text})), []string{"invalid:bad-name"}, 1, 0, 0},
		"continues in the next":     {cabtest.Build(first), nil, 1, 1, 0},
		"continues from one before": {cabtest.Build(later), nil, 0, 2, 0},
		"cut short":                 {good[:len(good)-1], []string{"invalid:malformed"}, 0, 0, 0},
		"InstallShield cabinet":     {[]byte("ISc(................"), []string{"no match"}, 0, 0, 0},
	} {
		s, found := openWith(t, NewCAB(), c.data)
		if !slices.Equal(found, c.want) || len(s.files) != c.files || len(s.unread) != c.unread || len(s.broken) != c.broken {
			t.Errorf("%s: findings %v, want %v; %d files, %d unread, %v broken", name, found, c.want, len(s.files), len(s.unread), s.broken)
		}
	}
}

// What the walk does not read must not disturb the files after it.
func TestCABFilesThatAreNotRead(t *testing.T) {
	b := cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{{Method: cabtest.LZX, Files: []cabtest.File{
		{Name: "a", Data: bytes.Repeat([]byte("a"), 50000)}, {Name: "b", Data: bytes.Repeat([]byte("b"), 50000)}}}}})
	s := newSink()
	s.skip = true
	if _, err := NewCAB().Open(t.Context(), artifactOf(b), s); err != nil || len(s.order) != 2 {
		t.Errorf("%v, %v", s.order, err)
	}
	last := &onlyLast{sink: newSink(), name: "b"}
	if _, err := NewCAB().Open(t.Context(), artifactOf(b), last); err != nil || !bytes.Equal(last.files["b"], bytes.Repeat([]byte("b"), 50000)) {
		t.Errorf("%d bytes, %v", len(last.files["b"]), err)
	}
}
