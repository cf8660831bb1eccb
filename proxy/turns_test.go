package proxy

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

// No two files are decided about at once on a subject that they share, however many subjects there are and in whatever order
// they are named; all get their turn.
func TestTurnsKeepDifferentFilesApart(t *testing.T) {
	var ts turns
	subjects := []string{"url", "product", "other"}
	inside := map[string]*[3]atomic.Int32{}
	for _, s := range subjects {
		inside[s] = new([3]atomic.Int32)
	}
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			file := i % 3
			mine := []string{subjects[i%3], subjects[(i+1)%3], subjects[i%3]}
			if i%2 == 0 {
				mine[0], mine[1] = mine[1], mine[0]
			}
			for range 300 {
				leave := ts.enter(verify.Digest{byte(file + 1)}, mine)
				for _, s := range mine[:2] {
					inside[s][file].Add(1)
					for other := range 3 {
						if other != file && inside[s][other].Load() > 0 {
							t.Errorf("files %d and %d are inside %s at once", file, other, s)
						}
					}
				}
				for _, s := range mine[:2] {
					inside[s][file].Add(-1)
				}
				leave()
			}
		})
	}
	all.Wait()
	if len(ts.by) != 0 {
		t.Errorf("%d subjects are left", len(ts.by))
	}
}

// Decisions about the same file do not wait for each other, unless another file's turn comes first.
func TestTurnsOfOneFileGoOnTogether(t *testing.T) {
	var ts turns
	one, two := verify.Digest{1}, verify.Digest{2}
	first, second := ts.enter(one, []string{"a", "b"}), ts.enter(one, []string{"b"})
	entered := make(chan func())
	go func() { entered <- ts.enter(two, []string{"b"}) }()
	for {
		ts.mu.Lock()
		waits := len(ts.by["b"].waiting) == 1
		ts.mu.Unlock()
		if waits {
			break
		}
	}
	if wait := ts.join("b", one); wait == nil {
		t.Error("a decision about the first file overtook one that waits")
	}
	first()
	select {
	case <-entered:
		t.Fatal("the second file entered while the first one was inside")
	default:
	}
	second()
	leave := <-entered
	if got := ts.by["b"]; got.file != two || len(got.waiting) != 1 {
		t.Errorf("%+v", got)
	}
	leave()
	if got := ts.by["b"]; got.file != one || got.inside != 1 {
		t.Errorf("%+v", got)
	}
}
