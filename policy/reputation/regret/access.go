package regret

import (
	"context"
	"fmt"

	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// accesses are the decisions that let an artifact through.
type accesses struct {
	decisions []audit.Record  // the latest first; at most audit.MaxRegretted
	received  map[string]bool // by the id of a decision: all of it was sent
	count     int             // of all decisions
}

// maxRecords is how many records about one artifact are read to count who got it; more are read only until somebody is found. Of what was
// let through more often the index of the log counts the rest.
const maxRecords = 2000

// accesses finds the decisions that let an artifact through, behind the record with an id. However many others there are about it,
// refusals above all, which whoever wants to hide something can bring about, they hide none.
func (t *Tracker) accesses(ctx context.Context, artifact verify.Digest, after string) (*accesses, error) {
	a := &accesses{received: map[string]bool{}}
	received := map[string]bool{} // by the id of a decision that is still to come
	read, all := 0, true
	err := audit.Through(ctx, t.o.LogDir, artifact, func(r *audit.Record) bool {
		if read >= t.maxRead && len(a.decisions) == audit.MaxRegretted {
			all = false
			return false
		}
		read++
		switch {
		case r.ID <= after:
			return false
		case r.Delivery != nil && r.Delivery.Complete && r.Decides != "":
			received[r.Decides] = true
		case r.Kind != audit.KindDecision:
		default:
			a.take(r, received[r.ID])
			delete(received, r.ID)
		}
		return ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("finding out who got %s: %w", artifact, err)
	}
	if !all && after == "" {
		n, err := audit.CountAllowed(ctx, t.o.LogDir, artifact)
		if err != nil {
			return nil, err
		}
		a.count = max(a.count, n)
	}
	return a, nil
}

// take counts a decision if it let its artifact go to somebody. One that follows another was made when the artifact's time had come, and
// nobody was given it then: who fetches it has a decision of their own.
func (a *accesses) take(r *audit.Record, received bool) {
	if !wentOut(r) || r.Decides != "" {
		return
	}
	a.count++
	if len(a.decisions) < audit.MaxRegretted {
		a.decisions = append(a.decisions, *r)
		a.received[r.ID] = received
	}
}
