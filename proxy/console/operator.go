package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy"
	"github.com/sallyport-project/sallyport/proxy/mitm"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
	"github.com/sallyport-project/sallyport/verify"
)

// Operator carries out what people decide by hand, in the process that owns the state. Its methods may be called by
// several goroutines at once.
type Operator struct {
	Vault    *quarantine.Vault
	Append   func(audit.Record) (audit.Receipt, error)     // the log
	Record   func(id string) (audit.Record, error)         // finds a record of the log, or audit.ErrNotFound
	Releases *proxy.Releases                               // what the gate asks; nil where no gate runs
	Rotate   func() (mitm.Info, error)                     // puts a new CA in force
	Snapshot func(context.Context, func(File) error) error // everything but the vault that a backup holds
	// Approval returns what the policy in force asks of those who release by hand. nil: nothing is released.
	Approval  func() (policy.Approval, error)
	Approvals *Approvals       // what waits for people to agree; nil where it never takes several
	Recalls   Recalls          // what is recalled; nil where that is not known
	Reloader  Reloader         // reads the policy again; nil where no server runs
	Now       func() time.Time // nil means time.Now

	orders sync.Mutex // one order at a time: the log, the gate and the vault agree about which was the last
}

func (o *Operator) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// List returns what is in quarantine, the latest first; all is everything that the vault holds.
func (o *Operator) List(_ context.Context, all bool) ([]quarantine.Entry, error) {
	filter := quarantine.Filter{State: quarantine.Quarantined}
	if all {
		filter = quarantine.Filter{}
	}
	return o.Vault.List(filter), nil
}

// Show returns what an item is on each of its scopes.
func (o *Operator) Show(_ context.Context, id string) ([]quarantine.Entry, error) {
	t, err := o.find(id)
	if err != nil {
		return nil, err
	}
	if len(t.entries) == 0 {
		return nil, fmt.Errorf("item %s: %w: its bytes are not in the vault (any more)", t.digest, ErrNotFound)
	}
	return t.entries, nil
}

// Export writes the bytes of an item to w, in whatever state it is. After an error what was written is worth nothing.
func (o *Operator) Export(_ context.Context, id string, w io.Writer) error {
	t, err := o.find(id)
	if err != nil {
		return err
	}
	if len(t.entries) == 0 {
		return fmt.Errorf("item %s: %w: its bytes are not in the vault (any more)", t.digest, ErrNotFound)
	}
	return o.Vault.Export(t.digest, w)
}

// Release lets an artifact through on a scope by hand. The record comes first, then the gate's next decision, then the
// bytes that are held; where none are, the next download is let through.
func (o *Operator) Release(ctx context.Context, order Order) (Done, error) {
	if err := order.check(o.now()); err != nil {
		return Done{}, err
	}
	need, err := o.consent(order.action())
	if err != nil {
		return Done{}, err
	}
	if err := o.proves(ctx, order, need); err != nil {
		return Done{}, err
	}
	o.orders.Lock()
	defer o.orders.Unlock()
	t, err := o.target(order)
	if err != nil {
		return Done{}, err
	}
	// To prove something, and to wait for other orders, takes time, in which another policy may have come into force.
	if need, err = o.consent(order.action()); err != nil {
		return Done{}, err
	}
	return o.releaseBy(t, order, need)
}

// Reject throws an item away on a scope, and takes back what was released there by hand.
func (o *Operator) Reject(_ context.Context, order Order) (Done, error) {
	order.Until = time.Time{}
	if err := order.check(o.now()); err != nil {
		return Done{}, err
	}
	o.orders.Lock()
	defer o.orders.Unlock()
	t, err := o.target(order)
	if err != nil {
		return Done{}, err
	}
	rec := t.record(audit.KindReject, order)
	receipt, err := o.Append(rec)
	if err != nil {
		return Done{}, fmt.Errorf("recording the rejection; nothing is changed: %w", err)
	}
	done := t.done(receipt)
	if o.Releases != nil {
		o.Releases.Remove(t.digest, t.scope)
	}
	if o.Approvals != nil {
		o.Approvals.withdraw(t.digest, t.scope)
	}
	// The receipt permits nothing, so settling by it takes away whatever the item was on this scope.
	if done.Held, err = o.settle(t, receipt); err != nil {
		return done, fmt.Errorf("the rejection is recorded as %s, but what is held could not be removed: %w", receipt.ID(), err)
	}
	return done, nil
}

