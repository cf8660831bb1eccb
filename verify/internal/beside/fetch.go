package beside

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/sallyport-project/sallyport/verify"
)

// Budget bounds what one verifier fetches for one artifact. It is for one goroutine.
type Budget struct {
	from    verify.Sidecars
	fetches int
	bytes   int64
	missing []string
	none    bool
}

// NewBudget allows so many fetches of so many bytes in all.
func NewBudget(from verify.Sidecars, fetches int, bytes int64) *Budget {
	return &Budget{from: from, fetches: fetches, bytes: bytes}
}

// Sidecar is something that was found beside an artifact.
type Sidecar struct {
	Ref  string
	Data []byte
}

// Reference names the sidecar as evidence.
func (s Sidecar) Reference() verify.Reference {
	return verify.Reference{URL: s.Ref, SHA256: sha256.Sum256(s.Data)}
}

// Fetch returns what is at ref if it has at most limit bytes, and whether there is anything. A web page is nothing:
// many servers answer with one, and the status of success, where a file does not exist. What could not be told is noted
// (see Missing); an error means that the context is done.
func (b *Budget) Fetch(ctx context.Context, ref string, limit int64) (Sidecar, bool, error) {
	if b.none {
		return Sidecar{}, false, nil
	}
	if b.fetches == 0 || b.bytes <= 0 {
		b.lacks(ref, "too much is published beside the file")
		return Sidecar{}, false, nil
	}
	b.fetches--
	data, err := b.from.Fetch(ctx, ref, min(limit, b.bytes))
	switch {
	case ctx.Err() != nil:
		return Sidecar{}, false, ctx.Err()
	case errors.Is(err, verify.ErrNoSidecars):
		b.none = true
		return Sidecar{}, false, nil
	case errors.Is(err, verify.ErrNotExist):
		return Sidecar{}, false, nil
	case err != nil:
		b.lacks(ref, err.Error())
		return Sidecar{}, false, nil
	}
	b.bytes -= int64(len(data))
	if isPage(data) {
		return Sidecar{}, false, nil
	}
	return Sidecar{ref, data}, true, nil
}

const maxMissing = 4 // notes kept

func (b *Budget) lacks(ref, why string) {
	if len(b.missing) < maxMissing {
		b.missing = append(b.missing, fmt.Sprintf("%s (%s)", ref, why))
	}
}

// Missing returns what could not be fetched although it may exist, and why.
func (b *Budget) Missing() []string { return b.missing }

// None reports that there are no sidecars at all here, so that nothing can be said.
func (b *Budget) None() bool { return b.none }

// isPage reports whether data begins like a web page.
func isPage(data []byte) bool {
	head := bytes.TrimLeft(bytes.TrimPrefix(data[:min(len(data), 512)], []byte("\xef\xbb\xbf")), " \t\r\n")
	head = bytes.ToLower(head)
	for _, mark := range []string{"<!doctype", "<html", "<head", "<?xml", "<!--", "<body"} {
		if bytes.HasPrefix(head, []byte(mark)) {
			return true
		}
	}
	return len(head) == 0
}
