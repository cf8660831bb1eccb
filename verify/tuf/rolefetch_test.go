package tuf

import (
	"bytes"
	"maps"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

// A role that is held back, or of which something else is served, is not fetched by each update that leads to it.
func TestARoleThatFailsIsNotFetchedByEachUpdate(t *testing.T) {
	const role = "metadata/1.tools.json"
	for _, c := range []struct {
		name   string
		served []byte
		status verify.Status
		code   string
	}{
		{"missing", nil, verify.Inconclusive, "tuf/unavailable"},
		{"something else", bytes.Repeat([]byte(" "), 4096), verify.Invalid, "tuf/malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, tuftest.Options{})
			w.valid("targets/" + app)
			good := w.server.State().Files
			bad := maps.Clone(good)
			delete(bad, role)
			if c.served != nil {
				bad[role] = c.served
			}
			w.server.Serve(bad)
			w.later(pause)
			for range 100 {
				w.want("held back", w.offer(base+"targets/"+tool, toolBytes), c.status, c.code)
			}
			if n := w.server.Asked(role); n == 0 || n > 2 {
				t.Errorf("asked for the role %d times for 100 updates", n)
			}
			w.server.Serve(good)
			w.later(pause)
			w.valid("targets/" + tool)
		})
	}
}

// A hundred who wait for one refresh and give up are one failure, and none at all if it has ended meanwhile.
func TestWhoGivesUpDoesNotOutweighAnAnswer(t *testing.T) {
	r := &repository{}
	for range 100 {
		r.givenUp(time.Time{}, now, now, "no answer")
	}
	if h := r.current(); h.failures != 1 || h.silent.IsZero() {
		t.Errorf("%+v", h)
	}
	before := r.current().asked
	r.answered(now, now.Add(time.Second), nil)
	r.givenUp(before, now, now.Add(time.Second), "no answer")
	if h := r.current(); h.failures != 0 || !h.silent.IsZero() {
		t.Errorf("%+v", h)
	}
}
