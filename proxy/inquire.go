package proxy

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation"
	"github.com/sallyport-project/sallyport/verify"
)

// Inquirer gathers all that updates are judged by. The gate and `sallyport verify` ask the same one, so that both judge alike. A field
// that is nil stands for something of which nothing is known, and what needs it cannot be told. Its methods may be called by several
// goroutines at once.
type Inquirer struct {
	Feeds    func() *reputation.View // what the policy's feeds say now
	Sums     *Sums
	Releases *Releases // standing releases given by hand

	// Past returns what is remembered that bears on an update; Recalls the standing orders not to let it through any more.
	Past func(PastQuery) (policy.History, error)
	// Address returns what stands for an address in records and in questions of the past; empty if it cannot be compared.
	Address func(*url.URL) string
	Recalls func(verify.Digest, verify.Report) []policy.Recall
	// Reports keeps whole reports, and Record finds the record that names one: both are needed to compare releases.
	Reports ReportStore
	Record  func(id string) (audit.Record, error)

	// Scan has the scanners of a policy look at an update; Lookup asks services about it; Fixes says which known vulnerabilities it
	// removes; SecondLook asks its origin again.
	Scan       func(ctx context.Context, p *policy.Policy, names []string, inside bool, a *verify.Artifact) map[string]policy.Scan
	Lookup     func(ctx context.Context, p *policy.Policy, names []string, a *verify.Artifact, rep verify.Report, at time.Time) policy.Reputation
	Fixes      func(p *policy.Policy, view *reputation.View, h policy.History, rep verify.Report) []policy.Fix
	SecondLook *SecondLooks

	Metrics *Metrics
	Logger  *zap.Logger // nil means that nobody is told

	changes changesMemo
}

// PastQuery asks what is remembered that bears on an update.
type PastQuery struct {
	SHA256   verify.Digest
	URL      *url.URL      // that was asked for; nil if none was
	Began    string        // stands for the one that was asked for first, before redirects; empty if there were none
	Client   policy.Client // who asks
	Editions []policy.Edition
	Now      time.Time
}

// ReportStore keeps whole reports under the digest of their JSON.
type ReportStore interface {
	Keep(verify.Report) (verify.Digest, error)
	Load(verify.Digest) (verify.Report, error)
}

// Inquiry is an update to be judged for one request, with what was found out about it.
type Inquiry struct {
	Policy   *policy.Policy
	Plan     policy.Plan // of Request, by Policy
	Request  policy.Request
	Artifact *verify.Artifact
	Report   verify.Report
	Kept     verify.Digest  // under which Report is stored; zero if it is not
	Sources  []*url.URL     // all addresses that it came from
	Origin   *url.URL       // where to ask for it again: where the way to it began; nil is nowhere
	Fields   http.Header    // to ask for it again with: those of the request that brought it, without what tells who asked; nil: no client's
	Claims   []policy.Claim // times of publication that the origin claims
	Began    string         // stands for what was asked for first, if redirects led from there; Asked is the file's name there
	Asked    string
	Private  bool    // the origin's answer was for this client alone
	Answers  Answers // of Ask
	Now      time.Time
}

// Answers are what others say about an update: they may take their time, and cost something.
type Answers struct {
	Scans  map[string]policy.Scan
	Looked policy.Reputation // by look-ups
	Second policy.SecondLook
}

// Ask asks whom the plan names. It is bounded in time by those who are asked, and ends early when ctx is done.
func (q *Inquirer) Ask(ctx context.Context, in *Inquiry) (out Answers) {
	if len(in.Plan.Scanners) > 0 && q.Scan != nil {
		out.Scans = q.Scan(ctx, in.Policy, in.Plan.Scanners, in.Plan.ScanInside, in.Artifact)
	}
	if len(in.Plan.Lookups) > 0 && q.Lookup != nil {
		out.Looked = q.Lookup(ctx, in.Policy, in.Plan.Lookups, in.Artifact, in.Report, in.Now)
	}
	switch {
	case !in.Plan.SecondLook || in.Artifact.Role != verify.Payload:
	case in.Answers.Second.Asked: // it was asked already
		out.Second = in.Answers.Second
	case q.SecondLook != nil:
		out.Second = q.lookAgain(ctx, in)
		q.Metrics.lookedAgain(in.Artifact.Digests.SHA256, out.Second)
	}
	return out
}

func (q *Inquirer) lookAgain(ctx context.Context, in *Inquiry) policy.SecondLook {
	switch {
	case in.Private:
		return PrivateLook
	case in.Origin == nil:
		return policy.SecondLook{Asked: true, Failed: "it is not known where to ask for it again"}
	}
	return q.SecondLook.Look(ctx, in.Policy, in.Origin, in.Fields, in.Artifact.Digests.SHA256, in.Artifact.Size)
}

// Facts returns everything that the update is judged by. in.Answers are used as they are.
func (q *Inquirer) Facts(ctx context.Context, in *Inquiry) policy.Facts {
	f := q.gather(ctx, in)
	q.remember(&f, in)
	return f
}

// gather returns what does not depend on what was decided about other updates.
func (q *Inquirer) gather(ctx context.Context, in *Inquiry) policy.Facts {
	a := in.Artifact
	f := policy.Facts{
		Request: in.Request, Report: in.Report, Now: in.Now, Scans: in.Answers.Scans,
		Update: policy.Update{Name: a.Name, Format: a.Format, Role: a.Role, Size: a.Size, SHA256: a.Digests.SHA256},
	}
	f.History.Editions = audit.BoundedEditions(in.Policy.Editions(f.Request, f.Update, f.Report))
	f.Reputation = merged(q.listings(ctx, in), in.Answers.Looked)
	return f
}

