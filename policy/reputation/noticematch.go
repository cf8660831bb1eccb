package reputation

// Definition returns how the list was defined when it came into force.
func (n *Notice) Definition() Feed { return n.feed }

// Kinds returns which kinds of entries the list in force has.
func (n *Notice) Kinds() Kinds {
	if n.What != Changed || n.set == nil {
		return 0
	}
	return n.set.Kinds()
}

// Match returns the entries of a Changed list that name a subject and that the list before had not. A package is new where the list
// before said nothing of it that concerns this version. An error means that what is returned may not be all.
func (n *Notice) Match(s Subject) ([]Hit, error) {
	if n.What != Changed || n.set == nil {
		return nil, nil
	}
	now, before := &list{feed: &n.feed, set: n.set}, &list{feed: &n.feed, set: n.old}
	var hits []Hit
	var failed error
	queries := s.queries(n.set.Kinds())
	for i := range queries {
		found, err := now.match(&queries[i], &s)
		if err != nil {
			failed = err
		}
		if len(found) == 0 {
			continue
		}
		if n.old != nil {
			if earlier, err := before.match(&queries[i], &s); err != nil {
				failed = err
			} else if len(earlier) > 0 {
				continue
			}
		}
		hits = append(hits, found...)
	}
	return hits, failed
}

// deferral is how a Notice says that it is dealt with behind Tell's back.
type deferral struct {
	taken bool
	done  func()
}

// Defer says, before Tell returns, that a Changed notice will be dealt with later: done is called then, by another goroutine, and if
// the process ends before, the notice comes again. Notices of one list are done with in the order in which they came.
func (n *Notice) Defer() (done func()) {
	if n.deferral == nil {
		return func() {}
	}
	n.deferral.taken = true
	return n.deferral.done
}

// dealtWith remembers that a set has been told of.
func (w *worker) dealtWith(set *Set) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.retired.Load() {
		return
	}
	k, err := w.store.load()
	if err != nil {
		return // it is told of again after a restart
	}
	k.Told = set.sum
	if err := w.store.save(k); err != nil {
		return
	}
	w.told = k.Told
	w.store.clean(k)
}

// Since returns a Changed notice that tells what is new since before an earlier one of the same list, and still there.
func (n *Notice) Since(earlier *Notice) *Notice {
	both := *n
	both.deferral = nil
	both.After(earlier)
	return &both
}

// After makes a Changed notice tell, too, of what an earlier one of the same list told that is not dealt with yet.
func (n *Notice) After(earlier *Notice) {
	if n.What == Changed && earlier.What == Changed {
		n.old = earlier.old
		n.Added, n.Removed = n.Added+earlier.Added, n.Removed+earlier.Removed
	}
}
