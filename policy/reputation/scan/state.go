package scan

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/policy"
)

// state is what is known of a scanner's engine.
type state struct {
	turn  sync.Mutex // of whoever asks
	mu    sync.Mutex
	name  string    // as it was told last
	asked time.Time // when it was asked last
	err   error     // how that went

	remarked string // the engine that remark is about
	remark   string
}

// How long an engine is taken to be what it said, and to be out of reach; and how long it may take to say so.
const (
	engineKnown = 15 * time.Second
	engineLost  = 2 * time.Second
	engineAsk   = 10 * time.Second
)

// engine returns what the scanner is, or was no longer than some time ago; after an error what it was when it last could be asked. The
// error says that it cannot.
func (m *member) engine(ctx context.Context, now func() time.Time, lasts time.Duration) (string, error) {
	if name, err, fresh := m.known(now(), lasts); fresh {
		return name, err
	}
	m.state.turn.Lock()
	defer m.state.turn.Unlock()
	if name, err, fresh := m.known(now(), lasts); fresh {
		return name, err
	}
	limit := min(engineAsk, m.Timeout)
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	name, err := m.client.engine(within)
	if err != nil && ctx.Err() != nil {
		return m.state.name, ctx.Err() // whoever asked has gone: that says nothing of the scanner
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = down("it does not answer within %s", limit)
	}
	m.state.mu.Lock()
	defer m.state.mu.Unlock()
	m.state.asked, m.state.err = now(), err
	if err == nil {
		m.state.name = name
	}
	return m.state.name, err
}

// known returns what is known, and whether it is recent enough.
func (m *member) known(now time.Time, lasts time.Duration) (name string, err error, fresh bool) {
	m.state.mu.Lock()
	defer m.state.mu.Unlock()
	if m.state.err != nil {
		lasts = min(lasts, engineLost)
	}
	age := now.Sub(m.state.asked)
	return m.state.name, m.state.err, !m.state.asked.IsZero() && age >= 0 && age < lasts
}

// remark finds out what is wrong with how the scanner was set up, once for each engine.
func (m *member) remark(ctx context.Context, engine string) string {
	c, ok := m.client.(remarker)
	if !ok {
		return ""
	}
	m.state.turn.Lock()
	defer m.state.turn.Unlock()
	if m.state.remarked != engine {
		remark := c.remark(ctx)
		if ctx.Err() != nil {
			return ""
		}
		m.state.remarked, m.state.remark = engine, remark
	}
	return m.state.remark
}

// doubt has the scanner asked again the next time: it was not available a moment ago.
func (m *member) doubt() {
	m.state.mu.Lock()
	defer m.state.mu.Unlock()
	m.state.asked = time.Time{}
}

// Health is how a scanner is doing.
type Health struct {
	Scanner string
	Engine  string // as it was told last; empty if never
	Err     error  // why it cannot be used now
	Remark  string // what is wrong with how it was set up
}

// Health asks every scanner of a policy what it is, or has been told a moment ago.
func (s *Scanners) Health(ctx context.Context, all []policy.Scanner) []Health {
	out := make([]Health, len(all))
	var wg sync.WaitGroup
	for i, of := range all {
		wg.Go(func() {
			out[i].Scanner = of.Name
			m, err := s.member(of)
			if err == nil {
				out[i].Engine, err = m.engine(ctx, s.Now, engineLost)
			}
			if err == nil {
				out[i].Remark = m.remark(ctx, out[i].Engine)
			}
			if err != nil {
				out[i].Err = fmt.Errorf("%s: %w", of.Where(), err)
			}
		})
	}
	wg.Wait()
	return out
}
