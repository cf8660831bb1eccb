package ledger

import (
	"slices"
	"strings"
	"time"
)

// backwards is how far the clock may go back, in microseconds, before it counts as having been wrong.
const backwards = int64(time.Minute / time.Microsecond)

// stretch is a part of the log in which the clock never went back.
type stretch struct {
	start       string // id of its first record
	first, last int64  // what the clock said, microseconds
}

// clock knows how far the machine's clock had come when a record was written. The order of the log cannot be wrong, the clock can:
// a record is not earlier than what the clock had reached before it, except where that lies in the future of whoever asks, so
// that the clock was wrong then.
type clock struct {
	stretches []stretch // in the log's order
	walked    string    // id of the last record that was looked at
}

// see returns the clock after a record in the log's order, and the stretch that the record belongs to. c does not change.
func (c clock) see(id string, at int64) (clock, stretch) {
	c.walked = id
	n := len(c.stretches)
	if n == 0 || at < c.stretches[n-1].last-backwards {
		s := stretch{start: id, first: at, last: at}
		c.stretches = append(slices.Clip(c.stretches), s)
		return c, s
	}
	s := c.stretches[n-1]
	if at > s.last {
		s.last = at
		c.stretches = append(slices.Clip(c.stretches[:n-1]), s)
	}
	return c, s
}

// reached returns the moment that a record was certainly written at or after: what its own clock said, or a moment that the clock
// had reached before. It is not ok where the record's own reading lies in the future.
func (c clock) reached(id string, at, now int64) (moment int64, ok bool) {
	if at > now {
		return 0, false
	}
	before := len(c.stretches)
	if id <= c.walked {
		before, _ = slices.BinarySearchFunc(c.stretches, id, func(s stretch, id string) int { return strings.Compare(s.start, id) })
		if before == len(c.stretches) || c.stretches[before].start != id {
			before-- // of those that start before the record, the last one is its own
		}
	}
	for i := range max(before, 0) {
		switch s := c.stretches[i]; {
		case s.last <= now:
			at = max(at, s.last)
		case s.first <= now:
			at = max(at, s.first)
		}
	}
	return at, true
}
