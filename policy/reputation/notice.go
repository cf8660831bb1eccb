package reputation

import (
	"iter"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// What is what has become of a list.
type What string

const (
	Changed   What = "changed"   // another list is in force
	Failed    What = "failed"    // it could not be had, or was refused; told of once, and again when the reason changes
	Recovered What = "recovered" // it can be had again
	TurnedOld What = "stale"     // it counts as stale from now on
)

// Notice tells what has become of a list.
type Notice struct {
	Feed    string        `json:"feed"`
	What    What          `json:"what"`
	At      time.Time     `json:"at"`
	Text    string        `json:"text"` // one sentence for a person, with numbers
	Entries int           `json:"entries"`
	Added   int           `json:"added,omitempty"`
	Removed int           `json:"removed,omitempty"`
	Digest  verify.Digest `json:"digest,omitzero"` // SHA-256 of the list in force, as it came
	Date    time.Time     `json:"date,omitzero"`
	Summary Summary       `json:"summary"` // of what was read last, in force or refused
	Err     error         `json:"-"`       // of Failed

	set, old *Set
	feed     Feed
	deferral *deferral
}

// AddedEntries returns the entries of a Changed list that the one before had not, in no useful order.
func (n *Notice) AddedEntries() iter.Seq2[Entry, error] {
	if n.What != Changed {
		return func(func(Entry, error) bool) {}
	}
	return n.set.Added(n.old)
}
