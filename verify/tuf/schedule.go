package tuf

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/tufclient"
)

// told is what was told last of a repository.
type told struct {
	state  tufclient.State
	code   string // of what was wrong; "" where nothing was
	silent bool
}

// shortest is the least time between two looks at what is due.
const shortest = time.Second

// refreshedAtOnce is how many repositories a Refresh asks at the same time.
const refreshedAtOnce = 8

// Refresh implements verify.Refresher. One repository that does not answer keeps no other from being asked.
func (v *Verifier) Refresh(ctx context.Context, env verify.Env, tell func(verify.Refreshed)) time.Duration {
	env = withDefaults(env)
	var all []*source
	var asking sync.WaitGroup
	slots := make(chan struct{}, refreshedAtOnce)
	for i := range env.Trust.TUF {
		anchor := &env.Trust.TUF[i]
		for j := range anchor.Repositories {
			from := v.source(anchor, &anchor.Repositories[j], env)
			all = append(all, from)
			if from.wait(env.At) > 0 {
				continue
			}
			asking.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				_, _ = from.refresh(ctx) // an error says that ctx ended; what came of it is health
			})
		}
	}
	asking.Wait()
	next := time.Hour
	for _, from := range all {
		from.tell(tell)
		next = min(next, from.wait(env.At))
	}
	return max(next, shortest)
}

// wait returns how long after the time of judgement a repository is to be asked: when what is known has reached the age that the
// anchor names, a tenth before the end of what is known if that comes first, and after failures in growing steps.
func (s *source) wait(at time.Time) time.Duration {
	h := s.current()
	if h.failures > 0 {
		again := min(pause<<min(h.failures, 12), s.every)
		return again - s.v.now().Sub(h.asked)
	}
	if h.due(at, s.every) {
		return 0
	}
	left := h.good.Add(s.every).Sub(at)
	state, err := s.client.State()
	if err != nil || !state.Usable {
		return left
	}
	life := state.NotAfter.Sub(h.good)
	return min(left, h.good.Add(life-life/10).Sub(at))
}

// tell tells what has changed since it was told last.
func (s *source) tell(tell func(verify.Refreshed)) {
	state, err := s.client.State()
	h := s.current()
	s.mu.Lock()
	was := s.told
	if was.state == (tufclient.State{}) { // what a restart finds again is no news
		was.state = s.client.Remembered()
	}
	if err != nil { // of which health says more
		state = was.state
	}
	s.told = told{state: state, silent: !h.silent.IsZero()}
	if h.problem != nil {
		s.told.code = h.problem.Code
	}
	is := s.told
	s.mu.Unlock()
	text := advanced(was.state, state)
	if text != "" { // what still fails is told again after it
		tell(verify.Refreshed{Anchor: s.anchor, Text: fmt.Sprintf("%s: %s", s.repository, text)})
	}
	switch {
	case is.code != "" && (is.code != was.code || text != ""):
		tell(verify.Refreshed{Anchor: s.anchor, Failed: true, Code: method + "/" + is.code,
			Text: fmt.Sprintf("%s: %s; updates are refused until the repository is in order", s.repository, h.problem.Detail)})
	case is.silent && (!was.silent || text != ""):
		tell(verify.Refreshed{Anchor: s.anchor, Failed: true, Code: method + "/" + tufclient.Unavailable,
			Text: fmt.Sprintf("%s does not answer: %s; %s", s.repository, h.reason, inForce(state))})
	case is.code == "" && !is.silent && (was.code != "" || was.silent):
		tell(verify.Refreshed{Anchor: s.anchor, Text: fmt.Sprintf("%s is in order again", s.repository)})
	}
}

func inForce(s tufclient.State) string {
	if !s.Usable {
		return "nothing is known of it"
	}
	return "what is known is in force until " + timeText(s.NotAfter)
}

// advanced says which versions have changed.
func advanced(was, is tufclient.State) string {
	var parts []string
	for _, role := range []struct {
		name    string
		was, is int64
	}{
		{"root", was.Root, is.Root}, {"timestamp", was.Timestamp, is.Timestamp},
		{"snapshot", was.Snapshot, is.Snapshot}, {"targets", was.Targets, is.Targets},
	} {
		if role.was != role.is {
			parts = append(parts, fmt.Sprintf("%s %d -> %d", role.name, role.was, role.is))
		}
	}
	return strings.Join(parts, ", ")
}
