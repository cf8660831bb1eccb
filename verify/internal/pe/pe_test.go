package pe_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/pe"
)

// header returns the offsets that the defects below are written to: of the COFF header, the optional header, and the
// security directory's entry.
func header(image []byte) (coff, optional, directory int) {
	coff = int(binary.LittleEndian.Uint32(image[60:]))
	_, directory, _, _ = authenticodetest.Offsets(image)
	return coff, coff + 24, directory
}

func TestParseRefusesHostileHeaders(t *testing.T) {
	le := binary.LittleEndian
	for defect, c := range map[string]struct {
		change func(b []byte) []byte
		want   error
	}{
		"header offset beyond the file":       {func(b []byte) []byte { le.PutUint32(b[60:], 1<<31); return b }, pe.ErrNotPE},
		"header offset zero":                  {func(b []byte) []byte { le.PutUint32(b[60:], 0); return b }, pe.ErrNotPE},
		"no PE signature":                     {func(b []byte) []byte { coff, _, _ := header(b); b[coff] = 'N'; return b }, pe.ErrNotPE},
		"empty":                               {func(b []byte) []byte { return nil }, pe.ErrNotPE},
		"optional header of no bytes":         {func(b []byte) []byte { coff, _, _ := header(b); le.PutUint16(b[coff+20:], 0); return b }, pe.ErrMalformed},
		"optional header beyond the file":     {func(b []byte) []byte { coff, _, _ := header(b); return b[:coff+24+100] }, pe.ErrMalformed},
		"optional header without directories": {func(b []byte) []byte { coff, _, _ := header(b); le.PutUint16(b[coff+20:], 112); return b }, pe.ErrMalformed},
		"unknown kind of optional header":     {func(b []byte) []byte { _, opt, _ := header(b); le.PutUint16(b[opt:], 0x107); return b }, pe.ErrMalformed},
		"table beyond the file":               {func(b []byte) []byte { return table(b, 1<<31, 8) }, pe.ErrMalformed},
		"table longer than the file":          {func(b []byte) []byte { return table(b, uint32(len(b)-8), 0x7ffffff0) }, pe.ErrMalformed},
		"table whose end overflows":           {func(b []byte) []byte { return table(b, 0xfffffff0, 0xfffffff0) }, pe.ErrMalformed},
		"table within the headers":            {func(b []byte) []byte { return table(b, 64, 64) }, pe.ErrMalformed},
		"table of no bytes":                   {func(b []byte) []byte { return table(b, 1024, 0) }, pe.ErrMalformed},
	} {
		image := c.change(authenticodetest.BuildPE(authenticodetest.Image{}))
		if l, err := pe.Parse(bytes.NewReader(image), int64(len(image))); !errors.Is(err, c.want) {
			t.Errorf("%s: layout %+v, error %v, want %v", defect, l, err, c.want)
		}
	}
}

func table(b []byte, at, size uint32) []byte {
	_, _, directory := header(b)
	binary.LittleEndian.PutUint32(b[directory:], at)
	binary.LittleEndian.PutUint32(b[directory+4:], size)
	return b
}

