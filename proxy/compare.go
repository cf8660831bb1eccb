package proxy

import (
	"errors"
	"sync"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// How many comparisons of releases, and which records name which report, are remembered.
const (
	changesKept = 512
	recordsKept = 4096
)

// changesMemo remembers comparisons of releases: every client that fetches a release asks for the same one. The zero value is ready.
type changesMemo struct {
	mu sync.Mutex
	by map[comparison][]policy.Changes
	// reports are those that the latest records name: asking the log takes longer.
	reports map[string]verify.Digest
}

// comparison is what a comparison depends on.
type comparison struct {
	channel string
	before  string        // the record of the release before
	after   verify.Digest // of the report about this one, as it is stored
}

// compare returns what has changed since the release of the same product that was let through last, on each channel that has one. A
// release whose report is not there any more is not compared with. kept is the digest under which f.Report is stored; zero if it is not.
func (q *Inquirer) compare(f *policy.Facts, kept verify.Digest) (out []policy.Changes) {
	for i := range f.History.Editions {
		e := &f.History.Editions[i]
		against := previous(f.History.Past[e.Channel], f.Update.SHA256)
		if against == nil || e.Product == "" {
			continue
		}
		key := comparison{e.Channel, against.Record, kept}
		changes, known := q.changes.recall(key)
		if !known || kept.IsZero() {
			changes = q.compareWith(e.Channel, against, f.Report)
			q.changes.keep(key, changes)
		}
		out = append(out, changes...)
	}
	return out
}

// previous is the release that was let through last and that is another file than this one; nil if there is none.
func previous(past policy.Past, sum verify.Digest) *policy.PastRelease {
	for i := range past.Releases {
		if r := &past.Releases[i]; r.SHA256 != sum && r.Record != "" {
			return r
		}
	}
	return nil
}

func (q *Inquirer) compareWith(channel string, against *policy.PastRelease, after verify.Report) []policy.Changes {
	before, err := q.load(against.Record)
	switch {
	case errors.Is(err, audit.ErrNoReport), errors.Is(err, audit.ErrNotFound):
		return nil
	case err != nil:
		q.log().Warn("loading the report of the release before", zap.Error(err), zap.String("record", against.Record))
		return nil
	}
	return []policy.Changes{policy.Compare(channel, *against, before, after)}
}

func (m *changesMemo) recall(k comparison) ([]policy.Changes, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	changes, ok := m.by[k]
	return changes, ok
}

func (m *changesMemo) keep(k comparison, changes []policy.Changes) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil || len(m.by) >= changesKept {
		m.by = map[comparison][]policy.Changes{}
	}
	m.by[k] = changes
}

// note remembers the report that a record names; zero if it names none.
func (m *changesMemo) note(record string, report verify.Digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.reports == nil || len(m.reports) >= recordsKept {
		m.reports = map[string]verify.Digest{}
	}
	m.reports[record] = report
}

func (m *changesMemo) reportOf(record string) (verify.Digest, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	report, ok := m.reports[record]
	return report, ok
}