// RotateCA puts a new CA in force and records it.
func (o *Operator) RotateCA(_ context.Context, by string) (mitm.Info, error) {
	o.orders.Lock()
	defer o.orders.Unlock()
	info, err := o.Rotate()
	if err != nil {
		return mitm.Info{}, err
	}
	_, err = o.Append(audit.Record{Kind: audit.KindCA, Message: fmt.Sprintf("rotated by %s: %s is in force now, SHA-256 %s",
		printable.Text(by, 100), printable.Text(info.Subject, 200), info.Fingerprint)})
	if err != nil {
		return info, fmt.Errorf("the new CA is in force, but that could not be recorded: %w", err)
	}
	return info, nil
}

// settle does with the bytes what the receipt says; false if none are held.
func (o *Operator) settle(t target, receipt audit.Receipt) (bool, error) {
	item, err := o.Vault.Open(t.digest)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer item.Close()
	content, err := o.Vault.Settle(item, t.scope, receipt, t.origin)
	if err != nil {
		return true, err
	}
	if content != nil {
		content.Close()
	}
	return true, nil
}

// target is what an order is about.
type target struct {
	digest  verify.Digest
	scope   string
	entries []quarantine.Entry // what the vault has of it, on any scope
	origin  quarantine.Origin
	size    int64
	decides string // the record that the order follows
}

// find looks an id up in the vault, and then in the log.
func (o *Operator) find(id string) (target, error) {
	if isPrefix(id) {
		digest, err := o.Vault.Find(id)
		switch {
		case err == nil:
			t := target{digest: digest, entries: o.Vault.List(quarantine.Filter{SHA256: digest})}
			if len(t.entries) > 0 {
				t.take(t.entries[0])
			}
			return t, nil
		case !errors.Is(err, fs.ErrNotExist):
			return target{}, fmt.Errorf("%w: %w", ErrOrder, err)
		}
	}
	return o.findRecord(id)
}

// isPrefix reports whether id could be the beginning of a digest.
func isPrefix(id string) bool {
	digits := strings.ToLower(strings.TrimPrefix(id, "sha256:"))
	return len(digits) >= 4 && len(digits) <= 64 && strings.Trim(digits, "0123456789abcdef") == ""
}

func (o *Operator) findRecord(id string) (target, error) {
	if id == "" {
		return target{}, fmt.Errorf("an empty id: %w", ErrNotFound)
	}
	rec, err := o.Record(id)
	if errors.Is(err, audit.ErrNotFound) {
		return target{}, fmt.Errorf("%s: %w in the vault or in the log; an id is at least four digits of a SHA-256, or all of a record's", printable.Text(id, 100), ErrNotFound)
	}
	if err != nil {
		return target{}, err
	}
	t := target{scope: rec.Channel, decides: rec.ID}
	switch {
	case rec.Artifact != nil:
		t.digest, t.size = rec.Artifact.SHA256, rec.Artifact.Size
		t.origin.Name, t.origin.Format = rec.Artifact.Name, rec.Artifact.Format
	case rec.Release != nil:
		t.digest, t.scope = rec.Release.SHA256, rec.Release.Scope
	}
	if t.digest.IsZero() {
		return target{}, fmt.Errorf("%w: record %s, of kind %s, is about no artifact", ErrOrder, printable.Text(rec.ID, 100), rec.Kind)
	}
	if rec.Kind != audit.KindDecision && rec.Decides != "" {
		t.decides = rec.Decides
	}
	if rec.Request != nil {
		t.origin.URL = rec.Request.URL
	}
	t.entries = o.Vault.List(quarantine.Filter{SHA256: t.digest})
	for _, e := range t.entries {
		if e.Scope == t.scope {
			t.take(e)
		}
	}
	return t, nil
}

