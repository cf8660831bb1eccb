package proxy

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/reputation"
	"github.com/sallyport-project/sallyport/verify"
)

// Lookup is an update to be looked up in feeds.
type Lookup struct {
	View     *reputation.View // of one moment
	Feeds    []string         // as Plan.Feeds names them
	Artifact *verify.Artifact
	URLs     []*url.URL // where it came from
	Report   verify.Report
	Sums     *Sums
	At       time.Time // of the judgement
}

// Reputation returns what the feeds say of the update itself, of all that is inside, of who signed any of it, and of where it
// came from. The update's content is read if a feed has digests of it that Sums does not know yet; inner files are looked up by
// their SHA-256. The error says why something could not be looked up, in words for the operator; what is returned says in words for
// everybody that it is not all. Once ctx is done, what is inside is not looked up any more.
func (l *Lookup) Reputation(ctx context.Context) (out policy.Reputation, err error) {
	if len(l.Feeds) == 0 {
		return out, nil
	}
	out.Feeds = map[string]policy.FeedState{}
	for _, name := range l.Feeds {
		out.Feeds[name] = feedState(l.View.State(name, l.At))
	}
	update, err := l.subject(ctx)
	if err != nil {
		out.Incomplete = append(out.Incomplete, "the file could not be read again for the digests that some feed has")
	}
	unreadable := false
	for i, s := range reputation.Subjects(update, l.Report) {
		if ended := ctx.Err(); ended != nil && i > 0 {
			out.Incomplete = append(out.Incomplete, "the files inside could not be looked up for want of time")
			return out, errors.Join(err, ended)
		}
		hits, wrong := l.View.Match(s, l.Feeds...)
		if wrong != nil && !unreadable {
			unreadable, err = true, errors.Join(err, wrong)
			out.Incomplete = append(out.Incomplete, "a list could not be read")
		}
		for i := range hits {
			out.Listings = append(out.Listings, listing(&hits[i]))
		}
	}
	return out, err
}

// Prepare computes those digests that feeds have now, so that Reputation need not.
func (l *Lookup) Prepare(ctx context.Context) error {
	if len(l.Feeds) == 0 {
		return nil
	}
	_, err := l.Sums.of(ctx, l.Artifact, l.View.Kinds(l.Feeds...))
	return err
}

// subject is the update itself, as far as it is known after an error.
func (l *Lookup) subject(ctx context.Context) (reputation.Subject, error) {
	s := reputation.Subject{SHA256: l.Artifact.Digests.SHA256, Packages: packagesOf(l.Report), At: l.At}
	for _, u := range l.URLs {
		if text := u.String(); !slices.Contains(s.URLs, text) {
			s.URLs = append(s.URLs, text)
		}
	}
	sums, err := l.Sums.of(ctx, l.Artifact, l.View.Kinds(l.Feeds...))
	s.SHA1, s.MD5, s.SHA512 = sums[reputation.KindSHA1], sums[reputation.KindMD5], sums[reputation.KindSHA512]
	return s, err
}

// packagesOf returns what signed statements say that the update is.
func packagesOf(r verify.Report) []reputation.Package {
	var out []reputation.Package
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Subject != "" || f.Attestation == nil || f.Attestation.Package == "" {
			continue
		}
		if p, err := reputation.ParsePackageURL(f.Attestation.Package); err == nil && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

func feedState(s reputation.State) policy.FeedState {
	out := policy.FeedState{Success: s.Success, Date: s.Date, Entries: s.Entries}
	switch s.Status {
	case reputation.Fresh:
		out.Status = policy.FeedOK
	case reputation.Stale:
		out.Status = policy.FeedStale
	}
	return out
}

func listing(h *reputation.Hit) policy.Listing {
	return policy.Listing{
		Feed: h.Feed, Path: h.Path, Kind: h.Kind.String(), Match: h.Match, Value: h.Value, Label: h.Label,
		Listed: h.Listed, Line: h.Line, Unclear: h.Unclear,
	}
}

// FeedsOf translates the feeds of a policy for package reputation; file says where a file of that name lies.
func FeedsOf(p *policy.Policy, file func(name string) string) []reputation.Feed {
	var out []reputation.Feed
	for _, f := range p.Feeds() {
		r := reputation.Feed{
			Name: f.Name, URL: f.URL,
			Reading: reputation.Reading{
				Format: reputation.Format(f.Format), Column: f.Column, Values: reputation.Values(f.Values), Good: f.Good,
				MaxEntries: f.MaxEntries, MaxUnreadable: f.MaxUnreadable,
			},
			Refresh: f.Refresh, Timeout: f.Timeout, MaxSize: f.MaxSize, SHA256: f.SHA256, SHA256URL: f.SHA256URL,
			MaxStale: f.MaxStale, MaxAge: f.MaxAge, MaxShrink: f.MaxShrink, AllowEmpty: f.AllowEmpty,
		}
		if f.File != "" {
			r.File = file(f.File)
		}
		out = append(out, r)
	}
	return out
}

func (g *Gate) lookup(x *transit, a *verify.Artifact) *Lookup {
	return &Lookup{View: g.Inquirer.view(), Feeds: x.plan.Feeds, Artifact: a, Sums: g.Inquirer.Sums}
}

// view is what feeds say now.
func (g *Gate) view() *reputation.View {
	if g.Feeds == nil {
		return new(reputation.View)
	}
	return g.Feeds()
}

// sources are the addresses that an update comes from: where it was fetched, and those that redirected there.
func (x *transit) sources() []*url.URL {
	out := []*url.URL{x.req.URL}
	origin, way := x.gate.redirects.cameFrom(x.ask.Client, x.req.URL)
	for _, u := range append([]*url.URL{x.place.from, origin}, way...) {
		if u != nil {
			out = append(out, u)
		}
	}
	return out
}
