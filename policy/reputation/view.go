package reputation

import (
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// View is what all lists say at one moment. It does not change, and look-ups in it wait for nobody. The zero View has no
// lists.
type View struct {
	lists []*list // by name
}

// list is one list as it was taken.
type list struct {
	feed     *Feed
	set      *Set          // nil: never loaded
	source   verify.Digest // of the list as it came
	date     time.Time     // that it gives itself, or else the server or the file system
	success  time.Time     // when it was last known to be the present one
	summary  Summary
	failures int // in a row
	failure  error
	failed   time.Time // the first of them
}

// Hit is one list naming a subject.
type Hit struct {
	Feed  string `json:"feed"`
	Path  string `json:"path,omitempty"` // of the Subject
	Match string `json:"match"`          // what of the subject was found: a digest, its URL, "npm/left-pad@1.3.0"
	Entry
	// Unclear says that the list names the package but that it could not be told whether this version is meant.
	Unclear bool `json:"unclear,omitempty"`
}

// Match returns what the named lists say of a subject; of all lists if none is named. Lists that were never loaded and
// names that are not known say nothing: State tells. An error means that a list could not be looked into, so that what is
// returned may not be all.
func (v *View) Match(s Subject, feeds ...string) ([]Hit, error) {
	var hits []Hit
	var failed error
	queries := s.queries(v.Kinds(feeds...))
	for _, l := range v.lists {
		if l.set == nil || !wanted(l.feed.Name, feeds) {
			continue
		}
		for i := range queries {
			found, err := l.match(&queries[i], &s)
			if err != nil {
				failed = fmt.Errorf("feed %s: %w", l.feed.Name, err)
			}
			hits = append(hits, found...)
		}
	}
	return hits, failed
}

func wanted(name string, feeds []string) bool {
	return len(feeds) == 0 || slices.Contains(feeds, name)
}

func (l *list) match(q *query, s *Subject) ([]Hit, error) {
	found, err := l.set.find(q.kind, q.key)
	var hits []Hit
	for i := range found {
		if until := found[i].until(); until != 0 && !s.At.IsZero() && s.At.Unix() >= int64(until) {
			continue
		}
		e, failed := l.set.entry(&found[i])
		if failed != nil { // it is listed all the same
			e = Entry{Kind: q.kind, Value: q.text}
			err = failed
		}
		h := Hit{Feed: l.feed.Name, Path: s.Path, Match: q.text, Entry: e}
		if q.kind == KindPackage {
			member := unclear
			if e.Detail != nil {
				member = e.Detail.covers(q.item)
			}
			if member == outside {
				continue
			}
			h.Unclear, h.Detail = member == unclear, nil
		}
		hits = append(hits, h)
	}
	return hits, err
}

// Kinds returns which kinds of entries the named lists have; those of all if none is named. What is not among them need not
// be computed for a Subject.
func (v *View) Kinds(feeds ...string) (all Kinds) {
	for _, l := range v.lists {
		if l.set != nil && wanted(l.feed.Name, feeds) {
			all |= l.set.Kinds()
		}
	}
	return all
}
