package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
)

// notListed asks that no feed names the update, anything inside it, who signed it, or where it came from.
type notListed struct {
	feeds []*Feed
	opens bool // to look up all that is inside; else that counts only as far as it is known for other reasons
}

// String implements requirement.
func (r *notListed) String() string {
	s := "on none of the feeds " + namesOf(r.feeds)
	if !r.opens {
		s += ", for which it is not opened"
	}
	return s
}

func (r *notListed) sidecars() bool { return false }

// inside implements requirement: a feed may name what is inside.
func (r *notListed) inside() bool { return r.opens }

func (r *notListed) refers(func(*anchor)) {}

// judge implements requirement. What is named is refused however old the feed is. That nothing is named means something only
// where the feed has been loaded, is not too old, and everything could be looked up.
func (r *notListed) judge(e *evidence) (outcome, string) {
	label := "not_listed " + namesOf(r.feeds) + ": "
	if e.facts == nil {
		return undecided, label + "nothing is known of any feed"
	}
	rep := &e.facts.Reputation
	clear, unclear := rep.listings(r.feeds)
	if len(clear) > 0 {
		return fails, label + sentences(clear)
	}
	if len(unclear) > 0 {
		return undecided, label + "it could not be told whether this version is meant: " + sentences(unclear)
	}
	if why := rep.doubt(r.feeds, e); why != "" {
		return undecided, label + why
	}
	if !r.opens {
		return holds, label + r.nothing(e)
	}
	if e.contents == nil && e.role != verify.Metadata {
		return undecided, label + "the file was not looked into"
	}
	if broken := unopened(e.findings); len(broken) > 0 {
		return undecided, label + "what is inside could not all be looked up: " + quotedInner(broken)
	}
	return holds, label + r.nothing(e)
}

// nothing says what was looked up in vain.
func (r *notListed) nothing(e *evidence) string {
	counts := make([]string, len(r.feeds))
	for i, f := range r.feeds {
		state := e.facts.Reputation.Feeds[f.Name]
		counts[i] = f.Name + " with " + entries(state.Entries)
		if f.Lookup != nil {
			counts[i] = "look-up " + f.Name
			continue
		}
		if state.Status == FeedStale {
			counts[i] += ", which is stale and used all the same"
		}
	}
	s := "nothing that is known of the file is on " + strings.Join(counts, ", nor on ")
	if e.contents == nil && !r.opens && e.role != verify.Metadata {
		s += "; what may be inside was not looked up"
	}
	if c := e.contents; c != nil && c.Files > 0 {
		s += fmt.Sprintf("; %s inside", plural(c.Files, "file was looked up", "files were looked up"))
	}
	if c := e.contents; c != nil && c.Unread > 0 {
		s += fmt.Sprintf("; %s could not be looked into", plural(c.Unread, "entry", "entries"))
	}
	return s
}

// unopened returns the findings which say that opening the update went wrong or came to an early end, so that there may be more
// inside than was seen. What is encrypted, or packed in a way that is not known here, is not among them: contents judges that.
func unopened(findings []verify.Finding) []*verify.Finding {
	var out []*verify.Finding
	for i := range findings {
		f := &findings[i]
		if f.Method == "unpack" && (f.Status == verify.Invalid || f.Status == verify.Inconclusive) && !unread(f) {
			out = append(out, f)
		}
	}
	return out
}

// knownGood asks that a feed of what is known to be good names the update by a digest that nobody can forge.
type knownGood struct{ feeds []*Feed }

// String implements requirement.
func (r *knownGood) String() string {
	return "known to be good by any of the feeds " + namesOf(r.feeds)
}

func (r *knownGood) sidecars() bool { return false }

func (r *knownGood) inside() bool { return false }

func (r *knownGood) refers(func(*anchor)) {}

// judge implements requirement.
func (r *knownGood) judge(e *evidence) (outcome, string) {
	label := "listed " + namesOf(r.feeds) + ": "
	switch {
	case e.index():
		return holds, label + "asked of payloads only, and this is metadata"
	case e.facts == nil:
		return undecided, label + "nothing is known of any feed"
	}
	rep := &e.facts.Reputation
	for _, f := range r.feeds {
		if rep.old(f, e) != "" {
			continue
		}
		clear, _ := rep.listings([]*Feed{f})
		for _, l := range clear {
			if l.Path == "" && (l.Kind == "sha256" || l.Kind == "sha512") {
				return holds, label + l.sentence()
			}
		}
	}
	if why := rep.doubt(r.feeds, e); why != "" {
		return undecided, label + why
	}
	return fails, label + "the file itself is not on " + namesOf(r.feeds)
}

// listings returns those by some feeds: which mean the update, and of which that could not be told.
func (r *Reputation) listings(feeds []*Feed) (clear, unclear []*Listing) {
	for i := range r.Listings {
		l := &r.Listings[i]
		switch {
		case !slices.ContainsFunc(feeds, func(f *Feed) bool { return f.Name == l.Feed }):
		case l.Unclear:
			unclear = append(unclear, l)
		default:
			clear = append(clear, l)
		}
	}
	return clear, unclear
}

// doubt says why the silence of some feeds means nothing; "" if it does mean something.
func (r *Reputation) doubt(feeds []*Feed, e *evidence) string {
	if len(r.Incomplete) > 0 {
		return "not everything could be looked up: " + someOf(printed(r.Incomplete))
	}
	for _, f := range feeds {
		if why := r.old(f, e); why != "" {
			return why
		}
		if why := r.Feeds[f.Name].Partial; why != "" {
			return "look-up " + f.Name + ": " + printable.Text(why, 300)
		}
	}
	return ""
}

func entries(n int) string {
	return humanize.Comma(int64(n)) + map[bool]string{true: " entry", false: " entries"}[n == 1]
}

func namesOf(feeds []*Feed) string {
	names := make([]string, len(feeds))
	for i, f := range feeds {
		names[i] = f.Name
	}
	return strings.Join(names, ", ")
}

// feedsOf returns the names, sorted, of the feeds that requirements refer to, at whatever depth.
func feedsOf(requires []requirement) []string {
	seen := map[string]bool{}
	var walk func([]requirement)
	walk = func(rs []requirement) {
		for _, r := range rs {
			var feeds []*Feed
			switch r := r.(type) {
			case *group:
				walk(r.of)
			case *negation:
				walk([]requirement{r.of})
			case *lenient:
				walk([]requirement{r.of})
			case *minAge:
				feeds = r.feeds
			case *freeze:
				feeds = r.feeds
			case *notListed:
				feeds = r.feeds
			case *knownGood:
				feeds = r.feeds
			}
			for _, f := range feeds {
				seen[f.Name] = true
			}
		}
	}
	walk(requires)
	if len(seen) == 0 {
		return nil
	}
	return sortedKeys(seen)
}
