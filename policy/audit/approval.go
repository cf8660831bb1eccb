package audit

import (
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
)

// The states of what needs several people.
const (
	ApprovalAsked   = "asked"   // the first of them wants it
	ApprovalAgreed  = "agreed"  // another one does, and still more are needed
	ApprovalDone    = "done"    // it was carried out
	ApprovalRefused = "refused" // somebody could not prove who they are, or was not one more
)

// Approval tells of what needs several people, and that one of them agrees. Request is the id of the record that asked first; it
// stands for everything that record says, and no later record changes any of it.
type Approval struct {
	Request string    `json:"request,omitempty"` // empty in the record that asks first, whose own id it is
	State   string    `json:"state"`
	Action  string    `json:"action"` // "release", "break-glass", "loosening"
	By      string    `json:"by"`     // who has proved to be themselves; of refused records, who they said they were
	People  int       `json:"people"` // how many it takes
	Ends    time.Time `json:"ends"`   // when it is too late to agree

	SHA256 verify.Digest `json:"sha256,omitzero"` // exactly this artifact,
	Scope  string        `json:"scope"`           // on exactly this channel,
	Until  time.Time     `json:"until,omitzero"`  // until then
	Policy verify.Digest `json:"policy,omitzero"` // or exactly this policy
	Reason string        `json:"reason,omitempty"`
}

func boundedApproval(a *Approval) *Approval {
	if a == nil {
		return nil
	}
	b := *a
	b.State, b.Action = printable.Text(b.State, maxWord), printable.Text(b.Action, maxWord)
	b.Request, b.By, b.Reason = printable.Text(b.Request, maxWord), printable.Text(b.By, maxWord), printable.Text(b.Reason, maxText)
	b.Ends, b.Until = b.Ends.UTC(), b.Until.UTC()
	return &b
}

// maxApprovers is how many names a release may have.
const maxApprovers = 16

// boundedConsent bounds what a release says of those who agreed to it.
func boundedConsent(r *Release) {
	r.Approval = printable.Text(r.Approval, maxWord)
	if len(r.Approvers) > 0 {
		r.Approvers = boundedList(r.Approvers, maxApprovers, maxWord)
	}
}
