package main

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy/alert"
)

// How often the log says that something is let through in an emergency, and how often it is looked whether that has ended.
const (
	remindEvery = 15 * time.Minute
	lookEvery   = 5 * time.Second
)

// remind says in the log, as long as it lasts, that something is let through in an emergency, and once that it has ended.
func (r *running) remind(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	e := emergencies{}
	for last := (time.Time{}); ; {
		now := r.config.clock()
		inForce := r.owner.releases.All(now)
		for _, l := range e.ended(inForce) {
			r.sayEnded(l, now)
		}
		if now.Sub(last).Abs() >= remindEvery {
			last = now
			for _, l := range e {
				r.logger.Warn("BREAK GLASS is in force", zap.Stringer("sha256", l.SHA256), zap.String("channel", l.Scope), zap.Time("until", l.Until), zap.String("record", l.Record))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// emergencies are the break-glass releases in force, by the ids of their records.
type emergencies map[string]policy.Release

// ended takes the releases that are in force now, and returns those of before that are not any more.
func (e emergencies) ended(inForce []policy.Release) (over []policy.Release) {
	now := emergencies{}
	for _, l := range inForce {
		if l.BreakGlass {
			now[l.Record] = l
		}
	}
	for id, l := range e {
		if _, still := now[id]; !still {
			over = append(over, l)
			delete(e, id)
		}
	}
	for id, l := range now {
		e[id] = l
	}
	return over
}

// sayEnded says in the log and to the sinks of alerts that a break-glass release has ended. The log of decisions has its end already: in
// the record of the release, or in that of the rejection or of the other release that has ended it.
func (r *running) sayEnded(l policy.Release, now time.Time) {
	how := "its time is over"
	if now.Before(l.Until) {
		how = "it was taken back or replaced"
	}
	r.logger.Warn("BREAK GLASS has ended: "+how, zap.Stringer("sha256", l.SHA256), zap.String("channel", l.Scope), zap.Time("until", l.Until), zap.String("record", l.Record))
	name := ""
	if rec, err := audit.Show(context.Background(), r.owner.dir.log(), l.Record); err == nil && rec.Artifact != nil {
		name = printable.Text(rec.Artifact.Name, 120) + ", "
	}
	r.alerts.Tell(alert.Ended(l, fmt.Sprintf("BREAK GLASS has ended, %s: %ssha256 %s on %s", how, name, l.SHA256, channelName(l.Scope)), now))
}
