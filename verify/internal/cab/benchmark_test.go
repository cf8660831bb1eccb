package cab_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/sallyport-project/sallyport/verify/internal/cab"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

func benchmark(b *testing.B, folder cabtest.Folder) {
	const size = 8 << 20
	folder.Files = []cabtest.File{{Name: "a", Data: mixed(size, 1)}}
	file := cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{folder}})
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		c, err := cab.Parse(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			b.Fatal(err)
		}
		s, err := c.Stream(b.Context(), 0)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, s); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMSZIP unpacks 8 MiB of a mix of text, noise and code.
func BenchmarkMSZIP(b *testing.B) { benchmark(b, cabtest.Folder{Method: cabtest.MSZIP}) }

// BenchmarkLZX does the same with LZX in a window of 2 MiB.
func BenchmarkLZX(b *testing.B) {
	benchmark(b, cabtest.Folder{Method: cabtest.LZX, Window: 21, Translate: true, Blocks: []cabtest.LZXBlock{cabtest.Verbatim, cabtest.Aligned}})
}
