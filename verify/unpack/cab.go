package unpack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cab"
)

// CAB opens Microsoft cabinets ([MS-CAB]): stored, MSZIP and LZX. Quantum and what continues in other cabinets of a set
// is reported as not looked into.
type CAB struct{}

// NewCAB returns an Opener for cabinets.
func NewCAB() *CAB { return &CAB{} }

// Method returns "cab".
func (*CAB) Method() string { return "cab" }

// Match reports whether the content begins as a cabinet does.
func (*CAB) Match(a *verify.Artifact) bool {
	var magic [4]byte
	n, _ := a.Content.ReadAt(magic[:], 0)
	return n == len(magic) && string(magic[:]) == "MSCF"
}

// Open implements verify.Opener.
func (*CAB) Open(ctx context.Context, a *verify.Artifact, inside verify.Inside) ([]verify.Finding, error) {
	notes := &structureNotes{method: "cab"}
	c, err := cab.Parse(a.Content, a.Size)
	if errors.Is(err, cab.ErrMalformed) {
		notes.add(verify.Invalid, "malformed", "", "The cabinet cannot be read: %s.", err)
		return notes.findings(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the cabinet: %w", err)
	}
	if err := describeCabinet(notes, a.Content, c); err != nil {
		return nil, fmt.Errorf("reading the cabinet: %w", err)
	}
	files := make([][]cab.File, len(c.Folders))
	for _, f := range c.Files {
		files[f.Folder] = append(files[f.Folder], f)
	}
	for i := range c.Folders {
		w := &cabFolder{ctx: ctx, cabinet: c, number: i, files: files[i], notes: notes, inside: inside}
		if err := w.walk(); err != nil {
			return notes.findings(), err
		}
	}
	return notes.findings(), nil
}

// describeCabinet reports bytes that nobody owns, names that cannot be read and that the cabinet is one of a set.
func describeCabinet(notes *structureNotes, r io.ReaderAt, c *cab.Cabinet) error {
	for _, g := range c.Gaps {
		if err := notes.unowned(r, g.From, g.To, "gap", "belong to no structure of the cabinet"); err != nil {
			return err
		}
	}
	for _, s := range c.Trailing() {
		what := "follow the cabinet"
		if signature, ok := c.Signature(); ok && s.From >= signature.To {
			what = "follow the cabinet's signature"
		}
		if err := notes.unowned(r, s.From, s.To, "trailing-data", what); err != nil {
			return err
		}
	}
	for _, f := range c.Files {
		if f.BadName {
			notes.add(verify.Invalid, "bad-name", f.Name, "The name is said to be UTF-8 and is not: %q.", f.RawName)
		}
	}
	return nil
}

// cabFolder hands the files of one folder on, in the order in which they lie in its stream.
type cabFolder struct {
	ctx     context.Context
	cabinet *cab.Cabinet
	number  int
	files   []cab.File
	notes   *structureNotes
	inside  verify.Inside

	stream *cab.Stream
	at     int64 // in the stream
	err    error // that ended the stream
}

func (w *cabFolder) walk() error {
	slices.SortStableFunc(w.files, func(a, b cab.File) int { return cmp.Compare(a.Start, b.Start) })
	folder := w.cabinet.Folders[w.number]
	why := w.unread(&folder)
	if why == "" && len(w.files) > 0 && folder.Unpacked > 0 {
		var err error
		if w.stream, err = w.cabinet.Stream(w.ctx, w.number); err != nil {
			return err
		}
	}
	for _, f := range w.files {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.inside.Offer(w.entry(f, why)); err != nil {
			return err
		}
	}
	if why == "" && !w.cabinet.InSet() { // in a set, the end may belong to a file that continues
		w.skipTo(folder.Unpacked)
	}
	return nil
}

// unread says why nothing of a folder can be unpacked; "" if it can.
func (w *cabFolder) unread(f *cab.Folder) string {
	switch m := f.Method(); {
	case w.cabinet.Partial(w.number):
		return fmt.Sprintf("Its folder begins in another cabinet of the set, %q.", w.cabinet.Prev.Cabinet)
	case m == cab.Quantum || m == cab.Unknown:
		return fmt.Sprintf("It is compressed with %s (type %#x), which is not unpacked here.", m, f.Kind)
	}
	return ""
}

// entry makes of a file what the walk takes.
func (w *cabFolder) entry(f cab.File, why string) verify.Entry {
	e := verify.Entry{Name: f.Name, Size: f.Size}
	switch {
	case f.Continued != 0:
		e.Unread = "It continues in another cabinet of the set."
	case why != "" && f.Size > 0:
		e.Unread = why
	case f.Size > 0 && f.Start < w.at:
		w.notes.add(verify.Invalid, "overlap", f.Name, "The file begins at byte %d of its folder's stream, within the one before it, which ends at %d.", f.Start, w.at)
		e.Unread = "Its bytes are those of another file as well."
	case f.Size == 0:
		e.Reader = eofReader{}
	default:
		w.skipTo(f.Start)
		e.Reader = &cabReader{folder: w, end: f.Start + f.Size, from: f.Start}
		w.at = f.Start + f.Size
	}
	return e
}

// eofReader has no bytes.
type eofReader struct{}

// Read implements io.Reader.
func (eofReader) Read([]byte) (int, error) { return 0, io.EOF }

// skipTo notes bytes of the stream that no file owns.
func (w *cabFolder) skipTo(start int64) {
	if start > w.at {
		w.notes.add(verify.Invalid, "unowned-data", "", "%d bytes at byte %d of folder %d's stream belong to no file; nothing unpacks them.", start-w.at, w.at, w.number)
	}
}

// cabReader reads one file of a folder's stream; what stands before it is skipped first.
type cabReader struct {
	folder    *cabFolder
	from, end int64
	skipped   bool
}

// Read implements io.Reader.
func (r *cabReader) Read(p []byte) (int, error) {
	w := r.folder
	if w.err != nil {
		return 0, w.err
	}
	if r.from == r.end {
		return 0, io.EOF
	}
	if !r.skipped {
		r.skipped = true
		if err := w.discard(r.from); err != nil {
			return 0, err
		}
	}
	n, err := w.read(p[:min(int64(len(p)), r.end-r.from)])
	r.from += int64(n)
	return n, err
}

// discard reads up to a place in the stream.
func (w *cabFolder) discard(to int64) error {
	buf := make([]byte, 32<<10)
	for at := w.stream.At(); at < to; at = w.stream.At() {
		if _, err := w.read(buf[:min(int64(len(buf)), to-at)]); err != nil {
			return err
		}
	}
	return nil
}

// read reads from the stream and remembers its error.
func (w *cabFolder) read(p []byte) (int, error) {
	n, err := w.stream.Read(p)
	switch {
	case err == nil:
	case err == io.EOF:
		w.err = fmt.Errorf("the folder's stream ends early: %w", verify.ErrBroken)
	case errors.Is(err, cab.ErrMalformed):
		w.err = fmt.Errorf("%s: %w", err, verify.ErrBroken)
	default:
		w.err = err
	}
	return n, w.err
}
