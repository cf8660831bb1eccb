package rpmrepo

import (
	"compress/bzip2"
	"context"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/sallyport-project/sallyport/verify/internal/xzdict"
)

// maxWindow is how many bytes back a compressed index may refer.
const maxWindow = 128 << 20

// compressed is a file that is about to be decompressed.
type compressed interface {
	io.Reader
	io.ReaderAt
	Size() int64
}

// decompressed returns a reader of what the ending of a name says that r is, and what to call at the end.
func decompressed(r compressed, ending string) (io.Reader, func(), error) {
	nothing := func() {}
	switch ending {
	case ".gz":
		g, err := gzip.NewReader(r)
		return g, nothing, err
	case ".bz2":
		return bzip2.NewReader(r), nothing, nil
	case ".xz":
		if err := xzdict.Check(r, r.Size()); err != nil {
			return nil, nothing, err
		}
		x, err := xz.ReaderConfig{DictCap: xzdict.Min}.NewReader(r)
		return x, nothing, err
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxWindow))
		if err != nil {
			return nil, nothing, err
		}
		return z, z.Close, nil
	case ".xml":
		return r, nothing, nil
	}
	return nil, nothing, fmt.Errorf("how it is compressed (%.20q) is not known here", ending)
}

// bounded fails after left bytes, rather than end as io.LimitReader does.
type bounded struct {
	r    io.Reader
	left int64
	ctx  context.Context
}

func (b *bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("it decompresses to more than it should: %w", errPrimary)
	}
	return n, err
}
