package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/sallyport-project/sallyport/verify"
)

// Asked is what a policy had looked up and verified about a request's update: what the report and the other facts can answer when
// another policy asks. Values are short digests of what stands behind a name, so that a name that came to mean something else
// is not taken for the same.
type Asked struct {
	Anchors    map[string]string `json:"anchors,omitempty"`  // those whose keys, roots or repositories were needed to verify
	Feeds      map[string]string `json:"feeds,omitempty"`    // look-ups included
	Scanners   map[string]string `json:"scanners,omitempty"` //
	Inside     bool              `json:"inside,omitempty"`   // the update was opened
	Beside     bool              `json:"beside,omitempty"`   // evidence beside the update was looked for
	ScanInside bool              `json:"scan_inside,omitempty"`
	SecondLook bool              `json:"second_look,omitempty"`
	// Revocation tells apart by what revocation lists and rules certificates were judged; "" is by none.
	Revocation string `json:"revocation,omitempty"`
}

// Asked returns what the policy has looked up and verified for a request.
func (p *Policy) Asked(r Request) Asked {
	pl := p.plan(r)
	return Asked{
		Anchors: among(p.basisOf, pl.Anchors), Feeds: among(p.sourceOf, slices.Concat(pl.Feeds, pl.Lookups)), Scanners: among(p.scannerOf, pl.Scanners),
		Inside: pl.Contents, Beside: pl.Sidecars, ScanInside: pl.ScanInside, SecondLook: pl.SecondLook,
		Revocation: p.revocationOf,
	}
}

// AsksClients reports whether any decision may depend on who asks.
func (p *Policy) AsksClients() bool { return p.asksClients }

// among returns the digests of those names that have one.
func among(digests map[string]string, names []string) map[string]string {
	var out map[string]string
	for _, name := range names {
		digest, ok := digests[name]
		if !ok {
			continue
		}
		if out == nil {
			out = make(map[string]string, len(names))
		}
		out[name] = digest
	}
	return out
}

// remember computes what Asked returns of names, once for all requests.
func (p *Policy) remember() {
	p.basisOf, p.sourceOf, p.scannerOf = map[string]string{}, map[string]string{}, map[string]string{}
	for _, a := range p.anchors {
		if what := p.basis(a); what != nil {
			p.basisOf[a.name] = shortDigest(what)
		}
	}
	for _, f := range p.feeds {
		p.sourceOf[f.Name] = shortDigest(feedSource(f))
	}
	for _, s := range p.scanners {
		def := *s
		def.Line, def.Position = 0, 0
		p.scannerOf[s.Name] = shortDigest(def)
	}
	if r := &p.revocation; r.fetch || r.required || len(r.lists) > 0 {
		p.revocationOf = shortDigest([]any{r.fetch, r.required, r.maxStale, r.sums})
	}
	p.asksClients = p.asksClients || slices.ContainsFunc(p.channels, func(c *channel) bool { return c.clients != nil })
}

// shortDigest tells values apart, that were not made to be taken for one another.
func shortDigest(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic("a policy holds nothing that JSON cannot: " + err.Error())
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:6])
}

// basis is what verification needs to know of an anchor; nil for one that a report can be compared with afterwards.
func (p *Policy) basis(a *anchor) any {
	switch a.kind {
	case "digest":
		return nil
	case "authenticode":
		if a.roots == nil {
			return nil // the report has the identity, under whichever public root
		}
		return []any{a.kind, sortedKeys(a.roots)}
	}
	var keys [][]byte
	var rest []any
	for _, k := range p.keyrings {
		if k.Anchor == a.name {
			keys, rest = append(keys, k.Data), append(rest, k.Suites, k.Lag)
		}
	}
	for _, k := range p.publicKeys {
		if k.Anchor == a.name {
			keys = append(keys, k.Data)
		}
	}
	for _, authority := range p.authorities {
		if authority.Anchor == a.name {
			for _, c := range authority.Roots {
				keys = append(keys, c.Raw)
			}
		}
	}
	return []any{a.kind, keys, rest, a.tuf, a.sigstore}
}

// feedSource is where a feed has its entries from, and how it is read.
func feedSource(f *Feed) any {
	if l := f.Lookup; l != nil {
		return []any{l.Service, l.URL, l.Good, l.Unclear, l.AtLeast, l.MinTrust, l.Answer, l.Inside, l.MaxFiles}
	}
	return []any{f.File, f.URL, f.Format, f.Column, f.Values, f.Good, f.Seen, f.Exploited, f.Vulnerabilities, f.SHA256}
}

// repinned returns a report in which the anchors of kind digest are those of this policy: their digests are all that it takes to say
// what they vouch for.
func (p *Policy) repinned(r verify.Report, sum verify.Digest) verify.Report {
	old := func(f verify.Finding) bool { return f.Method == "digest" }
	pinned := len(p.pins[sum]) > 0
	if r.Contents != nil && len(p.pins) > 0 {
		pinned = pinned || slices.ContainsFunc(r.Contents.Inner, func(in verify.Inner) bool { return len(p.pins[in.SHA256]) > 0 })
	}
	if !pinned && !slices.ContainsFunc(r.Findings, old) {
		return r
	}
	r.Findings = slices.DeleteFunc(slices.Clone(r.Findings), old)
	add := func(subject string, sum verify.Digest) {
		if names := p.pins[sum]; len(names) > 0 && !sum.IsZero() {
			names = slices.Compact(slices.Sorted(slices.Values(names)))
			r.Findings = append(r.Findings, verify.Finding{Subject: subject, Method: "digest", Status: verify.Valid, Code: "digest/listed", Anchors: names})
		}
	}
	add("", sum)
	if r.Contents != nil {
		for i := range r.Contents.Inner {
			add(r.Contents.Inner[i].Path, r.Contents.Inner[i].SHA256)
		}
	}
	return r
}
