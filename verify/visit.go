package verify

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// VisitOptions say how an artifact is visited.
type VisitOptions struct {
	Inside bool          // every file inside, too, on all levels
	AtOnce int           // calls of a Visitor that may be under way at once; 0 means 4
	Time   time.Duration // for everything; 0 means what the Examiner's limits say
}

// Visitor is given one file. The path is that in reports, "" for the artifact itself. An inner file has its digest, and its
// content may be read until Visitor returns. It is called by several goroutines at once.
type Visitor func(ctx context.Context, path string, a *Artifact)

// Visit hands an artifact, and every file inside it if so asked, to each, opened as Examine does and under the same limits, but
// verified by nobody. It returns what kept it from visiting everything, and what makes it uncertain that others who unpack the
// artifact find the same files in it: nil says that everything was visited.
func (e *Examiner) Visit(ctx context.Context, a *Artifact, o VisitOptions, each Visitor) []Finding {
	bare := &Examiner{Openers: e.Openers, Limits: e.Limits, Panicked: e.Panicked}
	if o.Time > 0 {
		bare.Limits.Time = o.Time
	}
	n := o.AtOnce
	if n <= 0 {
		n = 4
	}
	w := &walk{examiner: bare, limits: bare.Limits.withDefaults(a.Size), visit: each, paths: map[string]bool{}, repeats: map[string]int{},
		slots: &slots{working: make(chan struct{}, n), waiting: make(chan struct{}, 2*n)}}
	ctx, cancel := context.WithTimeout(ctx, w.limits.Time)
	defer cancel()
	itself, root := &node{}, &node{}
	w.slots.acquire()
	var running sync.WaitGroup
	w.slots.beside(&running, func() {
		w.guarded(itself, func() { each(ctx, "", a) })
	})
	if o.Inside {
		w.guarded(root, func() { w.open(ctx, a, root, 1) })
	}
	w.slots.wait(&running)
	w.slots.release()
	root.findings = append(root.findings, itself.findings...)
	var out insideReport
	w.collect(root, &out)
	return unvisited(ctx, out.findings, w.limits.Time)
}

// unvisited leaves of what was said about containers what casts doubt on having visited everything.
func unvisited(ctx context.Context, findings []Finding, limit time.Duration) []Finding {
	var out []Finding
	for _, f := range findings {
		if f.Status == Invalid || f.Status == Inconclusive {
			out = append(out, f)
		}
	}
	if err := ctx.Err(); err != nil && len(out) == 0 {
		out = append(out, Finding{Method: unpackMethod, Status: Inconclusive, Code: unpackMethod + "/limit",
			Detail: fmt.Sprintf("Looking at everything was given up within %s: %v.", limit, err)})
	}
	return out
}
