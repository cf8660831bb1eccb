package console

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy"
	"github.com/sallyport-project/sallyport/verify"
)

// people makes an htpasswd file of people whose password is their name with "pw-" before it.
func people(t testing.TB, names ...string) *proxy.Credentials {
	t.Helper()
	text := ""
	for _, name := range names {
		hash, err := bcrypt.GenerateFromPassword([]byte("pw-"+name), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		text += name + ":" + string(hash) + "\n"
	}
	c, err := proxy.ParseHtpasswd("approvers", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// council is a rig with approvers and a clock.
type council struct {
	*rig
	mu  sync.Mutex
	at  time.Time
	dir string
}

func (c *council) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *council) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newCouncil(t *testing.T) *council {
	t.Helper()
	c := &council{rig: newRig(t), at: time.Now()}
	users := people(t, "alice", "bob", "carol")
	c.operator.Now = c.now
	c.approval = policy.Approval{Release: policy.Consent{People: 2}, BreakGlass: policy.Consent{People: 2, AtMost: 24 * time.Hour}, Loosening: policy.Consent{People: 2}}
	c.operator.Approvals = c.approvals(users)
	return c
}

func (c *council) approvals(users *proxy.Credentials) *Approvals {
	return &Approvals{
		Append: c.operator.Append, Now: c.now,
		Approvers: &Approvers{Credentials: func() *proxy.Credentials { return users }, Now: c.now, Pause: func(context.Context, time.Duration) {}},
		People: func(action string) (int, error) {
			need, err := c.operator.consent(action)
			return need.People, err
		},
	}
}

func as(name string) *Credential { return &Credential{Name: name, Password: "pw-" + name} }

// wanted is an order to let something through.
func wanted(digest verify.Digest, by string, breakGlass bool) Order {
	return Order{ID: digest.String(), Reason: "the build stands still", By: by, As: as(by), BreakGlass: breakGlass}
}

func TestTwoDifferentPeopleRelease(t *testing.T) {
	c := newCouncil(t)
	digest, record := c.hold(t, "hello", "tools")
	if _, err := c.client.Release(t.Context(), order(digest.String())); !errors.Is(err, ErrOrder) || !strings.Contains(err.Error(), "takes 2 people, who prove who they are") {
		t.Fatalf("somebody who says not who: %v", err)
	}
	done, err := c.client.Release(t.Context(), wanted(digest, "alice", false))
	if err != nil || done.Record != "" || done.Asked == nil || done.Asked.Missing() != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if len(c.operator.Releases.For(digest, "tools", c.now())) != 0 {
		t.Fatal("one person has released it")
	}
	request := done.Asked.Request
	asked, err := c.operator.Record(request)
	if err != nil || asked.Kind != audit.KindApproval || asked.Approval.State != audit.ApprovalAsked || asked.Approval.By != "alice" || asked.Approval.SHA256 != digest ||
		asked.Approval.Scope != "tools" || asked.Approval.Reason != "the build stands still" || asked.Decides != record {
		t.Errorf("record %+v, %v", asked.Approval, err)
	}
	for what, try := range map[string]struct {
		who  Credential
		want string
	}{
		"the same person again":     {*as("alice"), "alice has agreed already"},
		"a wrong password":          {Credential{"bob", "pw-alice"}, "the name or the password is wrong"},
		"nobody":                    {Credential{"", ""}, "the name or the password is wrong"},
		"somebody who is not there": {*as("dave"), "the name or the password is wrong"},
	} {
		if _, err := c.client.Approve(t.Context(), request, try.who); err == nil || !strings.Contains(err.Error(), try.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	var hinted interface{ Hint() string }
	if _, err = c.client.Release(t.Context(), wanted(digest, "bob", false)); !errors.Is(err, ErrOrder) && err != nil {
		t.Errorf("asking for exactly the same: %v", err)
	}
	other := wanted(digest, "carol", false)
	other.Reason = "another reason"
	c2 := newCouncil(t)
	digest2, _ := c2.hold(t, "hello", "tools")
	c2.client.Release(t.Context(), wanted(digest2, "alice", false))
	if _, err = c2.client.Release(t.Context(), other); !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "quarantine approve") {
		t.Errorf("asking for it in another way: %v", err)
	}
	rel := c.operator.Releases.For(digest, "tools", c.now())
	if len(rel) != 1 {
		t.Fatal("two people have not released it")
	}
	rec, err := c.operator.Record(rel[0].Record)
	if err != nil || rec.Kind != audit.KindRelease || !slices.Equal(rec.Release.Approvers, []string{"alice", "bob"}) || rec.Release.Approval != request || rec.Release.BreakGlass {
		t.Errorf("%+v, %v", rec.Release, err)
	}
	if list, _ := c.client.Waiting(t.Context()); len(list) != 0 {
		t.Errorf("still waiting: %+v", list)
	}
	if _, err := c.client.Approve(t.Context(), request, *as("carol")); !errors.Is(err, ErrNotFound) {
		t.Errorf("agreeing once more: %v", err)
	}
}

func TestBreakGlassTakesWhatThePolicySaysAndEnds(t *testing.T) {
	c := newCouncil(t)
	digest, _ := c.hold(t, "hello", "tools")
	late := wanted(digest, "alice", true)
	late.Until = c.now().Add(25 * time.Hour)
	if _, err := c.client.Release(t.Context(), late); !errors.Is(err, ErrOrder) || !strings.Contains(err.Error(), "lets it last 24h0m0s") {
		t.Errorf("too long: %v", err)
	}
	done, err := c.client.Release(t.Context(), wanted(digest, "alice", true))
	if err != nil || done.Asked == nil || !done.Until.Equal(c.now().Add(24*time.Hour)) {
		t.Fatalf("%+v, %v", done, err)
	}
	done, err = c.client.Approve(t.Context(), done.Asked.Request, *as("bob"))
	if err != nil || !done.BreakGlass || done.Record == "" || !done.Held {
		t.Fatalf("%+v, %v", done, err)
	}
	standing, err := c.client.Standing(t.Context())
	if err != nil || len(standing) != 1 || !standing[0].BreakGlass || standing[0].Name != "tool.exe" || !slices.Equal(standing[0].Approvers, []string{"alice", "bob"}) {
		t.Errorf("%+v, %v", standing, err)
	}
	if len(c.operator.Releases.For(digest, "tools", c.now().Add(23*time.Hour))) != 1 || len(c.operator.Releases.For(digest, "tools", c.now().Add(24*time.Hour))) != 0 {
		t.Error("it does not end when it should")
	}
	c.approval.BreakGlass.People = 1
	digest, _ = c.hold(t, "another", "tools")
	alone := Order{ID: digest.String(), Reason: "fire", By: "root", BreakGlass: true}
	if done, err = c.client.Release(t.Context(), alone); err != nil || done.Until.IsZero() || !done.BreakGlass {
		t.Errorf("where one is enough: %+v, %v", done, err)
	}
}

// Consent to one thing is consent to nothing else: not to another file, channel, end or reason, and not after its time.
func TestConsentIsBoundToWhatWasAskedFor(t *testing.T) {
	c := newCouncil(t)
	digest, _ := c.hold(t, "hello", "tools", "other")
	scope := "tools"
	first := wanted(digest, "alice", true)
	first.Scope = &scope
	done, err := c.client.Release(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	request := done.Asked.Request
	if c.operator.Approvals.find(request); done.Scope != "tools" {
		t.Fatalf("%+v", done)
	}
	elsewhere := "other"
	second := wanted(digest, "bob", true)
	second.Scope = &elsewhere
	if done, err = c.client.Release(t.Context(), second); err != nil || done.Asked == nil || done.Asked.Request == request {
		t.Fatalf("another channel: %+v, %v", done, err)
	}
	more, _ := c.hold(t, "another file", "tools")
	if done, err = c.client.Release(t.Context(), wanted(more, "bob", true)); err != nil || done.Asked == nil || done.Asked.Request == request {
		t.Fatalf("another file: %+v, %v", done, err)
	}
	longer := wanted(digest, "bob", true)
	longer.Scope, longer.Until = &scope, c.now().Add(time.Hour)
	if _, err = c.client.Release(t.Context(), longer); !errors.Is(err, ErrOrder) {
		t.Errorf("another end: %v", err)
	}
	ordinary := wanted(digest, "bob", false)
	ordinary.Scope = &scope
	if done, err = c.client.Release(t.Context(), ordinary); err != nil || done.Asked == nil || done.Asked.Request == request {
		t.Errorf("no emergency: %+v, %v", done, err)
	}
	for _, id := range []string{digest.String(), "", "0", strings.ToLower(request)[:len(request)-1] + "x"} {
		if _, err := c.client.Approve(t.Context(), id, *as("bob")); err == nil {
			t.Errorf("%q was agreed to", id)
		}
	}
	c.pass(AskedFor)
	if _, err = c.client.Approve(t.Context(), request, *as("bob")); !errors.Is(err, ErrNotFound) {
		t.Errorf("after its time: %v", err)
	}
	if len(c.operator.Releases.All(c.now())) != 0 {
		t.Error("something was released")
	}
}

// restart reads the log as a new process does.
func (c *council) restart(t *testing.T, users *proxy.Credentials) *Approvals {
	t.Helper()
	a := c.approvals(users)
	var all []audit.Record
	for _, kind := range []audit.Kind{audit.KindApproval, audit.KindRelease, audit.KindReject} {
		list, err := audit.List(t.Context(), filepath.Join(c.dir, "log"), audit.Filter{Kind: kind, Limit: math.MaxInt32})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b audit.Record) int { return strings.Compare(a.ID, b.ID) })
	for _, rec := range all {
		a.Restore(rec)
	}
	return a
}

func TestARestartLosesNothingAndChangesNothing(t *testing.T) {
	c := newCouncil(t)
	c.dir = c.rig.dir
	users := people(t, "alice", "bob", "carol")
	c.approval.BreakGlass.People = 3
	digest, _ := c.hold(t, "hello", "tools")
	done, err := c.client.Release(t.Context(), wanted(digest, "alice", true))
	if err != nil {
		t.Fatal(err)
	}
	request := done.Asked.Request
	if done, err = c.client.Approve(t.Context(), request, *as("bob")); err != nil || done.Record != "" || done.Asked.Missing() != 1 {
		t.Fatalf("two of three: %+v, %v", done, err)
	}
	before := c.operator.Approvals.List()
	c.operator.Approvals = c.restart(t, users)
	if after := c.operator.Approvals.List(); fmt.Sprintf("%+v", after) != fmt.Sprintf("%+v", before) {
		t.Errorf("after a restart\n%+v\nbefore\n%+v", after, before)
	}
	if _, err = c.client.Approve(t.Context(), request, *as("bob")); !errors.Is(err, ErrOrder) {
		t.Errorf("the same person after a restart: %v", err)
	}
	if done, err = c.client.Approve(t.Context(), request, *as("carol")); err != nil || done.Record == "" || done.SHA256 != digest {
		t.Fatalf("the third: %+v, %v", done, err)
	}
	if c.operator.Approvals = c.restart(t, users); len(c.operator.Approvals.List()) != 0 {
		t.Error("what was carried out waits again")
	}
	// What somebody has rejected, nobody can agree to any more, then or after a restart.
	c.approval.BreakGlass.People = 2
	digest, _ = c.hold(t, "another", "tools")
	if done, err = c.client.Release(t.Context(), wanted(digest, "alice", true)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.client.Reject(t.Context(), order(digest.String())); err != nil {
		t.Fatal(err)
	}
	for _, a := range []*Approvals{c.operator.Approvals, c.restart(t, users)} {
		if len(a.List()) != 0 {
			t.Errorf("rejected, and waiting: %+v", a.List())
		}
	}
}

// A policy that asks for more people, or for less time, than when something was asked for is heeded.
func TestThePolicyInForceCounts(t *testing.T) {
	c := newCouncil(t)
	digest, _ := c.hold(t, "hello", "tools")
	done, err := c.client.Release(t.Context(), wanted(digest, "alice", true))
	if err != nil {
		t.Fatal(err)
	}
	c.approval.BreakGlass.People = 3
	if done, err = c.client.Approve(t.Context(), done.Asked.Request, *as("bob")); err != nil || done.Record != "" || done.Asked.Missing() != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	c.approval.BreakGlass.AtMost = time.Hour
	if _, err = c.client.Approve(t.Context(), done.Asked.Request, *as("carol")); !errors.Is(err, ErrOrder) {
		t.Errorf("%v", err)
	}
	c.approval = policy.Approval{}
	if _, err = c.client.Release(t.Context(), wanted(digest, "alice", false)); err == nil {
		t.Error("without a policy something was released")
	}
}

func TestPasswordsCannotBeGuessed(t *testing.T) {
	c := newCouncil(t)
	digest, _ := c.hold(t, "hello", "tools")
	var delays []time.Duration
	c.operator.Approvals.Approvers.Pause = func(_ context.Context, d time.Duration) { delays = append(delays, d) }
	bad := wanted(digest, "alice", false)
	for i := range 20 {
		bad.As = &Credential{"alice", fmt.Sprint("guess", i)}
		if _, err := c.client.Release(t.Context(), bad); !errors.Is(err, ErrProof) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	if len(delays) != maxWrong || delays[maxWrong-1] <= delays[0] {
		t.Errorf("passwords were looked at %d times, delays %v", len(delays), delays)
	}
	if _, err := c.client.Release(t.Context(), wanted(digest, "alice", false)); !errors.Is(err, ErrProof) || !strings.Contains(err.Error(), "too many wrong passwords") {
		t.Errorf("the right one at last: %v", err)
	}
	if _, err := c.client.Release(t.Context(), wanted(digest, "bob", false)); err != nil {
		t.Errorf("another person: %v", err)
	}
	for i := range 20 {
		bad.As = &Credential{fmt.Sprint("nobody", i), "x"}
		c.client.Release(t.Context(), bad)
	}
	if n := len(c.operator.Approvals.Approvers.failed); n > 2 {
		t.Errorf("%d names are remembered", n)
	}
	refused, err := audit.List(t.Context(), filepath.Join(c.rig.dir, "log"), audit.Filter{Kind: audit.KindApproval, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range refused {
		if r.Approval.State == audit.ApprovalRefused {
			n++
		}
		if strings.Contains(fmt.Sprintf("%+v %+v", r, r.Approval), "guess") {
			t.Errorf("a password is in the log: %+v", r.Approval)
		}
	}
	if n != 2*maxWrong {
		t.Errorf("%d refusals are recorded", n)
	}
	c.pass(wrongPause)
	if _, err := c.client.Release(t.Context(), wanted(digest, "carol", false)); err != nil && !errors.Is(err, ErrOrder) {
		t.Errorf("later: %v", err)
	}
}

func TestLooseningIsBoundToOnePolicy(t *testing.T) {
	c := newCouncil(t)
	a := c.operator.Approvals
	ran := 0
	ask := func(policy byte, who string) (Asked, error) {
		return a.Ask(t.Context(), Subject{Action: ActionLoosening, Policy: verify.Digest{policy}, Reason: who}, "", 2, *as(who), func(all Asked) error {
			ran++
			if all.Policy != (verify.Digest{policy}) || len(all.By) != 2 {
				t.Errorf("carried out: %+v", all)
			}
			return nil
		})
	}
	if got, err := ask(1, "alice"); err != nil || got.Missing() != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err := ask(2, "bob"); err != nil || got.Missing() != 1 {
		t.Fatalf("another policy: %+v, %v", got, err)
	}
	if _, err := ask(1, "alice"); !errors.Is(err, ErrOrder) {
		t.Fatalf("the same person: %v", err)
	}
	if got, err := ask(1, "carol"); err != nil || got.Missing() != 0 || ran != 1 {
		t.Fatalf("the second: %+v, %v, ran %d", got, err, ran)
	}
	if list := a.List(); len(list) != 1 || list[0].Policy != (verify.Digest{2}) {
		t.Errorf("left: %+v", list)
	}
}

// What people have agreed to and could not be recorded has not happened, and can be agreed to again.
func TestAFailingLogReleasesNothing(t *testing.T) {
	c := newCouncil(t)
	digest, _ := c.hold(t, "hello", "tools")
	done, err := c.client.Release(t.Context(), wanted(digest, "alice", true))
	if err != nil {
		t.Fatal(err)
	}
	c.fail = errors.New("disk full")
	if _, err := c.client.Approve(t.Context(), done.Asked.Request, *as("bob")); err == nil || len(c.operator.Releases.All(c.now())) != 0 {
		t.Fatalf("%v", err)
	}
	c.fail = nil
	if done, err = c.client.Approve(t.Context(), done.Asked.Request, *as("bob")); err != nil || done.Record == "" {
		t.Fatalf("%+v, %v", done, err)
	}
}

// Who was taken out of the file of approvers does not count any more, whatever they had agreed to.
func TestWhoIsNoApproverAnyMoreDoesNotCount(t *testing.T) {
	c := newCouncil(t)
	digest, _ := c.hold(t, "hello", "tools")
	done, err := c.client.Release(t.Context(), wanted(digest, "alice", false))
	if err != nil || done.Asked == nil {
		t.Fatalf("%+v, %v", done, err)
	}
	without := people(t, "bob", "carol")
	c.operator.Approvals.Approvers.Credentials = func() *proxy.Credentials { return without }
	request := done.Asked.Request
	if done, err = c.client.Approve(t.Context(), request, *as("bob")); err != nil || done.Record != "" || done.Asked == nil || done.Asked.Missing() != 1 {
		t.Fatalf("alice has left, and bob agrees: %+v, %v", done, err)
	}
	done, err = c.client.Approve(t.Context(), request, *as("carol"))
	if err != nil || !slices.Equal(done.Approvers, []string{"bob", "carol"}) {
		t.Errorf("carol agrees, too: %+v, %v", done, err)
	}
}

// A policy that asks for more people while an order waits counts for that order.
func TestAStricterPolicyCountsForOrdersThatWait(t *testing.T) {
	c := newCouncil(t)
	digest, _ := c.hold(t, "hello", "tools")
	asked := 0
	c.operator.Approval = func() (policy.Approval, error) {
		asked++
		return policy.Approval{Release: policy.Consent{People: asked}}, nil
	}
	alone := Order{ID: digest.String(), Reason: "fire", By: "root"}
	if done, err := c.operator.Release(t.Context(), alone); !errors.Is(err, ErrOrder) || done.Record != "" {
		t.Errorf("%+v, %v", done, err)
	}
}
