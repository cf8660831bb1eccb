package reputation

import "strings"

// Fix is a vulnerability that a version of a package has and a later one has not.
type Fix struct {
	ID        string // as the list that describes it calls it
	Feed      string // that list
	Exploited string // the list that says that it is exploited; "" if none does
}

// Fixes returns what is wrong with the version before of a package and not with the version after, by the lists that describe vulnerabilities
// (OSV), and whether one of the lists of what is exploited names it. A list that is both says that all it has is exploited. What is
// unclear of one of the two versions is no fix.
func (v *View) Fixes(before, after Package, describing, exploited []string) ([]Fix, error) {
	text, err := packageText(before)
	other, wrong := packageText(after)
	if err != nil || wrong != nil || text != other || before.Version == "" || after.Version == "" {
		return nil, nil // nothing can be said of them
	}
	var out []Fix
	for _, l := range v.lists {
		if l.set == nil || !wanted(l.feed.Name, describing) || len(describing) == 0 {
			continue
		}
		found, err := l.set.find(KindPackage, textKey(KindPackage, text))
		if err != nil {
			return out, err
		}
		for i := range found {
			e, err := l.set.entry(&found[i])
			if err != nil {
				return out, err
			}
			if e.Detail == nil || e.Detail.covers(before) != inside || e.Detail.covers(after) != outside {
				continue
			}
			f := Fix{ID: e.Label, Feed: l.feed.Name}
			if f.Exploited, err = v.exploited(&e, l.feed.Name, exploited); err != nil {
				return out, err
			}
			out = append(out, f)
		}
	}
	return out, nil
}

// exploited returns the list that says that a vulnerability is.
func (v *View) exploited(e *Entry, describedBy string, exploited []string) (string, error) {
	for _, l := range v.lists {
		if l.set == nil || !wanted(l.feed.Name, exploited) || len(exploited) == 0 {
			continue
		}
		if l.feed.Name == describedBy {
			return describedBy, nil
		}
		for _, id := range append([]string{e.Label}, e.Detail.Aliases...) {
			id, ok := vulnerabilityID(id)
			if !ok {
				continue
			}
			found, err := l.set.find(KindVulnerability, textKey(KindVulnerability, id))
			if err != nil {
				return "", err
			}
			if len(found) > 0 {
				return l.feed.Name, nil
			}
		}
	}
	return "", nil
}

// maxAliases is how many CVE identifiers of a record are kept.
const maxAliases = 32

// cveIDs returns those of a record's names that are CVE identifiers.
func cveIDs(names []string) []string {
	var out []string
	for _, name := range names {
		if id, ok := vulnerabilityID(strings.TrimSpace(name)); ok && len(out) < maxAliases {
			out = append(out, id)
		}
	}
	return out
}
