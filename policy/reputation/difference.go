package reputation

import (
	"bufio"
	"fmt"
	"io"
	"iter"
)

// cursor walks over the records of a set.
type cursor struct {
	set  *Set
	r    *bufio.Reader
	left int
	rec  record
	ok   bool
}

func (s *Set) walk() (*cursor, error) {
	c := &cursor{}
	if s != nil {
		c = &cursor{set: s, left: s.n, r: bufio.NewReaderSize(io.NewSectionReader(s.at, 0, int64(s.n)*recordSize), 1<<16)}
	}
	return c, c.next()
}

func (c *cursor) next() error {
	if c.ok = c.left > 0; !c.ok {
		return nil
	}
	c.left--
	if _, err := io.ReadFull(c.r, c.rec[:]); err != nil {
		return fmt.Errorf("looking into a list: %w", err)
	}
	return nil
}

// group returns all records with the name of the current one, and goes on to the next name.
func (c *cursor) group() ([]record, error) {
	all := []record{c.rec}
	for {
		if err := c.next(); err != nil {
			return nil, err
		}
		if !c.ok || compareNames(&all[0], &c.rec) != 0 {
			return all, nil
		}
		all = append(all, c.rec)
	}
}

// compare calls report for each record that only one of two sets has. A package that both name is compared by what they
// say of it; everything else only by its name. Either set may be nil, and has no entries then.
func compareSets(old, new *Set, report func(s *Set, r *record, added bool) error) error {
	a, err := old.walk()
	if err != nil {
		return err
	}
	b, err := new.walk()
	for err == nil && (a.ok || b.ok) {
		order := 0
		switch {
		case !a.ok:
			order = 1
		case !b.ok:
			order = -1
		default:
			order = compareNames(&a.rec, &b.rec)
		}
		err = compareGroups(a, b, order, report)
	}
	return err
}

func compareGroups(a, b *cursor, order int, report func(*Set, *record, bool) error) (err error) {
	var gone, come []record
	if order <= 0 {
		if gone, err = a.group(); err != nil {
			return err
		}
	}
	if order >= 0 {
		if come, err = b.group(); err != nil {
			return err
		}
	}
	if order == 0 {
		if come[0].kind() != KindPackage {
			return nil
		}
		if gone, come, err = changed(a.set, gone, b.set, come); err != nil {
			return err
		}
	}
	for i := range gone {
		if err := report(a.set, &gone[i], false); err != nil {
			return err
		}
	}
	for i := range come {
		if err := report(b.set, &come[i], true); err != nil {
			return err
		}
	}
	return nil
}

// changed leaves out of both what the other says as well.
func changed(old *Set, gone []record, new *Set, come []record) (g, c []record, err error) {
	before, err := wordings(old, gone)
	if err != nil {
		return nil, nil, err
	}
	after, err := wordings(new, come)
	if err != nil {
		return nil, nil, err
	}
	for w, r := range before {
		if _, ok := after[w]; !ok {
			g = append(g, r)
		}
	}
	for w, r := range after {
		if _, ok := before[w]; !ok {
			c = append(c, r)
		}
	}
	return g, c, nil
}

func wordings(s *Set, list []record) (map[string]record, error) {
	all := map[string]record{}
	for i := range list {
		e, err := s.entry(&list[i])
		if err != nil {
			return nil, err
		}
		all[fmt.Sprint(e.Label, e.Detail.Versions, e.Detail.Ranges)] = list[i]
	}
	return all, nil
}

// countDifference returns how many entries only one of two sets has.
func countDifference(old, new *Set) (added, removed int, err error) {
	err = compareSets(old, new, func(_ *Set, _ *record, come bool) error {
		if come {
			added++
		} else {
			removed++
		}
		return nil
	})
	return added, removed, err
}

type stop struct{}

func (stop) Error() string { return "stop" }

// Added returns the entries that the set has and an older one had not; with nil, all. An error ends it.
func (s *Set) Added(old *Set) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		err := compareSets(old, s, func(in *Set, r *record, added bool) error {
			if !added {
				return nil
			}
			e, err := in.entry(r)
			if err != nil {
				return err
			}
			if !yield(e, nil) {
				return stop{}
			}
			return nil
		})
		if err != nil && err != (stop{}) {
			yield(Entry{}, err)
		}
	}
}
