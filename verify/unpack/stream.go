package unpack

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/bzip2"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/xzdict"
)

// maxZstdWindow is how many bytes back a zstd stream may refer: what `zstd --long` writes and every decoder reads
// without being told to.
const maxZstdWindow = 128 << 20

// streamFormats are the formats that hold one compressed stream.
var streamFormats = []verify.Format{"gzip", "xz", "zstd", "bzip2"}

// errNotKnown says that a stream is of a kind, or of a size, that is not looked into.
var errNotKnown = errors.New("not looked into")

// stream is what a compressed file decompresses to. Its Read fails with an error that matches verify.ErrBroken where
// the file is at fault; other errors are ours.
type stream struct {
	format verify.Format
	r      io.Reader
	from   *streamSource
	gzip   *gzipMembers // nil for the others
	stop   func()
	err    error // what Read failed with
}

// openStream decompresses the first size bytes of r, which are of a format of streamFormats, "lzma", or "" for bytes
// that are as they are. The error matches errNotKnown where that is not tried, verify.ErrBroken where it cannot be.
func openStream(ctx context.Context, r io.ReaderAt, size int64, format verify.Format) (*stream, error) {
	s := &stream{format: format, from: &streamSource{ctx: ctx, r: io.NewSectionReader(r, 0, size)}, stop: func() {}}
	var err error
	switch format {
	case "":
		s.r = s.from
	case "gzip":
		s.gzip, err = newGzipMembers(s.from)
		s.r = s.gzip
	case "bzip2":
		s.r = bzip2.NewReader(s.from)
	case "xz":
		if err = checkXZ(r, size); err == nil {
			s.r, err = xz.ReaderConfig{DictCap: xzdict.Min}.NewReader(s.from)
		}
	case "lzma":
		s.r, err = openLZMA(s.from)
	case "zstd":
		var z *zstd.Decoder
		z, err = zstd.NewReader(s.from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxZstdWindow), zstd.WithDecoderMaxMemory(1<<40))
		if err == nil {
			s.r, s.stop = z, z.Close
		}
	default:
		return nil, fmt.Errorf("the compression %.20q is not known here: %w", format, errNotKnown)
	}
	if err != nil {
		return nil, s.explain(err)
	}
	return s, nil
}

func checkXZ(r io.ReaderAt, size int64) error {
	err := xzdict.Check(r, size)
	if errors.Is(err, xzdict.ErrTooLarge) || errors.Is(err, xzdict.ErrUnknown) {
		return fmt.Errorf("%w: %w", err, errNotKnown)
	}
	return err
}

// openLZMA reads the format of before .xz, whose header of 13 bytes gives the dictionary's size at its second byte.
func openLZMA(r io.Reader) (io.Reader, error) {
	var header [13]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	if n := binary.LittleEndian.Uint32(header[1:]); n > xzdict.Max {
		return nil, fmt.Errorf("it asks for a dictionary of %d bytes: %w", n, errNotKnown)
	}
	return lzma.ReaderConfig{DictCap: xzdict.Max}.NewReader(io.MultiReader(bytes.NewReader(header[:]), r))
}

func (s *stream) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		err = s.explain(err)
	}
	s.err = err
	return n, err
}

// trailing says what follows the end of the stream, once it was read; nil if nothing does.
func (s *stream) trailing() error {
	if s.gzip != nil && s.gzip.trailing {
		return fmt.Errorf("gzip: %w", errTrailing)
	}
	return nil
}

// explain says whose fault an error is.
func (s *stream) explain(err error) error {
	switch {
	case s.from.err != nil:
		return s.from.err
	case errors.Is(err, errNotKnown):
		return err
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("the zstd stream needs more memory than is given: %w: %w", err, errNotKnown)
	}
	return fmt.Errorf("the %s stream is broken: %w: %w", s.format, err, verify.ErrBroken)
}

// close frees what the decompressor holds.
func (s *stream) close() { s.stop() }

// streamSource is what is decompressed. It remembers a failure of its own.
type streamSource struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *streamSource) Read(p []byte) (int, error) {
	if s.err = s.ctx.Err(); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = fmt.Errorf("reading the artifact: %w", err)
		return n, s.err
	}
	return n, err
}

// errTrailing says that something other than zero bytes follows the end.
var errTrailing = errors.New("bytes that are not zero follow the end")

// gzipMembers reads the members of a gzip file (RFC 1952 section 2.2) one after another. Zero bytes behind the last one
// are padding; of anything else gzip(1) warns.
type gzipMembers struct {
	from     *bufio.Reader
	z        *gzip.Reader
	trailing bool // something else follows the last member
}

func newGzipMembers(r io.Reader) (*gzipMembers, error) {
	g := &gzipMembers{from: bufio.NewReaderSize(r, 64<<10)}
	z, err := gzip.NewReader(g.from)
	if err != nil {
		return nil, err
	}
	g.z = z
	z.Multistream(false)
	return g, nil
}

func (g *gzipMembers) Read(p []byte) (int, error) {
	for {
		n, err := g.z.Read(p)
		if n > 0 && errors.Is(err, io.EOF) {
			return n, nil
		}
		if n > 0 || !errors.Is(err, io.EOF) {
			return n, err
		}
		if err := g.next(); err != nil {
			return 0, err
		}
	}
}

// next begins the next member; io.EOF where there is none.
func (g *gzipMembers) next() error {
	head, err := g.from.Peek(2)
	if len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		if err := g.z.Reset(g.from); err != nil {
			return err
		}
		g.z.Multistream(false)
		return nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err = onlyZeros(g.from); errors.Is(err, errTrailing) {
		g.trailing, err = true, nil
	}
	return cmp.Or(err, io.EOF)
}

// maxPadding is how many zero bytes may follow what is padded, as tape drives' records are: some compress so well that
// reading them all would take hours.
const maxPadding = 16 << 20

// onlyZeros reads r to its end. It returns errTrailing where there is anything but zero bytes, or more of them than
// padding has.
func onlyZeros(r io.Reader) error {
	var b [4096]byte
	for total := 0; ; {
		n, err := r.Read(b[:])
		if total += n; total > maxPadding || bytes.Count(b[:n], []byte{0}) != n {
			return errTrailing
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// streamProblem turns an error of a stream into a finding; nil where the error is ours.
func streamProblem(method string, err error) *verify.Finding {
	status, code := verify.Invalid, "malformed"
	switch {
	case errors.Is(err, errNotKnown):
		status, code = verify.Inconclusive, "not-looked-into"
	case errors.Is(err, errTrailing):
		code = "trailing-data"
	case errors.Is(err, io.ErrUnexpectedEOF):
		code = "truncated"
	case !errors.Is(err, verify.ErrBroken):
		return nil
	}
	return &verify.Finding{Method: method, Status: status, Code: method + "/" + code, Detail: err.Error()}
}

// unpackedSoFar returns what was found and the error, of which the part that is about the container becomes a finding.
func unpackedSoFar(method string, found []verify.Finding, err error) ([]verify.Finding, error) {
	if err == nil {
		return found, nil
	}
	if f := streamProblem(method, err); f != nil {
		return append(found, *f), nil
	}
	return found, err
}

// offered marks an error of Inside.Offer, which ends the walk and is returned unchanged, whatever it matches.
type offered struct{ err error }

func (o offered) Error() string { return o.err.Error() }

// unwrapOffer returns the error of an Offer as it was, and says whether err is one.
func unwrapOffer(err error) (error, bool) {
	var o offered
	if errors.As(err, &o) {
		return o.err, true
	}
	return err, false
}
