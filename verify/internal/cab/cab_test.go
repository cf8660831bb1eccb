package cab_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify/internal/cab"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

// unpack returns the files of a cabinet that can be unpacked, by name. Files that overlap are an error.
func unpack(b []byte) (map[string][]byte, error) {
	c, err := cab.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for i := range c.Folders {
		if m := c.Folders[i].Method(); m == cab.Quantum || m == cab.Unknown || c.Partial(i) {
			continue
		}
		s, err := c.Stream(context.Background(), i)
		if err != nil {
			return out, err
		}
		content, err := io.ReadAll(s)
		if err != nil {
			return out, err
		}
		if !c.Folders[i].Split && int64(len(content)) != c.Folders[i].Unpacked {
			return out, fmt.Errorf("folder %d has %d bytes, not %d", i, len(content), c.Folders[i].Unpacked)
		}
		for _, f := range c.Files {
			if f.Folder == i && f.Continued == 0 {
				out[f.Name] = content[f.Start : f.Start+f.Size]
			}
		}
	}
	return out, nil
}

// mixed is content with what compressors like and what they do not: text, noise, calls, zeros.
func mixed(n int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	var b []byte
	for len(b) < n {
		switch rng.IntN(5) {
		case 0:
			b = append(b, strings.Repeat("The quick brown fox jumps over the lazy dog. ", 1+rng.IntN(40))...)
		case 1:
			for range rng.IntN(3000) {
				b = append(b, byte(rng.Uint32()))
			}
		case 2:
			for range rng.IntN(300) {
				v := rng.Uint32N(uint32(n))
				b = append(b, 0x55, 0xe8, byte(v), byte(v>>8), byte(v>>16), byte(rng.IntN(2)*0xff), 0xc3)
			}
		case 3:
			b = append(b, make([]byte, rng.IntN(5000))...)
		default:
			if from := rng.IntN(len(b) + 1); from < len(b) {
				b = append(b, b[from:min(len(b), from+rng.IntN(4000))]...)
			}
		}
	}
	return b[:n]
}

// folders are one of each kind that can be made.
func folders() map[string]cabtest.Folder {
	files := func(sizes ...int) (out []cabtest.File) {
		for i, n := range sizes {
			out = append(out, cabtest.File{Name: fmt.Sprintf(`dir\file%d.bin`, i), Data: mixed(n, uint64(i))})
		}
		return out
	}
	out := map[string]cabtest.Folder{
		"stored":            {Files: files(100, 40000, 0, 7)},
		"MSZIP":             {Method: cabtest.MSZIP, Files: files(100000, 1, 65536, 0)},
		"LZX verbatim":      {Method: cabtest.LZX, Files: files(100001, 33, 200000)},
		"LZX aligned":       {Method: cabtest.LZX, Blocks: []cabtest.LZXBlock{cabtest.Aligned}, Files: files(300000)},
		"LZX uncompressed":  {Method: cabtest.LZX, Blocks: []cabtest.LZXBlock{cabtest.Uncompressed}, Files: files(70001)},
		"LZX all in turn":   {Method: cabtest.LZX, Blocks: []cabtest.LZXBlock{cabtest.Verbatim, cabtest.Uncompressed, cabtest.Aligned}, Files: files(500000, 12345)},
		"LZX calls":         {Method: cabtest.LZX, Translate: true, Blocks: []cabtest.LZXBlock{cabtest.Verbatim, cabtest.Aligned, cabtest.Uncompressed}, Files: files(400000)},
		"LZX one character": {Method: cabtest.LZX, Files: []cabtest.File{{Name: "a", Data: bytes.Repeat([]byte("a"), 70000)}}},
	}
	for window := 15; window <= 21; window++ {
		out[fmt.Sprintf("LZX window %d", window)] = cabtest.Folder{Method: cabtest.LZX, Window: window, Translate: true, Files: files(1<<window+100000, 5)}
	}
	return out
}

