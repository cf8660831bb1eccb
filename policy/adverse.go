package policy

import (
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
)

// adverse returns the signals, in words, that speak for caution with an update although none of them refuses it: somebody else
// signed it than signed the release before, or it differs from that as attacks do, a feed of what is bad names it, something stands out in it, a scanner found something,
// or other bytes went by its name.
func (e *evidence) adverse() []string {
	var out []string
	if e.facts == nil {
		return nil
	}
	if o, why := (samePublisher{}).compare(e); o == fails {
		out = append(out, "somebody else signed it: "+why)
	}
	if bad := e.namedAsBad(); len(bad) > 0 {
		out = append(out, sentences(bad))
	}
	if odd := e.standingOut(); len(odd) > 0 {
		out = append(out, "something stands out: "+quotedInner(odd))
	}
	if o, why := (&oneView{}).compare(e); o == fails {
		out = append(out, why)
	}
	for i := range e.facts.Changes {
		if c := &e.facts.Changes[i]; c.Channel == e.channel {
			for _, s := range c.Adverse() {
				out = append(out, strings.TrimSuffix(s, "."))
			}
		}
	}
	for _, name := range sortedKeys(e.facts.Scans) {
		if s := e.facts.Scans[name]; s.Status == ScanFound || len(s.Hits) > 0 {
			out = append(out, "scanner "+printable.Text(name, 64)+" found something")
		}
	}
	return out
}

// namedAsBad returns what feeds say but those of what is good. It counts where it is not clear, too, whether just this version is meant.
func (e *evidence) namedAsBad() []*Listing {
	var out []*Listing
	for i := range e.facts.Reputation.Listings {
		l := &e.facts.Reputation.Listings[i]
		if e.policy == nil || !slices.ContainsFunc(e.policy.feeds, func(f *Feed) bool { return f.Name == l.Feed && !f.bad() }) {
			out = append(out, l)
		}
	}
	return out
}

// standingOut returns the findings, about the update or inside, by which something is wrong, or which a reviewer noted without any
// signature being meant.
func (e *evidence) standingOut() []*verify.Finding {
	var out []*verify.Finding
	for i := range e.findings {
		f := &e.findings[i]
		if f.Status == verify.Invalid || f.Status == verify.Untrusted && f.Signer.IsZero() && !byStranger(f) {
			out = append(out, f)
		}
	}
	return out
}

// byStranger reports whether a finding tells of a signature of the update itself by a key that nobody here knows. Anybody can make one:
// it vouches for nothing, and nothing stands out in that it is there. npm, for one, signs what provenance it has by a key of its own.
func byStranger(f *verify.Finding) bool {
	_, code, _ := strings.Cut(f.Code, "/")
	return f.Subject == "" && (code == "unknown-key" || code == "unknown-signer" || code == "unknown-instance")
}
