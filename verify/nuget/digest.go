package nuget

import (
	"cmp"
	"context"
	"crypto"
	"encoding/binary"
	"hash"
	"io"
	"slices"

	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
)

// Offsets in a directory entry and in the end record (APPNOTE 4.3.12, 4.3.16).
const (
	centralOffset = 42 // of the local header's offset
	endCounts     = 8
	endSize       = 12
	endOffset     = 16
)

// digest hashes the package as it was before the signature's entry was added: without its local entry, without its
// directory entry, with the offsets behind it and the end record's numbers moved back. The zip file leaves no gaps.
func (x *inspection) digest(ctx context.Context, h crypto.Hash) ([]byte, error) {
	signature := x.zip.Entry(signatureName)
	length := signature.EntryEnd - signature.Local
	w := h.New()
	for _, part := range [][2]int64{{0, signature.Local}, {signature.EntryEnd, x.zip.Directory}} {
		if err := x.copy(ctx, w, part[0], part[1]); err != nil {
			return nil, err
		}
	}
	entries := slices.SortedFunc(slices.Values(x.zip.Entries), func(a, b *zipfile.Entry) int { return cmp.Compare(a.Record, b.Record) })
	for _, e := range entries {
		if e == signature {
			continue
		}
		record := make([]byte, e.RecordSize)
		if _, err := io.ReadFull(x.zip.Section(e.Record, e.Record+e.RecordSize), record); err != nil {
			return nil, err
		}
		if e.Local > signature.Local {
			binary.LittleEndian.PutUint32(record[centralOffset:], uint32(e.Local-length))
		}
		w.Write(record)
	}
	w.Write(x.end(signature, length))
	return w.Sum(nil), ctx.Err()
}

// end returns the end record with its comment, as it was before.
func (x *inspection) end(signature *zipfile.Entry, length int64) []byte {
	le := binary.LittleEndian
	b := slices.Concat(x.zip.EndRecord[:], x.zip.Comment)
	le.PutUint16(b[endCounts:], le.Uint16(b[endCounts:])-1)
	le.PutUint16(b[endCounts+2:], le.Uint16(b[endCounts+2:])-1)
	le.PutUint32(b[endSize:], le.Uint32(b[endSize:])-uint32(signature.RecordSize))
	le.PutUint32(b[endOffset:], le.Uint32(b[endOffset:])-uint32(length))
	return b
}

// copy hashes a part of the file.
func (x *inspection) copy(ctx context.Context, w hash.Hash, from, to int64) error {
	r := x.zip.Section(from, to)
	b := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(b)
		w.Write(b[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
