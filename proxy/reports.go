package proxy

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// How many reports are kept in memory, and for how long at most. Some facts begin at a time (a certificate that is not
// valid yet), which no finding tells; so a report is not used at another hour than its own.
const (
	reportsMax = 2048
	reportLife = time.Hour
)

// reportKey is everything that the facts of a report depend on that asks for nothing but the artifact.
type reportKey struct {
	digest  verify.Digest
	subject verify.Digest // of name, URLs, format and role
	epoch   string
	inside  bool // it was opened
	beside  bool // what is published beside it was looked for
}

func keyOfReport(a *verify.Artifact, epoch string, inside, beside bool) reportKey {
	url := canonicalURL(a.URL)
	subject := fmt.Sprintf("%d:%s%d:%s%s %s", len(a.Name), a.Name, len(url), url, a.Format, a.Role)
	for _, asked := range a.Asked {
		subject += "\n" + canonicalURL(asked)
	}
	return reportKey{a.Digests.SHA256, sha256.Sum256([]byte(subject)), epoch, inside, beside}
}

// reports keeps what was found out about artifacts. A report is not kept if a verifier has asked for more than the
// artifact, sidecars or remembered state: those may say something else by now, and asking them again is cheap.
type reports struct {
	mu sync.Mutex
	by map[reportKey]keptReport
}

type keptReport struct {
	report verify.Report
	stored verify.Digest // under which it is in the store; zero if it is not
	made   time.Time
}

func newReports() *reports { return &reports{by: map[reportKey]keptReport{}} }

func (r *reports) recall(k reportKey, now time.Time) (verify.Report, verify.Digest, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept, ok := r.by[k]
	if !ok {
		return verify.Report{}, verify.Digest{}, false
	}
	end := kept.report.NotAfter()
	if now.Before(kept.made) || now.Sub(kept.made) > reportLife || !end.IsZero() && now.After(end) {
		delete(r.by, k)
		return verify.Report{}, verify.Digest{}, false
	}
	return kept.report, kept.stored, true
}

// keep stores a report, unless it may be another one the next time.
func (r *reports) keep(k reportKey, report verify.Report, stored verify.Digest, now time.Time) {
	if len(report.Evidence) > 0 {
		return
	}
	for _, f := range report.Findings {
		if f.Status == verify.Inconclusive {
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.by) >= reportsMax {
		clear(r.by)
	}
	r.by[k] = keptReport{report, stored, now}
}

// askedMemory notices whether a verifier has looked at what is remembered.
type askedMemory struct {
	verify.Memory
	asked atomic.Bool
}

// Load implements verify.Memory.
func (m *askedMemory) Load(anchor, key string) ([]byte, error) {
	m.asked.Store(true)
	return m.Memory.Load(anchor, key)
}

// Advance implements verify.Memory.
func (m *askedMemory) Advance(anchor, key string, old, new []byte) error {
	m.asked.Store(true)
	return m.Memory.Advance(anchor, key, old, new)
}
