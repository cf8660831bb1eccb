package console

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// Health is how one part of the proxy is.
type Health uint8

const (
	Failing Health = iota // the proxy cannot do its work
	Warning               // it can, but somebody should look
	Good
)

// String returns "failing", "warning" or "good".
func (h Health) String() string {
	switch h {
	case Good:
		return "good"
	case Warning:
		return "warning"
	}
	return "failing"
}

// MarshalText implements encoding.TextMarshaler as String does.
func (h Health) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// Check looks at one part of the proxy. Look says how it is and, in a few words, why; it may be called by several
// goroutines at once and gives up when its context ends.
type Check struct {
	Name string
	Look func(context.Context) (Health, string)
}

// readiness is the JSON of /readyz.
type readiness struct {
	Ready  bool     `json:"ready"`
	Checks []result `json:"checks"`
}

type result struct {
	Name   string `json:"name"`
	Health Health `json:"health"`
	Detail string `json:"detail,omitempty"`
}

// checkTime is how long all checks together may take.
const checkTime = 5 * time.Second

// ready answers /readyz: 200 unless something is failing, else 503.
func (o Options) ready(w http.ResponseWriter, r *http.Request) {
	state := o.look(r.Context())
	w.Header().Set("Content-Type", "application/json")
	if !state.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.Encode(state)
}

// look runs all checks side by side. One that does not come back in time, or that panics, is failing.
func (o Options) look(ctx context.Context) readiness {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	out := readiness{Ready: true, Checks: make([]result, len(o.Checks))}
	var wg sync.WaitGroup
	for i, c := range o.Checks {
		wg.Go(func() { out.Checks[i] = c.run(ctx) })
	}
	wg.Wait()
	for _, c := range out.Checks {
		out.Ready = out.Ready && c.Health != Failing
	}
	return out
}

func (c Check) run(ctx context.Context) result {
	done := make(chan result, 1)
	go func() {
		defer func() {
			if recover() != nil {
				done <- result{c.Name, Failing, "the check itself crashed"}
			}
		}()
		health, detail := c.Look(ctx)
		done <- result{c.Name, health, printable.Text(detail, 500)}
	}()
	select {
	case r := <-done:
		return r
	case <-ctx.Done():
		return result{c.Name, Failing, "no answer in time"}
	}
}
