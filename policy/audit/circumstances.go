package audit

import "github.com/sallyport-project/sallyport/policy"

// Circumstances are the facts besides the report that a decision was made by, so that it can be understood, and made again under
// another policy. Their text comes from strangers and is bounded as all text of a record is.
type Circumstances struct {
	History    *policy.History        `json:"history,omitempty"`
	Reputation *policy.Reputation     `json:"reputation,omitempty"`
	Scans      map[string]policy.Scan `json:"scans,omitempty"`
	Changes    []policy.Changes       `json:"changes,omitempty"`
	Fixes      []policy.Fix           `json:"fixes,omitempty"`
	Recalls    []policy.Recall        `json:"recalls,omitempty"`
}
