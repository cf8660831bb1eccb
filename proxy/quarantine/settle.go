package quarantine

import (
	"errors"
	"fmt"
	"os"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// Errors of Settle.
var (
	// ErrForeign is returned for the receipt of a record that says nothing of the item on that scope, or nothing any
	// more: a delivery, a release by hand that has ended. Nothing is changed.
	ErrForeign = errors.New("the record says nothing of the item on this scope")
	// ErrNoReceipt is returned for the zero Receipt: nothing is settled without a stored record.
	ErrNoReceipt = errors.New("there is no receipt")
	// ErrNotKept says that an item that is refused could not be kept for an auditor, since the quarantine has no room
	// for it. The refusal stands.
	ErrNotKept = errors.New("the quarantine has no room for the item")
)

// Origin is what a settled item is remembered with.
type Origin struct {
	Name   string        `json:"name"`
	URL    string        `json:"url"` // query values redacted
	Format verify.Format `json:"format,omitempty"`
	Record string        `json:"record"` // id of the record that settled it; Settle sets it from the receipt
}

// Settle does with an item what the receipt says: Content if it is released on that scope, else nil.
//
//   - Allow: the item is released on that scope, and on no other. Its state is durable before there is Content.
//   - Quarantine: the item is kept for an auditor, and is not released on that scope. The error is ErrNotKept
//     where there is no room.
//   - Block: the item is forgotten on that scope, and its bytes are gone once nothing else speaks of them. It is
//     what a decision about another item or scope says, too.
//   - A record made in observe mode: Content that lasts as long as somebody holds it. Nothing is stored or changed.
//
// The zero Receipt is ErrNoReceipt. Settling what is settled already writes nothing to disk. After any error there is
// no Content, and after a refusal the item is not released on that scope, whatever the error. The Item stays the
// caller's to close.
func (v *Vault) Settle(item *Item, scope string, receipt audit.Receipt, o Origin) (*Content, error) {
	if receipt.ID() == "" {
		return nil, fmt.Errorf("settling an item: %w", ErrNoReceipt)
	}
	b, err := v.borrow(item)
	if err != nil {
		return nil, fmt.Errorf("settling an item: %w", err)
	}
	defer v.settling.Done()
	defer v.unpin(b)
	o.Record = receipt.ID()
	action := receipt.Settles(b.digest, scope)
	switch {
	case receipt.Observes(b.digest, scope):
	case action == policy.Block && receipt.Kind() != audit.KindDecision && receipt.Kind() != audit.KindReject:
		return nil, wrapSettling(b, ErrForeign)
	case action == policy.Allow:
		err = v.keep(b, scope, Released, o)
	case action == policy.Quarantine:
		return nil, wrapSettling(b, v.quarantine(b, scope, o))
	default:
		return nil, wrapSettling(b, v.discard(b, scope))
	}
	if err != nil {
		return nil, wrapSettling(b, err)
	}
	v.lock()
	defer v.unlock()
	if err := v.hold(b); err != nil {
		return nil, wrapSettling(b, err)
	}
	return v.content(b), nil
}

func wrapSettling(b *blob, err error) error {
	if err != nil {
		return fmt.Errorf("settling item %s: %w", b.digest, err)
	}
	return nil
}

// borrow takes a reference beside that of an Item, for something that Close is to wait for, and sees that the bytes
// are still those of the digest.
func (v *Vault) borrow(item *Item) (*blob, error) {
	v.lock()
	defer v.unlock()
	switch {
	case item == nil || item.vault != v:
		return nil, errors.New("the item is not of this vault")
	case v.closed || item.closed.Load():
		return nil, ErrClosed
	}
	b := item.blob
	if err := v.hold(b); err != nil {
		return nil, err
	}
	if err := v.ensure(b); err != nil {
		v.drop(b)
		return nil, err
	}
	if b.gone || v.closed {
		v.drop(b)
		return nil, ErrClosed
	}
	v.settling.Add(1)
	return b, nil
}

// quarantine keeps an item for an auditor if there is room for it, and takes back its release in any case.
func (v *Vault) quarantine(b *blob, scope string, o Origin) error {
	if !v.claimQuarantine(b) {
		return errors.Join(ErrNotKept, v.discard(b, scope))
	}
	err := v.keep(b, scope, Quarantined, o)
	v.lock()
	v.moving.items--
	v.moving.bytes -= b.size
	released := b.marks.on(scope) == Released
	v.unlock()
	if err != nil && released {
		return errors.Join(err, v.discard(b, scope))
	}
	return err
}

// claimQuarantine takes room in the quarantine for an item that is on its way there.
func (v *Vault) claimQuarantine(b *blob) bool {
	v.lock()
	defer v.unlock()
	if b.state != Quarantined && !v.makeQuarantineRoom(b.size) {
		v.after.losses = append(v.after.losses, Loss{SHA256: b.digest, Size: b.size, State: Quarantined, Cause: Displaced})
		v.count(Displaced)
		return false
	}
	v.moving.items++
	v.moving.bytes += b.size
	return true
}

// keep makes an item released or quarantined on a scope, durably.
func (v *Vault) keep(b *blob, scope string, s State, o Origin) error {
	if err := checkScope(scope); err != nil {
		return err
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	v.lock()
	before := b.marks
	if before.on(scope) == s {
		v.touch(b)
		v.unlock()
		return nil
	}
	err := ErrCorrupt
	if !b.gone {
		err = v.place(b)
	}
	v.unlock()
	if err != nil {
		return noRoom(err)
	}
	doc := v.document(b, before)
	doc.put(scope, standing{State: s, Since: v.options.Now().UTC(), Origin: o.shortened()})
	if err := v.writeState(doc); err != nil {
		return noRoom(err)
	}
	v.lock()
	defer v.unlock()
	v.mark(b, doc.marks())
	v.touch(b)
	return nil
}

// place gives bytes their final name. It is called under mu.
func (v *Vault) place(b *blob) error {
	if b.incoming == "" {
		return nil
	}
	if err := os.Rename(b.incoming, v.paths.blob(b.digest)); err != nil {
		return err
	}
	b.incoming = ""
	return nil
}

// mark changes on which scopes a blob is what, in memory. It is called under mu.
func (v *Vault) mark(b *blob, now marks) {
	b.marks = now
	v.disown(b)
	v.recount(b)
}

// discard takes an item's state on a scope away. It is gone from memory first, so that whatever happens on disk,
// this process does not serve it there again.
func (v *Vault) discard(b *blob, scope string) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	v.lock()
	was := b.marks.on(scope) != Held
	left := b.marks.without(scope)
	v.mark(b, left)
	gone := b.gone
	v.unlock()
	switch {
	case !was || gone:
		return nil
	case len(left) == 0:
		return v.unwrite(b.digest)
	}
	doc := v.document(b, left)
	if err := v.writeState(doc); err != nil {
		return errors.Join(noRoom(err), v.unwrite(b.digest))
	}
	return nil
}

// Reject throws a quarantined item away on a scope, by the receipt of the record that says so. Its bytes are gone
// once nothing else speaks of them. Only the receipt of a reject record will do.
func (v *Vault) Reject(d verify.Digest, scope string, receipt audit.Receipt) error {
	if receipt.ID() == "" {
		return fmt.Errorf("rejecting item %s: %w", d, ErrNoReceipt)
	}
	if receipt.Kind() != audit.KindReject {
		return fmt.Errorf("rejecting item %s: %w", d, ErrForeign)
	}
	b, err := v.evidence(d, scope)
	if err != nil {
		return fmt.Errorf("rejecting: %w", err)
	}
	defer v.settling.Done()
	defer v.unpin(b)
	return wrapSettling(b, v.discard(b, scope))
}
