package policy

import (
	"fmt"
	"slices"
)

// What a list is of, besides what is bad or good, decides what may refer to it.

// bad reports whether the feed lists what is bad.
func (f *Feed) bad() bool { return !f.Good && !f.Seen && !f.Exploited && !f.Vulnerabilities }

// lists says what the feed lists.
func (f *Feed) lists() string {
	switch {
	case f.Good:
		return "what is known to be good"
	case f.Seen:
		return "what other gates have seen"
	case f.Exploited && f.Vulnerabilities, f.Exploited:
		return "which vulnerabilities are exploited"
	case f.Vulnerabilities:
		return "which versions are vulnerable"
	}
	return "what is bad"
}

// checkSort refuses a list that is said to be of several things at once.
func (b *builder) checkSort(n node, f *Feed) {
	if f.Good && (f.Seen || f.Exploited || f.Vulnerabilities) || f.Seen && (f.Exploited || f.Vulnerabilities) {
		b.add(n, "define it twice under two names", "a feed lists one kind of thing: good, seen, or exploited and vulnerabilities")
	}
	if format := n.get("format"); f.Format == "kev" && !f.Exploited {
		b.add(format, "say exploited: true", "a catalogue of known exploited vulnerabilities names no files")
	}
}

// needsFixes demands the lists that tell which versions repair what is known to be exploited: without one that describes versions and one
// that says what is exploited, which may be the same, nothing can be told.
func (b *builder) needsFixes(n node) {
	describes := slices.ContainsFunc(b.policy.feeds, (*Feed).describes)
	exploited := slices.ContainsFunc(b.policy.feeds, func(f *Feed) bool { return f.Exploited })
	if !describes || !exploited {
		b.add(n, "define a feed with vulnerabilities: true (osv) and one with exploited: true (kev), or an osv feed with exploited: true",
			"no feed says which versions repair what is known to be exploited")
	}
}

// describes reports whether the feed says which versions are vulnerable.
func (f *Feed) describes() bool { return f.Vulnerabilities || f.Exploited && f.Format != "kev" }

// FeedsToFix returns the names of the feeds that say which versions are vulnerable, and of those that say what is exploited.
func (p *Policy) FeedsToFix() (describing, exploited []string) {
	for _, f := range p.feeds {
		if f.describes() {
			describing = append(describing, f.Name)
		}
		if f.Exploited {
			exploited = append(exploited, f.Name)
		}
	}
	return describing, exploited
}

// sightings returns when lists of what other gates have seen say that they first saw the update itself.
func (r *Reputation) sightings(feeds []*Feed) []Sighting {
	clear, _ := r.listings(slices.DeleteFunc(slices.Clone(feeds), func(f *Feed) bool { return !f.Seen }))
	var out []Sighting
	for _, l := range clear {
		if l.Path == "" && (l.Kind == "sha256" || l.Kind == "sha512") && !l.Listed.IsZero() {
			out = append(out, Sighting{Feed: l.Feed, At: l.Listed})
		}
	}
	return out
}

// misnamed says why a requirement cannot refer to a feed; "" if it can.
func (f *Feed) misnamed(good bool) (message, hint string) {
	switch {
	case good && !f.Good:
		return fmt.Sprintf("feed %s does not list what is known to be good", quote(f.Name)), "say good: true of the feed, if that is what it lists"
	case !good && f.Good:
		return fmt.Sprintf("feed %s lists what is known to be good", quote(f.Name)), "require `listed`"
	case !good && !f.bad():
		return fmt.Sprintf("feed %s lists %s", quote(f.Name), f.lists()), "min_age looks into it by itself"
	}
	return "", ""
}
