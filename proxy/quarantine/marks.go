package quarantine

import (
	"slices"
	"time"
	"unique"
)

// mark is what memory keeps of an item's state on one scope.
type mark struct {
	scope unique.Handle[string]
	state State // never Held
	since time.Time
}

// marks are the scopes that an item is settled on. They are replaced, never changed.
type marks []mark

// on returns what the item is on a scope.
func (m marks) on(scope string) State {
	name := unique.Make(scope)
	for _, one := range m {
		if one.scope == name {
			return one.state
		}
	}
	return Held
}

// without returns what is left when a scope is taken away.
func (m marks) without(scope string) marks {
	name := unique.Make(scope)
	return slices.DeleteFunc(slices.Clone(m), func(one mark) bool { return one.scope == name })
}

// category returns what an item with these marks is counted and evicted as: evidence if it is quarantined on any
// scope, else released if it is on any.
func (m marks) category() State {
	s := Held
	for _, one := range m {
		if one.state == Quarantined {
			return Quarantined
		}
		s = one.state
	}
	return s
}

// evidenceSince returns when the item was quarantined first.
func (m marks) evidenceSince() time.Time {
	var first time.Time
	for _, one := range m {
		if one.state == Quarantined && (first.IsZero() || one.since.Before(first)) {
			first = one.since
		}
	}
	return first
}
