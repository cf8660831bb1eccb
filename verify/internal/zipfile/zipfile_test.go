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

	"github.com/klauspost/compress/zstd"
	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
	zt "github.com/sallyport-project/sallyport/verify/internal/zipfile/ziptest"
)

func open(b []byte) (*zipfile.File, error) {
	return zipfile.Open(bytes.NewReader(b), int64(len(b)))
}

// codes returns the problems as "status:code".
func codes(f *zipfile.File) []string {
	var out []string
	for _, p := range f.Problems {
		out = append(out, p.Status.String()+":"+p.Code)
	}
	return out
}

var text = bytes.Repeat([]byte("All that is gold does not glitter. "), 40)

func unicodePath(of, name string) []byte {
	b := binary.LittleEndian.AppendUint16(nil, 0x7075)
	b = binary.LittleEndian.AppendUint16(b, uint16(5+len(name)))
	b = append(b, 1)
	return append(binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE([]byte(of))), name...)
}

func one(e zt.Entry) zt.File { return zt.File{Entries: []zt.Entry{e}} }

func TestWhatOrdinaryWritersMakeIsUnremarkable(t *testing.T) {
	for name, f := range map[string]zt.File{
		"stored":                            one(zt.Entry{Name: "a", Content: text}),
		"deflated":                          one(zt.Entry{Name: "a", Content: text, Deflate: true}),
		"with descriptor":                   one(zt.Entry{Name: "a", Content: text, Deflate: true, Descriptor: true}),
		"with descriptor without mark":      one(zt.Entry{Name: "a", Content: text, Deflate: true, Descriptor: true, NoMark: true}),
		"Zip64 as packaging tools write it": {Entries: []zt.Entry{{Name: "a", Content: text, Deflate: true, Descriptor: true, Wide: true}}, Zip64: true},
		"folders":                           {Entries: []zt.Entry{{Name: "a/"}, {Name: "a/b", Content: text}}},
		"empty":                             {},
		"comment":                           {Entries: []zt.Entry{{Name: "a"}}, Comment: "made by hand"},
		"size known, descriptor follows":    one(zt.Entry{Name: "a", Content: text, Deflate: true, Flags: 8}),
	} {
		t.Run(name, func(t *testing.T) {
			z, err := open(f.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			allowed := []string{"valid:no-descriptor"}
			for _, c := range codes(z) {
				if !slices.Contains(allowed, c) {
					t.Errorf("problem %s: %+v", c, z.Problems)
				}
			}
			for _, e := range z.Entries {
				b, err := io.ReadAll(z.Reader(e))
				if want := int(e.Size); err != nil || len(b) != want {
					t.Errorf("reading %q: %d bytes, %v", e.Name, len(b), err)
				}
			}
		})
	}
}

func TestAmbiguitiesAreNamed(t *testing.T) {
	a, b := zt.Entry{Name: "a", Content: text}, zt.Entry{Name: "b", Content: []byte("other")}
	other := zt.Entry{Name: "a", Content: []byte("another")}
	inner := one(zt.Entry{Name: "evil", Content: text}).Bytes()
	for name, c := range map[string]struct {
		file zt.File
		want string
	}{
		"two entries with one name":           {zt.File{Entries: []zt.Entry{a, other}}, "invalid:duplicate"},
		"the same entry twice":                {zt.File{Entries: []zt.Entry{a, a}}, "valid:duplicate-same"},
		"the same once cleaned":               {zt.File{Entries: []zt.Entry{a, {Name: "./a"}}}, "invalid:duplicate"},
		"the same with another divider":       {zt.File{Entries: []zt.Entry{{Name: "x/a"}, {Name: `x\a`}}}, "invalid:duplicate"},
		"the same but for case":               {zt.File{Entries: []zt.Entry{a, {Name: "A"}}}, "valid:case-duplicate"},
		"another name in the local header":    {one(zt.Entry{Name: "a", LocalName: "b"}), "invalid:local-mismatch"},
		"another size in the local header":    {one(zt.Entry{Name: "a", Content: text, LocalSize: 7}), "invalid:local-mismatch"},
		"two entries on one place":            {zt.File{Entries: []zt.Entry{a, {Name: "a", SameAs: 1, Content: text}}}, "invalid:overlap"},
		"an entry that is not listed":         {zt.File{Entries: []zt.Entry{a, {Name: "b", Content: text, Unlisted: true}}}, "invalid:hidden-entry"},
		"noise between entries":               {zt.File{Entries: []zt.Entry{a, {Name: "b", Before: []byte("noise")}}}, "invalid:gap"},
		"zero bytes between entries":          {zt.File{Entries: []zt.Entry{a, {Name: "b", Before: make([]byte, 64)}}}, "valid:padding"},
		"noise before the directory":          {zt.File{Entries: []zt.Entry{a, b}, Gap: []byte("noise")}, "invalid:gap"},
		"noise in the directory":              {zt.File{Entries: []zt.Entry{a, b}, Tail: []byte("noise")}, "invalid:gap"},
		"bytes after the end":                 {zt.File{Entries: []zt.Entry{a}, Trailing: []byte("noise")}, "invalid:trailing-data"},
		"an archive in the comment":           {zt.File{Entries: []zt.Entry{a}, Comment: string(inner)}, "invalid:end-records"},
		"an archive behind the archive":       {zt.File{Entries: []zt.Entry{a}, Trailing: inner}, "invalid:hidden-entry"},
		"something before, offsets shifted":   {zt.File{Entries: []zt.Entry{a}, Prefix: []byte("#!/bin/sh\n"), Shifted: true}, "valid:prefix"},
		"something before, offsets right":     {zt.File{Entries: []zt.Entry{a}, Prefix: []byte("#!/bin/sh\n")}, "valid:prefix"},
		"fewer entries counted":               {zt.File{Entries: []zt.Entry{a, b}, Count: -1}, "invalid:count"},
		"a NUL in a name":                     {one(zt.Entry{Name: "setup.exe\x00.txt"}), "invalid:ambiguous-name"},
		"another name in a Unicode field":     {one(zt.Entry{Name: "readme.txt", Extra: unicodePath("readme.txt", "setup.exe")}), "invalid:ambiguous-name"},
		"a stale Unicode field":               {one(zt.Entry{Name: "b\x81r.txt", Extra: unicodePath("else", "bär.txt")}), "invalid:ambiguous-name"},
		"said to be UTF-8":                    {one(zt.Entry{Name: "b\x81r", Flags: zipfile.FlagUTF8}), "invalid:ambiguous-name"},
		"a name that climbs":                  {one(zt.Entry{Name: "x/../../y"}), "invalid:traversal"},
		"a name that climbs, backslashes":     {one(zt.Entry{Name: `..\y`}), "invalid:traversal"},
		"a name that climbs, spaces":          {one(zt.Entry{Name: ".. /y"}), "invalid:traversal"},
		"an absolute name":                    {one(zt.Entry{Name: "/etc/passwd"}), "invalid:absolute-name"},
		"a drive":                             {one(zt.Entry{Name: `C:\x`}), "invalid:absolute-name"},
		"backslashes":                         {one(zt.Entry{Name: `x\y`}), "valid:backslash"},
		"no name":                             {one(zt.Entry{}), "invalid:bad-name"},
		"a folder with data":                  {one(zt.Entry{Name: "x/", Content: text}), "invalid:folder-data"},
		"traditional encryption":              {one(zt.Entry{Name: "x", Content: text, Flags: 1}), "inconclusive:encrypted"},
		"strong encryption":                   {one(zt.Entry{Name: "x", Content: text, Flags: 0x41}), "inconclusive:encrypted"},
		"a masked directory":                  {one(zt.Entry{Name: "x", Content: text, Flags: 0x2000}), "inconclusive:encrypted"},
		"AES":                                 {one(zt.Entry{Name: "x", Content: text, Method: 99}), "inconclusive:encrypted"},
		"LZMA":                                {one(zt.Entry{Name: "x", Content: text, Method: 14}), "inconclusive:unknown-method"},
		"another disk":                        {one(zt.Entry{Name: "x", DiskNumber: 3}), "inconclusive:multi-disk"},
		"a descriptor is promised and absent": {one(zt.Entry{Name: "x", Flags: 8, Content: text}), "valid:no-descriptor"},
	} {
		t.Run(name, func(t *testing.T) {
			z, err := open(c.file.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if got := codes(z); !slices.Contains(got, c.want) {
				t.Errorf("problems %v, want %s among them", got, c.want)
			}
		})
	}
}

func TestUnicodePathMayTranslateACodePage(t *testing.T) {
	z, err := open(one(zt.Entry{Name: "b\x84r.txt", Extra: unicodePath("b\x84r.txt", "bär.txt")}).Bytes())
	if err != nil || len(z.Problems) > 0 {
		t.Errorf("%v, %+v", err, z.Problems)
	}
}

func TestBrokenDirectoriesAreErrors(t *testing.T) {
	good := zt.File{Entries: []zt.Entry{{Name: "a", Content: text}, {Name: "b", Content: text}}}.Bytes()
	end := len(good) - 22
	change := func(at int, v byte) []byte {
		b := bytes.Clone(good)
		b[at] ^= v
		return b
	}
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"text":                           {text, zipfile.ErrNotZip},
		"nothing":                        {nil, zipfile.ErrNotZip},
		"cut off":                        {good[:len(good)-1], zipfile.ErrNotZip},
		"directory too large":            {change(end+14, 0x40), zipfile.ErrMalformed},
		"directory behind the end":       {change(end+18, 0x40), zipfile.ErrMalformed},
		"needs Zip64, which is not here": {append(bytes.Clone(good[:end+16]), 0xff, 0xff, 0xff, 0xff, 0, 0), zipfile.ErrMalformed},
		"no header where it points":      {change(0, 1), zipfile.ErrMalformed},
	} {
		if _, err := open(c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestReaderChecksWhatItUnpacks(t *testing.T) {
	packed := zt.Deflate(text, 0)
	zeros := zt.Deflate(make([]byte, 1<<20), 0)
	for name, e := range map[string]zt.Entry{
		"wrong checksum, stored":         {Content: text, CRC32: 1},
		"wrong checksum, deflated":       {Content: text, CRC32: 1, Deflate: true},
		"more than declared":             {Content: text[:100], Packed: packed, Deflate: true},
		"less than declared":             {Content: append(bytes.Clone(text), 1), Packed: packed, Deflate: true},
		"bytes after the stream":         {Content: text, Packed: append(bytes.Clone(packed), "hidden"...), Deflate: true},
		"cut off":                        {Content: text, Packed: packed[:len(packed)-3], Deflate: true},
		"noise":                          {Content: text, Packed: []byte{7, 7, 7}, Deflate: true},
		"stored in another size":         {Content: text, Packed: text[:5]},
		"a size that cannot be":          {Content: make([]byte, 1<<20), Packed: packed[:9], Deflate: true},
		"a bomb that hides its size":     {Content: make([]byte, 10), Packed: zeros, Deflate: true},
		"noise for bzip2":                {Content: text, Packed: []byte("BZh9noise"), Method: 12},
		"noise for zstd":                 {Content: text, Packed: []byte("noise"), Method: 93},
		"zstd, more than the true bytes": {Content: text[:5], Packed: zstdOf(text), Method: 93},
	} {
		e.Name = "x"
		z, err := open(one(e).Bytes())
		if err != nil {
			t.Fatal(name, err)
		}
		n, err := io.Copy(io.Discard, z.Reader(z.Entries[0]))
		if !errors.Is(err, verify.ErrBroken) || n > z.Entries[0].Size {
			t.Errorf("%s: %d bytes, %v, want ErrBroken", name, n, err)
		}
	}
}

func zstdOf(b []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return w.EncodeAll(b, nil)
}

func TestZstdAndBzip2(t *testing.T) {
	// bzip2 of "hello\n", as bzip2(1) writes it
	bz := []byte("\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\xc1\xc0\x80\xe2\x00\x00\x01\x41\x00\x00\x10\x02\x44\xa0\x00\x30\xcd\x00\xc3\x46\x29\x97\x17\x72\x45\x38\x50\x90\xc1\xc0\x80\xe2")
	for _, e := range []zt.Entry{{Name: "z", Content: text, Packed: zstdOf(text), Method: 93}, {Name: "b", Content: []byte("hello\n"), Packed: bz, Method: 12}} {
		z, err := open(one(e).Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(z.Reader(z.Entries[0])); err != nil || !bytes.Equal(b, e.Content) {
			t.Errorf("%s: %d bytes, %v", e.Name, len(b), err)
		}
	}
}

// failingDisk is a file whose disk fails beyond a point.
type failingDisk struct {
	*bytes.Reader
	beyond int64
}

var errDisk = errors.New("disk on fire")

func (f failingDisk) ReadAt(p []byte, off int64) (int, error) {
	if off < f.beyond {
		return 0, errDisk
	}
	return f.Reader.ReadAt(p, off)
}

func TestADiskThatFailsIsNotTheFilesFault(t *testing.T) {
	for _, deflate := range []bool{false, true} {
		b, at := zt.File{Entries: []zt.Entry{{Name: "a", Content: text, Deflate: deflate}}}.Build()
		z, err := open(b)
		if err != nil {
			t.Fatal(err)
		}
		disk := failingDisk{bytes.NewReader(b), at[0].Data}
		if _, err := zipfile.Open(disk, int64(len(b))); !errors.Is(err, errDisk) {
			t.Errorf("opening: %v", err)
		}
		_ = z
	}
}

func TestManyProblemsAreCounted(t *testing.T) {
	var f zt.File
	for i := range 100 {
		f.Entries = append(f.Entries, zt.Entry{Name: fmt.Sprintf("../%d", i)})
	}
	z, err := open(f.Bytes())
	if err != nil || z.Count("traversal") != 100 || len(z.Problems) > 10 {
		t.Errorf("%v, %d counted, %d kept", err, z.Count("traversal"), len(z.Problems))
	}
}
