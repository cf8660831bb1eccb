package policy

import (
	"net/url"
	"slices"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// Lookup is a service that is asked about single files by their SHA-256, as the section lookups defines it. Requirements and deny
// rules name it as they name a feed; what it says are Listings and a FeedState under its name. What is zero was left out; package
// lookup, which asks, says what holds then.
type Lookup struct {
	Name           string
	Line, Position int    // of its name in the policy file, from 1
	Service        string // virustotal, hashlookup or json
	URL            string // the base; of json, a template with {sha256}
	Key            string // a secret that is sent with each request; "" is none
	Header         string // of json: the field that carries Key
	Good           bool   // it knows what is good
	Unclear        bool   // a file that it does not know is one of which it could not be told; else one that is not listed

	AtLeast  int        // of virustotal: engines that call the file malicious
	MinTrust int        // of hashlookup: from 0 to 100
	Answer   JSONAnswer // of json

	Inside   bool // executables inside the update are asked about, too
	MaxFiles int  // of one update
	Timeout  time.Duration
	Cache    time.Duration // how long an answer holds
	Budget   []Rate        // the most requests
}

// JSONAnswer says what an answer in JSON means. Places are JSON pointers (RFC 6901).
type JSONAnswer struct {
	Pointer string   // where the verdict is
	Is      []string // texts, or true, false or numbers as JSON writes them: the file is listed if the verdict is one of them
	AtLeast float64  // or the number from which on it is listed; only if Is is empty
	Label   string   // where there is a name for it; "" is none
}

// Rate is a number of requests in a span of time.
type Rate struct {
	N   int
	Per time.Duration
}

// Lookups returns the services of the policy, in the order of the file.
func (p *Policy) Lookups() []Lookup {
	var out []Lookup
	for _, f := range p.feeds {
		if f.Lookup != nil {
			out = append(out, *f.Lookup)
		}
	}
	return out
}

// splitLookups parts names of feeds and look-ups, sorted. names is not changed.
func (p *Policy) splitLookups(names []string) (feeds, lookups []string) {
	if !slices.ContainsFunc(names, p.isLookup) {
		return names, nil
	}
	for _, name := range names {
		if p.isLookup(name) {
			lookups = append(lookups, name)
		} else {
			feeds = append(feeds, name)
		}
	}
	return feeds, lookups
}

func (p *Policy) isLookup(name string) bool {
	return slices.ContainsFunc(p.feeds, func(f *Feed) bool { return f.Lookup != nil && f.Name == name })
}

// unanswered says that a service gave no answer.
func unanswered(name string, state FeedState) string {
	if state.Reason == "" {
		return "look-up " + name + " was not made"
	}
	return "look-up " + name + " gave no answer: " + printable.Text(state.Reason, 300)
}

// lookupSources names look-ups with the hosts that are asked.
func (p *Policy) lookupSources(names []string) []string {
	var out []string
	for _, f := range p.feeds {
		if f.Lookup == nil || !contains(names, f.Name) {
			continue
		}
		host := f.Lookup.Service
		if u, err := url.Parse(f.Lookup.URL); err == nil && u.Host != "" {
			host += " at " + u.Host
		}
		out = append(out, f.Name+" ("+host+")")
	}
	return out
}