// listings returns what feeds say.
func (q *Inquirer) listings(ctx context.Context, in *Inquiry) policy.Reputation {
	l := Lookup{View: q.view(), Feeds: in.Plan.Feeds, Artifact: in.Artifact, URLs: in.Sources, Report: in.Report, Sums: q.Sums, At: in.Now}
	r, err := l.Reputation(ctx)
	if err != nil {
		q.log().Error("looking an update up in the feeds", zap.Error(err))
	}
	return r
}

// merged joins what feeds and look-ups say. They have different names.
func merged(feeds, looked policy.Reputation) policy.Reputation {
	if len(looked.Feeds) == 0 && len(looked.Listings) == 0 && len(looked.Incomplete) == 0 {
		return feeds
	}
	out := policy.Reputation{
		Feeds:      make(map[string]policy.FeedState, len(feeds.Feeds)+len(looked.Feeds)),
		Listings:   append(feeds.Listings[:len(feeds.Listings):len(feeds.Listings)], looked.Listings...),
		Incomplete: append(feeds.Incomplete[:len(feeds.Incomplete):len(feeds.Incomplete)], looked.Incomplete...),
	}
	for _, states := range []map[string]policy.FeedState{feeds.Feeds, looked.Feeds} {
		for name, state := range states {
			out.Feeds[name] = state
		}
	}
	return out
}

// remember adds what was decided before, by whoever.
func (q *Inquirer) remember(f *policy.Facts, in *Inquiry) {
	sum := in.Artifact.Digests.SHA256
	if q.Releases != nil {
		f.Releases = q.Releases.For(sum, in.Plan.Scope, in.Now)
	}
	f.History = q.history(f, in)
	if q.Recalls != nil {
		f.Recalls = q.Recalls(sum, in.Report)
	}
	f.Changes = q.compare(f, in.Kept)
	if q.Fixes != nil {
		f.Fixes = q.Fixes(in.Policy, q.view(), f.History, in.Report)
	}
}

// history returns what is remembered. What cannot be read is not known, and then nothing is let through for its sake.
func (q *Inquirer) history(f *policy.Facts, in *Inquiry) (h policy.History) {
	editions := f.History.Editions
	if q.Past != nil {
		var err error
		h, err = q.Past(PastQuery{SHA256: f.Update.SHA256, URL: in.Request.URL, Began: in.Began, Client: in.Request.Client, Editions: editions, Now: in.Now})
		if err != nil {
			q.log().Error("reading what was let through before", zap.Error(err))
			q.Metrics.historyFailed()
			h = policy.History{}
		}
	}
	if h.Known && h.FirstSeen.IsZero() {
		h.FirstSeen = in.Now
	}
	h.Editions, h.Claims, h.Second, h.Private, h.Asked = editions, in.Claims, in.Answers.Second, in.Private, in.Asked
	return h
}

// remembers reports whether the history can be asked, if there is one.
func (q *Inquirer) remembers() bool {
	if q.Past == nil {
		return true
	}
	_, err := q.Past(PastQuery{SHA256: verify.Digest{1}, Now: time.Now()})
	return err == nil
}

func (q *Inquirer) view() *reputation.View {
	if q.Feeds == nil {
		return new(reputation.View)
	}
	return q.Feeds()
}

func (q *Inquirer) log() *zap.Logger {
	if q.Logger == nil {
		return zap.NewNop()
	}
	return q.Logger
}

// keep stores a report, so that it can be judged by again. A report that cannot be stored has to be made again for that.
func (q *Inquirer) keep(r verify.Report) verify.Digest {
	if q.Reports == nil {
		return verify.Digest{}
	}
	digest, err := q.Reports.Keep(r)
	if err != nil {
		q.log().Warn("keeping a report", zap.Error(err))
		return verify.Digest{}
	}
	return digest
}

// load returns the report that a record was judged by.
func (q *Inquirer) load(record string) (verify.Report, error) {
	if q.Reports == nil || q.Record == nil {
		return verify.Report{}, audit.ErrNoReport
	}
	digest, known := q.changes.reportOf(record)
	if !known {
		rec, err := q.Record(record)
		if err != nil {
			return verify.Report{}, fmt.Errorf("finding the record of a report: %w", err)
		}
		digest = rec.Report
		q.changes.note(record, digest)
	}
	if digest.IsZero() {
		return verify.Report{}, audit.ErrNoReport
	}
	return q.Reports.Load(digest)
}

// inquirerOf completes the Inquirer of a gate with what the gate has.
func inquirerOf(g *Gate) *Inquirer {
	q := g.Inquirer
	if q == nil {
		q = &Inquirer{}
	}
	if q.Feeds == nil {
		q.Feeds = g.view
	}
	if q.Sums == nil {
		q.Sums = new(Sums)
	}
	if q.Releases == nil {
		q.Releases = g.Releases
	}
	if q.Fixes == nil {
		q.Fixes = KnownFixes
	}
	if q.SecondLook == nil {
		q.SecondLook = &SecondLooks{Upstream: g.Upstream, Now: g.Now}
	}
	if q.Metrics == nil {
		q.Metrics = g.Metrics
	}
	if q.Logger == nil {
		q.Logger = g.Logger
	}
	return q
}
