package reputation

import (
	"slices"
	"sort"
	"strings"

	"github.com/sallyport-project/sallyport/internal/versions"
)

// Affected says which versions of a package an entry is about, as OSV's affected[] does.
type Affected struct {
	Ecosystem string   `json:"ecosystem,omitempty"` // with its release, if the list gave one
	Versions  []string `json:"versions,omitempty"`  // exactly these
	Ranges    []Range  `json:"ranges,omitempty"`    // and whatever lies in any of these
	Aliases   []string `json:"aliases,omitempty"`   // CVE identifiers of what is wrong with them
}

// Range is a span of versions.
type Range struct {
	Type   string  `json:"type"` // SEMVER or ECOSYSTEM
	Events []Bound `json:"events"`
}

// Bound is where a range begins or ends. One field is set.
type Bound struct {
	Introduced   string `json:"introduced,omitempty"` // from here on; "0" is from the first version on
	Fixed        string `json:"fixed,omitempty"`      // up to but without this
	LastAffected string `json:"last_affected,omitempty"`
	Limit        string `json:"limit,omitempty"` // nothing from here on
}

func (e Bound) version() string {
	for _, v := range []string{e.Introduced, e.Fixed, e.LastAffected} {
		if v != "" {
			return v
		}
	}
	return e.Limit
}

// membership is the answer to whether a version is affected.
type membership uint8

const (
	outside membership = iota
	inside
	unclear // the versions cannot be compared, or nothing says which are meant
)

// covers tells whether a version is among the affected ones (OSV schema, section "Evaluation"). What cannot be decided
// is unclear rather than outside.
func (a *Affected) covers(p Package) membership {
	if _, theirs := ecosystem(a.Ecosystem); theirs != "" {
		if _, ours := ecosystem(p.Ecosystem); ours != "" && ours != theirs {
			return outside
		}
	}
	if len(a.Versions) == 0 && len(a.Ranges) == 0 {
		return unclear
	}
	result := a.listed(p)
	for i := range a.Ranges {
		result = worse(result, a.Ranges[i].covers(p))
	}
	return result
}

// worse returns inside if either is, then unclear.
func worse(a, b membership) membership {
	if a == inside || b == inside {
		return inside
	}
	return max(a, b)
}

func (a *Affected) listed(p Package) membership {
	if len(a.Versions) == 0 {
		return outside
	}
	if p.Version == "" {
		return unclear
	}
	compare := versions.Of(p.Ecosystem)
	return boolMember(slices.ContainsFunc(a.Versions, func(v string) bool {
		if strings.TrimPrefix(v, "v") == strings.TrimPrefix(p.Version, "v") {
			return true
		}
		order, ok := compare(v, p.Version)
		return ok && order == 0
	}))
}

func boolMember(b bool) membership {
	if b {
		return inside
	}
	return outside
}

// everything reports whether a range begins with the first version and never ends.
func (r *Range) everything() bool {
	return len(r.Events) == 1 && r.Events[0].Introduced == "0"
}

func (r *Range) covers(p Package) membership {
	if r.everything() {
		return inside
	}
	if p.Version == "" || len(r.Events) == 0 {
		return unclear
	}
	compare := versions.Of(p.Ecosystem)
	if r.Type == "SEMVER" {
		compare = versions.Semver
	}
	order := make([]int, len(r.Events)) // how p.Version compares with each event's
	for i, e := range r.Events {
		var ok bool
		if order[i], ok = compareEvent(compare, p.Version, e); !ok {
			return unclear
		}
	}
	return r.evaluate(order, compare)
}

func compareEvent(compare versions.Comparison, version string, e Bound) (order int, ok bool) {
	switch {
	case e.Introduced == "0":
		return 1, true
	case strings.Contains(e.Limit, "*"):
		return -1, true
	}
	return compare(version, e.version())
}

func (r *Range) evaluate(order []int, compare versions.Comparison) membership {
	limited, before := false, false
	index := make([]int, len(r.Events))
	for i, e := range r.Events {
		index[i] = i
		if e.Limit != "" {
			limited = true
			before = before || order[i] < 0
		}
	}
	if limited && !before {
		return outside
	}
	sort.SliceStable(index, func(i, j int) bool { return r.earlier(index[i], index[j], compare) })
	affected := false
	for _, i := range index {
		switch e := r.Events[i]; {
		case e.Introduced != "" && order[i] >= 0:
			affected = true
		case e.Fixed != "" && order[i] >= 0, e.LastAffected != "" && order[i] > 0:
			affected = false
		}
	}
	return boolMember(affected)
}

func (r *Range) earlier(i, j int, compare versions.Comparison) bool {
	a, b := r.Events[i], r.Events[j]
	if a.Introduced == "0" || b.Introduced == "0" {
		return a.Introduced == "0" && b.Introduced != "0"
	}
	order, _ := compare(a.version(), b.version())
	return order < 0
}
