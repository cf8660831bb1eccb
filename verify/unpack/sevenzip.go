package unpack

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/bodgit/sevenzip"
	"github.com/sallyport-project/sallyport/verify"
)

// SevenZip opens 7z archives ("7zFormat.txt" of the LZMA SDK). The headers are read and held against limits here first;
// the content is unpacked by github.com/bodgit/sevenzip.
type SevenZip struct{}

// NewSevenZip returns an Opener for 7z archives.
func NewSevenZip() *SevenZip { return &SevenZip{} }

// Method returns "7z".
func (*SevenZip) Method() string { return "7z" }

const sevenZipMagic = "7z\xbc\xaf\x27\x1c"

// Match reports whether the content begins as a 7z archive does.
func (*SevenZip) Match(a *verify.Artifact) bool {
	var magic [len(sevenZipMagic)]byte
	n, _ := a.Content.ReadAt(magic[:], 0)
	return n == len(magic) && string(magic[:]) == sevenZipMagic
}

// Open implements verify.Opener.
func (*SevenZip) Open(ctx context.Context, a *verify.Artifact, inside verify.Inside) ([]verify.Finding, error) {
	notes := &structureNotes{method: "7z"}
	h, err := readSevenZip(a.Content, a.Size)
	switch {
	case errors.Is(err, errSevenZipUnknown):
		notes.add(verify.Inconclusive, "not-looked-into", "", "The archive is not unpacked here: %s.", err)
		return notes.findings(), nil
	case errors.Is(err, errSevenZipMalformed):
		notes.add(verify.Invalid, "malformed", "", "The archive cannot be read: %s.", err)
		return notes.findings(), nil
	case err != nil:
		return nil, fmt.Errorf("reading the headers: %w", err)
	}
	gaps, ok := h.gaps()
	if !ok {
		notes.add(verify.Invalid, "overlap", "", "Two structures of the archive share bytes.")
		return notes.findings(), nil
	}
	for _, g := range gaps {
		if err := notes.unowned(a.Content, g[0], g[1], "gap", "belong to no structure of the archive"); err != nil {
			return nil, fmt.Errorf("reading a gap: %w", err)
		}
	}
	if h.end < a.Size {
		if err := notes.unowned(a.Content, h.end, a.Size, "trailing-data", "follow the archive"); err != nil {
			return nil, fmt.Errorf("reading the end: %w", err)
		}
	}
	if len(h.folders) == 0 && len(h.files) == 0 {
		return notes.findings(), nil
	}
	archive, err := openSevenZip(io.NewSectionReader(a.Content, 0, h.end), h.end)
	if err != nil {
		notes.add(verify.Inconclusive, "not-looked-into", "", "The archive is not unpacked here: %s.", err)
		return notes.findings(), nil
	}
	if len(archive.File) != len(h.files) {
		notes.add(verify.Invalid, "malformed", "", "The archive lists %d files to one reader and %d to another.", len(h.files), len(archive.File))
		return notes.findings(), nil
	}
	for i, f := range archive.File {
		if err := ctx.Err(); err != nil {
			return notes.findings(), err
		}
		if err := offerSevenZip(ctx, f, h.files[i], inside); err != nil {
			return notes.findings(), err
		}
	}
	return notes.findings(), nil
}

// openSevenZip has the library read the headers. A panic of it becomes an error.
func openSevenZip(r io.ReaderAt, size int64) (archive *sevenzip.Reader, err error) {
	defer func() {
		if p := recover(); p != nil {
			archive, err = nil, fmt.Errorf("the library that unpacks it failed: %v", p)
		}
	}()
	return sevenzip.NewReader(r, size)
}

// offerSevenZip hands one file on. What the walk leaves unread is read all the same, since the library goes on from
// there with the next file, and lets go of its memory at a folder's end only.
func offerSevenZip(ctx context.Context, f *sevenzip.File, h sevenZipFile, inside verify.Inside) error {
	e := verify.Entry{Name: h.name, Size: h.size, Directory: h.directory}
	if h.directory || h.empty || h.unread != "" {
		e.Unread = h.unread
		if !h.directory && h.unread == "" {
			e.Reader = eofReader{}
		}
		return inside.Offer(e)
	}
	r := &sevenZipReader{ctx: ctx, file: f, left: h.size, sum: h.sum, hasSum: h.hasSum}
	e.Reader = r
	if h.link {
		return offerSevenZipLink(r, e, inside)
	}
	if err := inside.Offer(e); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, r)
	if errors.Is(err, verify.ErrBroken) {
		err = nil // it was the walk's to say, if it read that far
	}
	return errors.Join(err, r.close())
}

const maxLinkTarget = 4096 // bytes

// offerSevenZipLink hands on a symbolic link, whose content is its target.
func offerSevenZipLink(r *sevenZipReader, e verify.Entry, inside verify.Inside) error {
	target, err := io.ReadAll(io.LimitReader(r, maxLinkTarget+1))
	switch {
	case err != nil && !errors.Is(err, verify.ErrBroken):
		return err
	case err != nil || len(target) > maxLinkTarget:
		e.Reader, e.Unread = nil, "The target of the link cannot be read."
	default:
		e = linkText(e.Name, string(target))
	}
	return errors.Join(inside.Offer(e), r.close())
}

// sevenZipReader reads one file and compares its CRC-32.
type sevenZipReader struct {
	ctx    context.Context
	file   *sevenzip.File
	open   io.ReadCloser
	left   int64
	crc    uint32
	sum    uint32
	hasSum bool
	err    error
}

// Read implements io.Reader. What the library makes of hostile input, panics included, is the archive's fault.
func (r *sevenZipReader) Read(p []byte) (n int, err error) {
	if r.err != nil {
		return 0, r.err
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	defer func() {
		if p := recover(); p != nil {
			n, err = 0, fmt.Errorf("the library that unpacks it failed: %v: %w", p, verify.ErrBroken)
		}
		r.err = err
	}()
	if r.open == nil {
		if r.open, err = r.file.Open(); err != nil {
			return 0, fmt.Errorf("%v: %w", err, verify.ErrBroken)
		}
	}
	n, err = r.open.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	r.crc = crc32.Update(r.crc, crc32.IEEETable, p[:n])
	switch {
	case r.left == 0 && r.hasSum && r.crc != r.sum:
		return n, fmt.Errorf("its CRC-32 is %08x, not %08x: %w", r.crc, r.sum, verify.ErrBroken)
	case r.left == 0:
		return n, io.EOF
	case err == io.EOF:
		return n, fmt.Errorf("it ends %d bytes early: %w", r.left, verify.ErrBroken)
	case err != nil:
		return n, fmt.Errorf("%v: %w", err, verify.ErrBroken)
	}
	return n, nil
}

// close gives the stream back to the library.
func (r *sevenZipReader) close() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = nil // nothing is read from it any more
		}
	}()
	if r.open == nil || r.err != io.EOF {
		return nil
	}
	r.open.Close()
	return nil
}
