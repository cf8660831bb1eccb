package audit

import "github.com/sallyport-project/sallyport/internal/printable"

// Loosening tells in a policy record what the policy lets through that was refused before.
type Loosening struct {
	InForce bool `json:"in_force"` // it came into force all the same, by whoever By says; else it was refused
	// Before is the digest of the policy that it was compared with, "sha256:...".
	Before    string   `json:"before"`
	Allowed   int64    `json:"allowed"`             // refusals that it would have let through
	Perhaps   int64    `json:"perhaps"`             // refusals that it might have let through: nobody knows, without examining them again
	Judged    int      `json:"judged"`              // refusals that were judged again
	Unseen    []string `json:"unseen,omitempty"`    // hosts that are not looked at any more
	Undenied  []string `json:"undenied,omitempty"`  // hosts, or paths on them, that are not refused any more
	Observed  []string `json:"observed,omitempty"`  // hosts on which nothing is stopped any more
	Admitted  []string `json:"admitted,omitempty"`  // channels that more clients may use
	Fewer     []string `json:"fewer,omitempty"`     // what takes fewer people
	Records   []string `json:"records,omitempty"`   // some of the refusals
	By        string   `json:"by,omitempty"`        // who confirmed it
	Reason    string   `json:"reason,omitempty"`    // in their words
	Approvers []string `json:"approvers,omitempty"` // who proved to agree, where it takes several
}

func boundedLoosening(l *Loosening) *Loosening {
	if l == nil {
		return nil
	}
	b := *l
	b.Before, b.By, b.Reason = printable.Text(b.Before, maxWord), printable.Text(b.By, maxWord), printable.Text(b.Reason, maxText)
	for _, list := range []*[]string{&b.Unseen, &b.Undenied, &b.Observed, &b.Admitted, &b.Fewer, &b.Records, &b.Approvers} {
		if len(*list) > 0 {
			*list = boundedList(*list, maxList/8, maxWord)
		}
	}
	return &b
}
