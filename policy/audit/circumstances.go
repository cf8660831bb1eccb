package audit

import (
	"net/netip"
	"net/url"
	"slices"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// Circumstances are the facts besides the report that a decision was made by, so that it can be understood, and made again under
// another policy. Their text comes from strangers and is bounded as all text of a record is.
type Circumstances struct {
	History    *policy.History        `json:"history,omitempty"`
	Reputation *policy.Reputation     `json:"reputation,omitempty"`
	Scans      map[string]policy.Scan `json:"scans,omitempty"`
	Changes    []policy.Changes       `json:"changes,omitempty"`
	Fixes      []policy.Fix           `json:"fixes,omitempty"`
	Recalls    []policy.Recall        `json:"recalls,omitempty"`
	// Asked is what the policy had looked up and verified: what the report and all this can answer.
	Asked   policy.Asked `json:"asked,omitzero"`
	Carried []string     `json:"carried,omitempty"`  // scopes that redirects had brought along
	LeftOut []string     `json:"left_out,omitempty"` // what was too much for the record, in words; it is as if it was not known
}

// CircumstancesOf returns what else than the report a policy judged by, printable, bounded and without what is personal: of listings
// that name the URL that was asked for only what the feed says stays.
func CircumstancesOf(p *policy.Policy, f policy.Facts) *Circumstances {
	c := &Circumstances{Changes: f.Changes, Fixes: f.Fixes, Recalls: f.Recalls, Scans: f.Scans, Asked: p.Asked(f.Request)}
	if f.History.Known {
		c.History = &f.History
	}
	if len(f.Reputation.Feeds)+len(f.Reputation.Listings)+len(f.Reputation.Incomplete) > 0 {
		c.Reputation = &f.Reputation
	}
	for _, carried := range f.Request.Carried {
		c.Carried = append(c.Carried, carried.Scope)
	}
	return boundedCircumstances(c)
}

// FactsOf returns the facts that a recorded decision was made by, as of its time, as far as they are kept: without standing releases,
// which are records of their own, and without the report, which the caller has from the store. What is gone from the record is zero;
// see Lost.
func FactsOf(r Record, report verify.Report) policy.Facts {
	f := policy.Facts{Report: report, Now: r.Time}
	if q := r.Request; q != nil {
		f.Request.Method = q.Method
		if u, err := url.Parse(q.URL); err == nil && q.URL != "" {
			f.Request.URL = u
		}
	}
	if c := r.Client; c != nil {
		f.Request.Client.User = c.User
		if addr, err := netip.ParseAddr(c.Addr); err == nil {
			f.Request.Client.Addr = addr.Unmap()
		}
	}
	if a := r.Artifact; a != nil {
		f.Update = policy.Update{Name: a.Name, Format: a.Format, Size: a.Size, SHA256: a.SHA256}
		if a.Role == verify.Metadata.String() {
			f.Update.Role = verify.Metadata
		}
	}
	c := r.Facts
	if c == nil {
		return f
	}
	f.Changes, f.Fixes, f.Recalls, f.Scans = c.Changes, c.Fixes, c.Recalls, c.Scans
	if c.History != nil {
		f.History = *c.History
		if len(f.History.Editions) == 0 {
			f.History.Editions = r.Editions
		}
		if f.History.FirstSeen.IsZero() { // it was then, which is not now any more
			f.History.FirstSeen = r.Time
		}
	}
	if c.Reputation != nil {
		f.Reputation = *c.Reputation
	}
	for _, scope := range c.Carried {
		f.Request.Carried = append(f.Request.Carried, policy.Carried{Scope: scope})
	}
	return f
}

// Lost returns why a record no longer tells enough to judge its update again by a policy, in words: none if it does, as far as the
// record goes.
func Lost(r Record, p *policy.Policy) []string {
	var out []string
	gone := func(name string) string {
		switch {
		case slices.Contains(r.Altered, name):
			return "was altered"
		case slices.Contains(r.Deleted, name):
			return "was deleted"
		}
		return ""
	}
	if how := gone("request.url"); how != "" {
		out = append(out, "the URL of the request "+how)
	} else if f := FactsOf(Record{Request: r.Request}, verify.Report{}); f.Request.URL == nil {
		out = append(out, "the record has no URL that could be read")
	}
	for _, name := range []string{"client.addr", "client.user"} {
		if how := gone(name); how != "" && p.AsksClients() {
			out = append(out, "who asked "+how)
			break
		}
	}
	if r.Facts == nil {
		out = append(out, "the record does not say what else the update was judged by")
	} else if len(r.Facts.LeftOut) > 0 {
		out = append(out, r.Facts.LeftOut...)
	}
	return out
}
