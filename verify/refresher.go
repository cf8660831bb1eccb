package verify

import (
	"context"
	"time"
)

// Refresher is a Verifier that keeps knowledge of its own up to date (TUF metadata, a trusted root), off the way of any update.
type Refresher interface {
	Verifier
	// Refresh brings up to date what is due under env.Trust, telling of what changed and what failed, and returns how long
	// there is nothing more to do. env.Sidecars fetches absolute URLs below env.Trust.Sources(). It is called by one goroutine at a
	// time, while Verify may be called by others.
	Refresh(ctx context.Context, env Env, tell func(Refreshed)) time.Duration
}

// Refreshed is one thing that a Refresher has done, or failed to do.
type Refreshed struct {
	Anchor string
	Failed bool   // what was known before stays in force
	Code   string // as of a finding, where it failed: "tuf/rollback"
	Text   string // one sentence for a person, with versions and numbers
}
