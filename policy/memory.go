package policy

import (
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Memory remembers what requirements say of one report that rests on nothing else: many decisions are about the same one, and may have to
// go through thousands of files inside for it. Several goroutines may use it at once. The zero Memory is empty.
type Memory struct {
	mu      sync.Mutex
	counted bool
	ends    []time.Time // when findings stop being facts, in order
	said    map[sayingAbout]saying
}

// sayingAbout is all that such a requirement looks at besides the report: of the time only how many findings have ended.
type sayingAbout struct {
	requirement requirement
	sum         verify.Digest
	role        verify.Role
	format      verify.Format
	ended       int
}

type saying struct {
	outcome outcome
	why     string
}

// maxSayings bounds what is remembered of one report.
const maxSayings = 256

// judged is the requirement's judge. What it says may be remembered.
func (e *evidence) judged(r requirement) (outcome, string) {
	if e.facts == nil || e.facts.memory == nil {
		return r.judge(e)
	}
	switch r.(type) {
	case *signedBy, *contents: // which look at the report, the digest, the role and the time
		return e.facts.memory.judged(e, r)
	}
	return r.judge(e)
}

func (m *Memory) judged(e *evidence, r requirement) (outcome, string) {
	about := sayingAbout{requirement: r, sum: e.sum, role: e.role, format: e.format}
	m.mu.Lock()
	about.ended = m.ended(e)
	was, known := m.said[about]
	m.mu.Unlock()
	if known {
		return was.outcome, was.why
	}
	o, why := r.judge(e)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.said == nil || len(m.said) >= maxSayings {
		m.said = map[sayingAbout]saying{}
	}
	m.said[about] = saying{o, why}
	return o, why
}

// ended returns how many findings were facts before a time and are none at it; see current.
func (m *Memory) ended(e *evidence) int {
	if !m.counted {
		m.counted = true
		for i := range e.findings {
			if end := e.findings[i].NotAfter; !end.IsZero() {
				m.ends = append(m.ends, end)
			}
		}
		slices.SortFunc(m.ends, time.Time.Compare)
		m.ends = slices.CompactFunc(m.ends, time.Time.Equal)
	}
	return sort.Search(len(m.ends), func(i int) bool { return !m.ends[i].Before(e.now) })
}
