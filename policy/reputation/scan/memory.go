package scan

import (
	"container/list"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// memory is what scanners have said, for as long as it counts. Scanners guards it.
type memory struct {
	by    map[string]*list.Element
	order *list.List // of *memo, the latest used first
}

type memo struct {
	key   string
	scan  policy.Scan
	until time.Time
}

const (
	maxMemories = 20_000
	failedFor   = 5 * time.Second // how long a scan that failed for a reason that may have gone is not tried again
)

func newMemory() memory { return memory{by: map[string]*list.Element{}, order: list.New()} }

// memoryKey stands for all that a scan depends on: the bytes, what opens them, the scanner and the engine.
func memoryKey(m *member, engine string, inside bool, a *verify.Artifact) string {
	return fmt.Sprintf("%s\x00%s\x00%t\x00%s\x00%d\x00%s\x00%s", m.key, engine, inside, a.Format, a.Role, hex.EncodeToString([]byte(a.Name)), a.Digests.SHA256)
}

// remembered returns what was said before about the same.
func (s *Scanners) remembered(key string) (policy.Scan, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.memory.by[key]
	if e == nil {
		return policy.Scan{}, false
	}
	m := e.Value.(*memo)
	if now := s.Now(); !now.Before(m.until) || now.Before(m.scan.At) {
		s.memory.order.Remove(e)
		delete(s.memory.by, key)
		return policy.Scan{}, false
	}
	s.memory.order.MoveToFront(e)
	return m.scan, true
}

// keep remembers what was said.
func (s *Scanners) keep(key string, scan policy.Scan, lasts time.Duration) {
	if lasts <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.memory.by[key]; old != nil {
		s.memory.order.Remove(old)
	}
	s.memory.by[key] = s.memory.order.PushFront(&memo{key, scan, s.Now().Add(lasts)})
	for s.memory.order.Len() > maxMemories {
		last := s.memory.order.Back()
		s.memory.order.Remove(last)
		delete(s.memory.by, last.Value.(*memo).key)
	}
}
