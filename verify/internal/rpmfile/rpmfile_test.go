package rpmfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-project/sallyport/verify/rpm/rpmtest"
)

func made(t testing.TB, p rpmtest.Package) []byte {
	t.Helper()
	b, err := p.Build()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(b []byte) (*Package, error) { return Read(bytes.NewReader(b), int64(len(b))) }

func TestRead(t *testing.T) {
	data := made(t, rpmtest.Package{Epoch: 2, Files: []rpmtest.File{{Path: "/a/b", Content: "x"}, {Path: "/a/c", Content: "yy"}}})
	p, err := read(data)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Header.NEVRA(); got != "hello-2:1.0-1.noarch" || p.Format() != 4 {
		t.Errorf("%s of format %d", got, p.Format())
	}
	names, err := p.Header.Strings(TagBaseNames)
	if err != nil || len(names) != 2 || names[1] != "c" {
		t.Errorf("names %q, %v", names, err)
	}
	sizes, err := p.Header.Uint32s(TagFileSizes)
	if err != nil || len(sizes) != 2 || sizes[1] != 2 {
		t.Errorf("sizes %v, %v", sizes, err)
	}
	if _, err := p.Header.Strings(TagFileSizes); !errors.Is(err, ErrFormat) {
		t.Errorf("numbers read as strings: %v", err)
	}
	if string(data[p.Payload:p.Payload+6]) != "070701" {
		t.Errorf("the payload begins with %q", data[p.Payload:p.Payload+6])
	}
	if six, err := read(made(t, rpmtest.Package{Format: 6})); err != nil || six.Format() != 6 {
		t.Errorf("format 6: %+v, %v", six, err)
	}
	if three, err := read(made(t, rpmtest.Package{Format: 3})); err != nil || three.Format() != 3 {
		t.Errorf("format 3: %+v, %v", three, err)
	}
}

// Each change breaks one rule.
func TestReadRefuses(t *testing.T) {
	good := made(t, rpmtest.Package{})
	p, err := read(good)
	if err != nil {
		t.Fatal(err)
	}
	head := int(p.HeaderAt)
	put := func(at int, v uint32) func([]byte) { return func(b []byte) { binary.BigEndian.PutUint32(b[at:], v) } }
	for name, change := range map[string]func([]byte){
		"lead magic":                 put(0, 1),
		"lead version":               func(b []byte) { b[4] = 5 },
		"lead signature type":        func(b []byte) { b[79] = 1 },
		"signature magic":            put(96, 0),
		"too many signature entries": put(96+8, 33),
		"signature data endless":     put(96+12, 60<<20),
		"no entries":                 put(head+8, 0),
		"entries endless":            put(head+8, 0xffff),
		"more entries than limit":    put(head+8, 0x10000),
		"data endless":               put(head+12, 127<<20),
		"region tag":                 put(head+16, 62),
		"region type":                put(head+20, 8),
		"region elsewhere":           put(head+24, 0),
		"region count":               put(head+28, 32),
		"tag below 100":              put(head+32, 64),
		"type 0":                     put(head+36, 0),
		"type 10":                    put(head+36, 10),
		"offset behind the end":      put(head+40, 1<<20),
		"two strings of one":         put(head+44, 2),
		"count 0":                    put(head+44, 0),
		"overlap":                    put(head+16+3*16+8, 0),
		"trailer":                    put(int(p.Payload)-8, 4),
	} {
		b := bytes.Clone(good)
		change(b)
		if _, err := read(b); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range p.Payload {
		if _, err := read(good[:n]); !errors.Is(err, ErrFormat) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, os.ErrClosed }

func TestReadTellsOurFailures(t *testing.T) {
	if _, err := Read(failing{}, 1000); err == nil || errors.Is(err, ErrFormat) {
		t.Errorf("a failing disk is taken for a malformed package: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(made(f, rpmtest.Package{}))
	f.Add(made(f, rpmtest.Package{Format: 3}))
	f.Add(made(f, rpmtest.Package{Format: 6, Files: []rpmtest.File{{Path: "/x", Content: "y"}}}))
	if dir := os.Getenv("SALLYPORT_SAMPLES"); dir != "" {
		files, _ := filepath.Glob(filepath.Join(dir, "rpm", "*", "*.rpm*"))
		for _, file := range files {
			if b, err := os.ReadFile(file); err == nil && len(b) < 64<<10 {
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := read(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		if p.Payload > int64(len(data)) || p.HeaderAt%8 != 0 {
			t.Fatalf("header at %d, payload at %d of %d", p.HeaderAt, p.Payload, len(data))
		}
		if !bytes.Equal(p.Header.Raw(), data[p.HeaderAt:p.Payload]) {
			t.Error("what is signed is not what the file holds")
		}
		end := 0
		for _, e := range p.Header.Entries {
			if int(e.offset) < end {
				t.Fatalf("tag %d overlaps", e.Tag)
			}
			end = int(e.offset) + e.Len()
			p.Header.Strings(e.Tag)
			p.Header.Uint16s(e.Tag)
			p.Header.Uint32s(e.Tag)
			p.Header.Uint64s(e.Tag)
		}
		p.Header.NEVRA()
	})
}
