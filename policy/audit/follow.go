package audit

import (
	"context"
	"encoding/json"
	"fmt"
)

// Position is a place in a log between two batches. The zero Position is the beginning. Positions are values; their text form may
// be kept, to go on from there after a restart.
type Position struct{ at position }

// Records returns how many records stand before the position.
func (p Position) Records() int64 { return p.at.next }

// StandsIn reports whether the position was taken in the log that is in dir now: a log that was cut back, replaced or restored has
// not got the signed checkpoint that the position remembers.
func (p Position) StandsIn(dir string) bool { return standsAt(dir, p.at) }

type positionText struct {
	Segment    int64  `json:"segment"`
	Offset     int64  `json:"offset"`
	Personal   int64  `json:"personal"`
	Next       int64  `json:"next"`
	Checkpoint string `json:"checkpoint"`
}

// MarshalText implements encoding.TextMarshaler.
func (p Position) MarshalText() ([]byte, error) {
	return json.Marshal(positionText{p.at.segment, p.at.offset, p.at.personal, p.at.next, p.at.checkpoint})
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Position) UnmarshalText(text []byte) error {
	var t positionText
	if err := json.Unmarshal(text, &t); err != nil {
		return fmt.Errorf("reading a position in the log: %w", err)
	}
	if t.Segment < 0 || t.Offset < 0 || t.Personal < 0 || t.Next < t.Segment {
		return fmt.Errorf("reading a position in the log: there is no such place")
	}
	p.at = position{t.Segment, t.Offset, t.Personal, t.Next, t.Checkpoint}
	return nil
}

// Follow calls see for every record of the log in dir from a position on, oldest first, with its number, as far as the log is
// covered by a checkpoint, and returns where it ended: behind limit records or a few more, or at the end; a limit of 0 means
// none. It may be called while another process writes the log. Nothing is verified. Who writes elsewhere what it has seen keeps
// the position in the same transaction.
func Follow(ctx context.Context, dir string, from Position, limit int, see func(n int64, r Record) error) (Position, error) {
	to, err := walk(ctx, dir, from.at, limit, func(e entry) error { return see(e.n, e.record) })
	if err != nil {
		return from, fmt.Errorf("following the log: %w", err)
	}
	return Position{to}, nil
}

// LockFile takes a lock that one process at a time can have, on a file that is made if need be, or returns ErrLocked. The lock
// ends with the process, however that ends.
func LockFile(path string) (unlock func() error, err error) { return lock(path) }
