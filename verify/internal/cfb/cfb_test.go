package cfb_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify/internal/cfb"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
)

func noise(n int, seed uint32) []byte {
	b := make([]byte, n)
	for i := range b {
		seed = seed*1664525 + 1013904223
		b[i] = byte(seed >> 24)
	}
	return b
}

// tree is a compound file with streams around every limit.
func tree() *msitest.Node {
	root := &msitest.Node{Storage: true, CLSID: [16]byte{1, 2, 3}}
	for i, n := range []int{0, 1, 63, 64, 65, 4095, 4096, 4097, 20_000} {
		root.Children = append(root.Children, msitest.Stream("s"+strings.Repeat("x", i), noise(n, uint32(n))))
	}
	root.Children = append(root.Children, &msitest.Node{Name: "Folder", Storage: true, Children: []*msitest.Node{
		msitest.Stream("Inner", noise(500, 5)), {Name: "Deeper", Storage: true, Children: []*msitest.Node{msitest.Stream("Innermost", noise(9000, 6))}},
	}})
	return root
}

func open(b []byte) (*cfb.File, error) { return cfb.Open(bytes.NewReader(b), int64(len(b))) }

func TestReadsWhatIsThere(t *testing.T) {
	for _, version := range []int{3, 4} {
		f, err := open(msitest.WriteCompound(version, tree()))
		if err != nil {
			t.Fatal(err)
		}
		if f.Version != version || f.Root.CLSID != [16]byte{1, 2, 3} || len(f.Entries) != 14 {
			t.Errorf("version %d, class %x, %d entries", f.Version, f.Root.CLSID, len(f.Entries))
		}
		compare(t, f, f.Root, tree())
		if r, err := f.Residues(t.Context()); err != nil || len(r) != 0 {
			t.Errorf("residues %+v, error %v", r, err)
		}
		for n := range f.Sectors() {
			if f.Owner(n) == "nobody" {
				t.Errorf("version %d: sector %d is said to be nobody's", version, n)
			}
		}
	}
}

func compare(t *testing.T, f *cfb.File, e *cfb.Entry, want *msitest.Node) {
	t.Helper()
	if len(e.Children) != len(want.Children) {
		t.Fatalf("%q has %d children, want %d", e.Name(), len(e.Children), len(want.Children))
	}
	for _, w := range want.Children {
		for _, c := range e.Children {
			if c.Name() == w.Name {
				compare(t, f, c, w)
			}
		}
	}
	if e.Kind != cfb.Stream {
		return
	}
	c := f.Open(e)
	got, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	if err != nil || !bytes.Equal(got, want.Data) {
		t.Errorf("%q: %d bytes, want %d, error %v", e.Name(), len(got), len(want.Data), err)
	}
	if n, err := c.ReadAt(make([]byte, 10), c.Size()); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%q: reading at the end gives %d bytes and %v", e.Name(), n, err)
	}
	if len(want.Data) > 700 {
		part := make([]byte, 600)
		if _, err := c.ReadAt(part, 50); err != nil || !bytes.Equal(part, want.Data[50:650]) {
			t.Errorf("%q: bytes 50 to 650 are wrong, error %v", e.Name(), err)
		}
	}
}

// fixture is a small file of version 3 whose structure is known: a large stream in sectors 0 to 9, the mini stream in
// 10, the mini FAT in 11, the directory in 12 and the FAT in 13.
func fixture() []byte {
	root := &msitest.Node{Storage: true, Children: []*msitest.Node{
		msitest.Stream("Large", noise(5000, 1)), msitest.Stream("Small1", noise(100, 2)), msitest.Stream("Small2", noise(100, 3)),
	}}
	return msitest.WriteCompound(3, root)
}

const (
	directoryAt = 13 * 512
	fatAt       = 14 * 512
	miniFATAt   = 12 * 512
	large       = directoryAt + 128 // entries stand in the order of their names: Large, Small1, Small2
	small1      = directoryAt + 256
	small2      = directoryAt + 384
)

