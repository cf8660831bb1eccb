package identity

import (
	"archive/tar"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/xzdict"
)

const (
	maxMembers    = 200_000 // of an archive
	maxZstdMemory = 128 << 20
)

// errTooLong is what a bounded stream ends with.
var errTooLong = fmt.Errorf("it unpacks to more than is looked at: %w", errUnclear)

// decompress returns what size bytes of r decompress to, of which at most limit bytes can be read. Errors of the stream
// itself wrap errUnclear.
func decompress(ctx context.Context, r io.ReaderAt, size int64, format verify.Format, limit int64) (io.Reader, func(), error) {
	from := io.NewSectionReader(r, 0, size)
	stop := func() {}
	var out io.Reader = from
	var err error
	switch format {
	case "tar":
	case "gzip":
		out, err = gzip.NewReader(from)
	case "bzip2":
		out = bzip2.NewReader(from)
	case "xz":
		if err = xzdict.Check(r, size); err == nil {
			out, err = xz.ReaderConfig{DictCap: xzdict.Min}.NewReader(from)
		}
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxZstdMemory)); err == nil {
			out, stop = z, z.Close
		}
	default:
		err = fmt.Errorf("compressed as %s", format)
	}
	if err != nil {
		return nil, stop, fmt.Errorf("%w: %w", err, errUnclear)
	}
	return &bounded{ctx: ctx, r: out, left: limit}, stop, nil
}

// bounded fails after left bytes, rather than end.
type bounded struct {
	ctx  context.Context
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// eachMember calls f for each file of a tar archive. What f returns ends it, as does whatever makes the archive unreadable, which
// wraps errUnclear.
func eachMember(r io.Reader, f func(*tar.Header, io.Reader) error) error {
	t := tar.NewReader(r)
	for range maxMembers {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		if err != nil {
			return fmt.Errorf("%w: %w", err, errUnclear)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := f(h, t); err != nil {
			return err
		}
	}
	return fmt.Errorf("more than %d members: %w", maxMembers, errUnclear)
}

// whole reads a member that has at most limit bytes.
func whole(h *tar.Header, r io.Reader, limit int64) ([]byte, error) {
	if h.Size > limit {
		return nil, fmt.Errorf("%.80q has %d bytes: %w", h.Name, h.Size, errUnclear)
	}
	b, err := io.ReadAll(r)
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", err, errUnclear)
	}
	return b, err
}
