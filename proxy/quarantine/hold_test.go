package quarantine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// awkward are sizes around those of the buffer and its parts.
var awkward = []int{0, 1, 4095, stretch - 1, stretch, stretch + 1, ringSize - 1, ringSize, ringSize + 1, 3*ringSize + 17}

func TestHoldKeepsEveryByte(t *testing.T) {
	b := newBench(t, Options{})
	readers := map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r },
		"half":  iotest.HalfReader,
		"eof":   iotest.DataErrReader,
		"odd":   func(r io.Reader) io.Reader { return &oddReader{r: r} },
	}
	for name, wrap := range readers {
		for _, size := range awkward {
			for _, announced := range []bool{true, false} {
				data := random(size)
				in := Intake{Client: "c", Length: -1}
				if announced {
					in.Length = int64(size)
				}
				var tap bytes.Buffer
				in.Tap = &tap
				var last int64
				in.Progress = func(partial io.ReaderAt, n int64) {
					got := make([]byte, n-last)
					if _, err := partial.ReadAt(got, last); err != nil || !bytes.Equal(got, data[last:n]) {
						t.Errorf("%s %d: bytes %d to %d cannot be read: %v", name, size, last, n, err)
					}
					last = n
				}
				item, err := b.vault.Hold(context.Background(), wrap(bytes.NewReader(data)), in)
				if err != nil {
					t.Fatalf("%s %d: %v", name, size, err)
				}
				got, err := io.ReadAll(io.NewSectionReader(item.Content(), 0, 1<<40))
				if err != nil || !bytes.Equal(got, data) || item.SHA256 != sha256.Sum256(data) || item.Size != int64(size) {
					t.Errorf("%s %d: item of %d bytes, %v", name, size, item.Size, err)
				}
				if !bytes.Equal(tap.Bytes(), data) || last != int64(size) {
					t.Errorf("%s %d: tap saw %d bytes, progress %d", name, size, tap.Len(), last)
				}
				item.Close()
			}
		}
	}
	checkLedger(t, b.vault)
}

// oddReader reads in sizes that fit no buffer, and now and then nothing.
type oddReader struct {
	r io.Reader
	n int
}

func (o *oddReader) Read(p []byte) (int, error) {
	o.n++
	if o.n%5 == 0 {
		return 0, nil
	}
	return o.r.Read(p[:min(len(p), 1000*o.n+7)])
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type panicWriter struct{}

func (panicWriter) Write([]byte) (int, error) { panic("a parser") }

// A body that is not exactly what was announced and allowed is no item, and leaves nothing behind.
func TestHoldRefusesWrongBodies(t *testing.T) {
	broken := errors.New("connection reset")
	data := random(ringSize + 1000)
	n := int64(len(data))
	whole := func() io.Reader { return bytes.NewReader(data) }
	cut := func(err error) io.Reader {
		return io.MultiReader(bytes.NewReader(data[:5000]), iotest.ErrReader(err))
	}
	ended, cancel := context.WithCancelCause(context.Background())
	cancel(broken)
	b := newBench(t, Options{Quota: 64 << 20, ClientShare: 32 << 20})
	for _, c := range []struct {
		name string
		ctx  context.Context
		body io.Reader
		in   Intake
		want error
	}{
		{"announced too large", nil, iotest.ErrReader(broken), Intake{Limit: n - 1, Length: n}, ErrTooLarge},
		{"announced beyond the quota", nil, iotest.ErrReader(broken), Intake{Length: 1 << 40}, ErrTooLarge},
		{"too large unannounced", nil, whole(), Intake{Limit: n - 1, Length: -1}, ErrTooLarge},
		{"beyond the quota unannounced", nil, neverEnding{}, Intake{Length: -1}, ErrShare},
		{"short", nil, whole(), Intake{Length: n + 1}, ErrShort},
		{"short by all", nil, strings.NewReader(""), Intake{Length: 1}, ErrShort},
		{"long", nil, whole(), Intake{Length: n - 1}, ErrLong},
		{"long by all", nil, whole(), Intake{Length: 0}, ErrLong},
		{"cut by the transport", nil, cut(io.ErrUnexpectedEOF), Intake{Length: n}, ErrShort},
		{"cut by the transport unannounced", nil, cut(io.ErrUnexpectedEOF), Intake{Length: -1}, io.ErrUnexpectedEOF},
		{"broken", nil, cut(broken), Intake{Length: n}, broken},
		{"an error that wraps EOF is no end", nil, cut(fmt.Errorf("odd: %w", io.EOF)), Intake{Length: -1}, io.EOF},
		{"broken unannounced", nil, cut(broken), Intake{Length: -1}, broken},
		{"cancelled", ended, whole(), Intake{Length: n}, broken},
		{"never gives anything", nil, readerFunc(func([]byte) (int, error) { return 0, nil }), Intake{Length: -1}, io.ErrNoProgress},
		{"tap fails", nil, whole(), Intake{Length: n, Tap: writerFunc(func([]byte) (int, error) { return 0, broken })}, broken},
		{"tap writes short", nil, whole(), Intake{Length: n, Tap: writerFunc(func([]byte) (int, error) { return 0, nil })}, io.ErrShortWrite},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.ctx == nil {
				c.ctx = context.Background()
			}
			c.in.Client = "c"
			item, err := b.vault.Hold(c.ctx, c.body, c.in)
			if item != nil || !errors.Is(err, c.want) {
				t.Errorf("got %v, %v", item, err)
			}
			nothingLeft(t, b)
		})
	}
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }

