package verify

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestReleasedFilesAreGone: whoever still reads a file that was released never sees the next one's bytes.
func TestReleasedFilesAreGone(t *testing.T) {
	late := make([]*kept, 100)
	for i := range late {
		k := newKept(SniffLen)
		if ended, err := k.fill(strings.NewReader(strings.Repeat("first", i))); !ended || err != nil {
			t.Fatal(ended, err)
		}
		late[i] = k
		k.release()
		k.release()
		next := newKept(SniffLen)
		if _, err := next.fill(strings.NewReader("second")); err != nil {
			t.Fatal(err)
		}
		defer next.release()
	}
	for _, k := range late {
		if n, err := k.ReadAt(make([]byte, 5), 0); n != 0 || !errors.Is(err, errReleased) {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
}

func TestKeptReadsLikeAFile(t *testing.T) {
	for _, n := range []int{0, 1, SniffLen - 1, SniffLen, SniffLen + 1, inMemory} {
		want := bytes.Repeat([]byte("0123456"), n/7+1)[:n]
		k := newKept(int64(n) + 1)
		if ended, err := k.fill(iotest.DataErrReader(bytes.NewReader(want))); !ended || err != nil {
			t.Fatalf("%d bytes: %v, %v", n, ended, err)
		}
		got, err := io.ReadAll(io.NewSectionReader(k, 0, int64(n)+10))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d, %v", n, len(got), err)
		}
		if _, err := k.ReadAt(nil, -1); err == nil {
			t.Error("it can be read before its beginning")
		}
		k.release()
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestFillEndsWithItsReader(t *testing.T) {
	k := newKept(1)
	if _, err := k.fill(stuck{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: %v", err)
	}
	k = newKept(1)
	if _, err := k.fill(io.MultiReader(strings.NewReader("half"), brokenReader{})); !errors.Is(err, ErrBroken) {
		t.Errorf("a reader that fails: %v", err)
	}
	k = newKept(1)
	if ended, err := k.fill(io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF))); ended || err == nil {
		t.Error("a reader that is cut short ends well")
	}
	k = newKept(1)
	if ended, err := k.fill(bytes.NewReader(make([]byte, 2*SniffLen))); ended || err != nil {
		t.Errorf("more than there is room for: %v, %v", ended, err)
	}
}
