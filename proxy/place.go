package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/sallyport-project/sallyport/verify"
)

// place is what an update is known by where a redirect has led a client to it. The zero value is for an update that lies
// where a channel says.
type place struct {
	url   *url.URL   // by which the update is examined
	other *url.URL   // the other end of the redirect
	from  *url.URL   // whichever of them is where the redirect began
	way   []*url.URL // what was asked for before the redirects, the first request first, where that tells whose bytes are wanted
}

// locate finds out what the update is known by that x asks for.
//
// A release page keeps its files in an object store, under addresses that name nothing: there the update is known by
// the address that a channel names. A mirror or a download page redirects to a file with a name of its own, and what is
// published beside it is found there. For what signs paths and packages instead of files (TUF, the attestations of
// package registries) it is always the address that a channel names, and what was asked for on the way there counts besides: whoever
// serves the files may redirect from the path of one to that of another one.
func (x *transit) locate() place {
	if len(x.ask.Carried) == 0 || x.plan.Refusal != nil {
		return place{}
	}
	from, way := x.gate.redirects.cameFrom(x.ask.Client, x.req.URL)
	trust := x.gate.trustUnder(x.policy).only(x.plan.Anchors)
	named := len(trust.TUF) > 0 || len(trust.Sigstore) > 0
	if !named {
		way = nil
	}
	bare := x.ask
	bare.Carried = nil
	if plan := x.policy.Plan(bare); from == nil || plan.Refusal == nil && plan.Scope != "" {
		return place{way: way}
	}
	if named || !namesUpdate(x.req.URL) && namesUpdate(from) {
		return place{url: from, other: x.req.URL, from: from, way: way}
	}
	return place{url: x.req.URL, other: from, from: from}
}

// origin is where a further redirect of x begins.
func (x *transit) origin() *url.URL {
	if x.place.from != nil {
		return x.place.from
	}
	return x.req.URL
}

// published is the URL by which the update is examined that x asks for.
func (x *transit) published() *url.URL {
	if x.place.url != nil {
		return x.place.url
	}
	return x.req.URL
}

// key adds to what requests have to have in common to share a flight.
func (p place) key(w io.Writer) {
	for _, u := range []*url.URL{p.url, p.other} {
		if u != nil {
			text := canonicalURL(u)
			fmt.Fprintf(w, "at %d:%s", len(text), text)
		}
	}
	var by []string
	for _, u := range p.way {
		by = append(by, canonicalURL(u))
	}
	slices.Sort(by) // the same has been asked for, in whatever order
	for _, text := range by {
		fmt.Fprintf(w, "by %d:%s", len(text), text)
	}
}

// updateName returns what an update is called: by Content-Disposition, else by the address that it was fetched from or, if
// that is not the name of an update and the one by which it was asked for is, by that.
func (x *transit) updateName(h http.Header) string {
	name := artifactName(h, x.req.URL)
	if dispositionName(h["Content-Disposition"]) != "" || x.place.from == nil || namesUpdate(x.req.URL) || !namesUpdate(x.place.from) {
		return name
	}
	return artifactName(nil, x.place.from)
}

// namesUpdate reports whether a URL ends in a name by which a file is known to be an update.
func namesUpdate(u *url.URL) bool { return verify.Sniff(nil, baseName(u.Path)) != "" }