func nothingLeft(t *testing.T, b *bench) {
	t.Helper()
	checkLedger(t, b.vault)
	if s := b.vault.Stats(); s.Held != (Tally{}) || s.Released != (Tally{}) {
		t.Errorf("still there: %+v", s)
	}
	left, err := os.ReadDir(b.vault.paths.incoming())
	if err != nil || len(left) > 0 {
		t.Errorf("incoming: %v, %v", left, err)
	}
}

// What others hand to Hold may panic in a goroutine of ours; that must not end the process.
func TestHoldSurvivesPanics(t *testing.T) {
	b := newBench(t, Options{})
	data := random(1000)
	for _, in := range []Intake{
		{Length: 1000, Tap: panicWriter{}},
		{Length: 1000, Progress: func(io.ReaderAt, int64) { panic("a handler") }},
	} {
		if item, err := b.vault.Hold(context.Background(), bytes.NewReader(data), in); err == nil {
			item.Close()
			t.Error("a panic went unnoticed")
		}
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the reader's panic is the caller's, and was lost")
			}
		}()
		b.vault.Hold(context.Background(), readerFunc(func([]byte) (int, error) { panic("a body") }), Intake{Length: -1})
	}()
	if _, err := b.vault.Hold(context.Background(), readerFunc(func(p []byte) (int, error) { return len(p) + 1, nil }), Intake{Length: -1}); err == nil {
		t.Error("a reader that returns more than there is room for")
	}
	nothingLeft(t, b)
}

// A partial that somebody kept fails once its download has; it does not give the bytes of another file.
func TestPartialAfterFailure(t *testing.T) {
	b := newBench(t, Options{})
	var kept io.ReaderAt
	seen := make(chan bool)
	keep := func(p io.ReaderAt, _ int64) {
		kept = p
		close(seen)
	}
	body := io.MultiReader(bytes.NewReader(random(100)), readerFunc(func([]byte) (int, error) {
		<-seen
		return 0, errors.New("reset")
	}))
	if _, err := b.vault.Hold(context.Background(), body, Intake{Length: -1, Progress: keep}); err == nil {
		t.Fatal("no error")
	}
	if n, err := kept.ReadAt(make([]byte, 10), 0); n != 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("read %d, %v", n, err)
	}
}

