package proxy

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-project/sallyport/policy/reputation"
	"github.com/sallyport-project/sallyport/verify"
)

// gatedContent is content that nobody can read before the gate is open.
type gatedContent struct {
	data  []byte
	gate  chan struct{}
	reads atomic.Int32
	fail  atomic.Bool
}

func (c *gatedContent) ReadAt(b []byte, at int64) (int, error) {
	if at == 0 {
		c.reads.Add(1)
	}
	<-c.gate
	if c.fail.CompareAndSwap(true, false) {
		return 0, errors.New("the disk is gone")
	}
	return bytes.NewReader(c.data).ReadAt(b, at)
}

const md5Alone = reputation.Kinds(1 << reputation.KindMD5)

func gated() (*gatedContent, *verify.Artifact) {
	c := &gatedContent{data: bytes.Repeat([]byte("content"), 1000), gate: make(chan struct{})}
	return c, &verify.Artifact{Size: int64(len(c.data)), Content: c, Digests: verify.Digests{SHA256: sha256.Sum256(c.data)}}
}

// Many who ask for the same content have it read once; one who goes away in between does not take the others along.
func TestContentIsReadOnceForAllWhoAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a := gated()
		sums := new(Sums)
		gone, leave := context.WithCancel(context.Background())
		var all sync.WaitGroup
		var good, left atomic.Int32
		for i := range 20 {
			ctx := context.Background()
			if i%2 == 1 {
				ctx = gone
			}
			all.Go(func() {
				got, err := sums.of(ctx, a, md5Alone)
				want := md5.Sum(c.data)
				switch {
				case errors.Is(err, context.Canceled):
					left.Add(1)
				case err == nil && bytes.Equal(got[reputation.KindMD5], want[:]):
					good.Add(1)
				default:
					t.Errorf("%v, %v", got, err)
				}
			})
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		close(c.gate)
		all.Wait()
		if good.Load() < 10 || good.Load()+left.Load() != 20 || c.reads.Load() > 2 {
			t.Errorf("%d have it, %d have left, it was read %d times", good.Load(), left.Load(), c.reads.Load())
		}
		if len(sums.busy) > 0 {
			t.Errorf("%d are still being read", len(sums.busy))
		}
	})
}

func TestAnotherReadsWhenReadingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a := gated()
		c.fail.Store(true)
		sums := new(Sums)
		var all sync.WaitGroup
		var failed, good atomic.Int32
		for range 5 {
			all.Go(func() {
				if got, err := sums.of(context.Background(), a, md5Alone); err != nil {
					failed.Add(1)
				} else if got[reputation.KindMD5] != nil {
					good.Add(1)
				}
			})
		}
		synctest.Wait()
		close(c.gate)
		all.Wait()
		if failed.Load() != 1 || good.Load() != 4 || c.reads.Load() != 2 {
			t.Errorf("%d failed, %d have it, read %d times", failed.Load(), good.Load(), c.reads.Load())
		}
	})
}

func TestSumsAreBounded(t *testing.T) {
	sums := new(Sums)
	for i := range maxSums + 100 {
		data := binary.BigEndian.AppendUint32(nil, uint32(i))
		a := &verify.Artifact{Size: 4, Content: bytes.NewReader(data), Digests: verify.Digests{SHA256: sha256.Sum256(data)}}
		if _, err := sums.of(context.Background(), a, md5Alone); err != nil {
			t.Fatal(err)
		}
	}
	if len(sums.by) != maxSums || len(sums.busy) > 0 {
		t.Errorf("%d are kept, %d are being read", len(sums.by), len(sums.busy))
	}
	short := &verify.Artifact{Size: 5, Content: bytes.NewReader([]byte("four")), Digests: verify.Digests{SHA256: verify.Digest{1}}}
	if _, err := sums.of(context.Background(), short, md5Alone); !errors.Is(err, io.ErrUnexpectedEOF) || sums.by[verify.Digest{1}] != nil {
		t.Errorf("a content that ends early: %v", err)
	}
}

// What is listed of the update itself is found even when there is no time left; that the rest was not looked up is said.
func TestLookingUpEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte(strings.Repeat("01", 32)+"\n"+strings.Repeat("02", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	feeds, err := reputation.Open(context.Background(), []reputation.Feed{{Name: "bad", File: path}}, reputation.Options{})
	if err != nil {
		t.Fatal(err)
	}
	own, inner := verify.Digest(bytes.Repeat([]byte{1}, 32)), verify.Digest(bytes.Repeat([]byte{2}, 32))
	l := Lookup{View: feeds.View(), Feeds: []string{"bad"}, Sums: new(Sums), At: time.Now(), Artifact: &verify.Artifact{Digests: verify.Digests{SHA256: own}},
		Report: verify.Report{Contents: &verify.Contents{Inner: []verify.Inner{{Path: "a", SHA256: inner}}}}}
	if got, err := l.Reputation(context.Background()); err != nil || len(got.Listings) != 2 || len(got.Incomplete) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if got, err := l.Reputation(ended); !errors.Is(err, context.Canceled) || len(got.Listings) != 1 || len(got.Incomplete) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}