func TestParseTellsAReadErrorFromAMalformedFile(t *testing.T) {
	broken := errors.New("disk on fire")
	_, err := pe.Parse(failing{broken}, 5000)
	if !errors.Is(err, broken) || errors.Is(err, pe.ErrMalformed) || errors.Is(err, pe.ErrNotPE) {
		t.Errorf("error = %v", err)
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func TestReadTableSplitsEntries(t *testing.T) {
	image := authenticodetest.BuildPE(authenticodetest.Image{})
	entry := authenticodetest.Entry([]byte("0123456789"))
	for name, c := range map[string]struct {
		table         []byte
		entries, rest int
		fails         bool
	}{
		"one":                       {entry, 1, 0, false},
		"two":                       {append(bytes.Clone(entry), entry...), 2, 0, false},
		"zero bytes after":          {append(bytes.Clone(entry), make([]byte, 16)...), 1, 16, false},
		"a few bytes after":         {append(bytes.Clone(entry), 1, 2, 3), 1, 3, false},
		"length of nothing":         {make([]byte, 24), 0, 0, true},
		"length below the header":   {append([]byte{7, 0, 0, 0, 0, 2, 2, 0}, make([]byte, 8)...), 0, 0, true},
		"length beyond the table":   {append([]byte{0xf0, 0xff, 0xff, 0xff, 0, 2, 2, 0}, make([]byte, 8)...), 0, 0, true},
		"more entries than allowed": {bytes.Repeat(entry, pe.MaxEntries+1), pe.MaxEntries, len(entry), false},
	} {
		signed := authenticodetest.WithTable(image, c.table)
		l, err := pe.Parse(bytes.NewReader(signed), int64(len(signed)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		entries, rest, err := pe.ReadTable(bytes.NewReader(signed), l)
		if len(entries) != c.entries || len(rest) != c.rest || (err != nil) != c.fails {
			t.Errorf("%s: %d entries, %d bytes left, error %v", name, len(entries), len(rest), err)
		}
	}
}

func TestDigestLeavesOutThreeThings(t *testing.T) {
	for _, o := range []authenticodetest.Image{{}, {PE32: true}, {Size: 3 << 20}, {Overlay: []byte("odd")}} {
		image := authenticodetest.WithTable(authenticodetest.Strip(authenticodetest.BuildPE(o)), authenticodetest.Entry([]byte("signature")))
		l, err := pe.Parse(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Fatal(err)
		}
		sums, err := pe.Digest(context.Background(), bytes.NewReader(image), l, crypto.SHA1, crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		for h, sum := range sums {
			if want := authenticodetest.PEDigest(image, h); !bytes.Equal(sum, want) {
				t.Errorf("%+v: %v digest %x, want %x", o, h, sum, want)
			}
		}
	}
}

func TestDigestStopsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	image := authenticodetest.BuildPE(authenticodetest.Image{})
	l, _ := pe.Parse(bytes.NewReader(image), int64(len(image)))
	if _, err := pe.Digest(ctx, bytes.NewReader(image), l, crypto.SHA256); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}

func TestStreamIsNotCompleteWhereParseRefuses(t *testing.T) {
	image := authenticodetest.WithTable(authenticodetest.BuildPE(authenticodetest.Image{}), authenticodetest.Entry([]byte("signature")))
	complete := func(b []byte) bool {
		s := pe.NewStream(func([]byte) {})
		s.Write(b)
		return s.Complete()
	}
	if !complete(image) {
		t.Error("a good image is not complete")
	}
	if complete(append(bytes.Clone(image), 0)) || complete(image[:len(image)-1]) {
		t.Error("an image with a byte more or less than its table is complete")
	}
	coff, _, _ := header(image)
	binary.LittleEndian.PutUint16(image[coff+20:], 0xffff)
	if complete(image) {
		t.Error("an image whose optional header reaches beyond the file is complete")
	}
}

// FuzzParse looks for inputs on which the parser panics, believes a number that the file contradicts, or on which a
// Stream and Digest disagree.
func FuzzParse(f *testing.F) {
	for _, o := range []authenticodetest.Image{{}, {PE32: true}, {HeaderOffset: 5000}, {Directories: -1}} {
		image := authenticodetest.BuildPE(o)
		f.Add(image)
		if o.Directories == 0 {
			f.Add(authenticodetest.WithTable(image, authenticodetest.Entry([]byte("signature"))))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := pe.Parse(bytes.NewReader(b), int64(len(b)))
		var streamed bytes.Buffer
		s := pe.NewStream(func(p []byte) { streamed.Write(p) })
		for rest := b; len(rest) > 0; {
			n := min(len(rest), 1000)
			s.Write(rest[:n])
			rest = rest[n:]
		}
		if err != nil {
			if !errors.Is(err, pe.ErrNotPE) && !errors.Is(err, pe.ErrMalformed) {
				t.Fatalf("error of another kind: %v", err)
			}
			if s.Complete() {
				t.Fatal("the stream took what Parse refuses")
			}
			return
		}
		if l.Table < 0 || l.TableSize < 0 || l.Table+l.TableSize > int64(len(b)) {
			t.Fatalf("layout %+v of %d bytes", l, len(b))
		}
		if s.Complete() {
			var read bytes.Buffer
			pe.NewFilter(l, func(p []byte) { read.Write(p) }).Write(b)
			if !bytes.Equal(read.Bytes(), streamed.Bytes()) {
				t.Fatal("the stream passed on other bytes than the filter")
			}
		}
		if l.Signed() {
			if _, _, err := pe.ReadTable(bytes.NewReader(b), l); err != nil && !errors.Is(err, pe.ErrMalformed) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("error of another kind: %v", err)
			}
		}
	})
}
