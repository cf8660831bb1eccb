package tuftest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Attack is something that becomes of a repository in the hands of somebody between it and its clients, or of somebody
// who has some of its keys.
type Attack struct {
	Name string // "replayed-timestamp"
	Does string // what, in a sentence
	Code string // of the finding that it has to lead to: "tuf/rollback"
	// Listed says that the metadata is in order, and only what it lists, or no longer lists, tells.
	Listed bool
	// apply returns what is served. The clone was published just before; path is a target of it.
	apply func(c *Repository, path string) (State, error)
}

// On returns what is served when the attack is made on r, as it was published last, with regard to the target at path. It
// leaves r as it is, but that its next versions are newer than those of the attack: after another Publish all is well.
func (a Attack) On(r *Repository, path string) (State, error) {
	c := r.clone()
	state, err := a.apply(c, path)
	if err != nil {
		return State{}, fmt.Errorf("attack %s: %w", a.Name, err)
	}
	r.outdo(c)
	return state, nil
}

// forward is the version that a fast-forward goes to: the first that not every reader of JSON tells from the next.
const forward = 1 << 53

// Attacks returns the attacks that section 1.5.2 of the specification names, as far as a repository can show them.
func Attacks() []Attack {
	return []Attack{
		{"replayed-timestamp", "the timestamp of before the last one is served again", "tuf/rollback", false, replayedTimestamp},
		{"replayed-snapshot", "timestamp and snapshot keys are stolen, and sign what lists older targets", "tuf/rollback", false, replayedTargets},
		{"frozen", "a timestamp that has expired is all there is", "tuf/expired", false, frozen},
		{"expired-targets", "the targets role has expired", "tuf/expired", false, expiredTargets},
		{"swapped-target", "the target's bytes are others", "tuf/digest-mismatch", true, swapped},
		{"extended-target", "bytes were added to the target", "tuf/digest-mismatch", true, extended},
		{"removed-target", "no role lists the target any longer", "tuf/not-listed", true, removedTarget},
		{"removed-delegation", "nobody delegates to the role that lists the target", "tuf/not-listed", true, removedDelegation},
		{"threshold-cut", "the targets role is signed by fewer keys than have to", "tuf/threshold", false, thresholdCut},
		{"foreign-key", "the timestamp is signed by a key that nobody trusts", "tuf/threshold", false, foreignKey},
		{"tampered", "a byte of the timestamp is another one", "tuf/threshold", false, tampered},
		{"mix-and-match", "the snapshot is another one than the timestamp lists", "tuf/mix-and-match", false, mixed},
		{"oversize", "the timestamp has more bytes than a timestamp may have", "tuf/oversize", false, oversize},
		{"endless", "the timestamp never ends", "tuf/oversize", false, endlessTimestamp},
		{"malformed", "the timestamp is no JSON", "tuf/malformed", false, malformed},
		{"fast-forward", "the timestamp's version leaves no room for newer ones", "tuf/fast-forward", false, fastForward},
	}
}

func served(c *Repository, change func(Files) error) (State, error) {
	files, err := c.Publish()
	if err == nil && change != nil {
		err = change(files)
	}
	return State{Files: files}, err
}

const timestamp = "metadata/timestamp.json"

// replayedTimestamp serves the timestamp that was published before the last one.
func replayedTimestamp(c *Repository, _ string) (State, error) {
	if c.former == nil {
		return State{}, errors.New("there was no timestamp before this one")
	}
	files := c.files.Clone()
	files[timestamp] = c.former
	return State{Files: files}, nil
}

func replayedTargets(c *Repository, _ string) (State, error) {
	now := c.Targets.Version
	c.Targets.Version--
	c.Snapshot.changed = true
	state, err := served(c, nil)
	c.Targets.Version = now
	return state, err
}

func frozen(c *Repository, _ string) (State, error) {
	c.Timestamp.Expires = c.At.Add(-time.Hour)
	return served(c, nil)
}

func expiredTargets(c *Repository, _ string) (State, error) {
	c.Targets.Expires, c.Targets.changed = c.At.Add(-time.Hour), true
	return served(c, nil)
}

