package audit

import (
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// Receipt proves that a record is stored. Only Append makes one; the zero Receipt permits nothing. Receipts are
// values that can be compared and copied.
type Receipt struct {
	log      *Log // whose clock says when a release has ended
	id       string
	at       time.Time
	kind     Kind
	digest   verify.Digest
	scope    string
	action   policy.Action
	observed bool
	policy   string
	until    time.Time
}

// newReceipt says what a record permits. The record has been checked.
func newReceipt(l *Log, r *Record) Receipt {
	receipt := Receipt{log: l, id: r.ID, at: r.Time, kind: r.Kind}
	switch r.Kind {
	case KindDecision:
		receipt.digest = r.Artifact.SHA256
		receipt.scope = r.Channel
		receipt.action = r.Decision.Action
		receipt.observed = r.Decision.Observed
		receipt.policy = r.Decision.Policy
	case KindRelease:
		receipt.digest = r.Release.SHA256
		receipt.scope = r.Release.Scope
		receipt.action = policy.Allow
		receipt.until = r.Release.Until
	case KindReject:
		receipt.digest = r.Release.SHA256
		receipt.scope = r.Release.Scope
	}
	return receipt
}

// ID returns the id of the stored record, "" for the zero Receipt.
func (r Receipt) ID() string { return r.id }

// Time returns the time of the stored record, UTC; zero for the zero Receipt.
func (r Receipt) Time() time.Time { return r.at }

// Kind returns the kind of the stored record, "" for the zero Receipt.
func (r Receipt) Kind() Kind { return r.kind }

// Policy returns the digest of the policy that decided, as the record has it; "" if the record is no decision.
func (r Receipt) Policy() string { return r.policy }

// IsZero reports whether r proves nothing.
func (r Receipt) IsZero() bool { return r == Receipt{} }

// Settles returns what the stored record says is to become of an artifact on a scope: Allow only if the record is a
// decision that allows it, not in observe mode, or a release by hand that has not ended; Quarantine; or Block, which
// is also the answer for any other artifact or scope.
func (r Receipt) Settles(digest verify.Digest, scope string) policy.Action {
	if !r.covers(digest, scope) {
		return policy.Block
	}
	switch r.kind {
	case KindDecision:
		if r.action == policy.Allow && r.observed {
			return policy.Block
		}
		return r.action
	case KindRelease:
		if r.until.IsZero() || r.until.After(r.log.now()) {
			return policy.Allow
		}
	}
	return policy.Block
}

// Observes reports whether the stored record is a decision about this artifact on this scope in observe mode, where
// the bytes are delivered whatever was decided and nothing becomes released.
func (r Receipt) Observes(digest verify.Digest, scope string) bool {
	return r.kind == KindDecision && r.observed && r.covers(digest, scope)
}

func (r Receipt) covers(digest verify.Digest, scope string) bool {
	return r.log != nil && r.id != "" && !digest.IsZero() && r.digest == digest && r.scope == scope
}
