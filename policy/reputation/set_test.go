package reputation

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func random(r *rand.Rand, n int) []byte {
	b := make([]byte, (n+7)/8*8)
	for i := 0; i < len(b); i += 8 {
		binary.BigEndian.PutUint64(b[i:], r.Uint64())
	}
	return b[:n]
}

// buildSet makes a set of entries, in small runs so that merging is part of it.
func buildSet(t testing.TB, dir string, chunk int, entries []entry) *Set {
	t.Helper()
	b, err := newBuilder(dir, 1e9)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	b.chunk = chunk
	for i := range entries {
		if err := b.add(&entries[i]); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.finish()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSetFindsWhatWasPutIn(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var entries []entry
	want := map[string]int{}
	for i := range 100_000 { // more than 4 MiB: read from the file
		kind := []Kind{KindSHA256, KindSHA1, KindMD5, KindCertSHA256}[i%4]
		sum := random(r, kind.digestSize())
		e := digestEntry(kind, sum)
		e.line = i + 1
		if i%10 == 0 {
			e.label = fmt.Sprintf("family %d", i%70)
		}
		entries = append(entries, e)
		want[string(kind)+string(sum)] = i
	}
	for name, dir := range map[string]string{"memory": "", "files": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			s := buildSet(t, dir, 7000, entries)
			if s.Len() != len(entries) || (s.file != nil) != (dir != "") {
				t.Fatalf("%d entries of %d, file %v", s.Len(), len(entries), s.file)
			}
			for i := range entries {
				found, err := s.find(entries[i].kind, entries[i].key)
				if err != nil || len(found) != 1 {
					t.Fatalf("entry %d: %v, %v", i, found, err)
				}
				e, err := s.entry(&found[0])
				if err != nil || e.Line != i+1 || e.Label != entries[i].label || e.Kind != entries[i].kind {
					t.Fatalf("entry %d: %+v, %v", i, e, err)
				}
			}
			for range 20_000 {
				if found, err := s.find(KindSHA256, digestKey(random(r, 32))); err != nil || found != nil {
					t.Fatalf("found what is not there: %v, %v", found, err)
				}
			}
			if found, _ := s.find(KindSHA1, entries[0].key); found != nil {
				t.Error("a SHA-256 was found as a SHA-1")
			}
		})
	}
}

func TestSetOfKeysThatBeginAlike(t *testing.T) {
	var entries []entry
	for i := range 5000 {
		sum := make([]byte, 32)
		binary.BigEndian.PutUint32(sum[28:], uint32(2*i))
		entries = append(entries, digestEntry(KindSHA256, sum))
	}
	s := buildSet(t, t.TempDir(), 999, entries)
	for i := range 10_002 {
		sum := make([]byte, 32)
		binary.BigEndian.PutUint32(sum[28:], uint32(i))
		found, err := s.find(KindSHA256, digestKey(sum))
		if want := i%2 == 0 && i < 10_000; err != nil || (len(found) == 1) != want {
			t.Fatalf("%d: %d found, %v", i, len(found), err)
		}
	}
}

func TestNamedTwice(t *testing.T) {
	sum := bytes.Repeat([]byte{7}, 32)
	a, b, c := digestEntry(KindSHA256, sum), digestEntry(KindSHA256, sum), digestEntry(KindSHA256, sum)
	a.line, a.until, a.listed = 1, 1000, 500
	b.line, b.until, b.listed, b.label = 2, 0, 400, "Emotet"
	c.line, c.until = 3, 2000
	s := buildSet(t, "", 10, []entry{c, a, b})
	found, err := s.find(KindSHA256, a.key)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	e, _ := s.entry(&found[0])
	if e.Line != 1 || !e.Until.IsZero() || e.Listed.Unix() != 400 || e.Label != "Emotet" {
		t.Errorf("an entry that is named three times: %+v", e)
	}
}

func TestManyEntriesForOnePackage(t *testing.T) {
	made := func(i int) entry {
		e, err := packageEntry(Package{Ecosystem: "npm", Name: "left-pad"}, &Affected{Versions: []string{fmt.Sprint("1.0.", i)}})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	var entries []entry
	for i := range 200 {
		entries = append(entries, made(i))
	}
	s := buildSet(t, t.TempDir(), 30, entries)
	if found, err := s.find(KindPackage, entries[0].key); err != nil || len(found) != 200 {
		t.Errorf("%d of 200 found, %v", len(found), err)
	}
	b, err := newBuilder("", 1e6)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxPerName + 1 {
		e := made(i)
		if err := b.add(&e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.finish(); err == nil || !strings.Contains(err.Error(), "for one package") {
		t.Errorf("too many entries for a package: %v", err)
	}
}

func TestDamagedSetIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(3, 4))
	var entries []entry
	for range 300 {
		e := digestEntry(KindSHA256, random(r, 32))
		e.label = "x"
		entries = append(entries, e)
	}
	s := buildSet(t, dir, 100, entries)
	name := filepath.Join(dir, setName(s.sum))
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(good); i += 97 {
		bad := bytes.Clone(good)
		bad[i] ^= 4
		if err := os.WriteFile(name, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openSetFile(dir, s.sum); err == nil {
			t.Fatalf("a set with a bit flipped at %d was opened", i)
		}
	}
	for _, n := range []int{0, 10, recordSize, len(good) - 1} {
		if err := os.WriteFile(name, good[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openSetFile(dir, s.sum); err == nil {
			t.Errorf("a set cut at %d bytes was opened", n)
		}
	}
	leftovers, _ := filepath.Glob(filepath.Join(dir, "*.tmp"))
	if len(leftovers) > 0 {
		t.Errorf("building left %v behind", leftovers)
	}
}

func TestDifference(t *testing.T) {
	one := func(b byte) entry { return digestEntry(KindSHA256, bytes.Repeat([]byte{b}, 32)) }
	pack := func(version string) entry {
		e, _ := packageEntry(Package{Ecosystem: "npm", Name: "x"}, &Affected{Versions: []string{version}})
		return e
	}
	site, _ := urlEntry("http://evil.example/a")
	old := buildSet(t, "", 10, []entry{one(1), one(2), pack("1.0.0"), pack("2.0.0")})
	next := buildSet(t, t.TempDir(), 10, []entry{one(2), one(3), site, pack("2.0.0"), pack("3.0.0")})
	added, removed, err := countDifference(old, next)
	if err != nil || added != 3 || removed != 2 {
		t.Errorf("%d added, %d removed, %v; want 3 and 2", added, removed, err)
	}
	got := map[string]bool{}
	for e, err := range next.Added(old) {
		if err != nil {
			t.Fatal(err)
		}
		got[e.Kind.String()+" "+e.Value] = true
		if e.Kind == KindPackage && e.Detail.Versions[0] != "3.0.0" {
			t.Errorf("the wrong version is new: %+v", e.Detail)
		}
	}
	for _, want := range []string{"sha256 " + strings.Repeat("03", 32), "url evil.example/a", "package npm/x"} {
		if !got[want] || len(got) != 3 {
			t.Errorf("%s is not among what was added: %v", want, got)
		}
	}
	if added, removed, _ := countDifference(nil, old); added != 4 || removed != 0 {
		t.Errorf("against nothing: %d added, %d removed", added, removed)
	}
}
