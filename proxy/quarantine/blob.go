package quarantine

import (
	"container/list"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// State is what has become of an item on a scope. The zero State permits nothing.
type State uint8

const (
	Held        State = iota // not settled there
	Quarantined              // refused, and kept for an auditor
	Released                 // may be served
)

var stateNames = [...]string{"held", "quarantined", "released"}

// String returns "held", "quarantined" or "released".
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return stateNames[Held]
}

// MarshalText implements encoding.TextMarshaler as String does.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *State) UnmarshalText(b []byte) error {
	for i, name := range stateNames {
		if name == string(b) {
			*s = State(i)
			return nil
		}
	}
	return errUnknownState
}

// blob is bytes that the vault has, with what it knows of them in memory.
type blob struct {
	digest verify.Digest
	size   int64

	writing sync.Mutex  // held while the state file is read, changed and written; taken before Vault.mu
	broken  atomic.Bool // the bytes are not, or may not be, those of digest: nobody may read them any more

	// Guarded by Vault.mu.
	incoming string // its file while it is not settled; "" once that has its final name
	gone     bool   // no longer in Vault.blobs; the final name is not its own any more
	refs     int    // Items, Contents, readers and checks
	file     *os.File
	seen     fs.FileInfo // what file looked like when its hash was found right; nil if it was not since Open
	checking *check
	marks    marks
	owner    string // whose share the bytes count against, if owned
	owned    bool
	state    State // the category: quarantined if it is on any scope, else released if it is on any, else held
	place    *list.Element
	used     time.Time // when it was last used, if that is not in the file's time yet; else zero
}

// line is the blobs of one category, next to be evicted first, and their bytes.
type line struct {
	list.List
	bytes int64
}

type tally struct {
	items int
	bytes int64
}

// path returns where a blob's file is. It is called under mu.
func (v *Vault) path(b *blob) string {
	if b.incoming != "" {
		return b.incoming
	}
	return v.paths.blob(b.digest)
}

// enlist adds a blob to the vault. It is called under mu.
func (v *Vault) enlist(b *blob) {
	v.blobs[b.digest] = b
	v.total += b.size
	b.state = b.marks.category()
	v.join(b)
}

// delist takes a blob out of the vault, and gives back what it was charged. It is called under mu.
func (v *Vault) delist(b *blob) {
	if v.blobs[b.digest] == b {
		delete(v.blobs, b.digest)
	}
	b.gone = true
	v.leave(b)
	v.total -= b.size
	v.disown(b)
}

// recount moves a blob to the category that its marks have now. It is called under mu.
func (v *Vault) recount(b *blob) {
	if s := b.marks.category(); !b.gone && s != b.state {
		v.leave(b)
		b.state = s
		v.join(b)
	}
}

func (v *Vault) join(b *blob) {
	l := &v.line[b.state]
	b.place = l.PushBack(b)
	l.bytes += b.size
}

func (v *Vault) leave(b *blob) {
	l := &v.line[b.state]
	l.Remove(b.place)
	l.bytes -= b.size
}

// touch notes that a blob is being used. It is called under mu.
func (v *Vault) touch(b *blob) {
	if b.gone || b.state != Released {
		return
	}
	b.used = v.options.Now()
	v.line[Released].MoveToBack(b.place)
}

// hold takes a reference to a blob, opening its file if nobody had one. It is called under mu.
func (v *Vault) hold(b *blob) error {
	if b.file == nil {
		f, err := os.Open(v.path(b))
		if err != nil {
			return err
		}
		b.file = f
	}
	b.refs++
	return nil
}

// drop gives up a reference; with the last one goes a blob that is settled nowhere. It is called under mu.
func (v *Vault) drop(b *blob) {
	b.refs--
	if b.refs > 0 {
		return
	}
	b.file.Close()
	b.file = nil
	if len(b.marks) == 0 {
		v.remove(b)
	}
}

// unpin is drop for those who do not hold mu.
func (v *Vault) unpin(b *blob) {
	v.lock()
	v.drop(b)
	v.unlock()
}

// disown gives back what a blob was charged to a client's share. It is called under mu.
func (v *Vault) disown(b *blob) {
	if b.owned {
		v.share(b.owner, -b.size)
		b.owned, b.owner = false, ""
	}
}
