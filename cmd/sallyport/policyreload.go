package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/audit/replay"
	"github.com/sallyport-project/sallyport/proxy/console"
	"github.com/sallyport-project/sallyport/verify"
)

// reload reads the file again because something may have changed it. If that fails, or if the new policy loosens, the policy in force
// stays in force, and everybody is told, once for each thing that is wrong.
func (f *policyFile) reload(ctx context.Context) { f.read(ctx, console.ReloadOrder{}, false) }

// asked is reload for somebody who waits for an answer: they are told again what they may have been told before.
func (f *policyFile) asked(ctx context.Context) { f.read(ctx, console.ReloadOrder{}, true) }

// order is asked for an operator, who may confirm that the policy loosens. The error is that of confirming.
func (f *policyFile) order(ctx context.Context, order console.ReloadOrder) (console.Reloaded, error) {
	return f.read(ctx, order, true)
}

func (f *policyFile) read(ctx context.Context, order console.ReloadOrder, asked bool) (out console.Reloaded, refused error) {
	f.loading.Lock()
	defer f.loading.Unlock()
	out.File = policyName(f.path)
	defer func() { out.InForce = "sha256:" + f.current.Load().Digest().String() }()
	p, source, err := readPolicy(f.path)
	f.mu.Lock()
	f.files = source.names
	f.mu.Unlock()
	f.watchFolders()
	if err == nil {
		out.Policy = "sha256:" + p.Digest().String()
		if order.Policy != "" && order.Policy != out.Policy {
			return out, fmt.Errorf("%w: %s is %s now, and not %s", console.ErrOrder, policyName(f.path), out.Policy, printable.Text(order.Policy, 100))
		}
		if p.Digest() == f.current.Load().Digest() {
			if f.setProblem("") || asked {
				f.log.Info("policy file is the one in force", zap.String("policy", f.path), zap.Stringer("sha256", p.Digest()))
			}
			out.Outcome = console.ReloadUnchanged
			return out, nil
		}
		if held := f.heldBack(p.Digest()); held != nil && !asked {
			f.complain(held, false) // which is no news, unless the file was another one meanwhile
			out.Outcome, out.Loosened, out.Detail = console.ReloadLoosens, held.Loosened, held.Error()
			return out, nil
		}
		if refused, err = f.admit(ctx, p, source, order, &out); refused != nil {
			return out, refused
		}
	}
	if err == nil {
		return out, nil
	}
	if out.Outcome == "" {
		out.Outcome = console.ReloadBroken
	}
	out.Detail = err.Error()
	f.complain(err, asked)
	return out, nil
}

// admit puts a policy in force unless it loosens and nobody has confirmed that. refused is what was wrong with the confirmation; err is
// why the policy is not in force.
func (f *policyFile) admit(ctx context.Context, p *policy.Policy, source *policySource, order console.ReloadOrder, out *console.Reloaded) (refused, err error) {
	before := f.current.Load()
	found, err := f.compare(ctx, before, p)
	if err != nil {
		found = undetermined(err)
	}
	if !found.Any() && err == nil {
		return nil, f.comeIntoForce(p, source, "reloaded"+shortened(found), nil, out)
	}
	out.Loosened = found
	if !order.Confirm {
		out.Outcome = console.ReloadLoosens
		if err != nil { // another time it may be found out
			return nil, &loosens{found}
		}
		return nil, f.holdBack(p.Digest(), found)
	}
	out.Waiting, refused = f.confirm(ctx, p, order, func(who consent) error {
		record := looseningRecord(found, before)
		record.InForce, record.By, record.Reason, record.Approvers = true, who.by, who.reason, who.approvers
		return f.comeIntoForce(p, source, "reloaded by "+printable.Text(who.by, 100)+", who confirmed what it loosens,", record, out)
	})
	if out.Waiting != nil {
		out.Outcome = console.ReloadWaiting
	}
	return refused, nil
}

// shortened says in a record that not all refusals were judged again.
func shortened(l *replay.Loosened) string {
	if l.Cut == "" {
		return ""
	}
	return ", although " + l.Cut + ","
}

// compare says what a policy loosens, where there is something to compare by.
func (f *policyFile) compare(ctx context.Context, inForce, next *policy.Policy) (*replay.Loosened, error) {
	if f.loosening == nil {
		return &replay.Loosened{}, nil
	}
	return f.loosening(ctx, inForce, next)
}

func (f *policyFile) comeIntoForce(p *policy.Policy, source *policySource, what string, loosening *audit.Loosening, out *console.Reloaded) error {
	if err := f.enforce(p, what, loosening); err != nil {
		return err
	}
	out.Outcome = console.ReloadInForce
	f.metrics.PolicyLoaded(nil)
	f.setProblem("")
	f.keep(p, source)
	return nil
}

