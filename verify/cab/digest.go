package cab

import (
	"context"
	"crypto"
	"hash"
	"io"
)

// covered lists the stretches of the header of a signed cabinet that the digest covers, before the reserve's end. Left
// out are reserved1 (bytes 4 to 7), iCabinet (34 and 35), the sizes of the reserves (36 to 39) and the reserve but for its
// last four bytes (40 to 55).
var covered = [][2]int64{{0, 4}, {8, 34}, {56, headerEnd}}

const (
	headerEnd = 60 // of CFHEADER with a reserve of 20 bytes
	chunk     = 512 << 10
)

// digest computes the digest of a cabinet whose signature begins at end with each of several hash functions.
func digest(ctx context.Context, r io.ReaderAt, end int64, functions []crypto.Hash) (map[crypto.Hash][]byte, error) {
	hashes := map[crypto.Hash]hash.Hash{}
	var all []io.Writer
	for _, f := range functions {
		hashes[f] = f.New()
		all = append(all, hashes[f])
	}
	sink := io.MultiWriter(all...)
	for _, c := range covered {
		if _, err := io.Copy(sink, io.NewSectionReader(r, c[0], c[1]-c[0])); err != nil {
			return nil, err
		}
	}
	buf := make([]byte, min(chunk, end-headerEnd))
	for at := int64(headerEnd); at < end; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part := buf[:min(int64(len(buf)), end-at)]
		n, err := r.ReadAt(part, at)
		if n < len(part) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		sink.Write(part)
		at += int64(n)
	}
	sums := map[crypto.Hash][]byte{}
	for f, h := range hashes {
		sums[f] = h.Sum(nil)
	}
	return sums, nil
}
