package tufclient

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// The names of what the Store keeps, besides delegated roles.
const (
	rootFile      = "root.json"
	timestampFile = "timestamp.json"
	snapshotFile  = "snapshot.json"
	targetsFile   = "targets.json"
	recordFile    = "state"
)

// guarded are the files that only advance from what was there when they were read.
var guarded = []string{rootFile, timestampFile, snapshotFile, targetsFile, recordFile}

// maxHistory bounds how many roots the record remembers.
const maxHistory = 1024

// record is what the Store keeps under recordFile.
type record struct {
	V         int              `json:"v"`
	Pin       string           `json:"pin"`       // SHA-256 of the pinned root
	Roots     map[int64]string `json:"roots"`     // SHA-256 of the signed parts of the roots passed, by version
	Refreshed int64            `json:"refreshed"` // Unix seconds, 0: never
	Seen      int64            `json:"seen"`      // likewise, of the clock
	Past      int64            `json:"past"`      // likewise
}

// errMoved is found when the Store has other content than was read: another process has advanced.
var errMoved = errors.New("the store advanced meanwhile")

// reload reads the state from the Store. The mutex is held.
func (c *Client) reload() (*state, error) {
	pin, err := c.limits.readRoot(c.pin)
	if err != nil {
		return nil, err
	}
	if _, err := pin.grants[metadata.ROOT].verify(pin.document, metadata.ROOT); err != nil {
		return nil, err
	}
	raw, err := c.loadGuarded()
	if err != nil {
		return nil, err
	}
	s := &state{root: pin, fresh: true, history: map[int64][32]byte{pin.version: pin.meaning}}
	if err := c.revive(s, raw); err != nil {
		return nil, fmt.Errorf("reading trusted TUF metadata: %w", err)
	}
	for _, d := range []*document{pin.document, s.root.document} {
		d.trusted()
	}
	c.state.Store(s)
	return s, nil
}

func (c *Client) loadGuarded() (map[string][]byte, error) {
	raw := map[string][]byte{}
	c.kept = map[string][32]byte{}
	for _, name := range guarded {
		data, err := c.store.Load(name)
		if err != nil {
			return nil, fmt.Errorf("loading trusted TUF metadata: %s: %w", name, err)
		}
		raw[name], c.kept[name] = data, sha256.Sum256(data)
	}
	return raw, nil
}

// revive makes of what the Store has what can be trusted of it: nothing, if it was gathered under another pin.
func (c *Client) revive(s *state, raw map[string][]byte) error {
	if len(raw[recordFile]) == 0 {
		return nil
	}
	var r record
	if err := json.Unmarshal(raw[recordFile], &r); err != nil || r.V != 1 {
		return fmt.Errorf("%s is damaged", recordFile)
	}
	history, err := r.history()
	if err != nil {
		return err
	}
	pin := s.root
	if r.Pin != c.pinDigest() && history[pin.version] != pin.meaning {
		return nil
	}
	s.fresh = false
	maps.Copy(s.history, history)
	s.refreshed, s.clock = fromUnix(r.Refreshed), clock{past: fromUnix(r.Past), seen: fromUnix(r.Seen)}
	if data := raw[rootFile]; len(data) > 0 {
		stored, err := c.limits.readRoot(data)
		if err != nil {
			return fmt.Errorf("%s is damaged: %w", rootFile, err)
		}
		if _, err := stored.grants[metadata.ROOT].verify(stored.document, metadata.ROOT); err != nil {
			return fmt.Errorf("%s is damaged: %w", rootFile, err)
		}
		if stored.version > pin.version {
			s.root = stored
			s.history[stored.version] = stored.meaning
		}
	}
	return c.reviveRoles(s, raw)
}

