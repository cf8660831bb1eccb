package zipfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
	zt "github.com/sallyport-project/sallyport/verify/internal/zipfile/ziptest"
)

// hiddenEntry is an entry, header and data, that no directory lists.
func hiddenEntry() []byte {
	b := one(zt.Entry{Name: "hidden.exe", Content: []byte("MZ")}).Bytes()
	return b[:bytes.Index(b, []byte("PK\x01\x02"))]
}

// signingBlock is an APK signing block with one pair.
func signingBlock(value []byte) []byte {
	le := binary.LittleEndian
	pair := append(le.AppendUint32(le.AppendUint64(nil, uint64(4+len(value))), 0x1234), value...)
	size := uint64(len(pair) + 24)
	b := append(le.AppendUint64(nil, size), pair...)
	return append(le.AppendUint64(b, size), "APK Sig Block 42"...)
}

// Each of these is one archive to readers that follow the directory, and another to those that begin at the beginning:
// 7-Zip, Java's ZipInputStream, libarchive behind a pipe.
func TestEntriesForReadersFromTheBeginningAreFound(t *testing.T) {
	a := zt.Entry{Name: "a", Content: text}
	unflagged := one(zt.Entry{Name: "a", Content: hiddenEntry(), Descriptor: true}).Bytes()
	unflagged[6] &^= zipfile.FlagDescriptor // the header counts no data, and promises no descriptor
	whole := one(a).Bytes()
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"a descriptor that only the directory knows of": {unflagged, "invalid:local-mismatch"},
		"an entry before the archive":                   {zt.File{Entries: []zt.Entry{a}, Prefix: hiddenEntry(), Shifted: true}.Bytes(), "invalid:hidden-entry"},
		"an archive far before the archive":             {slices.Concat(one(zt.Entry{Name: "hidden.exe", Content: []byte("MZ")}).Bytes(), make([]byte, 70<<10), whole), "invalid:hidden-entry"},
		"an entry across what is read at once":          {zt.File{Entries: []zt.Entry{a}, Prefix: append(make([]byte, 1<<20-7), hiddenEntry()...), Shifted: true}.Bytes(), "invalid:hidden-entry"},
		"an entry in an APK signing block":              {zt.File{Entries: []zt.Entry{a}, Gap: signingBlock(hiddenEntry())}.Bytes(), "invalid:hidden-entry"},
	} {
		z, err := open(c.data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := codes(z); !slices.Contains(got, c.want) {
			t.Errorf("%s: problems %v, want %s among them", name, got, c.want)
		}
	}
}

// Self-extractors hold the mark of a header among their constants; so may signatures.
func TestAMarkAloneIsNoEntry(t *testing.T) {
	constants := []byte("MZ...PK\x03\x04\xff\xe0\x90\x90PK\x05\x06 and so on, for more than the size of a header......")
	a := zt.Entry{Name: "a", Content: text}
	for name, f := range map[string]zt.File{
		"before the archive": {Entries: []zt.Entry{a}, Prefix: constants, Shifted: true},
		"in a signing block": {Entries: []zt.Entry{a}, Gap: signingBlock(constants)},
	} {
		z, err := open(f.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if p := z.Strict(); p != nil {
			t.Errorf("%s: %+v", name, *p)
		}
	}
}

// However much padding there is, nothing is taken for padding unread.
func TestPaddingIsReadToItsEnd(t *testing.T) {
	var f zt.File
	for range 513 {
		f.Entries = append(f.Entries, zt.Entry{Name: fmt.Sprint(len(f.Entries)), Before: make([]byte, 64<<10)})
	}
	f.Entries = append(f.Entries, zt.Entry{Name: "last", Before: hiddenEntry()})
	z, err := open(f.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if z.Strict() == nil {
		t.Errorf("problems %v", codes(z))
	}
}

// A reader without the directory ends stored data at the first descriptor that fits.
func TestStoredDataHoldNoDescriptorOfTheirOwn(t *testing.T) {
	le := binary.LittleEndian
	first := []byte("first part, which such a reader takes for all")
	n, sum := uint32(len(first)), crc32.ChecksumIEEE(first)
	narrow := le.AppendUint32(le.AppendUint32(le.AppendUint32([]byte("PK\x07\x08"), sum), n), n)
	wide := le.AppendUint64(le.AppendUint64(le.AppendUint32([]byte("PK\x07\x08"), sum), uint64(n)), uint64(n))
	other := le.AppendUint32(le.AppendUint32(le.AppendUint32([]byte("PK\x07\x08"), sum), n+1), n+1)
	for name, c := range map[string]struct {
		inside []byte
		known  bool // the header says how long the data are
		broken bool
	}{
		"narrow":           {inside: narrow, broken: true},
		"wide":             {inside: wide, broken: true},
		"of something":     {inside: other},
		"known beforehand": {inside: narrow, known: true},
	} {
		data := slices.Concat(first, c.inside, hiddenEntry())
		z, err := open(one(zt.Entry{Name: "a", Content: data, Descriptor: !c.known}).Bytes())
		if err != nil || z.Strict() != nil {
			t.Fatalf("%s: %v, %+v", name, err, z.Strict())
		}
		for _, r := range []io.Reader{z.Reader(z.Entries[0]), iotest.OneByteReader(z.Reader(z.Entries[0]))} {
			if b, err := io.ReadAll(r); errors.Is(err, verify.ErrBroken) != c.broken || !c.broken && !bytes.Equal(b, data) {
				t.Errorf("%s: %d bytes, %v", name, len(b), err)
			}
		}
	}
}

// Which systems' attributes make a link of an entry differs among readers.
func TestLinksOfEverySystem(t *testing.T) {
	for _, system := range []uint16{0, 3, 16, 19} {
		e := zipfile.Entry{Creator: system << 8, External: 0xa1ff0000}
		if !e.IsLink() {
			t.Errorf("system %d: no link", system)
		}
	}
}
