package verify

import (
	"runtime"
	"sync"
)

// slots bound how many goroutines of a walk work at once. Whoever works holds one of them; whoever waits for others has
// given his back meanwhile, so that they cannot all be held by those who wait.
type slots struct {
	working chan struct{} // as many as there are processors
	waiting chan struct{} // files that were read and are not examined yet
}

func newSlots() *slots {
	n := max(1, runtime.GOMAXPROCS(0))
	return &slots{working: make(chan struct{}, n), waiting: make(chan struct{}, 2*n)}
}

func (s *slots) acquire() { s.working <- struct{}{} }
func (s *slots) release() { <-s.working }

// try acquires a slot if one is free.
func (s *slots) try() bool {
	select {
	case s.working <- struct{}{}:
		return true
	default:
		return false
	}
}

// wait waits for others without a slot. It is called with one.
func (s *slots) wait(others *sync.WaitGroup) {
	s.release()
	others.Wait()
	s.acquire()
}

// beside runs work in a goroutine of its own as soon as there is a slot for it, and at once in the caller's where too
// much is waiting already.
func (s *slots) beside(running *sync.WaitGroup, work func()) {
	select {
	case s.waiting <- struct{}{}:
		running.Go(func() {
			s.acquire()
			defer s.release()
			<-s.waiting
			work()
		})
	default:
		work()
	}
}
