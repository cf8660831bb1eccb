// Package replay judges what was decided before by another policy, from what is kept of it: the record, with the circumstances of its
// moment, and the report in the store. It fetches, verifies and looks up nothing. What the new policy asks that nobody had asked then
// is said to be open, unless the answer cannot matter; it never counts as allowed.
//
//	Run        goes through a log and says what would have been decided otherwise
//	Loosening  says what a policy would let through that was refused, and that the policy in force refuses
package replay

import (
	"context"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// Options say what is judged again, and by which policy. Log, Reports and Policy are needed.
type Options struct {
	Log      string         // directory
	Reports  *audit.Reports // where records' reports are
	Policy   *policy.Policy
	Since    time.Time               // zero: from the beginning
	Until    time.Time               // not included; zero: to the end
	Examples int                     // of each group; 0 means 3
	Progress func(done, total int64) // bytes of the log; may be nil
}

// Result is what would have been decided otherwise. Its JSON is that of `policy replay --json`; fields are only ever added.
type Result struct {
	V         int       `json:"v"`      // 1
	Policy    string    `json:"policy"` // "sha256:..."
	First     time.Time `json:"first,omitzero"`
	Last      time.Time `json:"last,omitzero"` // of the decisions
	Decisions int64     `json:"decisions"`     // that were judged again
	Same      int64     `json:"same"`          // as before, or refused otherwise
	Otherwise int64     `json:"otherwise"`     // of Same: refused as before, but quarantined instead of blocked or the other way round

	Refused []Group `json:"refused,omitempty"` // newly: they had been let through
	Allowed []Group `json:"allowed,omitempty"` // newly: they had been refused
	Unseen  []Group `json:"unseen,omitempty"`  // had been let through, and would be without being looked at
	Open    []Group `json:"open,omitempty"`    // it cannot be told

	Counts  Counts  `json:"counts"`
	Tunnels Tunnels `json:"tunnels"` // connections that had been passed through

	Unreadable int64 `json:"unreadable,omitempty"` // lines of the log that are no record
	Altered    int64 `json:"altered,omitempty"`    // decisions whose personal values somebody changed
}

// Counts are the sums over all groups.
type Counts struct {
	Refused int64 `json:"refused"`
	Allowed int64 `json:"allowed"`
	Unseen  int64 `json:"unseen"`
	Open    int64 `json:"open"`
}

// Changes reports whether anything would have been decided otherwise.
func (r *Result) Changes() bool {
	return r.Counts.Refused+r.Counts.Allowed+r.Counts.Unseen+r.Tunnels.Inspected+r.Tunnels.Denied > 0
}

// Loosens reports whether anything would be let through, or not be looked at, that was.
func (r *Result) Loosens() bool { return r.Counts.Allowed+r.Counts.Unseen > 0 }

// outcome is what became of one record.
type outcome struct {
	kind    kind
	record  audit.Record
	now     policy.Decision
	why     []string // of open ones
	altered bool
	tunnel  tunnelled
}

// kind is how a decision compares with the one before.
type kind uint8

const (
	open kind = iota // it cannot be told
	same
	otherwise // refused both times, but not alike
	refused
	allowed
	unseen
	tunnel // it was none, but a connection that was passed through
)

// Run judges the decisions of a log again by a policy.
func Run(ctx context.Context, o Options) (*Result, error) {
	releases, err := readReleases(ctx, o.Log)
	if err != nil {
		return nil, err
	}
	if o.Examples <= 0 {
		o.Examples = 3
	}
	j := &judge{policy: o.Policy, reports: newCache(o.Reports), releases: releases}
	s := newSummary(o.Examples)
	passed, err := audit.Each(ctx, o.Log, audit.Range{
		Kinds: []audit.Kind{audit.KindDecision, audit.KindTunnel}, Since: o.Since, Until: o.Until, Progress: o.Progress,
	}, j.again, func(x outcome) error {
		s.add(x)
		return nil
	})
	if err != nil {
		return nil, err
	}
	r := s.result()
	r.Policy, r.Unreadable = "sha256:"+o.Policy.Digest().String(), passed.Unreadable
	return r, j.failure()
}

// judge judges single records. Its methods may be called by several goroutines at once.
type judge struct {
	policy   *policy.Policy
	reports  *cache
	releases releases

	mu  sync.Mutex
	err error // the first of the store
}

// again judges a record again.
func (j *judge) again(r audit.Record) outcome {
	if r.Kind == audit.KindTunnel {
		return outcome{kind: tunnel, record: r, tunnel: j.connection(r)}
	}
	x := outcome{record: trimmed(r), altered: len(r.Altered) > 0}
	if r.Decision == nil || r.Artifact == nil {
		x.kind, x.why = open, []string{"the record has no decision"}
		return x
	}
	t, missing, err := j.retry(r, j.policy)
	if err != nil {
		j.fail(err)
		missing = true
	}
	v := told(t, missing)
	x.now, x.why = v.decision, v.open
	switch before := r.Decision.Action == policy.Allow || r.Decision.Observed; {
	case v.open != nil:
		x.kind = open
	case v.unseen && before:
		x.kind = unseen
	case v.through && !before:
		x.kind = allowed
	case !v.through && before:
		x.kind = refused
	case !v.through && v.decision.Action != r.Decision.Action:
		x.kind = otherwise
	default:
		x.kind = same
	}
	if x.kind == same || x.kind == otherwise { // nobody looks at them any more
		x.record.Request, x.record.Decision, x.now = nil, nil, policy.Decision{}
	}
	return x
}

// trimmed is what a summary needs of a record.
func trimmed(r audit.Record) audit.Record {
	return audit.Record{Kind: r.Kind, ID: r.ID, Time: r.Time, Channel: r.Channel, Request: r.Request, Artifact: r.Artifact, Decision: r.Decision}
}

func (j *judge) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.err = err
	}
}

func (j *judge) failure() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}
