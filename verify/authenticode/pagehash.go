package authenticode

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/internal/pe"
)

// imageData checks what the signatures say about the image besides its digest. It looks only at those whose digest is
// the image's: of others nothing needs to be said. sums are the image's digests.
func (x examination) imageData(ctx context.Context, a *verify.Artifact, l pe.Layout, sums map[crypto.Hash][]byte) error {
	var tables []imageData
	for _, d := range *x.seen {
		if !bytes.Equal(d.sum, sums[d.function]) {
			continue
		}
		switch {
		case d.malformed:
			x.Remark(verify.Invalid, "page-hash", "The signature has page hashes that cannot be read.")
		case len(d.other) > 0:
			x.Remark(verify.Valid, "image-data", "The signature says %d bytes about the image besides its digest; they are signed with it, and they are %s.",
				len(d.other), authenticode.Texture(d.other))
		case d.pages != nil && !hasTable(tables, d):
			tables = append(tables, d)
		}
	}
	for _, d := range tables {
		if err := x.pages(ctx, a, l, d); err != nil {
			return fmt.Errorf("hashing the pages: %w", err)
		}
	}
	return nil
}

// hasTable reports whether the same page hashes are there already, so that a file with the same ones in many signatures
// is hashed for them once.
func hasTable(tables []imageData, d imageData) bool {
	for _, o := range tables {
		if o.pageHash == d.pageHash && bytes.Equal(o.pages, d.pages) {
			return true
		}
	}
	return false
}

// pages compares page hashes with the image, in pages of the usual size, or else of the sections' alignment.
func (x examination) pages(ctx context.Context, a *verify.Artifact, l pe.Layout, d imageData) error {
	first, why := int64(-1), error(nil)
	for _, size := range []int64{pe.PageSize, 0} {
		p, err := pe.ReadPages(a.Content, l, size)
		if errors.Is(err, pe.ErrPages) {
			why = err
			continue
		}
		if err != nil {
			return err
		}
		at, err := p.Check(ctx, a.Content, d.pageHash, d.pages)
		if err != nil || at < 0 {
			return err
		}
		first = max(first, at)
	}
	if first < 0 {
		x.Remark(verify.Inconclusive, "page-hash", "The signature has page hashes, which were not checked: %s.", why)
		return nil
	}
	x.Remark(verify.Invalid, "page-hash", "The signature's %d bytes of page hashes (%s) are not those of this image; the page at byte %d is the first that differs.",
		len(d.pages), cms.HashName(d.pageHash), first)
	return nil
}
