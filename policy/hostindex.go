package policy

import (
	"slices"
	"strings"
)

// hostIndex finds which of many patterns stand for a host, in time that depends on the host's labels alone.
type hostIndex struct {
	exact, below map[string][]int // ids of patterns, ascending
}

// add adds a pattern. Ids are added in ascending order.
func (x *hostIndex) add(h hostPattern, id int) {
	if x.exact == nil {
		x.exact, x.below = map[string][]int{}, map[string][]int{}
	}
	m := x.exact
	if h.below {
		m = x.below
	}
	if ids := m[h.name]; len(ids) == 0 || ids[len(ids)-1] != id {
		m[h.name] = append(ids, id)
	}
}

// find returns the ids of all patterns that stand for a host in normal form, ascending, each once. The caller does
// not change it.
func (x *hostIndex) find(name string) []int {
	found := x.exact[name]
	shared := true
	x.walk(name, func(ids []int) {
		if len(found) == 0 {
			found = ids
			return
		}
		if shared {
			found, shared = append([]int(nil), found...), false
		}
		found = append(found, ids...)
	})
	if shared {
		return found
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// walk calls f for the ids under every domain that name is below, longest domain first.
func (x *hostIndex) walk(name string, f func(ids []int)) {
	if len(x.below) == 0 {
		return
	}
	for {
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			return
		}
		if ids := x.below[rest]; len(ids) > 0 {
			f(ids)
		}
		name = rest
	}
}
