package quarantine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/sallyport-project/sallyport/verify"
)

// Errors of Hold. All but ErrFull and ErrShare mean that the body is no item and never will be.
var (
	ErrTooLarge = errors.New("larger than the limit")
	ErrShort    = errors.New("shorter than announced")
	ErrLong     = errors.New("longer than announced")
	ErrFull     = errors.New("the vault is full")
	ErrShare    = errors.New("this client's share of the vault is full")
)

// Intake says what is coming in.
type Intake struct {
	Client string // whose share it counts against
	Limit  int64  // bytes; more is ErrTooLarge; 0 means no limit but the quota
	Length int64  // bytes announced; -1 if it is not known
	// Tap, if not nil, is written every byte once, in order, by one goroutine beside that which writes to disk. If it
	// fails, so does Hold.
	Tap io.Writer
	// Progress, if not nil, is called with the bytes so far and how many there are, each time more of them can be
	// read, in order, by one goroutine that writes nothing meanwhile. partial may be kept: it reads what there is
	// until the Item is closed, and fails once Hold has failed.
	Progress func(partial io.ReaderAt, n int64)
}

// Hold reads r to its end into the vault. An error of r is returned wrapped, and nothing is left behind.
//
// Room for an announced length is taken before a byte is read, so that ErrTooLarge, ErrShare and ErrFull come early;
// an unknown length takes room as it grows. A body that breaks off with io.ErrUnexpectedEOF is ErrShort as well.
// ErrFull is also a disk that has no more room than Options.MinFree, or turns out to have none.
//
// Hold looks at ctx between reads; that r returns once ctx is done is the caller's matter, as it is with the body of
// an HTTP response whose request has that context. Hold uses ringSize bytes of memory.
func (v *Vault) Hold(ctx context.Context, r io.Reader, in Intake) (*Item, error) {
	t, err := v.begin(in)
	if err != nil {
		return nil, fmt.Errorf("holding a download: %w", err)
	}
	defer t.abandon()
	digest, err := t.receive(ctx, r, in.Tap)
	if err != nil {
		return nil, fmt.Errorf("holding a download: %w", err)
	}
	item, err := t.land(digest)
	if err != nil {
		return nil, fmt.Errorf("holding a download: %w", err)
	}
	return item, nil
}

// transfer is one download on its way in.
type transfer struct {
	vault    *Vault
	client   string
	limit    int64 // bytes
	length   int64 // bytes announced, or -1
	file     *os.File
	partial  *partial
	progress func(io.ReaderAt, int64)
	reserved int64 // bytes
	received int64 // bytes
	written  int64 // bytes
	over     bool  // it landed or was abandoned
}

// begin takes room for a download and makes the file for it.
func (v *Vault) begin(in Intake) (*transfer, error) {
	t := &transfer{vault: v, client: in.Client, limit: v.options.Quota, length: in.Length, progress: in.Progress}
	if in.Limit > 0 {
		t.limit = min(t.limit, in.Limit)
	}
	if t.length > t.limit {
		return nil, fmt.Errorf("%w: %d bytes announced, %d allowed", ErrTooLarge, t.length, t.limit)
	}
	t.length = max(t.length, -1)
	t.reserved = max(t.length, 0)
	if err := v.reserve(t.client, t.reserved, 1); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(v.paths.incoming(), "")
	if err != nil {
		v.lock()
		v.unreserve(t.client, t.reserved, t.reserved)
		v.unlock()
		return nil, noRoom(err)
	}
	t.file = f
	t.partial = &partial{}
	t.partial.file.Store(f)
	return t, nil
}

// abandon gives up a download that did not land.
func (t *transfer) abandon() {
	if t.over {
		return
	}
	t.over = true
	t.file.Close()
	v := t.vault
	v.lock()
	defer v.unlock()
	v.unreserve(t.client, t.reserved, t.reserved-t.written)
	if !v.closed {
		v.after.remove = append(v.after.remove, t.file.Name())
	}
}

// receive brings all bytes to disk, hash and tap, and returns their digest.
func (t *transfer) receive(ctx context.Context, body io.Reader, tap io.Writer) (verify.Digest, error) {
	sum := sha256.New()
	drains := []io.Writer{writerFunc(t.write), sum}
	if tap != nil {
		drains = append(drains, tap)
	}
	buf := ringBuffers.Get().(*[ringSize]byte)
	ring := startRing(buf[:], drains...)
	err := errors.New("the reader of a download panicked")
	defer func() {
		ring.finish(err)
		ringBuffers.Put(buf)
	}()
	err = t.fill(ctx, body, ring)
	if err := ring.finish(err); err != nil {
		return verify.Digest{}, err
	}
	return verify.Digest(sum.Sum(nil)), nil
}

// fill reads the body into the ring until its end, which must be where it was announced.
func (t *transfer) fill(ctx context.Context, body io.Reader, to *ring) error {
	for idle := 0; idle < 100; idle++ {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		room := to.space()
		if len(room) == 0 {
			return nil // a drain failed; finish says how
		}
		room = room[:min(int64(len(room)), t.most()-t.received+1)]
		n, err := body.Read(room)
		if n < 0 || n > len(room) {
			return errors.New("receiving: the body returned an impossible count")
		}
		if n > 0 {
			idle = 0
			if err := t.admit(int64(n)); err != nil {
				return err
			}
			to.add(n)
		}
		if err == io.EOF {
			return t.complete()
		}
		if err != nil {
			return t.interrupted(err)
		}
	}
	return fmt.Errorf("receiving: %w", io.ErrNoProgress)
}

// most is how many bytes there may be.
func (t *transfer) most() int64 {
	if t.length >= 0 {
		return t.length
	}
	return t.limit
}

// admit counts n bytes that have come, and takes room for them.
func (t *transfer) admit(n int64) error {
	t.received += n
	switch {
	case t.length >= 0 && t.received > t.length:
		return fmt.Errorf("%w: more than %d bytes", ErrLong, t.length)
	case t.received > t.limit:
		return fmt.Errorf("%w of %d bytes", ErrTooLarge, t.limit)
	case t.received > t.reserved:
		return t.grow(t.received)
	}
	return nil
}

func (t *transfer) complete() error {
	if t.received < t.length {
		return fmt.Errorf("%w: %d bytes of %d", ErrShort, t.received, t.length)
	}
	return nil
}

func (t *transfer) interrupted(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: receiving, after %d bytes: %w", ErrShort, t.received, err)
	}
	return fmt.Errorf("receiving, after %d bytes: %w", t.received, err)
}

// write brings bytes to disk.
func (t *transfer) write(p []byte) (int, error) {
	n, err := t.file.Write(p)
	t.written += int64(n)
	t.vault.unwritten.Add(-int64(n))
	if err != nil {
		return n, noRoom(err)
	}
	if t.progress != nil {
		t.progress(t.partial, t.written)
	}
	return n, nil
}

// noRoom makes ErrFull of an error that says that the disk has no room for this file.
func noRoom(err error) error {
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
	}
	return err
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// partial reads a download while it comes in.
type partial struct{ file atomic.Pointer[os.File] }

// ReadAt implements io.ReaderAt.
func (p *partial) ReadAt(b []byte, off int64) (int, error) { return p.file.Load().ReadAt(b, off) }