func put32(at int, v uint32) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint32(b[at:], v) }
}
func put16(at int, v uint16) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint16(b[at:], v) }
}

// TestRefuses changes one thing in a file, and looks for the reason in the error.
func TestRefuses(t *testing.T) {
	if f, err := open(fixture()); err != nil || f.Owner(10) != "the mini stream" || f.Owner(13) != "the FAT" || f.Owner(14) != "nobody" || f.Owner(-1) != "nobody" {
		t.Fatalf("the fixture is not what the test thinks: %v", err)
	}
	for name, c := range map[string]struct {
		change func([]byte)
		want   string
	}{
		"version":                           {put16(26, 5), "version 5"},
		"byte order":                        {put16(28, 0xfeff), "byte order"},
		"sector size":                       {put16(30, 12), "2^12"},
		"mini sector size":                  {put16(32, 7), "2^7"},
		"cutoff":                            {put32(56, 8192), "8192"},
		"counted directory":                 {put32(40, 1), "directory sectors"},
		"no FAT":                            {put32(44, 0), "0 FAT sectors"},
		"more FAT than file":                {put32(44, 0xffffff), "FAT sectors"},
		"FAT listed twice":                  {func(b []byte) { put32(44, 2)(b); put32(80, 13)(b) }, "belongs to the FAT and to the FAT"},
		"FAT outside the file":              {put32(76, 99), "does not exist"},
		"FAT behind the list":               {put32(88, 5), "lists more"},
		"DIFAT that is not there":           {put32(72, 1), "does not exist"},
		"DIFAT that goes on":                {put32(68, 3), "goes on"},
		"FAT unmarked":                      {put32(fatAt+4*13, 0xfffffffe), "belongs to the FAT"},
		"mark on a stream":                  {put32(fatAt+4*5, 0xfffffffd), "for its own"},
		"used sector behind the end":        {put32(fatAt+4*20, 0xfffffffe), "sector 20"},
		"used sector of nobody":             {func(b []byte) { put32(fatAt+4*8, 0xfffffffe)(b); put32(large+120, 4600)(b) }, "belongs to nobody"},
		"cycle":                             {put32(fatAt+4*5, 2), "belongs to directory entry 1 and to directory entry 1"},
		"chain into another":                {put32(fatAt+4*8, 10), "belongs to the mini stream and to directory entry 1"},
		"chain too long":                    {put32(large+120, 4600), "goes on after"},
		"chain too short":                   {put32(fatAt+4*8, 0xfffffffe), "instead of"},
		"chain to a free sector":            {put32(fatAt+4*8, 0xffffffff), "does not exist"},
		"stream outside the file":           {put32(large+116, 0x4000), "does not exist"},
		"stream larger than the file":       {put32(large+120, 1<<30), "the whole file"},
		"two streams at one place":          {put32(small2+116, 0), "belongs to directory entry 2 and to directory entry 3"},
		"small stream outside":              {put32(small2+116, 77), "does not exist"},
		"small cycle":                       {put32(miniFATAt, 0), "belongs to directory entry 2 and to directory entry 2"},
		"small chain too long":              {put32(small1+120, 60), "goes on after"},
		"small chain too short":             {put32(small1+120, 200), "does not exist"},
		"mini sector of nobody":             {func(b []byte) { put32(small2+120, 0)(b); put32(small2+116, 0)(b) }, "belongs to nobody"},
		"mini sector behind the end":        {put32(miniFATAt+4*20, 3), "mini sector 20"},
		"empty stream with a start":         {put32(small2+120, 0), "empty"},
		"small stream said to be large":     {put32(small1+120, 5000), "belongs to directory entry 1"},
		"mini stream larger than its chain": {put32(directoryAt+120, 2000), "mini stream"},
		"directory elsewhere":               {put32(48, 200), "does not exist"},
		"directory that is a stream":        {put32(48, 0), "directory"},
		"root of another type":              {func(b []byte) { b[directoryAt+66] = 1 }, "root"},
		"a second root":                     {func(b []byte) { b[large+66] = 5 }, "type 5"},
		"unknown type":                      {func(b []byte) { b[large+66] = 3 }, "type 3"},
		"unknown colour":                    {func(b []byte) { b[large+67] = 2 }, "colour"},
		"root with siblings":                {put32(directoryAt+68, 1), "siblings"},
		"tree that goes in a circle":        {put32(small2+72, 1), "two places"},
		"tree that leaves the directory":    {put32(small2+72, 50), "is none"},
		"entry of no storage":               {put32(directoryAt+76, 0xffffffff), "belongs to no storage"},
		"name too long":                     {put16(large+64, 66), "66 bytes"},
		"name of an odd length":             {put16(large+64, 11), "11 bytes"},
		"name without end":                  {put16(large+64, 10), "no end"},
		"empty name":                        {put16(large+64, 2), "2 bytes"},
		"name with a NUL":                   {put16(large+2, 0), "character"},
		"name with a slash":                 {put16(large+2, '/'), "character"},
		"names the same but for case":       {func(b []byte) { put16(small2, 's')(b); put16(small2+10, '1')(b) }, "the same or out of order"},
		"names out of order":                {put16(small2+10, '0'), "the same or out of order"},
		"stream with a class":               {func(b []byte) { b[large+80] = 1 }, "attributes of a storage"},
		"stream with children":              {put32(large+76, 2), "attributes of a storage"},
	} {
		b := fixture()
		c.change(b)
		_, err := open(b)
		if !errors.Is(err, cfb.ErrMalformed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestNotCompound(t *testing.T) {
	for _, b := range [][]byte{nil, []byte("MZ"), make([]byte, 5000), []byte(cfb.Magic)} {
		if _, err := open(b); !errors.Is(err, cfb.ErrNotCompound) {
			t.Errorf("%d bytes: error %v", len(b), err)
		}
	}
}

// failing is a disk that breaks.
type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func TestReadErrorsAreOurs(t *testing.T) {
	broken := errors.New("disk broke")
	if _, err := cfb.Open(failing{broken}, 5000); !errors.Is(err, broken) || errors.Is(err, cfb.ErrMalformed) {
		t.Errorf("error = %v", err)
	}
}

func TestDeepStorages(t *testing.T) {
	nested := func(n int) *msitest.Node {
		at := msitest.Stream("Bottom", []byte{1})
		for range n {
			at = &msitest.Node{Name: "Down", Storage: true, Children: []*msitest.Node{at}}
		}
		return &msitest.Node{Storage: true, Children: []*msitest.Node{at}}
	}
	if _, err := open(msitest.WriteCompound(3, nested(30))); err != nil {
		t.Errorf("30 deep: %v", err)
	}
	if _, err := open(msitest.WriteCompound(3, nested(40))); !errors.Is(err, cfb.ErrMalformed) {
		t.Errorf("40 deep: %v", err)
	}
}

func TestCompareNames(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"b", "aa", -1}, {"a", "B", -1}, {"a", "A", 0}, {"é", "É", 0}, {"_", "a", 1}, {"z", "[", -1}} {
		if got := cfb.CompareNames(units(c.a), units(c.b)); got != c.want {
			t.Errorf("%q and %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func units(s string) []uint16 {
	var out []uint16
	for _, r := range s {
		out = append(out, uint16(r))
	}
	return out
}

// TestResidues puts bytes in every place that nothing uses.
func TestResidues(t *testing.T) {
	for name, c := range map[string]struct {
		change func([]byte) []byte
		kind   cfb.ResidueKind
		offset int64
		bytes  int64
	}{
		"header":          {at(34, 9), cfb.Reserved, 34, 6},
		"class of header": {at(10, 9), cfb.Reserved, 8, 16},
		"behind a name":   {at(large+60, 9), cfb.Reserved, large + 12, 52},
		"size":            {at(large+125, 9), cfb.Reserved, large + 124, 4},
		"slack":           {at(512+5001, 9), cfb.Slack, 512 + 5000, 120},
		"mini slack":      {at(11*512+120, 9), cfb.Slack, 11*512 + 100, 28},
		"mini stream":     {at(11*512+300, 9), cfb.Slack, 11*512 + 256, 256},
		"tail":            {func(b []byte) []byte { return append(b, 0, 0, 9) }, cfb.Tail, 15 * 512, 3},
		"a longer tail":   {func(b []byte) []byte { return append(b, noise(100_000, 1)...) }, cfb.Tail, 15 * 512, 100_000},
	} {
		f, err := open(c.change(fixture()))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r, err := f.Residues(t.Context())
		if err != nil || len(r) != 1 || r[0].Kind != c.kind || r[0].Offset != c.offset || r[0].Bytes != c.bytes || r[0].Places != 1 {
			t.Errorf("%s: %+v, error %v", name, r, err)
		}
	}
}

func at(offset int, v byte) func([]byte) []byte {
	return func(b []byte) []byte { b[offset] = v; return b }
}

// TestUnfinishedLastSector cuts a file within the slack of its last stream, which is no loss, and within the stream.
func TestUnfinishedLastSector(t *testing.T) {
	b := fixture()
	// The large stream's last sector, 9, moves behind the FAT.
	put32(fatAt+4*8, 14)(b)
	put32(fatAt+4*14, 0xfffffffe)(b)
	put32(fatAt+4*9, 0xffffffff)(b)
	last := bytes.Clone(b[10*512 : 10*512+512])
	clear(b[10*512 : 11*512])
	b = append(b, last...)
	if _, err := open(b[:len(b)-100]); err != nil {
		t.Errorf("cut in the slack: %v", err)
	}
	if _, err := open(b[:len(b)-200]); !errors.Is(err, cfb.ErrMalformed) {
		t.Errorf("cut in the stream: %v", err)
	}
}

// FuzzOpen looks for panics, reads outside the file and bytes that are counted twice or not at all.
func FuzzOpen(f *testing.F) {
	f.Add(fixture())
	f.Add(msitest.WriteCompound(3, tree()))
	f.Add(msitest.WriteCompound(4, &msitest.Node{Storage: true, Children: []*msitest.Node{msitest.Stream("A", noise(5000, 1))}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := open(b)
		if err != nil {
			if !errors.Is(err, cfb.ErrMalformed) && !errors.Is(err, cfb.ErrNotCompound) {
				t.Fatal(err)
			}
			return
		}
		total := int64(0)
		for _, e := range file.Entries {
			c := file.Open(e)
			n, err := io.Copy(io.Discard, io.NewSectionReader(c, 0, c.Size()))
			if err != nil || n != e.Size && e.Kind != cfb.Storage {
				t.Fatalf("%q: %d of %d bytes, %v", e.Name(), n, e.Size, err)
			}
			if e.Kind != cfb.Root {
				total += n
			}
		}
		if total > int64(len(b)) {
			t.Fatalf("%d bytes in streams of a file of %d", total, len(b))
		}
		if _, err := file.Residues(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := open(b[:len(b)-1]); err == nil && b[len(b)-1] != 0 {
			// The last byte was in nothing that is used: it must have been reported.
			if r, _ := file.Residues(t.Context()); len(r) == 0 {
				t.Fatal("a byte that means nothing is not reported")
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	file := msitest.WriteCompound(3, &msitest.Node{Storage: true, Children: []*msitest.Node{msitest.Stream("Large", make([]byte, 64<<20))}})
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := open(file); err != nil {
			b.Fatal(err)
		}
	}
}
