package beside

import (
	"context"
	"fmt"
	"io"

	"github.com/sallyport-project/sallyport/verify"
)

const blockSize = 256 << 10

// Copy writes the whole of an artifact to w, once. It ends early where the context does.
func Copy(ctx context.Context, w io.Writer, a *verify.Artifact) error {
	block := make([]byte, min(blockSize, max(a.Size, 1)))
	for at := int64(0); at < a.Size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(int64(len(block)), a.Size-at)
		if _, err := io.ReadFull(io.NewSectionReader(a.Content, at, n), block[:n]); err != nil {
			return fmt.Errorf("reading the artifact: %w", err)
		}
		if _, err := w.Write(block[:n]); err != nil {
			return fmt.Errorf("hashing the artifact: %w", err)
		}
		at += n
	}
	return nil
}
