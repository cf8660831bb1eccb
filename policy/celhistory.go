package policy

import (
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/internal/versions"
	"github.com/sallyport-project/sallyport/verify"
)

// whenForgotten is when nothing about the history is known.
const whenForgotten = "the history of this gate could not be looked up"

var errForgotten = unknown("the history of this gate is not known")

// remembered is a fact of history, known if that is.
func remembered(name string, typ *types.Type, doc, unless string, get func(*evaluation) (any, error)) fact {
	return fact{name, typ, doc, unless, nil, func(o *object) (any, error) {
		if !o.in.known() {
			return nil, errForgotten
		}
		return get(o.in)
	}}
}

var historyFacts = newFactType("a history",
	yes("known", "whether the history of this gate could be looked up", func(o *object) bool { return o.in.known() }),
	remembered("first_seen", types.TimestampType, "when this gate, or one whose list it reads, first held these very bytes; now if that is now", whenForgotten, func(e *evaluation) (any, error) {
		r, _ := e.seenTime()
		return r.at.UTC(), nil
	}),
	remembered("claimed", types.TimestampType, "when it was published, by the word of whoever serves it", "likewise, and where nobody says a time that could be", func(e *evaluation) (any, error) {
		if r, ok := e.claimedTime(); ok {
			return r.at.UTC(), nil
		}
		return nil, unknown("nobody says when the update was published")
	}),
	remembered("requests", types.IntType, "how many decisions about these bytes there were before", whenForgotten, func(e *evaluation) (any, error) { return e.facts.History.Requests, nil }),
	remembered("allowed", types.IntType, "how many of these let them through", whenForgotten, func(e *evaluation) (any, error) { return e.facts.History.Allowed, nil }),
	remembered("other_views", types.IntType, "how many other files came under the same URL, or as the same version of the same product", whenForgotten, func(e *evaluation) (any, error) {
		others := map[verify.Digest]bool{}
		for _, v := range e.facts.History.Views {
			if v.SHA256 != e.sum {
				others[v.SHA256] = true // which may be there under two addresses
			}
		}
		return int64(len(others)), nil
	}),
)

// ofLast is a fact of the release of the same product that was let through last on the channel that judges.
func ofLast(name string, typ *types.Type, doc, unless string, get func(*PastRelease) (any, error)) fact {
	return fact{name, typ, doc, unless, nil, func(o *object) (any, error) {
		past, why := o.in.before()
		switch {
		case why != "":
			return nil, unknown("%s", why)
		case len(past.Releases) == 0:
			return nil, unknown("no release was let through before")
		}
		return get(&past.Releases[0])
	}}
}

const whenFirst = "nothing was let through before, or the history could not be looked up"

var pastFacts = newFactType("the past",
	fact{"releases", types.IntType, "how many releases of the product were let through before on this channel, of the latest 32", whenForgotten, nil, func(o *object) (any, error) {
		past, why := o.in.before()
		if why != "" {
			return nil, unknown("%s", why)
		}
		return int64(len(past.Releases)), nil
	}},
	ofLast("version", types.StringType, "the version of the last one", whenFirst+"; its version is not known", func(r *PastRelease) (any, error) {
		return said(r.Version, "the version of the last release is not known")
	}),
	ofLast("sha256", types.StringType, "its digest, 64 hexadecimal digits in lower case", whenFirst, func(r *PastRelease) (any, error) { return r.SHA256.String(), nil }),
	ofLast("at", types.TimestampType, "when it was let through", whenFirst, func(r *PastRelease) (any, error) { return r.At.UTC(), nil }),
	ofLast("by_hand", types.BoolType, "whether an exception or a release let it through", whenFirst, func(r *PastRelease) (any, error) { return r.ByHand, nil }),
	ofLast("publishers", types.NewListType(types.StringType), "who signed it, as reasons name them", whenFirst, func(r *PastRelease) (any, error) { return some(r.Publishers), nil }),
	ofLast("proofs", types.NewListType(types.StringType), "what kinds of proof it came with: `signed`, `signed:authenticode`, `timestamped`, `attested` and so on", whenFirst,
		func(r *PastRelease) (any, error) { return some(r.Proofs), nil }),
)

// some is a list that is not nil.
func some(list []string) []string { return append([]string{}, list...) }

// newerThan says whether the update's version is above another one, by the rules of the system that gave it.
func (e *evaluation) newerThan(other string) ref.Val {
	ed := e.sawEdition()
	if ed.Version == "" {
		return types.WrapErr(unknown("it cannot be told which version the update is"))
	}
	order, ok := versions.Of(ed.System)(ed.Version, other)
	if !ok {
		return types.WrapErr(unknown("version %s cannot be compared with %s", printable.Text(ed.Version, maxEvidence), printable.Text(other, maxEvidence)))
	}
	return types.Bool(order > 0)
}