func TestUnpacksWhatWasPacked(t *testing.T) {
	for name, folder := range folders() {
		t.Run(name, func(t *testing.T) {
			got, err := unpack(cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{folder}}))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range folder.Files {
				if !bytes.Equal(got[strings.ReplaceAll(f.Name, `\`, "/")], f.Data) {
					t.Errorf("%s: %d bytes come back different", f.Name, len(f.Data))
				}
			}
		})
	}
}

func TestReservesAndSets(t *testing.T) {
	one := []cabtest.Folder{{Method: cabtest.MSZIP, Files: []cabtest.File{{Name: "a.txt", Data: []byte("hello")}}}}
	for name, c := range map[string]cabtest.Cabinet{
		"all reserves":    {Folders: one, Reserve: []byte("header"), FolderReserve: []byte("fo"), BlockReserve: []byte("blk")},
		"no checksums":    {Folders: one, NoChecksums: true},
		"first of a set":  {Folders: one, Next: [2]string{"b.cab", "disk 2"}},
		"middle of a set": {Folders: one, Index: 1, Prev: [2]string{"a.cab", ""}, Next: [2]string{"c.cab", "disk 3"}},
		"gap":             {Folders: one, Gap: 100},
	} {
		b := cabtest.Build(c)
		got, err := unpack(b)
		if err != nil || string(got["a.txt"]) != "hello" {
			t.Errorf("%s: %q, %v", name, got, err)
			continue
		}
		parsed, _ := cab.Parse(bytes.NewReader(b), int64(len(b)))
		if string(parsed.Reserve) != string(c.Reserve) || parsed.Prev.Cabinet != c.Prev[0] || parsed.Next.Disk != c.Next[1] {
			t.Errorf("%s: %+v", name, parsed)
		}
		if c.Gap > 0 && (len(parsed.Gaps) != 1 || parsed.Gaps[0].Len() != int64(c.Gap)) {
			t.Errorf("%s: gaps %v", name, parsed.Gaps)
		}
	}
}

func TestSignatureAndTrailingBytes(t *testing.T) {
	b := cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{{Files: []cabtest.File{{Name: "a", Data: []byte("a")}}}}, Reserve: cabtest.Reserve()})
	parse := func(b []byte) *cab.Cabinet {
		c, err := cab.Parse(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if _, ok := parse(b).Signature(); ok {
		t.Error("a reserve without offset is taken for a signature")
	}
	signed := cabtest.WithSignature(b, []byte("0123456789"))
	s, ok := parse(signed).Signature()
	if !ok || s.From != int64(len(b)) || s.To != int64(len(signed)) || len(parse(signed).Trailing()) != 0 {
		t.Errorf("signature %v, %v", s, ok)
	}
	if rest := parse(append(signed, 1, 2, 3)).Trailing(); len(rest) != 1 || rest[0].Len() != 3 {
		t.Errorf("trailing %v", rest)
	}
	if rest := parse(append(b, 1, 2, 3)).Trailing(); len(rest) != 1 || rest[0].Len() != 3 {
		t.Errorf("trailing %v", rest)
	}
}

func TestNames(t *testing.T) {
	b := cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{{Files: []cabtest.File{
		{Name: `a\..\b`, Data: []byte("a")}, {Name: "gr\xfc\xdfe", Data: []byte("b")}, {Name: "grüße", Attributes: 0x80}, {Name: "gr\xfc\xdfe", Attributes: 0x80},
	}}}})
	c, err := cab.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"a/../b", "grüße", "grüße", "grüße"} {
		if f := c.Files[i]; f.Name != want || f.BadName != (i == 3) {
			t.Errorf("name %d: %q (bad: %v), want %q", i, f.Name, f.BadName, want)
		}
	}
}

// Each of these is a good cabinet with one thing changed.
func TestRefusesWhatContradictsItself(t *testing.T) {
	text := []byte(strings.Repeat("some text, ", 20))
	good := cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{
		{Method: cabtest.MSZIP, Files: []cabtest.File{{Name: "a.txt", Data: text}, {Name: "b.txt", Data: text}}},
		{Method: cabtest.LZX, Files: []cabtest.File{{Name: "c.txt", Data: text}}},
	}})
	const folder0, folder1, file0 = 36, 44, 52
	data0 := int(le32(good, folder0))
	data1 := int(le32(good, folder1))
	for defect, change := range map[string]func(b []byte) []byte{
		"magic":                           func(b []byte) []byte { b[0] = 'N'; return b },
		"size beyond the file":            func(b []byte) []byte { b[8]++; return b },
		"size below the content":          func(b []byte) []byte { b[8]--; return b },
		"version 2":                       func(b []byte) []byte { b[25] = 2; return b },
		"unknown flag":                    func(b []byte) []byte { b[30] = 8; return b },
		"no folders":                      func(b []byte) []byte { b[26] = 0; return b },
		"no files":                        func(b []byte) []byte { b[28] = 0; return b },
		"more folders than there are":     func(b []byte) []byte { b[26] = 200; return b },
		"more files than there are":       func(b []byte) []byte { b[29] = 0x7f; return b },
		"files beyond the end":            func(b []byte) []byte { b[18] = 1; return b },
		"files over folders":              func(b []byte) []byte { b[16] = folder1; return b },
		"folder over another":             func(b []byte) []byte { copy(b[folder1:folder1+6], b[folder0:]); return b },
		"folder beyond the end":           func(b []byte) []byte { b[folder0+3] = 1; return b },
		"more blocks than there are":      func(b []byte) []byte { b[folder1+4]++; return b },
		"file in a folder not there":      func(b []byte) []byte { b[file0+8] = 2; return b },
		"file continued from nowhere":     func(b []byte) []byte { b[file0+8], b[file0+9] = 0xfd, 0xff; return b },
		"file larger than its folder":     func(b []byte) []byte { b[file0+1] = 9; return b },
		"file beyond its folder":          func(b []byte) []byte { b[file0+4] = 255; return b },
		"name without end":                func(b []byte) []byte { return bytes.ReplaceAll(b[:data0:data0], []byte(".txt\x00"), []byte(".txtt")) },
		"empty name":                      func(b []byte) []byte { b[file0+16] = 0; return b },
		"block larger than the file":      func(b []byte) []byte { b[data0+5] = 0x7f; return b },
		"block of more than 32 KiB":       func(b []byte) []byte { b[data0+7] = 0xff; return b },
		"block that unpacks to nothing":   func(b []byte) []byte { b[data0+6], b[data0+7] = 0, 0; return b },
		"checksum of an MSZIP block":      func(b []byte) []byte { b[data0]++; return b },
		"checksum of an LZX block":        func(b []byte) []byte { b[data1]++; return b },
		"content of an MSZIP block":       func(b []byte) []byte { return unsum(b, data0, 10) },
		"content of an LZX block":         func(b []byte) []byte { return unsum(b, data1, 40) },
		"no CK":                           func(b []byte) []byte { return unsum(b, data0, 8) },
		"no header of the LZX stream":     func(b []byte) []byte { return unsum(b, data1, 9) },
		"cut short":                       func(b []byte) []byte { return b[:len(b)-1] },
		"cut within the table of files":   func(b []byte) []byte { return b[:file0+4] },
		"cut within the header":           func(b []byte) []byte { return b[:20] },
		"folder of an unknown LZX window": func(b []byte) []byte { b[folder1+7] = 30; return b },
	} {
		_, err := unpack(change(bytes.Clone(good)))
		if defect == "folder of an unknown LZX window" {
			if err != nil {
				t.Errorf("%s: %v", defect, err)
			}
			continue
		}
		if !errors.Is(err, cab.ErrMalformed) {
			t.Errorf("%s: error %v", defect, err)
		}
	}
}

func le32(b []byte, at int) uint32 {
	return uint32(b[at]) | uint32(b[at+1])<<8 | uint32(b[at+2])<<16 | uint32(b[at+3])<<24
}

// unsum changes a byte of a block and removes the block's checksum.
func unsum(b []byte, block, at int) []byte {
	copy(b[block:], []byte{0, 0, 0, 0})
	b[block+at] ^= 0x5a
	return b
}

func TestBytesAfterTheCompressedDataAreRefused(t *testing.T) {
	text := []byte(strings.Repeat("some text, ", 20))
	for _, m := range []cabtest.Method{cabtest.MSZIP, cabtest.LZX} {
		b := cabtest.Build(cabtest.Cabinet{NoChecksums: true, Folders: []cabtest.Folder{{Method: m, Files: []cabtest.File{{Name: "a", Data: text}}}}})
		at := int(le32(b, 36))
		b[at+4] += 10
		b[8] += 10
		b = append(b, "0123456789"...)
		if _, err := unpack(b); !errors.Is(err, cab.ErrMalformed) || !strings.Contains(err.Error(), "follow the compressed data") {
			t.Errorf("method %d: error %v", m, err)
		}
	}
}

func TestStreamEndsWithTheContext(t *testing.T) {
	b := cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{{Files: []cabtest.File{{Name: "a", Data: make([]byte, 100000)}}}}})
	c, err := cab.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s, err := c.Stream(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, s, 10); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, s); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

type failing struct {
	io.ReaderAt
	from int64
}

var errDisk = errors.New("disk on fire")

func (f failing) ReadAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > f.from {
		return 0, errDisk
	}
	return f.ReaderAt.ReadAt(b, off)
}

func TestTellsAReadErrorFromAMalformedFile(t *testing.T) {
	b := cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{{Files: []cabtest.File{{Name: "a", Data: make([]byte, 100000)}}}}})
	for from := int64(0); from < int64(len(b)); from += 999 {
		c, err := cab.Parse(failing{bytes.NewReader(b), from}, int64(len(b)))
		if err == nil {
			s, _ := c.Stream(context.Background(), 0)
			_, err = io.Copy(io.Discard, s)
		}
		if !errors.Is(err, errDisk) || errors.Is(err, cab.ErrMalformed) {
			t.Errorf("error at %d: %v", from, err)
		}
	}
}

// counting counts how often it is read.
type counting struct {
	*bytes.Reader
	reads int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	return c.Reader.ReadAt(p, off)
}

// Folders that lie upon each other would be followed as often as there are of them: four thousand million blocks in a
// file of one megabyte.
func TestSharedBlocksAreNotFollowed(t *testing.T) {
	const folders, blocks = 1000, 1000
	le := binary.LittleEndian
	files := 36 + folders*8
	b := make([]byte, files+18+blocks*8)
	copy(b, "MSCF")
	le.PutUint32(b[8:], uint32(len(b)))
	le.PutUint32(b[16:], uint32(files))
	b[25], b[28], b[files+16] = 1, 1, 'a'
	le.PutUint16(b[26:], folders)
	for at := 36; at < files; at += 8 {
		le.PutUint32(b[at:], uint32(files+18))
		le.PutUint16(b[at+4:], blocks)
	}
	for at := files + 18; at < len(b); at += 8 {
		le.PutUint16(b[at+6:], 1)
	}
	r := &counting{Reader: bytes.NewReader(b)}
	if _, err := cab.Parse(r, int64(len(b))); !errors.Is(err, cab.ErrMalformed) || r.reads > 10 {
		t.Errorf("%d reads, error %v", r.reads, err)
	}
}
