package scan

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
)

// remarker is a client that finds out how a scanner was set up.
type remarker interface {
	// remark says what is wrong with that; "" for nothing, or if it cannot be told.
	remark(ctx context.Context) string
}

// nested is a zip in a zip and so on, in more levels than any clamd is set up to open (MaxRecursion is 17 by default, and 100 at most).
var nested = sync.OnceValue(func() []byte {
	data := []byte("nothing")
	for range 101 {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w, err := z.Create("a")
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil || z.Close() != nil {
			return nil // a buffer takes everything
		}
		data = b.Bytes()
	}
	return data
})

// remark implements remarker: a clamd that calls a file clean that it could not have scanned to the end does so with others, too.
func (c *clamd) remark(ctx context.Context) string {
	probe := nested()
	name, err := c.scan(ctx, &file{content: bytes.NewReader(probe), size: int64(len(probe)), digest: verify.Digest(sha256.Sum256(probe))})
	if err == nil && name == "" {
		return "clamd calls clean what its limits keep it from scanning: set AlertExceedsMax yes in clamd.conf"
	}
	return ""
}