// OfTarget returns the names under which the files hold the target at path, in any version.
func (f Files) OfTarget(path string) []string {
	dir, base := "targets/", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, base = dir+path[:i+1], path[i+1:]
	}
	var out []string
	for name := range f {
		rest, ok := strings.CutPrefix(name, dir)
		if ok && (rest == base || strings.HasSuffix(rest, "."+base) && !strings.Contains(rest, "/")) {
			out = append(out, name)
		}
	}
	return out
}

func changeTarget(c *Repository, path string, change func([]byte) []byte) (State, error) {
	files := c.files.Clone()
	names := files.OfTarget(path)
	if len(names) == 0 {
		return State{}, fmt.Errorf("no target %s", path)
	}
	for _, name := range names {
		files[name] = change(bytes.Clone(files[name]))
	}
	return State{Files: files}, nil
}

func swapped(c *Repository, path string) (State, error) {
	return changeTarget(c, path, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
}

func extended(c *Repository, path string) (State, error) {
	return changeTarget(c, path, func(b []byte) []byte { return append(b, "and more"...) })
}

func removedTarget(c *Repository, path string) (State, error) {
	for _, role := range c.all() {
		if _, ok := role.Files[path]; ok {
			role.Remove(path)
		}
	}
	return served(c, nil)
}

func removedDelegation(c *Repository, path string) (State, error) {
	for name, role := range c.Delegated {
		if _, ok := role.Files[path]; !ok {
			continue
		}
		for _, from := range c.all() {
			from.Undelegate(name)
		}
	}
	if _, ok := c.Targets.Files[path]; ok { // listed without a delegation
		c.Targets.Remove(path)
	}
	return served(c, nil)
}

func thresholdCut(c *Repository, _ string) (State, error) {
	c.Targets.Signers, c.Targets.changed = c.Targets.Keys[:c.Targets.Threshold-1:c.Targets.Threshold-1], true
	if len(c.Targets.Signers) == 0 {
		c.Targets.Signers = []*Key{}
	}
	return served(c, nil)
}

func foreignKey(c *Repository, _ string) (State, error) {
	k, err := NewKey(Ed25519, c.Seed+"/stranger")
	if err != nil {
		return State{}, err
	}
	c.Timestamp.Signers = []*Key{k}
	return served(c, nil)
}

func tampered(c *Repository, _ string) (State, error) {
	return served(c, func(f Files) error {
		old, next := fmt.Appendf(nil, `"version":%d}`, c.Timestamp.Version), fmt.Appendf(nil, `"version":%d}`, c.Timestamp.Version+1)
		body := bytes.Clone(f[timestamp])
		i := bytes.LastIndex(body, old)
		if i < 0 {
			return fmt.Errorf("no %s in the timestamp", old)
		}
		f[timestamp] = append(append(body[:i:i], next...), body[i+len(old):]...)
		return nil
	})
}

// mixed serves, under the name of the newest snapshot, the one before it.
func mixed(c *Repository, _ string) (State, error) {
	older := c.files[c.FileName(c.Snapshot)]
	c.Snapshot.changed = true
	return served(c, func(f Files) error {
		f[c.FileName(c.Snapshot)] = older
		return nil
	})
}

func oversize(c *Repository, _ string) (State, error) {
	return served(c, func(f Files) error {
		f[timestamp] = append(bytes.Clone(f[timestamp]), bytes.Repeat([]byte(" "), 1<<20)...)
		return nil
	})
}

func endlessTimestamp(c *Repository, _ string) (State, error) {
	state, err := served(c, nil)
	state.Endless = map[string]bool{timestamp: true}
	return state, err
}

func malformed(c *Repository, _ string) (State, error) {
	return served(c, func(f Files) error {
		f[timestamp] = f[timestamp][:len(f[timestamp])/2]
		return nil
	})
}

func fastForward(c *Repository, _ string) (State, error) {
	c.Timestamp.Version = forward - 1
	return served(c, nil)
}
