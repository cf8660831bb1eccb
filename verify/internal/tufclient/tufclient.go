// Package tufclient follows one repository of The Update Framework: the client workflow of the TUF specification
// (https://theupdateframework.github.io/specification/latest/, v1.0.34, section 5), with succinct hash bins (TAP 15).
//
// The vocabulary is the specification's. A role (root, timestamp, snapshot, targets, or one that a targets role delegates to)
// signs metadata, a file with a version and an expiry. Root says whose signatures count for the top-level roles. The timestamp
// names the snapshot, the snapshot names the version of every targets file, and these list targets: paths with length and hashes.
//
// Keys, their types and names are go-tuf's. The state machine is not, since go-tuf's verifies a delegated role once and then
// knows it by its name alone, restarts from the pinned root, cannot be asked by several goroutines, and holds a large targets
// file as a tree of maps. What a signature covers is read here from the canonical form that was verified, never from the bytes
// beside it.
//
// # Trusted state
//
// A Client begins with the newest root that its Store has proved, or else with the pinned one. The Store remembers under which
// pin that was: a pinned root that the remembered chain does not contain starts everything afresh, since the operator has then
// decided anew whom to trust. What is remembered advances by compare-and-swap, file by file, at the moments at which the
// specification persists. Content that no longer verifies, since keys were rotated meanwhile, counts as deleted
// (section 5.3.11); content that cannot be read is an error about ourselves and never forgotten.
//
// The state is an immutable value that is swapped atomically. Look-ups use the last complete set of metadata, so that they
// never wait for a refresh, and a repository that vanishes stays usable until that set expires.
//
// # Metadata in passing
//
// Offer judges metadata that somebody else downloads, in the order in which TUF clients ask, and lets the good advance the
// state as Refresh does. What the state cannot judge is told apart from what is wrong (Error.Inconclusive):
//   - A root of a version that this chain has passed is good if its signed part is the one that was proved then; clients with
//     old pins ask for these. A root below the pin, or more than one above the trusted one, is of unknown version.
//   - A timestamp of the trusted version is good if it says the same of the snapshot, else it is refused: no version may mean two things.
//   - A snapshot or targets file that the newest trusted metadata does not name is of unknown version when its number is higher,
//     a rollback when it is lower, unless it belongs to the set that was in force less than Limits.Overlap ago: a client may be in the
//     middle of its own walk when the state advances.
//   - A delegated role can only be judged when a role that delegates to it is loaded; until then it is of unknown role.
package tufclient

import (
	"context"
	"time"
)

// Fetch returns the file called name below the metadata URL, such as "2.root.json" or "7.snapshot.json"; role names in it are
// escaped as one segment of a URL path. It returns at most limit bytes. Its error is verify.ErrNotExist where the origin says that
// there is none, verify.ErrTooLarge, the context's error, or anything else where it could not be told.
type Fetch func(ctx context.Context, name string, limit int64) ([]byte, error)

// Store keeps trusted metadata, as verify.Memory does for one anchor and repository. Names are "root.json", "timestamp.json",
// "snapshot.json", "targets.json", the escaped name of a delegated role with ".json", and "state", which is no role's.
// Values are as large as the files; an empty value stands for a deleted one.
type Store interface {
	// Load returns what is kept, or nil if nothing is.
	Load(name string) ([]byte, error)
	// Advance replaces old (nil: nothing) by new, durably, or returns verify.ErrConflict if old is no longer what is there.
	Advance(name string, old, new []byte) error
}

// Changed says what a Refresh has advanced. Versions are those in force after it.
type Changed struct {
	Roots                           int   // how many roots were passed
	Timestamp, Snapshot, Targets    bool  // whether a newer one is trusted
	RootVersion, TimestampVersion   int64 // 0 where none is trusted
	SnapshotVersion, TargetsVersion int64
	Recovered                       bool // keys were rotated, so that timestamp and snapshot were forgotten (section 5.3.11)
}

// Any reports whether anything changed.
func (c Changed) Any() bool {
	return c.Roots > 0 || c.Timestamp || c.Snapshot || c.Targets || c.Recovered
}

// Step is one role on the way from the root to a target.
type Step struct {
	Role    string
	Version int64
	Keys    []string // ids of the keys whose signatures count, each key once
	Expires time.Time
	SHA256  [32]byte // of the file
}

// Target is a file that the repository vouches for.
type Target struct {
	Path     string
	Length   int64             // bytes
	Hashes   map[string][]byte // by the names "sha256" and "sha512", one at least; all have to match
	Chain    []Step            // root, timestamp, snapshot, targets, then the delegations followed
	Key      [32]byte          // SHA-256 of a SubjectPublicKeyInfo: the lowest of the keys that may sign the last role, whether they did or not
	NotAfter time.Time         // the first expiry in Chain
	Behind   bool              // newer metadata is known to exist than what this rests on, but was not to be had
	Prefixed bool              // consistent snapshots: the file's name on the repository begins with one of the hashes and a dot
}

// Role is metadata that was found good.
type Role struct {
	Name     string
	Version  int64
	Expires  time.Time
	Keys     []string // ids of the keys whose signatures count
	Advanced bool     // it is newer than what was trusted before, and now is
}

// State says what is trusted at the moment. Versions are 0 where nothing is trusted yet.
type State struct {
	Root, Timestamp, Snapshot, Targets int64
	Usable                             bool      // there is a complete set to look targets up in
	Behind                             bool      // newer metadata is known to exist than that set, but was not to be had
	NotAfter                           time.Time // when that set expires; zero if there is none
	Refreshed                          time.Time // by the clock of that moment, when a refresh last succeeded; zero if never
}