// keep writes the policy in force down for the next start.
func (f *policyFile) keep(p *policy.Policy, source *policySource) {
	if f.dir == "" {
		return
	}
	if err := f.dir.keepPolicy(p, f.path, source); err != nil {
		f.log.Warn("policy", zap.Error(err))
	}
}

// complain says why the file is not in force: in the log of the operation, and in the record where it is news.
func (f *policyFile) complain(err error, asked bool) {
	text := printable.Text(strings.ReplaceAll(err.Error(), "\n", "; "), 2000)
	news := f.setProblem(text)
	if !news && !asked {
		return // this line may be what changes in the folder that is watched
	}
	f.metrics.PolicyLoaded(err)
	fields := []zap.Field{zap.String("policy", f.path), zap.Stringer("in_force", f.current.Load().Digest()), zap.String("error", text)}
	record := audit.Record{Kind: audit.KindPolicy, Message: "refused " + f.path + ": " + text}
	var l *loosens
	if errors.As(err, &l) {
		fields = append(fields, zap.String("hint", l.Hint()))
		record.Loosening = looseningRecord(l.Loosened, f.current.Load())
	}
	f.log.Error("policy NOT reloaded: the one before stays in force", fields...)
	if !news {
		return // recorded already
	}
	if _, err := f.append(record); err != nil {
		f.log.Error("recording the refused policy", zap.Error(err))
	}
}

// heldBack returns why a policy was held back by the one that is in force; nil if it was not.
func (f *policyFile) heldBack(p verify.Digest) *loosens {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held.policies != [2]verify.Digest{p, f.current.Load().Digest()} {
		return nil
	}
	return f.held.why
}

func (f *policyFile) holdBack(p verify.Digest, found *replay.Loosened) *loosens {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = held{[2]verify.Digest{p, f.current.Load().Digest()}, &loosens{found}}
	return f.held.why
}

// held is a policy that does not come into force because it loosens.
type held struct {
	policies [2]verify.Digest // that one, and the one in force then
	why      *loosens
}

// undetermined is what a policy loosens that could not be compared with the one in force.
func undetermined(err error) *replay.Loosened {
	return &replay.Loosened{Cut: "what it loosens could not be found out: " + printable.Text(err.Error(), 300)}
}

// guardStart is how long a start may take to compare the policy with the one before.
const guardStart = 30 * time.Second

// start puts the first policy in force, which was made of a source, nil where nobody knows that: the one that is given, unless another
// one was in force last and this one loosens against it, or cannot be compared with it; then that one goes on, as it would have without
// the restart. confirmed is who wants the new one all the same; "" is nobody.
func (f *policyFile) start(p *policy.Policy, source *policySource, confirmed string) error {
	if source != nil {
		f.files = source.names
	}
	f.metrics.PolicyLoaded(nil)
	last, kept, err := f.dir.lastPolicy()
	switch {
	case err != nil:
		f.log.Warn("policy: what it loosens against the one before cannot be found out", zap.Error(err))
		return f.startWith(p, source, "loaded, without comparing it with the one before, which cannot be read any more,", nil)
	case last == nil && f.hasHistory():
		return f.startWith(p, source, "loaded, with no policy before it to compare it with,", nil)
	case last == nil || last.Digest() == p.Digest() || f.path == "" && kept.Path == "": // the first, the same, or that of another version of the program
		return f.startWith(p, source, "loaded", nil)
	}
	ctx, cancel := context.WithTimeout(context.Background(), guardStart)
	defer cancel()
	found, err := f.compare(ctx, last, p)
	if err != nil {
		found = undetermined(err)
	}
	switch {
	case err == nil && !found.Any():
		return f.startWith(p, source, "loaded"+shortened(found), nil)
	case confirmed != "" && last.Approval().Loosening.People == 1:
		record := looseningRecord(found, last)
		record.InForce, record.By = true, confirmed
		return f.startWith(p, source, "loaded by "+confirmed+", who confirmed what it loosens,", record)
	}
	if err := f.enforce(last, "kept in force, instead of what it holds now,", nil); err != nil {
		return err
	}
	f.complain(f.holdBack(p.Digest(), found), true)
	return nil
}

// hasHistory reports whether any policy was in force on this state.
func (f *policyFile) hasHistory() bool {
	if f.dir == "" {
		return false
	}
	list, err := audit.List(context.Background(), f.dir.log(), audit.Filter{Kind: audit.KindPolicy, Limit: 1})
	return err != nil || len(list) > 0
}

func (f *policyFile) startWith(p *policy.Policy, source *policySource, what string, loosening *audit.Loosening) error {
	if err := f.enforce(p, what, loosening); err != nil {
		return err
	}
	f.keep(p, source)
	return nil
}
