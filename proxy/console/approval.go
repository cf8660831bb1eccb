package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// What can take several people.
const (
	ActionRelease    = "release"
	ActionBreakGlass = "break-glass"
	ActionLoosening  = "loosening"
)

// Subject is exactly what people agree to. Consent to one Subject is consent to no other.
type Subject struct {
	Action string        `json:"action"`
	SHA256 verify.Digest `json:"sha256,omitzero"` // of an artifact, on Scope, until Until (zero: for ever)
	Scope  string        `json:"channel"`
	Until  time.Time     `json:"until,omitzero"`
	Policy verify.Digest `json:"policy,omitzero"` // or of a policy
	Reason string        `json:"reason,omitempty"`
}

// same reports whether it is the very same that is asked for.
func (s Subject) same(t Subject) bool {
	if s.Action == ActionLoosening {
		return s.rivals(t) // of a policy there is only one way to want it
	}
	until := s.Until.Equal(t.Until)
	s.Until, t.Until = time.Time{}, time.Time{}
	return until && s == t
}

// rivals reports whether it is about the same thing, but perhaps in another way.
func (s Subject) rivals(t Subject) bool {
	return s.Action == t.Action && s.SHA256 == t.SHA256 && s.Scope == t.Scope && s.Policy == t.Policy
}

// Asked is what somebody wants and not enough people have agreed to yet.
type Asked struct {
	Request string `json:"request"` // the id of the record that asked first
	Subject
	Name   string    `json:"name,omitempty"` // of the artifact
	By     []string  `json:"by"`             // who has agreed, the one who asked first
	People int       `json:"people"`         // how many it takes
	Ends   time.Time `json:"ends"`           // when it is too late to agree

	decides string // the decision that it follows
}

// Missing returns how many more people have to agree.
func (a Asked) Missing() int { return max(a.People-len(a.By), 0) }

// AskedFor is how long people can agree to what somebody has asked for.
const AskedFor = 24 * time.Hour

// maxAsked is how much may be asked for at once.
const maxAsked = 256

// Approvals keeps what needs several people until enough of them agree. Everything in it stands in the log, so that a restart
// loses nothing; Restore brings it back. Its methods may be called by several goroutines.
type Approvals struct {
	Append    func(audit.Record) (audit.Receipt, error) // the log
	Approvers *Approvers
	// People says how many people an action takes by the policy in force. nil: as many as it took when it was asked for.
	People func(action string) (int, error)
	Now    func() time.Time // nil means time.Now

	mu      sync.Mutex // held while what people have agreed to is carried out, too
	pending map[string]*Asked
}

func (a *Approvals) now() time.Time {
	if a.Now == nil {
		return time.Now()
	}
	return a.Now()
}

// Ask says that a person wants something that takes so many people. If they are enough now, with those who have asked for exactly
// the same before, do is called with all of them, while nobody else can agree to anything; once it has succeeded the matter is
// closed. Otherwise what is returned has people missing, and is kept.
func (a *Approvals) Ask(ctx context.Context, s Subject, name string, people int, who Credential, do func(Asked) error) (Asked, error) {
	if err := a.prove(ctx, Asked{Subject: s, Name: name, People: people}, who); err != nil {
		return Asked{}, err
	}
	return a.ask(s, name, "", people, who.Name, do)
}

// ask is Ask for a person who has proved who they are.
func (a *Approvals) ask(s Subject, name, decides string, people int, who string, do func(Asked) error) (Asked, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget()
	s.Reason, who = printable.Text(s.Reason, maxReason), called(who) // as the log has them
	if people == 1 {
		return a.alone(Asked{Subject: s, Name: name, By: []string{who}, People: people}, do)
	}
	for _, p := range a.pending {
		switch {
		case p.same(s):
			return a.agree(p, who, people, do)
		case p.rivals(s) && s.Action != ActionLoosening:
			return Asked{}, &otherwise{*p, who}
		}
	}
	now := a.now()
	one := Asked{Subject: s, Name: name, decides: decides, By: []string{who}, People: people, Ends: now.Add(AskedFor).UTC().Truncate(time.Microsecond)}
	if !s.Until.IsZero() && s.Until.Before(one.Ends) {
		one.Ends = s.Until
	}
	if len(a.pending) >= maxAsked {
		return Asked{}, fmt.Errorf("%w: %d things are waiting for somebody to agree already", ErrOrder, maxAsked)
	}
	receipt, err := a.Append(one.record(audit.ApprovalAsked, who))
	if err != nil {
		return Asked{}, fmt.Errorf("recording what is asked for; nothing is changed: %w", err)
	}
	one.Request = receipt.ID()
	a.keep(&one)
	return one, nil
}

// alone carries out what takes one person.
func (a *Approvals) alone(one Asked, do func(Asked) error) (Asked, error) {
	if err := do(one); err != nil {
		return Asked{}, err
	}
	return one, nil
}

