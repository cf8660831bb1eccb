package apt

import (
	"bytes"
	"compress/bzip2"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/xzdict"
)

// errCompressed says that a compressed index does not decompress to what the Release lists.
var errCompressed = errors.New("it does not decompress to what is listed")

// decompressor returns a reader of what name, by its ending, says that r is.
func decompressor(r io.Reader, name string) (io.Reader, func(), error) {
	nothing := func() {}
	switch path.Ext(name) {
	case ".gz":
		g, err := gzip.NewReader(r)
		return g, nothing, err
	case ".bz2":
		return bzip2.NewReader(r), nothing, nil
	case ".xz":
		x, err := xz.ReaderConfig{DictCap: xzdict.Min}.NewReader(r)
		return x, nothing, err
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
		if err != nil {
			return nil, nothing, err
		}
		return z, z.Close, nil
	}
	return r, nothing, nil
}

// readIndex decompresses and parses a Packages file. Where plain is known, the content must have that size and digest.
func readIndex(compressed []byte, name string, plain *file) (*index, error) {
	limit := int64(maxIndex)
	if plain != nil {
		if plain.Size > limit {
			return nil, fmt.Errorf("it is listed with %d bytes, more than %d: %w", plain.Size, limit, errIndex)
		}
		limit = plain.Size
	}
	if path.Ext(name) == ".xz" {
		if err := xzdict.Check(bytes.NewReader(compressed), int64(len(compressed))); err != nil {
			return nil, fmt.Errorf("%w: %w", err, errCompressed)
		}
	}
	r, stop, err := decompressor(bytes.NewReader(compressed), name)
	defer stop()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, errCompressed)
	}
	sum := sha256.New()
	bounded := &boundedReader{r: io.TeeReader(r, sum), left: limit}
	x, err := parseIndex(bounded)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, errCompressed)
	}
	if plain != nil && (bounded.left != 0 || verify.Digest(sum.Sum(nil)) != plain.SHA256) {
		return nil, errCompressed
	}
	return x, nil
}

// boundedReader fails after left bytes, rather than end as io.LimitReader does.
type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left == 0 {
		var one [1]byte
		if n, err := b.r.Read(one[:]); n == 0 {
			return 0, err
		}
		return 0, errCompressed
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}
