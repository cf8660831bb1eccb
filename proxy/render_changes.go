package proxy

import (
	"slices"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
)

// Limits of what a refusal tells of what has changed.
const (
	maxChangesTold = 4   // sentences
	maxChangeTold  = 300 // characters of one
)

// changesInBrief are the sentences of a comparison with the release before that count against an update, each once: who was refused an
// update may pass them on to the vendor.
func changesInBrief(all []policy.Changes) []string {
	var out []string
	for i := range all {
		for _, s := range all[i].Adverse() {
			if s = printable.Text(s, maxChangeTold); !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out[:min(len(out), maxChangesTold)]
}