// Agree is the consent of another person to what was asked for under the id request. See Ask.
func (a *Approvals) Agree(ctx context.Context, request string, who Credential, do func(Asked) error) (Asked, error) {
	p, err := a.find(request)
	if err != nil {
		return Asked{}, err
	}
	if err := a.prove(ctx, p, who); err != nil {
		return Asked{}, err
	}
	return a.agreeTo(request, called(who.Name), do)
}

// agreeTo is Agree for a person who has proved who they are.
func (a *Approvals) agreeTo(request, who string, do func(Asked) error) (Asked, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget()
	p := a.pending[request]
	if p == nil {
		return Asked{}, gone(request)
	}
	people := p.People
	if a.People != nil {
		now, err := a.People(p.Action)
		if err != nil {
			return Asked{}, err
		}
		people = max(people, now)
	}
	return a.agree(p, who, people, do)
}

// agree counts one more person. The caller holds mu.
func (a *Approvals) agree(p *Asked, who string, people int, do func(Asked) error) (Asked, error) {
	if slices.Contains(p.By, who) {
		return Asked{}, fmt.Errorf("%w: %s has agreed already, and it takes %d different people", ErrOrder, who, people)
	}
	next := *p
	next.By, next.People = append(a.Approvers.still(p.By), who), max(people, p.People)
	if next.Missing() > 0 {
		if _, err := a.Append(next.record(audit.ApprovalAgreed, who)); err != nil {
			return Asked{}, fmt.Errorf("recording the consent; nothing is changed: %w", err)
		}
		*p = next
		return next, nil
	}
	if err := do(next); err != nil {
		return Asked{}, err
	}
	delete(a.pending, p.Request)
	a.Append(next.record(audit.ApprovalDone, who)) // what was done is recorded; without this it can be asked for again, by as many people
	return next, nil
}

// prove makes sure who somebody is, and records when they could not.
func (a *Approvals) prove(ctx context.Context, p Asked, who Credential) error {
	err := a.Approvers.prove(ctx, who)
	var l locked
	if errors.Is(err, ErrProof) && !errors.As(err, &l) { // how often that can happen is bounded
		rec := p.record(audit.ApprovalRefused, who.Name)
		rec.Message = "somebody who said they were " + called(who.Name) + " could not prove it"
		a.Append(rec)
	}
	return err
}

// List returns what waits for people to agree, the oldest first.
func (a *Approvals) List() []Asked {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget()
	out := []Asked{}
	for _, p := range a.pending {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(x, y Asked) int { return strings.Compare(x.Request, y.Request) })
	return out
}

func (a *Approvals) find(request string) (Asked, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget()
	if p := a.pending[request]; p != nil {
		return *p, nil
	}
	return Asked{}, gone(request)
}

func gone(request string) error {
	return fmt.Errorf("%s: %w among what waits for somebody to agree (any more)", printable.Text(request, 100), ErrNotFound)
}

// withdraw forgets what is asked for of an artifact on a scope: somebody has rejected it.
func (a *Approvals) withdraw(digest verify.Digest, scope string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, p := range a.pending {
		if !digest.IsZero() && p.SHA256 == digest && p.Scope == scope {
			delete(a.pending, id)
		}
	}
}

// forget drops what nobody can agree to any more. The caller holds mu.
func (a *Approvals) forget() {
	now := a.now()
	for id, p := range a.pending {
		if !now.Before(p.Ends) {
			delete(a.pending, id)
		}
	}
}

func (a *Approvals) keep(p *Asked) {
	if a.pending == nil {
		a.pending = map[string]*Asked{}
	}
	a.pending[p.Request] = p
}

// record is what the log says of one person's consent.
func (p Asked) record(state, who string) audit.Record {
	r := audit.Record{Kind: audit.KindApproval, Channel: p.Scope, Decides: p.decides, Approval: &audit.Approval{
		Request: p.Request, State: state, Action: p.Action, By: who, People: p.People, Ends: p.Ends,
		SHA256: p.SHA256, Scope: p.Scope, Until: p.Until, Policy: p.Policy, Reason: p.Reason,
	}}
	if !p.SHA256.IsZero() {
		r.Artifact = &audit.Artifact{Name: p.Name, SHA256: p.SHA256}
	}
	return r
}

// otherwise says that somebody else wants the same thing, in another way.
type otherwise struct {
	Asked
	who string
}

func (o *otherwise) Error() string {
	until := "for ever"
	if !o.Until.IsZero() {
		until = "until " + o.Until.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%v: %s asks for this already, %s, because: %s", ErrOrder, o.By[0], until, printable.Text(o.Reason, 300))
}

// Is makes it an ErrOrder.
func (o *otherwise) Is(target error) bool { return target == ErrOrder }

// Hint is what to do instead.
func (o *otherwise) Hint() string {
	if slices.Contains(o.By, o.who) {
		return "another person agrees by `sallyport quarantine approve " + o.Request + " --as NAME`; `sallyport quarantine reject` ends it"
	}
	return "`sallyport quarantine approve " + o.Request + " --as NAME` agrees to that; `sallyport quarantine reject` ends it"
}
