package lookup

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/policy"
)

// window counts the requests of one span of time. Spans begin where the clock of UTC says, as those of services do that limit their
// use by the minute and the day.
type window struct {
	per   time.Duration
	begun time.Time
	n     int
}

// spentError says that the policy allows no more requests for now.
type spentError struct {
	rate policy.Rate
	ends time.Time
}

// Error implements error.
func (e *spentError) Error() string {
	return fmt.Sprintf("the budget of %d requests %s is used up until %s", e.rate.N, spelled(e.rate.Per), e.ends.UTC().Format("2006-01-02 15:04:05 MST"))
}

func spelled(per time.Duration) string {
	switch per {
	case 24 * time.Hour:
		return "a day"
	case time.Hour:
		return "an hour"
	case time.Minute:
		return "a minute"
	case time.Second:
		return "a second"
	}
	return "in " + per.String()
}

// spend takes one request out of every budget. It waits for the next span of time if that begins before ctx ends.
func (v *service) spend(ctx context.Context, budget []policy.Rate) error {
	for {
		err := v.take(budget)
		if err == nil {
			return nil
		}
		wait := err.ends.Sub(v.of.o.Now())
		if deadline, ok := ctx.Deadline(); !ok || wait > time.Until(deadline) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

func (v *service) take(budget []policy.Rate) *spentError {
	now := v.of.o.Now().UTC()
	v.mu.Lock()
	defer v.mu.Unlock()
	var spans []*window
	for _, r := range budget {
		w := v.window(r.Per)
		if begun := now.Truncate(r.Per); !begun.Equal(w.begun) {
			w.begun, w.n = begun, 0
		}
		if w.n >= r.N {
			return &spentError{r, w.begun.Add(r.Per)}
		}
		spans = append(spans, w)
	}
	for _, w := range spans {
		w.n++
	}
	return nil
}

// window returns the one for a span of time.
func (v *service) window(per time.Duration) *window {
	for _, w := range v.used {
		if w.per == per {
			return w
		}
	}
	w := &window{per: per}
	v.used = append(v.used, w)
	return w
}
