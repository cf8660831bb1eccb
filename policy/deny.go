package policy

import (
	"fmt"
	"slices"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
)

// denyRule refuses what fits all of the conditions that it gives.
type denyRule struct {
	name, reason string
	digests      map[verify.Digest]bool // nil: any
	patterns     []hostPattern          // nil: any
	hosts        hostIndex              // of patterns
	paths        globs                  // nil: any
	signedBy     []*anchor              // nil: any
	bySigner     bool
	feeds        []*Feed // nil: any
	byFeed       bool
	opens        bool // by feed, for what is inside as well
}

// denyRules finds the rules that may fit without trying all of them.
type denyRules struct {
	list   []*denyRule
	digest map[verify.Digest][]int // rules that name a digest
	host   hostIndex               // rules that name hosts
	other  []int                   // rules that name neither
	feeds  []string                // names of the feeds that rules name, sorted
	byFeed []*denyRule             // those that name feeds
	// opens says that updates are opened to look for what a rule refuses: for who has signed what is inside, or for what feeds name.
	opens bool
}

func (b *builder) denies(n node) {
	items := n.items()
	b.unique("deny rule", items)
	r := &b.policy.denies
	r.digest = map[verify.Digest][]int{}
	for _, item := range items {
		id := len(r.list)
		d := &denyRule{name: item.get("name").text(), reason: item.get("reason").text(), paths: compileGlobs(item.get("paths"))}
		if s := item.get("sha256"); s.present() {
			d.digests = map[verify.Digest]bool{}
			for _, sum := range digests(s) {
				d.digests[sum] = true
				r.digest[sum] = append(r.digest[sum], id)
			}
		}
		d.patterns = hostList(item.get("hosts"))
		for _, h := range d.patterns {
			d.hosts.add(h, 0)
			r.host.add(h, id)
		}
		if s := item.get("signed_by"); s.present() {
			d.bySigner = true
			d.signedBy = b.anchorsNamed(s)
		}
		if s := item.get("listed"); s.present() {
			d.byFeed = true
			d.feeds, d.opens = b.feedsOfBad(s)
		}
		if d.digests == nil && d.patterns == nil {
			r.other = append(r.other, id)
		}
		if d.digests == nil && d.patterns == nil && d.paths == nil && !d.bySigner && !d.byFeed && item.get("name").present() {
			b.add(item, "", "a deny rule needs at least one of sha256, hosts, paths, signed_by, listed, or it would refuse everything")
		}
		r.list = append(r.list, d)
	}
	r.feeds = r.feedNames()
	for _, d := range r.list {
		r.opens = r.opens || d.bySigner || d.opens
		if d.byFeed {
			r.byFeed = append(r.byFeed, d)
		}
	}
}

// needsInspection reports whether a deny rule, as written, asks for more than hosts.
func needsInspection(item node) bool {
	return item.get("sha256").present() || item.get("paths").present() || item.get("signed_by").present() || item.get("listed").present()
}

func (d *denyRule) rule() string { return "deny " + d.name }

// wholeHost reports whether the rule asks for nothing but hosts.
func (d *denyRule) wholeHost() bool {
	return d.patterns != nil && d.digests == nil && d.paths == nil && !d.bySigner && !d.byFeed
}

// byRequest reports whether the rule asks for nothing that is known only once the file is there.
func (d *denyRule) byRequest() bool { return d.digests == nil && !d.bySigner && !d.byFeed }

// sentence is what the rule says about something that it refuses.
func (d *denyRule) sentence(what string) string {
	s := "deny rule " + printable.Text(d.name, 120) + ": " + what
	if d.reason != "" {
		s += ": " + printable.Text(d.reason, 300)
	}
	return s
}

// covers reports whether the rule's hosts and paths include a request. A host of "" is a local file, which only rules
// without hosts and paths cover.
func (d *denyRule) covers(name string, paths []string) bool {
	if d.patterns != nil && (name == "" || len(d.hosts.find(name)) == 0) {
		return false
	}
	if d.paths == nil {
		return true
	}
	for _, p := range paths {
		if d.paths.match(p) {
			return true
		}
	}
	return false
}

// candidates returns the rules that may fit, in the order of the file.
func (r *denyRules) candidates(name string, sum verify.Digest) []int {
	byDigest, byHost := r.digest[sum], r.host.find(name)
	if len(byDigest) == 0 && len(byHost) == 0 {
		return r.other
	}
	ids := append(append(append([]int(nil), r.other...), byHost...), byDigest...)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// request returns the first rule that refuses a request before anything is fetched.
func (r *denyRules) request(name string, paths []string) *denyRule {
	for _, id := range r.candidates(name, verify.Digest{}) {
		if d := r.list[id]; d.byRequest() && d.covers(name, paths) {
			return d
		}
	}
	return nil
}

// artifact returns the first rule that refuses what was fetched, and why.
func (r *denyRules) artifact(f *Facts, name string, paths []string) (*denyRule, string) {
	for _, id := range r.candidates(name, f.Update.SHA256) {
		if why, ok := r.list[id].refuses(f, name, paths); ok {
			return r.list[id], why
		}
	}
	return r.inside(f, name, paths)
}

func (d *denyRule) refuses(f *Facts, name string, paths []string) (string, bool) {
	if d.digests != nil && !d.digests[f.Update.SHA256] || !d.covers(name, paths) {
		return "", false
	}
	signer, ok := d.signer(f)
	listing, on := d.listing(f)
	switch {
	case d.byFeed && !on:
		return "", false
	case d.bySigner && !ok:
		return "", false
	case d.bySigner:
		return d.sentence("it carries a signature by " + signer), true
	case d.byFeed:
		return d.sentence(listing), true
	case d.digests != nil:
		return d.sentence("this is a file known by its digest " + f.Update.SHA256.String()), true
	}
	return d.sentence("its URL is refused"), true
}

// inside returns the first rule that lists the digest of a file inside an update that was opened.
func (r *denyRules) inside(f *Facts, name string, paths []string) (*denyRule, string) {
	if f.Report.Contents == nil || len(r.digest) == 0 {
		return nil, ""
	}
	for i := range f.Report.Contents.Inner {
		in := &f.Report.Contents.Inner[i]
		for _, id := range r.digest[in.SHA256] {
			if d := r.list[id]; !d.bySigner && !d.byFeed && d.covers(name, paths) {
				return d, d.sentence("inside is " + printable.Text(in.Path, 200) + ", a file known by its digest " + in.SHA256.String())
			}
		}
	}
	return nil, ""
}

// signer returns who of the rule's anchors is named by any signature in the update, its inner files included. The
// signature need not be trusted or still be good: the rule is there to refuse.
func (d *denyRule) signer(f *Facts) (string, bool) {
	for _, a := range d.signedBy {
		if a.pins[f.Update.SHA256] {
			return a.String(), true
		}
		for i := range f.Report.Findings {
			if g := &f.Report.Findings[i]; a.mentions(g) {
				return fmt.Sprintf("%s, refused as %s", who(g), a), true
			}
		}
	}
	return "", false
}
