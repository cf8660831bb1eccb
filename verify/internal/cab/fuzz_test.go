package cab_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify/internal/cab"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

// FuzzParse looks for cabinets on which the parser or a decoder panics, gives an error of another kind, unpacks more than
// was said, or loses count of the file's bytes.
func FuzzParse(f *testing.F) {
	text := []byte(strings.Repeat("call it text ", 30))
	for _, m := range []cabtest.Method{cabtest.Stored, cabtest.MSZIP, cabtest.Quantum, cabtest.LZX} {
		folder := cabtest.Folder{Method: m, Window: 15, Translate: true, Files: []cabtest.File{{Name: "a", Data: text}, {Name: "b", Data: mixed(5000, 3)}}}
		folder.Blocks = []cabtest.LZXBlock{cabtest.Aligned, cabtest.Uncompressed}
		f.Add(cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{folder}, NoChecksums: true}))
		folder.Files = folder.Files[:1]
		f.Add(cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{folder, folder}, NoChecksums: true, Reserve: cabtest.Reserve(),
			BlockReserve: []byte{1}, Next: [2]string{"next.cab", "2"}}))
	}
	addSamples(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := cab.Parse(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if !errors.Is(err, cab.ErrMalformed) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		owned := c.FoldersEnd + c.FilesEnd - c.FilesOffset
		for i, folder := range c.Folders {
			owned += folder.End - folder.Offset
			s, err := c.Stream(context.Background(), i)
			if err != nil {
				continue
			}
			n, err := io.Copy(io.Discard, s)
			if err != nil && !errors.Is(err, cab.ErrMalformed) {
				t.Fatalf("error of another kind: %v", err)
			}
			if n > folder.Unpacked || err == nil && n != folder.Unpacked {
				t.Fatalf("%d bytes unpacked of %d, error %v", n, folder.Unpacked, err)
			}
		}
		for _, g := range c.Gaps {
			owned += g.Len()
		}
		if owned != c.Declared {
			t.Fatalf("%d of %d bytes are accounted for", owned, c.Declared)
		}
	})
}

// FuzzLZX unpacks LZX data that stands behind a good header.
func FuzzLZX(f *testing.F) {
	for _, kind := range []cabtest.LZXBlock{cabtest.Verbatim, cabtest.Aligned, cabtest.Uncompressed} {
		folder := cabtest.Folder{Method: cabtest.LZX, Window: 15, Translate: true, Blocks: []cabtest.LZXBlock{kind}, Files: []cabtest.File{{Name: "a", Data: mixed(6000, 9)}}}
		b := cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{folder}})
		f.Add(b[len(b)-int(b[le32(b, 36)+4])-256*int(b[le32(b, 36)+5]):], uint16(6000))
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint16) {
		if len(data) > 38912 || size == 0 || size > 32768 {
			return
		}
		b := cabtest.Build(cabtest.Cabinet{NoChecksums: true, Folders: []cabtest.Folder{{Files: []cabtest.File{{Name: "a", Data: []byte("x")}}}}})
		at := int(le32(b, 36))
		b = append(b[:at+8], data...)
		b[42], b[43] = 3, 15
		b[8], b[9], b[10] = byte(len(b)), byte(len(b)>>8), byte(len(b)>>16)
		b[at+4], b[at+5], b[at+6], b[at+7] = byte(len(data)), byte(len(data)>>8), byte(size), byte(size>>8)
		c, err := cab.Parse(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Stream(context.Background(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, s); err != nil && !errors.Is(err, cab.ErrMalformed) || err == nil && n != int64(size) {
			t.Fatalf("%d bytes, error %v", n, err)
		}
	})
}

// addSamples adds small real cabinets where there are any.
func addSamples(f *testing.F) {
	root := os.Getenv("SALLYPORT_SAMPLES")
	if root == "" {
		return
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".cab") {
			return err
		}
		b, err := os.ReadFile(path)
		if len(b) < 4<<10 {
			f.Add(b)
		}
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
}
