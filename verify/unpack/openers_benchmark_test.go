package unpack

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/pe/petest"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

// discard is an Inside that reads everything and keeps nothing.
type discard struct{}

// Offer implements verify.Inside.
func (discard) Offer(e verify.Entry) error {
	r := e.Reader
	if e.Content != nil {
		r = io.NewSectionReader(e.Content, 0, e.Size)
	}
	if r == nil {
		return nil
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

func benchmarkOpener(b *testing.B, o verify.Opener, data []byte, unpacked int) {
	a := artifactOf(data)
	b.SetBytes(int64(unpacked))
	b.ReportAllocs()
	for b.Loop() {
		if !o.Match(a) {
			b.Fatal("no match")
		}
		if _, err := o.Open(b.Context(), a, discard{}); err != nil {
			b.Fatal(err)
		}
	}
}

// textual is n bytes that compress about as well as programs do.
func textual(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 0, n+64)
	for len(b) < n {
		b = append(b, fmt.Sprintf("%x mov eax, [ebp+%d]\n", rng.Uint32(), rng.IntN(64))...)
	}
	return b[:n]
}

// BenchmarkOpenCAB unpacks 2,000 files of 8 KiB.
func BenchmarkOpenCAB(b *testing.B) {
	for _, m := range []cabtest.Method{cabtest.Stored, cabtest.MSZIP, cabtest.LZX} {
		f := cabtest.Folder{Method: m}
		content := textual(16 << 20)
		for i := range 2000 {
			f.Files = append(f.Files, cabtest.File{Name: fmt.Sprintf("file%d", i), Data: content[i*8192 : i*8192+8192]})
		}
		b.Run([]string{"stored", "MSZIP", "", "LZX"}[m], func(b *testing.B) {
			benchmarkOpener(b, NewCAB(), cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{f}}), 2000*8192)
		})
	}
}

// BenchmarkOpenASAR reads 2,000 files of 8 KiB and compares their digests.
func BenchmarkOpenASAR(b *testing.B) {
	data := bytes.Repeat([]byte("x"), 8192)
	var header bytes.Buffer
	header.WriteString(`{"files":{`)
	for i := range 2000 {
		if i > 0 {
			header.WriteByte(',')
		}
		sum := digestOf(string(data))
		fmt.Fprintf(&header, `"f%d":{"size":8192,"offset":"%d","integrity":{"algorithm":"SHA256","hash":"%s","blockSize":4194304,"blocks":["%s"]}}`, i, i*8192, sum, sum)
	}
	header.WriteString(`}}`)
	benchmarkOpener(b, NewASAR(), buildASAR(header.String(), bytes.Repeat(data, 2000)), 2000*8192)
}

// BenchmarkSelfExtractor searches a program of 64 MiB with a cabinet behind it.
func BenchmarkSelfExtractor(b *testing.B) {
	program := petest.Build(petest.Program{Sections: []petest.Section{{Name: ".text", Data: textual(64 << 20)}}})
	benchmarkOpener(b, NewSelfExtractor(), slices.Concat(program, smallCabinet("x")), len(program))
}

// FuzzCAB looks for cabinets on which the opener panics, fails, keeps silent, or hands on what does not fit its size.
func FuzzCAB(f *testing.F) {
	for _, m := range []cabtest.Method{cabtest.Stored, cabtest.MSZIP, cabtest.LZX} {
		f.Add(cabtest.Build(cabtest.Cabinet{NoChecksums: true, Folders: []cabtest.Folder{{Method: m, Window: 15, Files: []cabtest.File{
			{Name: "a", Data: textual(300)}, {Name: "b", Data: textual(200)}}}}}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !NewCAB().Match(artifactOf(b)) {
			return
		}
		s := newSink()
		found, err := NewCAB().Open(t.Context(), artifactOf(b), s)
		if err != nil && err != errSinkFull {
			t.Fatal(err)
		}
		if len(s.order) == 0 && len(found) == 0 {
			t.Fatal("it matches, and nothing comes of it")
		}
	})
}
