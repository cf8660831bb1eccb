package scan

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// call is an update that is being looked through by whoever asked first. Others who ask for the same wait for it.
type call struct {
	done   chan struct{} // closed when result is there
	result map[string]policy.Scan
	gone   bool // whoever asked first did not stay to the end, and the result says nothing of the update
}

// together does tasks, or waits for who does the same at the moment.
func (s *Scanners) together(ctx context.Context, tasks []task, inside bool, a *verify.Artifact) map[string]policy.Scan {
	if len(tasks) == 0 {
		return nil
	}
	keys := make([]string, len(tasks))
	for i, t := range tasks {
		keys[i] = t.key
	}
	key := strings.Join(keys, "\x01")
	for {
		s.mu.Lock()
		c := s.calls[key]
		first := c == nil
		if first {
			c = &call{done: make(chan struct{})}
			s.calls[key] = c
		}
		s.mu.Unlock()
		if first {
			s.carryOut(ctx, c, key, tasks, inside, a)
			return c.result
		}
		select {
		case <-c.done:
			if !c.gone {
				return c.result
			}
		case <-ctx.Done():
			return s.all(tasks, "the scan was not waited for", inside)
		}
	}
}

// all is the result where there is none.
func (s *Scanners) all(tasks []task, why string, inside bool) map[string]policy.Scan {
	out := map[string]policy.Scan{}
	for _, t := range tasks {
		out[t.Name] = s.failed(why, inside)
	}
	return out
}

// carryOut does what a call is for. What it finds is remembered when it ends, so that who comes later finds it there.
func (s *Scanners) carryOut(ctx context.Context, c *call, key string, tasks []task, inside bool, a *verify.Artifact) {
	defer func() {
		if p := recover(); p != nil { // what opens strangers' files may panic; then nothing is known
			s.crashed(p)
			c.result = s.all(tasks, "the scan broke off; the operational log has the details", inside)
		}
		c.gone = ctx.Err() != nil
		s.mu.Lock()
		delete(s.calls, key)
		s.mu.Unlock()
		close(c.done)
	}()
	c.result = s.look(ctx, tasks, inside, a)
}

func (s *Scanners) crashed(p any) {
	if s.Examiner.Panicked != nil {
		s.Examiner.Panicked("scan", p, debug.Stack())
	}
}

// guard has a panic end as one file that could not be scanned.
func (s *Scanners) guard(l *looker, path string) {
	if p := recover(); p != nil {
		s.crashed(p)
		l.fail(path, fmt.Errorf("what speaks to the scanner crashed; the operational log has the details"), true)
	}
}
