package console

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// action is what an order for a release is to the section approval of the policy.
func (o Order) action() string {
	if o.BreakGlass {
		return ActionBreakGlass
	}
	return ActionRelease
}

// consent returns what the policy in force asks of an action.
func (o *Operator) consent(action string) (policy.Consent, error) {
	if o.Approval == nil {
		return policy.Consent{}, errors.New("nothing can be released: it is not known what the policy asks for")
	}
	a, err := o.Approval()
	if err != nil {
		return policy.Consent{}, fmt.Errorf("finding out what the policy asks of a release: %w", err)
	}
	need := a.Release
	if action == ActionBreakGlass {
		need = a.BreakGlass
	}
	if need.People < 1 {
		return need, errors.New("nothing can be released: no policy is in force")
	}
	return need, nil
}

// proves makes sure who gives an order, where that is asked for or claimed.
func (o *Operator) proves(ctx context.Context, order Order, need policy.Consent) error {
	switch {
	case order.As == nil && need.People == 1:
		return nil
	case o.Approvals == nil:
		return noApprovers{}
	case order.As == nil:
		return &anonymous{order.action(), need.People}
	}
	return o.Approvals.prove(ctx, Asked{Subject: Subject{Action: order.action(), Reason: order.Reason}, People: need.People}, *order.As)
}

// anonymous says that an order needs somebody who proves who they are.
type anonymous struct {
	action string
	people int
}

func (a *anonymous) Error() string {
	return fmt.Sprintf("%v: by the policy in force a %s takes %d people, who prove who they are", ErrOrder, a.action, a.people)
}

// Is makes it an ErrOrder.
func (a *anonymous) Is(target error) bool { return target == ErrOrder }

// Hint is what to do instead.
func (a *anonymous) Hint() string {
	return "say who you are by --as NAME, a name in the file approvers.htpasswd of the configuration"
}

// releaseBy releases what an order is about, if its giver is enough by himself, or asks for more people. The caller holds o.orders.
func (o *Operator) releaseBy(t target, order Order, need policy.Consent) (Done, error) {
	if err := o.notRecalled(t); err != nil {
		return Done{}, err
	}
	var err error
	if order.Until, err = need.Ends(o.now(), order.Until); err != nil {
		return Done{}, fmt.Errorf("%w: %w", ErrOrder, err)
	}
	if order.As == nil {
		if need.People > 1 {
			return Done{}, &anonymous{order.action(), need.People}
		}
		return o.release(t, order, Asked{})
	}
	var done Done
	s := Subject{Action: order.action(), SHA256: t.digest, Scope: t.scope, Until: order.Until.UTC(), Reason: order.Reason}
	asked, err := o.Approvals.ask(s, t.origin.Name, t.decides, need.People, order.As.Name, func(all Asked) (err error) {
		done, err = o.release(t, order, all)
		return recorded(done, err)
	})
	if err == nil && asked.Missing() > 0 {
		done = Done{SHA256: t.digest, Scope: t.scope, Name: t.origin.Name, Until: asked.Until, BreakGlass: order.BreakGlass, Asked: &asked}
	}
	return done, settled(&done, err)
}

// Approve is the consent of another person to a release that was asked for under the id request.
func (o *Operator) Approve(ctx context.Context, request string, who Credential) (Done, error) {
	if o.Approvals == nil {
		return Done{}, noApprovers{}
	}
	p, err := o.Approvals.find(request)
	if err != nil {
		return Done{}, err
	}
	if p.Action != ActionRelease && p.Action != ActionBreakGlass {
		return Done{}, fmt.Errorf("%w: this is about a policy: to agree, load it as the first one did, by `sallyport policy reload --confirm-loosening --as NAME`", ErrOrder)
	}
	if err := o.Approvals.prove(ctx, p, who); err != nil {
		return Done{}, err
	}
	o.orders.Lock()
	defer o.orders.Unlock()
	need, err := o.consent(p.Action)
	if err != nil {
		return Done{}, err
	}
	if until, err := need.Ends(o.now(), p.Until); err != nil || !until.Equal(p.Until) {
		return Done{}, fmt.Errorf("%w: the policy in force does not let a release last so long any more; ask for it anew", ErrOrder)
	}
	order := Order{ID: p.SHA256.String(), Scope: &p.Scope, Reason: p.Reason, By: p.By[0], Until: p.Until, BreakGlass: p.Action == ActionBreakGlass}
	t, err := o.asked(p)
	if err != nil {
		return Done{}, err
	}
	if err := o.notRecalled(t); err != nil {
		return Done{}, err
	}
	var done Done
	asked, err := o.Approvals.agreeTo(request, called(who.Name), func(all Asked) (err error) {
		done, err = o.release(t, order, all)
		return recorded(done, err)
	})
	if err == nil && asked.Missing() > 0 {
		done = Done{SHA256: t.digest, Scope: t.scope, Name: t.origin.Name, Until: asked.Until, BreakGlass: order.BreakGlass, Asked: &asked}
	}
	return done, settled(&done, err)
}

// asked finds what people have agreed to: exactly that artifact on exactly that scope, be it in the vault or not.
func (o *Operator) asked(p Asked) (target, error) {
	t, err := o.find(p.SHA256.String())
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrOrder) {
		t, err = o.findRecord(p.Request)
	}
	if err != nil {
		return target{}, err
	}
	for _, e := range t.entries {
		if e.Scope == p.Scope {
			t.take(e)
		}
	}
	if t.digest != p.SHA256 {
		return target{}, fmt.Errorf("%w: the record %s is about other bytes", ErrOrder, printable.Text(p.Request, 100))
	}
	t.scope = p.Scope
	if t.origin.Name == "" {
		t.origin.Name = p.Name
	}
	return t, nil
}

// recorded keeps an error that came behind the record from counting as if nothing had been done; settled returns it.
func recorded(done Done, err error) error {
	if done.Record != "" {
		return nil
	}
	return err
}

func settled(done *Done, err error) error {
	if err == nil && done.trouble != nil {
		return done.trouble
	}
	return err
}

// release records a release, tells the gate and releases what is held. The record comes first.
func (o *Operator) release(t target, order Order, by Asked) (Done, error) {
	rec := t.record(audit.KindRelease, order)
	rec.Release.BreakGlass, rec.Release.Approvers, rec.Release.Approval = order.BreakGlass, by.By, by.Request
	receipt, err := o.Append(rec)
	if err != nil {
		return Done{}, fmt.Errorf("recording the release; nothing is released: %w", err)
	}
	done := t.done(receipt)
	done.Until, done.BreakGlass, done.Approvers = order.Until, order.BreakGlass, by.By
	if o.Releases != nil {
		o.Releases.Add(standing(receipt.ID(), *rec.Release))
	}
	if done.Held, err = o.settle(t, receipt); err != nil {
		done.trouble = fmt.Errorf("the release is recorded as %s and holds for the next download, but what is held could not be released: %w", receipt.ID(), err)
	}
	return done, done.trouble
}