// Equal bytes are kept once, and a partial of the copy that was dropped goes on with the one that is kept.
func TestEqualBytesAreKeptOnce(t *testing.T) {
	b := newBench(t, Options{})
	data := random(5000)
	first := b.hold(data)
	var kept io.ReaderAt
	second, err := b.vault.Hold(context.Background(), bytes.NewReader(data),
		Intake{Client: "other", Length: -1, Progress: func(p io.ReaderAt, _ int64) { kept = p }})
	if err != nil {
		t.Fatal(err)
	}
	if s := b.vault.Stats(); s.Held != (Tally{1, 5000}) {
		t.Errorf("held: %+v", s.Held)
	}
	first.Close()
	got := make([]byte, 5000)
	if _, err := kept.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
		t.Errorf("partial: %v", err)
	}
	if c, err := b.settle(second, "a", policy.Allow); err != nil || !bytes.Equal(b.read(c), data) {
		t.Errorf("settling the second: %v", err)
	} else {
		c.Close()
	}
	checkLedger(t, b.vault)
	third := b.hold(data)
	if s := b.vault.Stats(); s.Held != (Tally{}) || s.Released != (Tally{1, 5000}) {
		t.Errorf("fetched again after its release: %+v", s)
	}
	third.Close()
	checkLedger(t, b.vault)
}

// Closing twice must not give up somebody else's reference.
func TestClosingTwice(t *testing.T) {
	b := newBench(t, Options{})
	data := random(100)
	first, second := b.hold(data), b.hold(data)
	first.Close()
	first.Close()
	if _, err := second.Content().ReadAt(make([]byte, 100), 0); err != nil {
		t.Errorf("the other reference: %v", err)
	}
	if _, err := b.vault.Settle(first, "a", b.decision(first.SHA256, "a", policy.Allow, false), Origin{}); !errors.Is(err, ErrClosed) {
		t.Errorf("settling a closed item: %v", err)
	}
	second.Close()
	nothingLeft(t, b)
}

func TestFullDiskErrors(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		err := noRoom(&os.PathError{Op: "write", Path: "x", Err: errno})
		if !errors.Is(err, ErrFull) || !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
	}
	if err := noRoom(syscall.EIO); errors.Is(err, ErrFull) {
		t.Error("a broken disk is not a full one")
	}
}

// The incoming directory may go away or be unwritable: an error about us, nothing charged.
func TestHoldWithoutADirectory(t *testing.T) {
	b := newBench(t, Options{})
	if err := os.Remove(b.vault.paths.incoming()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.vault.Hold(context.Background(), strings.NewReader("x"), Intake{Client: "c", Length: 1}); err == nil {
		t.Error("no error")
	}
	if err := os.Mkdir(b.vault.paths.incoming(), 0o700); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, b)
}

func TestItemsOfOthers(t *testing.T) {
	a, b := newBench(t, Options{}), newBench(t, Options{})
	item := a.hold([]byte("mine"))
	defer item.Close()
	receipt := b.decision(item.SHA256, "a", policy.Allow, false)
	for _, i := range []*Item{nil, {}, {SHA256: item.SHA256, Size: item.Size}, item} {
		if c, err := b.vault.Settle(i, "a", receipt, Origin{}); c != nil || err == nil {
			t.Errorf("settled %v", i)
		}
	}
	// Whoever changes an Item's exported fields does not change what it is.
	item.SHA256 = verify.Digest(sha256.Sum256([]byte("other")))
	c, err := a.vault.Settle(item, "a", a.decision(item.SHA256, "a", policy.Allow, false), Origin{})
	if c != nil {
		t.Errorf("released by a receipt for other bytes: %v", err)
	}
}

func TestRingOrder(t *testing.T) {
	data := random(1 << 20)
	var outs [3]bytes.Buffer
	r := startRing(make([]byte, 1000), &outs[0], &outs[1], &outs[2])
	for rest := data; len(rest) > 0; {
		n := copy(r.space(), rest)
		r.add(n)
		rest = rest[n:]
	}
	if err := r.finish(nil); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(outs[:], func(b bytes.Buffer) bool { return !bytes.Equal(b.Bytes(), data) }) {
		t.Error("a drain got other bytes")
	}
}
