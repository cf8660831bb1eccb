package proxy

import (
	"slices"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
)

// turns keeps decisions that have to know of one another apart: those about different files of one address or of one product.
// Whoever decides about the second file finds the first one in the history. Decisions about one and the same file go on together:
// a thousand clients that fetch it wait for nobody. The zero value is ready.
type turns struct {
	mu sync.Mutex
	by map[string]*turn
}

// turn is a subject of which one file is being decided about.
type turn struct {
	file    verify.Digest
	inside  int
	waiting []waitingTurn // in the order in which they came
}

type waitingTurn struct {
	file  verify.Digest
	enter chan struct{}
}

// enter waits for the turn of a file in all of the subjects, and returns what ends it. Subjects are entered in one order by
// everybody, so that no two wait for each other.
func (t *turns) enter(file verify.Digest, subjects []string) (leave func()) {
	subjects = slices.Clone(subjects)
	slices.Sort(subjects)
	subjects = slices.Compact(subjects)
	for _, s := range subjects {
		if wait := t.join(s, file); wait != nil {
			<-wait
		}
	}
	return func() {
		for _, s := range subjects {
			t.leave(s)
		}
	}
}

// join enters a subject at once, or returns what is closed when it has been entered. Nobody overtakes one who waits.
func (t *turns) join(subject string, file verify.Digest) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = map[string]*turn{}
	}
	now := t.by[subject]
	switch {
	case now == nil:
		t.by[subject] = &turn{file: file, inside: 1}
		return nil
	case now.file == file && len(now.waiting) == 0:
		now.inside++
		return nil
	}
	enter := make(chan struct{})
	now.waiting = append(now.waiting, waitingTurn{file, enter})
	return enter
}

// leave lets the next file in once the last decision about this one is over, with all who wait for it.
func (t *turns) leave(subject string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.by[subject]
	if now.inside--; now.inside > 0 {
		return
	}
	if len(now.waiting) == 0 {
		delete(t.by, subject)
		return
	}
	now.file = now.waiting[0].file
	now.waiting = slices.DeleteFunc(now.waiting, func(w waitingTurn) bool {
		if w.file != now.file {
			return false
		}
		now.inside++
		close(w.enter)
		return true
	})
}
