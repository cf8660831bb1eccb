package console

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Order is what an operator wants done with an item of the vault.
type Order struct {
	ID     string    `json:"id"`             // the first digits of the item's digest, or the id of a record about it
	Scope  *string   `json:"channel"`        // which channel is meant, where it is held on several; nil: the only one
	Reason string    `json:"reason"`         // why; required
	By     string    `json:"by"`             // who gives it
	Until  time.Time `json:"until,omitzero"` // when a release ends; zero: never, or when the policy says
	// BreakGlass makes a release one for an emergency, which the policy has rules of its own for.
	BreakGlass bool        `json:"break_glass,omitempty"`
	As         *Credential `json:"as,omitempty"` // who gives it, and proves it; needed where it takes several people
}

// Done is what became of an Order.
type Done struct {
	Record string        `json:"record"`         // id of the record that was made
	SHA256 verify.Digest `json:"sha256"`         //
	Scope  string        `json:"channel"`        //
	Name   string        `json:"name,omitempty"` // of the artifact
	Held   bool          `json:"held"`           // the bytes are in the vault

	Until      time.Time `json:"until,omitzero"`        // when a release ends
	BreakGlass bool      `json:"break_glass,omitempty"` //
	Approvers  []string  `json:"approvers,omitempty"`   // who has proved to want it
	Asked      *Asked    `json:"asked,omitempty"`       // nothing was done yet: more people have to agree; Record is empty

	trouble error // came behind the record
}

// ErrOrder means that an order makes no sense: nothing was done, and doing it again will not help.
var ErrOrder = errors.New("not a proper order")

// ErrNotFound means that nothing in the vault or the log goes by that id.
var ErrNotFound = errors.New("not found")

const maxReason = 1000 // bytes

func (o Order) check(now time.Time) error {
	switch {
	case strings.TrimSpace(o.Reason) == "":
		return fmt.Errorf("%w: it needs a reason", ErrOrder)
	case len(o.Reason) > maxReason:
		return fmt.Errorf("%w: the reason has %d bytes, and %d at most are kept", ErrOrder, len(o.Reason), maxReason)
	case !o.Until.IsZero() && !o.Until.After(now):
		return fmt.Errorf("%w: the release would have ended at %s", ErrOrder, o.Until.Format(time.RFC3339))
	}
	return nil
}
