package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/audit/replay"
)

// replayed checks, once a test is over, that what the real gate has recorded is enough to judge it all again: by the very policy that was
// in force, nothing is decided otherwise, and nothing is open.
func (g *gateway) replayed() {
	state := stateDir(filepath.Join(g.dir, "state"))
	if _, err := os.Stat(state.log()); err != nil || g.t.Failed() {
		return // it did not come to that
	}
	p, _, err := state.lastPolicy()
	if err != nil || p == nil {
		g.t.Errorf("the policy that was in force: %v, %v", p, err)
		return
	}
	list, err := audit.List(context.Background(), state.log(), audit.Filter{Kind: audit.KindPolicy, Limit: 1000})
	if err != nil {
		g.t.Error(err)
		return
	}
	since := time.Time{}
	for _, r := range list { // the latest first
		if strings.Contains(r.Message, p.Digest().String()) && !strings.HasPrefix(r.Message, "refused ") {
			since = r.Time
		} else if !since.IsZero() {
			break
		}
	}
	reports, err := audit.ReadReports(state.reports())
	if err != nil {
		g.t.Error(err)
		return
	}
	defer reports.Close()
	out, err := replay.Run(context.Background(), replay.Options{Log: state.log(), Reports: reports, Policy: p, Since: since})
	if err != nil {
		g.t.Error(err)
		return
	}
	if out.Same == out.Decisions && out.Unreadable+out.Altered+out.Otherwise == 0 {
		return
	}
	var b strings.Builder
	for _, groups := range [][]replay.Group{out.Refused, out.Allowed, out.Unseen, out.Open} {
		for _, group := range groups {
			fmt.Fprintf(&b, "\n%d on %q: %q, now %q, %s", group.Count, group.Channel, group.Before, group.Now, group.Why)
			for _, e := range group.Examples {
				fmt.Fprintf(&b, "\n  %s %s\n  was %v %q\n  now %v %q", e.Name, e.URL, e.Before.Action, e.Before.Reasons, e.Now.Action, e.Now.Reasons)
			}
		}
	}
	g.t.Errorf("judged again by the same policy, %d of %d decisions are as before, %d refused otherwise:%s", out.Same, out.Decisions, out.Otherwise, b.String())
}
