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
}

// Feeds returns the feeds of the policy, in the order of the file.
func (p *Policy) Feeds() []Feed {
	out := make([]Feed, len(p.feeds))
	for i, f := range p.feeds {
		out[i] = *f
	}
	return out
}

// Reputation is what the feeds of a Plan say of an update. Of a feed that is not in Feeds nothing is known.
type Reputation struct {
	Feeds      map[string]FeedState // by name
	Listings   []Listing
	Incomplete []string // why Listings may not be all, in words for whoever asks for the update
}

// FeedStatus says how far a feed may be relied on. The zero value is not relied on.
type FeedStatus uint8

const (
	FeedNever FeedStatus = iota // it was never loaded
	FeedStale                   // it was, too long ago
	FeedOK
)

// FeedState is how a feed is doing.
type FeedState struct {
	Status  FeedStatus
	Success time.Time // when it was last known to be the present one
	Date    time.Time // that it gives itself
	Entries int
}

// Listing is one entry of a feed that names the update, something inside it, who signed it, or where it came from.
type Listing struct {
	Feed  string
	Path  string // the inner file meant; empty for the update itself
	Kind  string // what is listed: sha256, sha512, sha1, md5, cert-sha256, cert-sha1, cert-serial, url, domain, host, package
	Match string // what of the update was found: a digest, a package with its version
	Value string // what the feed names
	Label string // what the feed says of it; its own words
	// Listed is since when, as the feed claims; zero if it does not.
	Listed  time.Time
	Line    int  // of the feed, from 1; 0: not known
	Unclear bool // it could not be told whether just this version is meant
}

// feedsFor returns the names, sorted, of the feeds that requirements of channels and deny rules look at.
func (p *Policy) feedsFor(channels []*channel) []string {
	switch {
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
