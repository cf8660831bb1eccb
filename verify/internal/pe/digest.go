package pe

import (
	"context"
	"crypto"
	"hash"
	"io"
	"sync"
)

// chunk is how many bytes are read at once while hashing.
const chunk = 512 << 10

var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// Digest computes the Authenticode digest of an image with each of several hash functions, in one pass: of all bytes
// up to the certificate table, without the checksum and the security directory's entry ("Windows Authenticode Portable
// Executable Signature Format", Calculating the PE Image Hash). What lies between the last section and the table is
// included, in file order; so there is no byte before the table that the digest does not cover besides those twelve.
// An image without a table is hashed as if it were filled up with zero bytes to a multiple of 8, where a table would begin.
//
// It stops with ctx's error when ctx is done.
func Digest(ctx context.Context, r io.ReaderAt, l Layout, functions ...crypto.Hash) (map[crypto.Hash][]byte, error) {
	sums := map[crypto.Hash]hash.Hash{}
	for _, f := range functions {
		sums[f] = f.New()
	}
	filter := Filter{layout: l, sink: func(p []byte) {
		for _, h := range sums {
			h.Write(p)
		}
	}}
	buf := chunks.Get().(*[chunk]byte)
	defer chunks.Put(buf)
	for at := int64(0); at < l.Table && len(sums) > 0; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part := buf[:min(chunk, l.Table-at)]
		if err := readAt(r, part, at); err != nil {
			return nil, err
		}
		filter.Write(part)
		at += int64(len(part))
	}
	out := map[crypto.Hash][]byte{}
	for f, h := range sums {
		if !l.Signed() {
			h.Write(padding(l.Size))
		}
		out[f] = h.Sum(nil)
	}
	return out, nil
}

// padding returns the zero bytes that are missing to a multiple of 8.
func padding(size int64) []byte { return make([]byte, (alignment-size%alignment)%alignment) }

// Filter passes on those bytes of an image that the Authenticode digest covers. It sees the image in order.
type Filter struct {
	layout Layout
	at     int64
	sink   func([]byte)
}

// NewFilter returns a Filter that hands what is covered to sink.
func NewFilter(l Layout, sink func([]byte)) *Filter { return &Filter{layout: l, sink: sink} }

// Write takes the next bytes of the image.
func (f *Filter) Write(p []byte) {
	for len(p) > 0 {
		covered, n := f.next()
		if n < 0 || n > int64(len(p)) {
			n = int64(len(p))
		}
		if covered {
			f.sink(p[:n])
		}
		f.at += n
		p = p[n:]
	}
}

// next reports whether the byte at the current offset is covered, and how many after it are alike; negative: all.
func (f *Filter) next() (covered bool, n int64) {
	gaps := [...]struct{ from, to int64 }{
		{f.layout.Checksum, f.layout.Checksum + 4},
		{f.layout.Directory, f.layout.Directory + directorySize},
	}
	for _, g := range gaps {
		switch {
		case g.from == 0:
		case f.at < g.from:
			return true, g.from - f.at
		case f.at < g.to:
			return false, g.to - f.at
		}
	}
	if f.at < f.layout.Table {
		return true, f.layout.Table - f.at
	}
	return false, -1
}
