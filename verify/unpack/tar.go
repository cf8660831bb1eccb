package unpack

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// Tar opens tar archives (POSIX.1-1988 ustar, POSIX.1-2001 pax, GNU and Unix V7), plain or as one gzip, xz, zstd or bzip2
// stream.
type Tar struct{}

// NewTar returns an opener of tar archives.
func NewTar() *Tar { return &Tar{} }

// Method returns "tar".
func (*Tar) Method() string { return "tar" }

// Match reports whether a is a tar archive, or a stream that begins like one.
func (*Tar) Match(a *verify.Artifact) bool {
	switch {
	case a.Format == "tar":
		return true
	case a.Format == "" || a.Format == "firmware": // by its name at most: archives of Unix V7 have no magic
		var b [tarBlock]byte
		return a.Size >= tarBlock && readFull(a.Content, b[:], 0) == nil && isTarHeader(b[:])
	}
	return slices.Contains(streamFormats, a.Format) && holdsTar(a)
}

// holdsTar reports whether a compressed stream begins like a tar archive.
func holdsTar(a *verify.Artifact) bool {
	s, err := openStream(context.Background(), a.Content, a.Size, a.Format)
	if err != nil {
		return false
	}
	defer s.close()
	var b [tarBlock]byte
	_, err = io.ReadFull(s, b[:])
	return err == nil && isTarHeader(b[:])
}

const tarBlock = 512

// isTarHeader reports whether a block is a header: it has the magic, or a checksum that fits, of which archives of Unix
// V7 have nothing else.
func isTarHeader(b []byte) bool {
	if string(b[257:262]) == "ustar" {
		return true
	}
	stated, err := tarSize(b[148:156])
	if err != nil || stated == 0 || b[0] == 0 {
		return false
	}
	sum := int64(8 * ' ')
	for i, c := range b {
		if i < 148 || i >= 156 {
			sum += int64(c)
		}
	}
	return sum == stated
}

// Open offers the archive's members. What follows its end is Invalid: tar stops there, and other programs do not.
func (t *Tar) Open(ctx context.Context, a *verify.Artifact, inside verify.Inside) ([]verify.Finding, error) {
	format := a.Format
	if !slices.Contains(streamFormats, format) {
		format = ""
	}
	return openTar(ctx, t.Method(), "", a.Content, a.Size, format, inside)
}

// openTar offers the members of a tar archive, compressed as format says, with prefix before their names.
func openTar(ctx context.Context, method, prefix string, r io.ReaderAt, size int64, format verify.Format, inside verify.Inside) ([]verify.Finding, error) {
	s, err := openStream(ctx, r, size, format)
	if err != nil {
		return unpackedSoFar(method, nil, err)
	}
	defer s.close()
	frames := &tarFrames{from: s}
	w := &tarWalk{method: method, prefix: prefix, inside: inside, stream: s, frames: frames, archive: tar.NewReader(frames)}
	err = w.walk()
	if err, ok := unwrapOffer(err); ok {
		return w.found, err
	}
	return unpackedSoFar(method, w.found, err)
}

// tarWalk is one archive being walked over.
type tarWalk struct {
	method, prefix string
	inside         verify.Inside
	stream         *stream
	frames         *tarFrames // what archive reads
	archive        *tar.Reader
	members        int
	found          []verify.Finding
	special        int // devices and pipes
}

func (w *tarWalk) walk() error {
	for {
		h, err := w.archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return w.explain(err)
		}
		if err := w.member(h); err != nil {
			return err
		}
	}
	if w.special > 0 {
		w.say(verify.Untrusted, "special-file", fmt.Sprintf("%d members are devices or pipes, which no update needs", w.special))
	}
	if err := onlyZeros(w.stream); errors.Is(err, errTrailing) {
		return fmt.Errorf("the tar archive ends, as where another is appended, and tar reads no further: %w", err)
	} else if err != nil {
		return err
	}
	return w.stream.trailing()
}

func (w *tarWalk) say(status verify.Status, code, detail string) {
	w.found = append(w.found, verify.Finding{Method: w.method, Status: status, Code: w.method + "/" + code, Detail: detail})
}

// explain marks an error of the archive itself as the container's fault.
func (w *tarWalk) explain(err error) error {
	if w.stream.from.err != nil || errors.Is(err, verify.ErrBroken) || errors.Is(err, errNotKnown) {
		return err
	}
	return fmt.Errorf("the tar archive is broken: %w: %w", err, verify.ErrBroken)
}

func (w *tarWalk) member(h *tar.Header) error {
	w.members++
	if err := w.frames.check(h, w.members); err != nil {
		return err
	}
	e := verify.Entry{Name: w.name(h.Name), Size: h.Size}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		e.Reader = tarMember{w}
	case tar.TypeLink:
		e.Size, e.Link = 0, w.name(h.Linkname)
		if slices.Contains(strings.Split(h.Linkname, "/"), "..") { // from the top of the archive, not from where the link lies
			w.say(verify.Invalid, "traversal", fmt.Sprintf("%.120q is a hard link to %.120q, outside the folder into which the archive is unpacked", h.Name, h.Linkname))
		}
	case tar.TypeSymlink:
		e.Size, e.Link = 0, h.Linkname
	case tar.TypeDir:
		e.Size, e.Directory = 0, true
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		w.special++
		return nil
	case tar.TypeXGlobalHeader:
		return nil
	default:
		e.Unread = fmt.Sprintf("it is a member of the type %q, which is not known here", h.Typeflag)
	}
	if err := w.inside.Offer(e); err != nil {
		return offered{err}
	}
	return nil
}

// name returns a member's name in a report: without the "./" before it where it stands in a folder of ours.
func (w *tarWalk) name(name string) string {
	if w.prefix == "" {
		return name
	}
	if len(name) > 2 && name[:2] == "./" {
		name = name[2:]
	}
	return w.prefix + name
}

// tarMember reads the current member.
type tarMember struct{ w *tarWalk }

func (m tarMember) Read(p []byte) (int, error) {
	n, err := m.w.archive.Read(p)
	if err != nil && err != io.EOF {
		err = m.w.explain(err)
	}
	return n, err
}
