// Package flight runs a fetch once for all who ask for the same at the same time.
package flight

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"
)

// Group is a set of fetches under way, by key. The zero Group is empty and ready for use.
type Group struct{ flights singleflight.Group }

// Do runs fetch for all who ask under one key meanwhile, for at most limit. Nobody's cancellation ends it for the others;
// each waits under a context of its own. A fetch that panics is an error.
func (g *Group) Do(ctx context.Context, key string, limit time.Duration, fetch func(context.Context) (any, error)) (any, error) {
	done := g.flights.DoChan(key, func() (out any, err error) {
		defer func() {
			if p := recover(); p != nil { // it would end the process: this goroutine is nobody's
				err = fmt.Errorf("crashed: %v", p)
			}
		}()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		return fetch(ctx)
	})
	select {
	case r := <-done:
		return r.Val, r.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
