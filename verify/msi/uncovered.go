package msi

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cfb"
)

// Limits of looking at what nothing covers.
const (
	maxTail     = 64 << 10  // bytes that are looked at of what follows the last sector, from its end
	maxCompared = 256 << 20 // bytes of streams times pieces that are looked for
	maxChunk    = 8 << 20   // bytes of a stream in memory
)

// uncovered reports what no signature of the installer covers.
func (x *examination) uncovered(ctx context.Context) error {
	if x.at.metadata == nil {
		x.Remark(verify.Valid, "no-metadata-digest", "The signature covers the bytes of the %d streams, but not their names, their times and where one of them ends and the next begins: the file has no MsiDigitalSignatureEx.",
			x.streams())
	}
	all, err := x.file.Residues(ctx)
	if err != nil {
		return fmt.Errorf("reading what no stream uses: %w", err)
	}
	for _, r := range all {
		if r.Kind == cfb.Tail {
			if err := x.tail(r); err != nil {
				return err
			}
			continue
		}
		stale, err := x.stale(ctx, r)
		if err != nil {
			return err
		}
		x.residue(r, stale)
	}
	return nil
}

// streams counts the streams that the signature covers.
func (x *examination) streams() int {
	n := 0
	for _, e := range x.file.Entries {
		if e.Kind == cfb.Stream && e != x.at.signature {
			n++
		}
	}
	return n
}

// tail reports what follows the last sector. Java runs a zip file that ends a signed installer.
func (x *examination) tail(r cfb.Residue) error {
	end := make([]byte, min(r.Bytes, maxTail))
	if err := x.file.ReadRaw(end, x.file.Size-int64(len(end))); err != nil {
		return fmt.Errorf("reading what follows the last sector: %w", err)
	}
	if int64(len(end)) == r.Bytes && x.KnownTag(end, fmt.Sprintf("at byte %d, after the installer's last sector", r.Offset)) {
		return nil
	}
	what := authenticode.Active(end)
	if what == "" {
		what = "which are " + authenticode.Texture(end)
	} else {
		what = "which hold " + what
	}
	x.Remark(verify.Invalid, "trailing-data", "%d bytes, %s, follow the last sector in use, from byte %d to the end of the file; no signature covers them.", r.Bytes, what, r.Offset)
	return nil
}

// residue reports bytes inside the file that mean nothing.
func (x *examination) residue(r cfb.Residue, stale bool) {
	if stale {
		x.Remark(verify.Valid, "stale-data", "%d bytes in %d places, the first at byte %d, are left over in %s; they are copies of what the installer holds elsewhere, as some writers leave them behind.",
			r.Bytes, r.Places, r.Offset, r.Where)
		return
	}
	x.Remark(verify.Invalid, "hidden-data", "%d bytes in %d places, the first at byte %d, stand in %s, where nothing belongs; no signature covers them; the first are %s.",
		r.Bytes, r.Places, r.Offset, r.Where, authenticode.Texture(r.Sample))
}

// stale reports whether a residue is nothing but copies of bytes that streams hold: writers reuse buffers for the last
// sector of a stream without clearing them. Of fields that the specification reserves this is never so.
func (x *examination) stale(ctx context.Context, r cfb.Residue) (bool, error) {
	if r.Kind == cfb.Reserved || len(r.Pieces) == 0 {
		return false, nil
	}
	missing := slices.Clone(r.Pieces)
	budget := int64(maxCompared)
	for _, e := range x.bySize() {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		c := x.file.Open(e)
		for at := int64(0); at < c.Size() && len(missing) > 0; at += maxChunk {
			// Chunks overlap, so that no copy is missed between them.
			size := min(maxChunk+cfb.MaxPiece, c.Size()-at)
			if budget -= size * int64(len(missing)); budget < 0 {
				return false, nil
			}
			b := make([]byte, size)
			if n, err := c.ReadAt(b, at); n < len(b) {
				return false, fmt.Errorf("reading stream %d: %w", e.Number, err)
			}
			missing = slices.DeleteFunc(missing, func(p []byte) bool { return bytes.Contains(b, p) })
		}
	}
	return len(missing) == 0, nil
}

// bySize returns the streams that are covered, small ones first: what is left over is mostly of tables.
func (x *examination) bySize() []*cfb.Entry {
	var out []*cfb.Entry
	for _, e := range x.file.Entries {
		if e.Kind == cfb.Stream && e != x.at.signature {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b *cfb.Entry) int { return cmp.Compare(a.Size, b.Size) })
	return out
}
