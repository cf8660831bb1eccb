package quarantine

import (
	"fmt"
	"io"
	"sync"
)

// A ring hands the bytes of one download to several drains (the disk, the hash, a tap), each in a goroutine of its
// own and each at its own pace, in a buffer of fixed size. A drain that is idle gets what there is at once; one that
// lags gets more at a time.
type ring struct {
	buf []byte

	mu      sync.Mutex
	changed sync.Cond
	in      int64   // bytes put in
	out     []int64 // bytes that each drain is done with
	ended   bool    // no more bytes will come
	err     error   // why nobody is to go on
	running sync.WaitGroup
}

const (
	ringSize = 512 << 10 // of a download's buffer
	stretch  = 128 << 10 // that a drain takes at once at most, so that there is room again while others are busy
)

var ringBuffers = sync.Pool{New: func() any { return new([ringSize]byte) }}

// startRing returns a ring over buf that feeds drains until finish is called.
func startRing(buf []byte, drains ...io.Writer) *ring {
	r := &ring{buf: buf, out: make([]int64, len(drains))}
	r.changed.L = &r.mu
	for i, d := range drains {
		r.running.Go(func() { r.drain(i, d) })
	}
	return r
}

// space waits for room and returns it, to be filled from its start and handed on with add. It is empty once a drain
// has failed.
func (r *ring) space() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.err == nil && r.in-r.slowest() == int64(len(r.buf)) {
		r.changed.Wait()
	}
	if r.err != nil {
		return nil
	}
	if r.in == r.slowest() {
		r.rewind()
	}
	start := int(r.in % int64(len(r.buf)))
	free := len(r.buf) - int(r.in-r.slowest())
	return r.buf[start:min(start+free, len(r.buf))]
}

// add hands on the first n bytes of what space returned.
func (r *ring) add(n int) {
	r.mu.Lock()
	r.in += int64(n)
	r.mu.Unlock()
	r.changed.Broadcast()
}

// finish waits until every drain has had all bytes, or, if err is not nil, has stopped. It returns err or what a
// drain failed with.
func (r *ring) finish(err error) error {
	r.mu.Lock()
	r.ended = true
	r.fail(err)
	r.mu.Unlock()
	r.changed.Broadcast()
	r.running.Wait()
	return r.err
}

// fail notes the first error. It is called under mu.
func (r *ring) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *ring) slowest() int64 {
	low := r.in
	for _, n := range r.out {
		low = min(low, n)
	}
	return low
}

// rewind goes back to the start of an empty buffer, so that a slow download keeps to memory that is in the cache.
func (r *ring) rewind() {
	r.in = 0
	clear(r.out)
}

func (r *ring) drain(i int, to io.Writer) {
	for {
		chunk := r.next(i)
		if chunk == nil {
			return
		}
		err := writeAll(to, chunk)
		r.mu.Lock()
		r.fail(err)
		r.out[i] += int64(len(chunk))
		r.mu.Unlock()
		r.changed.Broadcast()
	}
}

// next waits for bytes that drain i has not had; nil means that it is to end.
func (r *ring) next(i int) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.err == nil && !r.ended && r.out[i] == r.in {
		r.changed.Wait()
	}
	if r.err != nil || r.out[i] == r.in {
		return nil
	}
	start := int(r.out[i] % int64(len(r.buf)))
	n := min(int(r.in-r.out[i]), stretch, len(r.buf)-start)
	return r.buf[start : start+n]
}

// writeAll writes p and turns a panic of the writer into an error: it would end the process here.
func writeAll(w io.Writer, p []byte) (err error) {
	defer func() {
		if e := recover(); e != nil {
			err = fmt.Errorf("the writer of a download panicked: %v", e)
		}
	}()
	n, err := w.Write(p)
	if err == nil && n != len(p) {
		err = io.ErrShortWrite
	}
	return err
}
