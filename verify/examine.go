package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Examiner finds out everything its verifiers can say about an artifact.
type Examiner struct {
	Verifiers []Verifier
	Openers   []Opener
	Reviewers []Reviewer
	Limits    Limits
	// Timeout bounds each verifier's Verify; 0 means one minute.
	Timeout time.Duration
	// Panicked is told of a verifier that panicked, with its stack; nil means nobody is.
	Panicked func(method string, value any, stack []byte)
}

// Classify returns the role that an artifact with this name and URL has. A verifier that panics knows of none.
func (e *Examiner) Classify(a *Artifact) Role {
	for _, v := range e.Verifiers {
		if c, ok := v.(Classifier); ok && e.isMetadata(c, a) {
			return Metadata
		}
	}
	return Payload
}

func (e *Examiner) isMetadata(c Classifier, a *Artifact) (yes bool) {
	defer e.recover(c.Method(), func(any) { yes = false })
	return c.IsMetadata(a)
}

// Tap returns one Tap for all verifiers that want one for an artifact beginning with head, or nil.
func (e *Examiner) Tap(head []byte) Tap {
	var all taps
	for _, v := range e.Verifiers {
		if t, ok := v.(Tapper); ok {
			if tap := e.newTap(t, head); tap != nil {
				all = append(all, &guardedTap{tap: tap, examiner: e, method: t.Method()})
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

func (e *Examiner) newTap(t Tapper, head []byte) (tap Tap) {
	defer e.recover(t.Method(), func(any) { tap = nil })
	return t.Tap(head)
}

type taps []*guardedTap

func (ts taps) Write(p []byte) (int, error) {
	for _, t := range ts {
		t.write(p)
	}
	return len(p), nil
}

func (ts taps) Sum(m map[string][]byte) {
	for _, t := range ts {
		t.sum(m)
	}
}

// guardedTap drops a tap that panics: the verifier will compute what it needs itself.
type guardedTap struct {
	tap      Tap
	examiner *Examiner
	method   string
}

func (g *guardedTap) write(p []byte) {
	if g.tap == nil {
		return
	}
	defer g.examiner.recover(g.method, func(any) { g.tap = nil })
	g.tap.Write(p)
}

func (g *guardedTap) sum(m map[string][]byte) {
	if g.tap == nil {
		return
	}
	defer g.examiner.recover(g.method, func(any) { g.tap = nil })
	g.tap.Sum(m)
}

// Examine runs every verifier that matches and returns all they found. It is total: a verifier that panics, fails or
// takes too long leaves an Inconclusive finding, and an artifact about which none of them says anything an Absent one.
func (e *Examiner) Examine(ctx context.Context, a *Artifact, env Env) Report {
	if env.Sidecars == nil {
		env.Sidecars = NoSidecars{}
	}
	rec := &recorder{from: env.Sidecars, seen: map[Reference]bool{}}
	env.Sidecars = rec
	var report Report
	var remarks Remarks
	var inside insideReport
	var opening sync.WaitGroup
	if env.Inside {
		opening.Go(func() { inside = e.lookInside(ctx, a, env) })
	}
	remarks = e.look(ctx, a, env)
	report.Findings, report.Facts, report.Size = remarks.Findings, remarks.Facts, a.Size
	report.Product, report.Version, report.System = remarks.Product, remarks.Version, remarks.System
	if len(report.Findings) == 0 {
		report.Findings = []Finding{noMethod(a.Format)}
	}
	opening.Wait()
	report.Findings, report.Contents = append(report.Findings, inside.findings...), inside.contents
	e.reviewContents(ctx, a, env, &report)
	for _, f := range report.Findings {
		rec.add(f.Evidence...)
	}
	report.Evidence = rec.references()
	return report
}

// noMethod is the finding about an artifact of which no verifier says anything.
func noMethod(f Format) Finding {
	return Finding{Method: "none", Status: Absent, Code: "verify/no-method", Detail: fmt.Sprintf("no signature system known here covers %s", describe(f))}
}

// look has every verifier and then every reviewer look at one artifact. It returns all they found.
func (e *Examiner) look(ctx context.Context, a *Artifact, env Env) (all Remarks) {
	for _, v := range e.Verifiers {
		all.Findings = append(all.Findings, e.run(ctx, v, a, env)...)
	}
	verified := slices.Clip(all.Findings)
	for _, r := range e.Reviewers {
		remarks, err := e.review(ctx, r, a, verified, env)
		if err != nil {
			all.Findings = append(all.Findings, failed(r.Method(), err))
		}
		all.add(remarks)
	}
	return all
}

// add takes over what one more reviewer says. The first that says what the artifact is, is believed.
func (r *Remarks) add(more Remarks) {
	r.Findings = append(r.Findings, more.Findings...)
	for k, v := range more.Facts {
		if r.Facts == nil {
			r.Facts = map[string]string{}
		}
		r.Facts[k] = v
	}
	if r.Product == "" {
		r.Product, r.Version, r.System = more.Product, more.Version, more.System
	}
}

func (e *Examiner) review(ctx context.Context, r Reviewer, a *Artifact, found []Finding, env Env) (remarks Remarks, err error) {
	defer e.recover(r.Method(), func(any) { remarks, err = Remarks{}, errCrashed })
	return r.Review(ctx, a, found, env)
}

// reviewContents has every reviewer look at the whole of what was opened.
func (e *Examiner) reviewContents(ctx context.Context, a *Artifact, env Env, report *Report) {
	if report.Contents == nil {
		return
	}
	for _, r := range e.Reviewers {
		found, err := e.reviewWhole(ctx, r, a, env, report)
		if err != nil {
			found = append(found, failed(r.Method(), err))
		}
		report.Findings = append(report.Findings, found...)
	}
}

func (e *Examiner) reviewWhole(ctx context.Context, r Reviewer, a *Artifact, env Env, report *Report) (found []Finding, err error) {
	defer e.recover(r.Method(), func(any) { found, err = nil, errCrashed })
	return r.ReviewContents(ctx, a, report, env)
}

var errCrashed = errors.New("the reviewer crashed on this file; the operational log has the details")

func failed(method string, err error) Finding {
	return Finding{Method: method, Status: Inconclusive, Code: method + "/failed", Detail: "could not be reviewed: " + err.Error()}
}

func describe(f Format) string {
	if f == "" {
		return "a file of this kind"
	}
	return "a file of format " + string(f)
}

func (e *Examiner) run(ctx context.Context, v Verifier, a *Artifact, env Env) (out []Finding) {
	method := v.Method()
	inconclusive := func(code, detail string) []Finding {
		return append(out, Finding{Method: method, Status: Inconclusive, Code: method + "/" + code, Detail: detail})
	}
	defer e.recover(method, func(any) {
		out = inconclusive("crashed", "the verifier crashed on this file; the operational log has the details")
	})
	if !v.Match(a) {
		return nil
	}
	timeout := e.Timeout
	if timeout <= 0 {
		timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found, err := v.Verify(ctx, a, env)
	out = ofTheWhole(found)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return inconclusive("timeout", fmt.Sprintf("not verified within %s", timeout))
	case err != nil:
		return inconclusive("failed", "could not be verified: "+err.Error())
	}
	return out
}

// ofTheWhole makes what a verifier found wrong with a part of an artifact, or could not tell of it, a finding about the
// artifact: whoever asks who signed the whole must not overlook it.
func ofTheWhole(found []Finding) []Finding {
	for i := range found {
		if f := &found[i]; f.Subject != "" && (f.Status == Invalid || f.Status == Inconclusive) {
			f.Subject, f.Detail = "", f.Subject+": "+f.Detail
		}
	}
	return found
}

// recover is to be deferred: it turns a panic into a call of then.
func (e *Examiner) recover(method string, then func(any)) {
	if p := recover(); p != nil {
		if e.Panicked != nil {
			e.Panicked(method, p, debug.Stack())
		}
		then(p)
	}
}

// recorder writes down every sidecar that was asked for. A fetch that outlives its verifier, because others wait for it
// too, may still write to it when the report is made.
type recorder struct {
	from Sidecars
	mu   sync.Mutex
	seen map[Reference]bool
	list []Reference
}

func (r *recorder) add(refs ...Reference) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ref := range refs {
		if !r.seen[ref] {
			r.seen[ref] = true
			r.list = append(r.list, ref)
		}
	}
}

func (r *recorder) references() []Reference {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

func (r *recorder) Fetch(ctx context.Context, ref string, limit int64) ([]byte, error) {
	b, err := r.from.Fetch(ctx, ref, limit)
	entry := Reference{URL: ref}
	if err != nil {
		entry.Result = err.Error()
	} else {
		entry.SHA256 = sha256.Sum256(b)
	}
	r.add(entry)
	return b, err
}
