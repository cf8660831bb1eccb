package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// Most of what is said of the past of one update.
const (
	maxReleases = 32 // of each product
	maxSaid     = 64 // other bytes under the same address or version
)

// Of returns what is remembered that bears on an update: when it was first seen, how often, what else came under its address and
// as its versions, and what was let through before on its channels. It returns ErrBehind while not all of the log is known.
func (l *Ledger) Of(q Query) (policy.History, error) {
	l.publish.RLock()
	defer l.publish.RUnlock()
	if !l.ready || l.store == nil {
		return policy.History{}, ErrBehind
	}
	a := asking{s: l.store, ctx: context.Background(), q: q, key: &l.secret, editions: audit.BoundedEditions(q.Editions)} // as records have them
	h, err := a.history()
	if err != nil {
		if damaged(err) {
			l.signal()
		}
		return policy.History{}, fmt.Errorf("looking into the history: %w", err)
	}
	return h, nil
}

// asking is one question. The caller sees to it that nothing changes meanwhile.
type asking struct {
	s        *store
	ctx      context.Context
	q        Query
	key      *secret
	editions []policy.Edition
}

func (a asking) history() (policy.History, error) {
	h := policy.History{Known: true, Editions: a.q.Editions}
	id, err := a.seen(&h)
	if err != nil {
		return h, err
	}
	if h.Views, err = a.views(id); err != nil {
		return h, err
	}
	for i, n := range a.editions {
		past, err := a.past(n)
		if err != nil {
			return h, err
		}
		if h.Past == nil {
			h.Past = map[string]policy.Past{}
		}
		past.Product = a.q.Editions[i].Product
		h.Past[a.q.Editions[i].Channel] = past
	}
	return h, nil
}

// seen says when and how often these bytes were seen, and returns the artifact's number, 0 if never.
func (a asking) seen(h *policy.History) (id int64, err error) {
	var first, lowest int64
	var firstRecord, lowestRecord string
	known, err := a.s.get(a.ctx, `SELECT id, first, first_record, lowest, lowest_record, requests, allowed FROM artifacts WHERE sha256 = ?`,
		[]any{a.q.SHA256[:]}, &id, &first, &firstRecord, &lowest, &lowestRecord, &h.Requests, &h.Allowed)
	if !known || err != nil {
		return 0, err
	}
	now := a.q.Now.UnixMicro()
	at, ok := a.s.clock.reached(firstRecord, first, now)
	if low, also := a.s.clock.reached(lowestRecord, lowest, now); also && (!ok || low < at) {
		at, ok = low, true
	}
	if ok {
		h.FirstSeen = moment(at)
	}
	return id, nil
}

func moment(at int64) time.Time { return time.UnixMicro(at).UTC() }

// views returns what else came under the same address, under that which was asked for first, or as the same version; first what came
// under an address as the same version.
func (a asking) views(self int64) ([]policy.View, error) {
	byURL, err := a.under(a.address(), self)
	if err != nil {
		return nil, err
	}
	byAsked, err := a.under(began(a.q.Began), self)
	if err != nil {
		return nil, err
	}
	byVersion := map[verify.Digest]policy.View{}
	for _, key := range versionKeys(a.key, a.editions) {
		list, err := a.under(key, self)
		if err != nil {
			return nil, err
		}
		for sum, v := range list {
			if old, there := byVersion[sum]; there {
				v = merged(v, old)
			}
			byVersion[sum] = v
		}
	}
	var all []policy.View
	for _, by := range []struct {
		same string
		list map[verify.Digest]policy.View
	}{{"url", byURL}, {"asked", byAsked}} {
		for sum, v := range by.list {
			v.Same = by.same
			if other, also := byVersion[sum]; also {
				v, v.Same = merged(v, other), by.same+"+version"
			}
			all = append(all, v)
		}
	}
	for sum, v := range byVersion {
		_, url := byURL[sum]
		_, asked := byAsked[sum]
		if v.Same = "version"; !url && !asked {
			all = append(all, v)
		}
	}
	return ordered(all), nil
}

// viewRank are the kinds of views, in the order of what they say.
var viewRank = map[string]int{"url+version": 0, "asked+version": 1, "url": 2, "asked": 3, "version": 4}

// ordered returns the views in the order of what they say, the latest of each kind first. If they are too many, each kind has its share
// of the room at least: what counts is not crowded out by what does not.
func ordered(all []policy.View) []policy.View {
	inOrder := func(a, b policy.View) int {
		return cmp.Or(viewRank[a.Same]-viewRank[b.Same], b.Last.Compare(a.Last), strings.Compare(a.Record, b.Record), slices.Compare(a.SHA256[:], b.SHA256[:]))
	}
	slices.SortFunc(all, inOrder)
	if len(all) <= maxSaid {
		return all
	}
	var out, rest []policy.View
	of := map[string]int{}
	for _, v := range all {
		if of[v.Same]++; of[v.Same] <= maxSaid/len(viewRank) {
			out = append(out, v)
		} else {
			rest = append(rest, v)
		}
	}
	out = append(out, rest[:maxSaid-len(out)]...)
	slices.SortFunc(out, inOrder)
	return out
}

// merged is what two views of the same bytes say together.
func merged(a, b policy.View) policy.View {
	if b.First.Before(a.First) {
		a.First = b.First
	}
	if b.Last.After(a.Last) {
		a.Last = b.Last
	}
	a.Record = min(a.Record, b.Record)
	a.Others = a.Others || b.Others
	return a
}

func (a asking) address() []byte {
	if a.q.URL == nil {
		return nil
	}
	recorded := audit.RecordedURL(a.q.URL.String())
	if !comparable(recorded) {
		return nil
	}
	return a.key.address(recorded)
}

// under returns the bytes other than the artifact's own that were seen under a key.
func (a asking) under(key []byte, self int64) (map[verify.Digest]policy.View, error) {
	out := map[verify.Digest]policy.View{}
	if key == nil {
		return out, nil
	}
	me := a.key.client(a.q.Client)
	err := a.s.each(a.ctx, `SELECT a.sha256, v.first, v.last, v.record, v.several OR (length(v.client) > 0 AND v.client <> ?3)
		FROM views v JOIN artifacts a ON a.id = v.artifact WHERE v.key = ?1 AND v.artifact <> ?2`,
		[]any{key, self, me}, func(rows *sql.Rows) error {
			var sum sql.RawBytes
			var first, last int64
			v := policy.View{Same: "url"}
			if err := rows.Scan(&sum, &first, &last, &v.Record, &v.Others); err != nil {
				return err
			}
			v.First, v.Last = moment(first), moment(last)
			var err error
			v.SHA256, err = digestOf(sum)
			out[v.SHA256] = v
			return err
		})
	return out, err
}