// reviveRoles trusts what the root still vouches for. What it does not counts as deleted (section 5.3.11).
func (c *Client) reviveRoles(s *state, raw map[string][]byte) error {
	if data := raw[timestampFile]; len(data) > 0 {
		t, err := c.limits.readTimestamp(data)
		if err != nil {
			return fmt.Errorf("%s is damaged: %w", timestampFile, err)
		}
		if t.keys, err = s.root.vouch(t.document); err == nil {
			s.timestamp = t
		}
	}
	if data := raw[snapshotFile]; len(data) > 0 {
		snap, err := c.limits.readSnapshot(data)
		if err != nil {
			return fmt.Errorf("%s is damaged: %w", snapshotFile, err)
		}
		if snap.keys, err = s.root.vouch(snap.document); err == nil {
			s.snapshot = snap
		}
		if s.timestamp != nil {
			snap.matches(&s.timestamp.next, data) // for the hash that only this compares
		}
	}
	if len(raw[timestampFile]) > 0 && s.timestamp == nil || len(raw[snapshotFile]) > 0 && s.snapshot == nil {
		s.timestamp, s.snapshot = nil, nil
	}
	c.reviveTargets(s, raw[targetsFile])
	for _, snap := range []*snapshot{s.timestamp, s.snapshot} {
		if snap != nil {
			snap.trusted()
		}
	}
	s.settle(s.refreshed, &c.limits)
	return nil
}

// reviveTargets trusts targets if the snapshot lists them as they are; else they are fetched again, which forgets nothing: the versions
// that were seen are the snapshot's.
func (c *Client) reviveTargets(s *state, data []byte) {
	if len(data) == 0 || s.snapshot == nil {
		return
	}
	e, ok := s.snapshot.meta.get(targetsFile)
	t, err := c.limits.readTargets(data, metadata.TARGETS)
	if !ok || err != nil || t.listedAs(&e, data) != nil {
		return
	}
	if t.keys, err = s.root.vouch(t.document); err == nil {
		t.trusted()
		s.targets = t
	}
}

// vouch verifies top-level metadata against the root.
func (r *root) vouch(d *document) ([]string, error) {
	ids, err := r.grants[d.role].verify(d, d.role)
	if err != nil {
		return nil, err
	}
	return ids, nil
}

func (c *Client) pinDigest() string {
	sum := sha256.Sum256(c.pin)
	return hex.EncodeToString(sum[:])
}

func (r *record) history() (map[int64][32]byte, error) {
	out := map[int64][32]byte{}
	for version, text := range r.Roots {
		sum, err := hex.DecodeString(text)
		if err != nil || len(sum) != 32 {
			return nil, fmt.Errorf("%s is damaged", recordFile)
		}
		out[version] = [32]byte(sum)
	}
	return out, nil
}

func toUnix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func fromUnix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// record returns the record of a state.
func (c *Client) record(s *state) []byte {
	r := record{V: 1, Pin: c.pinDigest(), Roots: map[int64]string{}, Refreshed: toUnix(s.refreshed), Seen: toUnix(s.clock.seen), Past: toUnix(s.clock.past)}
	for version, sum := range s.history {
		if version > s.root.version-maxHistory {
			r.Roots[version] = hex.EncodeToString(sum[:])
		}
	}
	data, _ := json.Marshal(r) // numbers and text only
	return data
}

// save puts data in the place of what is kept under name, if that is still what was read, and returns errMoved if not.
// The mutex is held.
func (c *Client) save(name string, data []byte) error {
	old, err := c.store.Load(name)
	if err != nil {
		return fmt.Errorf("loading trusted TUF metadata: %s: %w", name, err)
	}
	// A Store that has lost everything, or never keeps anything, must not make this process forget as well.
	if old != nil && sha256.Sum256(old) != c.kept[name] {
		return errMoved
	}
	if bytes.Equal(old, data) {
		return nil
	}
	if data == nil {
		data = []byte{} // deleted: to a Store, nil is what was never there
	}
	err = c.store.Advance(name, old, data)
	if errors.Is(err, verify.ErrConflict) {
		return errMoved
	}
	if err != nil {
		return fmt.Errorf("keeping trusted TUF metadata: %s: %w", name, err)
	}
	c.kept[name] = sha256.Sum256(data)
	return nil
}
