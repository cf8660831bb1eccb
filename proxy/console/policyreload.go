package console

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sallyport-project/sallyport/policy/audit/replay"
)

// ReloadOrder asks for the policy file to be read again.
type ReloadOrder struct {
	// Confirm puts the policy in force although it loosens; only the policy that the file holds at that moment.
	Confirm bool        `json:"confirm,omitempty"`
	Policy  string      `json:"policy,omitempty"` // "sha256:...": only if the file is still that one; "" is whichever
	Reason  string      `json:"reason,omitempty"` // why it is confirmed
	By      string      `json:"by"`               // who asks
	As      *Credential `json:"as,omitempty"`     // who confirms, and proves it; needed where it takes several people
}

// The outcomes of a ReloadOrder.
const (
	ReloadInForce   = "in force"  // another policy is in force now
	ReloadUnchanged = "unchanged" // the file is the policy in force
	ReloadLoosens   = "loosens"   // it lets through what was refused, and nobody has confirmed that
	ReloadWaiting   = "waiting"   // it does, and more people have to confirm it
	ReloadBroken    = "broken"    // the file cannot be put in force
)

// Reloaded is what became of a ReloadOrder.
type Reloaded struct {
	Outcome  string           `json:"outcome"`
	File     string           `json:"file"`
	Policy   string           `json:"policy,omitempty"` // of the file, "sha256:..."
	InForce  string           `json:"in_force"`         // now
	Detail   string           `json:"detail,omitempty"` // in words
	Loosened *replay.Loosened `json:"loosened,omitempty"`
	Waiting  *Asked           `json:"waiting,omitempty"` // who has confirmed so far
}

// Reloader reads the policy file again.
type Reloader func(context.Context, ReloadOrder) (Reloaded, error)

// Reload has the server read its policy file again.
func (o *Operator) Reload(ctx context.Context, order ReloadOrder) (Reloaded, error) {
	if o.Reloader == nil {
		return Reloaded{}, fmt.Errorf("%w: no server runs on this state, and a policy comes into force when one starts", ErrOrder)
	}
	if len(order.Reason) > maxReason {
		return Reloaded{}, fmt.Errorf("%w: the reason has %d bytes, and %d at most are kept", ErrOrder, len(order.Reason), maxReason)
	}
	return o.Reloader(ctx, order)
}

// Reload is Operator.Reload.
func (c *Client) Reload(ctx context.Context, order ReloadOrder) (r Reloaded, err error) {
	return r, c.ask(ctx, http.MethodPost, "/v1/policy/reload", order, &r)
}

// controlReload adds what is about the policy.
func controlReload(mux *http.ServeMux, o *Operator) {
	mux.HandleFunc("POST /v1/policy/reload", func(w http.ResponseWriter, r *http.Request) {
		var order ReloadOrder
		if err := read(r, &order); err != nil {
			reply(w, nil, err)
			return
		}
		done, err := o.Reload(r.Context(), order)
		reply(w, done, err)
	})
}
