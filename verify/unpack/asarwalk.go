package unpack

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"

	"github.com/sallyport-project/sallyport/verify"
)

// asarWalk hands the files of one archive on.
type asarWalk struct {
	ctx     context.Context
	content io.ReaderAt
	size    int64
	data    int64 // where the files' bytes begin
	notes   *structureNotes
	hashed  int64 // bytes of files that were compared
	buf     []byte
}

// minASARBlock is the smallest block that digests are compared of, in bytes; Electron's have 4 MiB.
const minASARBlock = 4096

func (w *asarWalk) walk(files []asarFile, inside verify.Inside) error {
	if !w.fits(files) {
		return nil
	}
	if err := w.account(files); err != nil {
		return err
	}
	unpacked := 0
	for i := range files {
		f := &files[i]
		if f.unpacked {
			unpacked++
			continue
		}
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.compare(f); err != nil {
			return err
		}
		if err := inside.Offer(w.entry(f)); err != nil {
			return err
		}
	}
	if unpacked > 0 {
		w.notes.add(verify.Valid, "unpacked", "", "%d files and folders of the archive lie beside it, in a folder named after it with .unpacked at its end.", unpacked)
	}
	return nil
}

// fits checks the place of every file; where one is wrong, nothing is handed on.
func (w *asarWalk) fits(files []asarFile) bool {
	for _, f := range files {
		var why string
		switch {
		case f.directory || f.link != "":
			continue
		case f.size < 0:
			why = "has no size"
		case f.unpacked || f.size == 0 && f.offset < 0:
			continue
		case f.offset < 0:
			why = "has no offset"
		case f.offset > w.size-w.data || f.size > w.size-w.data-f.offset:
			why = fmt.Sprintf("has %d bytes at %d, which reach beyond the archive's %d bytes of data", f.size, f.offset, w.size-w.data)
		default:
			continue
		}
		w.notes.add(verify.Invalid, "malformed", f.name, "The file %s.", why)
		return false
	}
	return true
}

// account reports files that share some of their bytes, and bytes that none has. Files that are wholly the same are
// how some packers keep copies.
func (w *asarWalk) account(files []asarFile) error {
	var with []*asarFile
	for i := range files {
		if f := &files[i]; !f.directory && !f.unpacked && f.link == "" && f.size > 0 {
			with = append(with, f)
		}
	}
	slices.SortStableFunc(with, func(a, b *asarFile) int { return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.size, b.size)) })
	end, last := int64(0), &asarFile{}
	for _, f := range with {
		switch {
		case f.offset == last.offset && f.size == last.size:
		case f.offset < end:
			w.notes.add(verify.Invalid, "overlap", f.name, "The file begins at byte %d of the data, within another one that ends at %d.", f.offset, end)
		case f.offset > end:
			if err := w.notes.unowned(w.content, w.data+end, w.data+f.offset, "gap", "belong to no file"); err != nil {
				return err
			}
		}
		end, last = max(end, f.offset+f.size), f
	}
	if w.data+end < w.size {
		return w.notes.unowned(w.content, w.data+end, w.size, "trailing-data", "follow the last file")
	}
	return nil
}

// entry makes of a file what the walk takes.
func (w *asarWalk) entry(f *asarFile) verify.Entry {
	e := verify.Entry{Name: f.name, Size: max(f.size, 0), Link: f.link, Directory: f.directory}
	if f.link == "" && !f.directory {
		e.Content = io.NewSectionReader(w.content, w.data+max(f.offset, 0), e.Size)
	}
	return e
}

// compare checks the digests that the header has of a file.
func (w *asarWalk) compare(f *asarFile) error {
	in := f.integrity
	if in == nil || f.directory || f.link != "" {
		return nil
	}
	if in.algorithm != "SHA256" {
		w.notes.add(verify.Inconclusive, "unknown-integrity", f.name, "The header has a digest of the file by %q, which is unknown here.", in.algorithm)
		return nil
	}
	if in.blockSize <= 0 || len(in.blocks) == 0 {
		in.blockSize = max(f.size, 1)
	}
	if in.blockSize < min(minASARBlock, f.size) {
		w.notes.add(verify.Inconclusive, "unknown-integrity", f.name, "The header has digests of blocks of %d bytes, fewer than %d.", in.blockSize, minASARBlock)
		return nil
	}
	if w.hashed += f.size; w.hashed > 2*w.size { // files that are the same bytes, over and over
		w.notes.add(verify.Inconclusive, "not-looked-into", f.name, "The files have more bytes together than twice the archive: this one's digest is not compared.")
		return nil
	}
	if want := (f.size + in.blockSize - 1) / in.blockSize; len(in.blocks) > 0 && int64(len(in.blocks)) != max(want, 1) {
		w.notes.add(verify.Invalid, "integrity", f.name, "The header has digests of %d blocks of the file, which has %d.", len(in.blocks), want)
		return nil
	}
	return w.hash(f, in)
}

// hash computes the digests of a file and of its blocks in one pass.
func (w *asarWalk) hash(f *asarFile, in *asarIntegrity) error {
	whole := sha256.New()
	at, end := w.data+max(f.offset, 0), w.data+max(f.offset, 0)+f.size
	for n := 0; n == 0 || at < end; n++ {
		block := sha256.New()
		for stop := min(at+in.blockSize, end); at < stop; {
			if err := w.ctx.Err(); err != nil {
				return err
			}
			part := w.buffer()[:min(asarBuffer, stop-at)]
			if err := readFull(w.content, part, at); err != nil {
				return err
			}
			whole.Write(part)
			block.Write(part)
			at += int64(len(part))
		}
		if len(in.blocks) > n && !bytes.Equal(block.Sum(nil), in.blocks[n]) {
			w.notes.add(verify.Invalid, "integrity", f.name, "Block %d of the file is not what the header has the digest of: SHA-256 %x, not %x.", n+1, block.Sum(nil), in.blocks[n])
			return nil
		}
	}
	if sum := whole.Sum(nil); !bytes.Equal(sum, in.hash) {
		w.notes.add(verify.Invalid, "integrity", f.name, "The file is not what the header has the digest of: SHA-256 %x, not %x.", sum, in.hash)
	}
	return nil
}

const asarBuffer = 128 << 10 // bytes read at once

// buffer returns the walk's buffer.
func (w *asarWalk) buffer() []byte {
	if w.buf == nil {
		w.buf = make([]byte, asarBuffer)
	}
	return w.buf
}
