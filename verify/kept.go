package verify

import (
	"errors"
	"io"
	"math/bits"
	"sync"
)

// kept is an inner file in memory that is used again for another one after its release. Whoever reads it later than
// that is told so and never sees the other file's bytes.
type kept struct {
	mu     sync.RWMutex
	buffer []byte // its capacity is a class's; nil after its release
	data   []byte // of the file, at the beginning of buffer
}

// maxIdle is how often in a row a reader may return nothing.
const maxIdle = 100

// keptPools are the buffers that are not in use, by class: powers of two from SniffLen to what holds inMemory and a byte
// more, which would show that the file does not end there.
var keptPools = make([]sync.Pool, keptClass(inMemory+1)+1)

var errReleased = errors.New("the inner file was examined already and is no longer kept")

// keptClass returns the class of the buffers that hold n bytes.
func keptClass(n int64) int { return max(0, bits.Len64(uint64(max(n, 1)-1))-bits.Len64(SniffLen-1)) }

// keptSize returns how many bytes the buffers of a class have.
func keptSize(class int) int64 { return SniffLen << class }

// newKept returns a buffer for at least n bytes, with whatever is in it.
func newKept(n int64) *kept {
	class := keptClass(n)
	if b, ok := keptPools[class].Get().(*[]byte); ok {
		return &kept{buffer: *b}
	}
	return &kept{buffer: make([]byte, keptSize(class))}
}

// fill reads from r until it ends or the buffer is full, after what there is already, and reports whether it ended. The
// error is r's.
func (k *kept) fill(r io.Reader) (ended bool, err error) {
	for at, idle := len(k.data), 0; at < len(k.buffer) && idle < maxIdle; idle++ {
		n, err := r.Read(k.buffer[at:])
		if n > 0 {
			at, idle = at+n, 0
		}
		k.data = k.buffer[:at]
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	if len(k.data) < len(k.buffer) {
		return false, io.ErrNoProgress
	}
	return false, nil
}

// ReadAt implements io.ReaderAt.
func (k *kept) ReadAt(p []byte, off int64) (int, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	switch {
	case k.buffer == nil:
		return 0, errReleased
	case off < 0:
		return 0, errors.New("reading an inner file before its beginning")
	case off >= int64(len(k.data)):
		return 0, io.EOF
	}
	n := copy(p, k.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// release gives the buffer to whoever needs one next.
func (k *kept) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.buffer == nil {
		return
	}
	b := k.buffer
	k.buffer, k.data = nil, nil
	keptPools[keptClass(int64(len(b)))].Put(&b)
}
