package policy

import (
	"slices"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Feed is a list of what somebody says is bad, or good, as the section feeds defines it. What is zero was left out; package
// reputation, which reads lists, says what holds then.
type Feed struct {
	Name           string
	Line, Position int    // of its name in the policy file, from 1
	File           string // as it is written, relative to the policy file
	URL            string
	Format         string
	Column         string // of a CSV list
	Values         string
	Good           bool // it lists what is known to be good
	// Seen: it lists what other gates have seen, and since when. Vulnerabilities: it describes vulnerable versions; Exploited: it says
	// of vulnerabilities that they are exploited, or, if it describes them, all that it describes are.
	Seen, Exploited, Vulnerabilities bool

	Refresh, Timeout time.Duration
	MaxSize          int64 // bytes, as it comes
	MaxEntries       int
	SHA256           verify.Digest // of the only list that is taken
	SHA256URL        string        // where the digest of the present list is

	MaxUnreadable float64 // the share of entries; negative: none
	MaxShrink     float64 // the share of entries that may go at once
	AllowEmpty    bool

	MaxStale time.Duration // since it was last known to be the present one
	MaxAge   time.Duration // since the date that it gives itself
	UseStale bool          // what it says counts, and its silence, too, although it is stale

	Lookup *Lookup // not nil: it is no list but a service that is asked, and nothing else here counts but Name, Line, Position and Good
}

// Feeds returns the feeds of the policy, in the order of the file; services that are asked are not among them.
func (p *Policy) Feeds() []Feed {
	out := make([]Feed, 0, len(p.feeds))
	for _, f := range p.feeds {
		if f.Lookup == nil {
			out = append(out, *f)
		}
	}
	return out
}

// Reputation is what the feeds of a Plan say of an update. Of a feed that is not in Feeds nothing is known.
type Reputation struct {
	Feeds      map[string]FeedState `json:"feeds,omitempty"` // by name, look-ups included
	Listings   []Listing            `json:"listings,omitempty"`
	Incomplete []string             `json:"incomplete,omitempty"` // why Listings may not be all, in words for whoever asks for the update
}

// FeedStatus says how far a feed may be relied on. The zero value is not relied on.
type FeedStatus uint8

const (
	FeedNever FeedStatus = iota // it was never loaded
	FeedStale                   // it was, too long ago
	FeedOK
)

var feedStatusNames = [...]string{"never", "stale", "ok"}

// String returns the status as records and tests spell it.
func (s FeedStatus) String() string {
	if int(s) < len(feedStatusNames) {
		return feedStatusNames[s]
	}
	return "never"
}

// MarshalText implements encoding.TextMarshaler as String does.
func (s FeedStatus) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler: what it does not know is FeedNever.
func (s *FeedStatus) UnmarshalText(b []byte) error {
	*s = FeedNever
	for i, name := range feedStatusNames {
		if name == string(b) {
			*s = FeedStatus(i)
		}
	}
	return nil
}

// FeedState is how a feed is doing.
type FeedState struct {
	Status  FeedStatus `json:"status"`
	Success time.Time  `json:"success,omitzero"` // when it was last known to be the present one
	Date    time.Time  `json:"date,omitzero"`    // that it gives itself
	Entries int        `json:"entries,omitempty"`
	// Reason says of a look-up why there is no answer, and Partial why its answer is not about everything that it should be about, in
	// words: what it names counts then, and its silence does not.
	Reason  string `json:"reason,omitempty"`
	Partial string `json:"partial,omitempty"`
}

// Listing is one entry of a feed that names the update, something inside it, who signed it, or where it came from.
type Listing struct {
	Feed  string `json:"feed"`
	Path  string `json:"path,omitempty"`  // the inner file meant; empty for the update itself
	Kind  string `json:"kind"`            // what is listed: sha256, sha512, sha1, md5, cert-sha256, cert-sha1, cert-serial, url, domain, host, package
	Match string `json:"match"`           // what of the update was found: a digest, a package with its version
	Value string `json:"value"`           // what the feed names
	Label string `json:"label,omitempty"` // what the feed says of it; its own words
	// Listed is since when, as the feed claims; zero if it does not.
	Listed  time.Time `json:"listed,omitzero"`
	Line    int       `json:"line,omitempty"`    // of the feed, from 1; 0: not known
	Unclear bool      `json:"unclear,omitempty"` // it could not be told whether just this version is meant
}

// sortedNames joins names with those of feeds.
func sortedNames(names []string, feeds []*Feed) []string {
	out := slices.Clone(names)
	for _, f := range feeds {
		out = append(out, f.Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// feedsFor returns the names, sorted, of the feeds that requirements of channels and deny rules look at.
func (p *Policy) feedsFor(channels []*channel) []string {
	switch {
	case len(channels) == 0 && p.freeze != nil && p.unmatched == "allow":
		return sortedNames(p.denies.feeds, p.freeze.feeds)
	case len(channels) == 0:
		return p.denies.feeds
	case len(channels) == 1 && len(p.denies.feeds) == 0:
		return channels[0].feeds
	}
	var out []string
	for _, c := range channels {
		out = append(out, c.feeds...)
	}
	out = append(out, p.denies.feeds...)
	slices.Sort(out)
	return slices.Compact(out)
}