func (t *target) take(e quarantine.Entry) {
	t.scope, t.origin, t.size, t.decides = e.Scope, e.Origin, e.Size, e.Record
}

// target finds what an order is about, and on which scope it is meant.
func (o *Operator) target(order Order) (target, error) {
	t, err := o.find(order.ID)
	if err != nil {
		return target{}, err
	}
	if order.Scope != nil {
		return t.on(*order.Scope)
	}
	if !isPrefix(order.ID) {
		return t, nil // a record names its scope
	}
	in := slices.DeleteFunc(slices.Clone(t.entries), func(e quarantine.Entry) bool { return e.State != quarantine.Quarantined })
	if len(in) == 0 {
		in = t.entries
	}
	switch len(in) {
	case 0:
		return target{}, fmt.Errorf("%s: %w in the vault (any more); name the record of its decision instead", printable.Text(order.ID, 100), ErrNotFound)
	case 1:
		t.take(in[0])
		return t, nil
	}
	var scopes []string
	for _, e := range in {
		scopes = append(scopes, e.Scope)
	}
	return target{}, fmt.Errorf("%w: %s is held on several channels, %s: say which by --channel, or name the record of its decision", ErrOrder, t.digest, quoted(scopes...))
}

// on returns t for one of the scopes on which it is held or was decided. Others are errors: the name of a channel that
// is spelt wrong must not look like a release.
func (t target) on(scope string) (target, error) {
	for _, e := range t.entries {
		if e.Scope == scope {
			t.take(e)
			return t, nil
		}
	}
	if t.scope == scope && t.decides != "" {
		return t, nil
	}
	known := []string{t.scope}
	for _, e := range t.entries {
		known = append(known, e.Scope)
	}
	return target{}, fmt.Errorf("%w: %s is not held on %s, but on %s", ErrOrder, t.digest, quoted(scope), quoted(known...))
}

// quoted lists names, each once and in quotes.
func quoted(names ...string) string {
	slices.Sort(names)
	var out []string
	for _, name := range slices.Compact(names) {
		out = append(out, fmt.Sprintf("%q", printable.Text(name, 200)))
	}
	return strings.Join(out, ", ")
}

func (t target) record(kind audit.Kind, order Order) audit.Record {
	return audit.Record{
		Kind: kind, Channel: t.scope, Decides: t.decides,
		Artifact: &audit.Artifact{Name: t.origin.Name, Format: t.origin.Format, Size: t.size, SHA256: t.digest},
		Release: &audit.Release{
			SHA256: t.digest, Scope: t.scope, Until: order.Until.UTC(), Reason: order.Reason, By: order.By,
		},
	}
}

func (t target) done(receipt audit.Receipt) Done {
	return Done{Record: receipt.ID(), SHA256: t.digest, Scope: t.scope, Name: t.origin.Name}
}

func standing(record string, r audit.Release) policy.Release {
	return policy.Release{Record: record, SHA256: r.SHA256, Scope: r.Scope, Until: r.Until, BreakGlass: r.BreakGlass}
}

// Recall puts the releases of a log in force again. Records are given in the order of the log; others than releases
// and rejections are passed over.
func Recall(releases *proxy.Releases, rec audit.Record) {
	if rec.Release == nil {
		return
	}
	switch rec.Kind {
	case audit.KindRelease:
		releases.Add(standing(rec.ID, *rec.Release))
	case audit.KindReject:
		releases.Remove(rec.Release.SHA256, rec.Release.Scope)
	}
}
