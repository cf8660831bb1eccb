package quarantine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// bench is a vault and a real log, since only a log can make receipts.
type bench struct {
	testing.TB
	dir   string
	vault *Vault
	log   *audit.Log

	mu   sync.Mutex
	lost []Loss
}

func (b *bench) note(l Loss) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost = append(b.lost, l)
}

func newBench(t testing.TB, o Options) *bench {
	t.Helper()
	b := &bench{TB: t, dir: filepath.Join(t.TempDir(), "vault")}
	log, err := audit.Open(filepath.Join(t.TempDir(), "log"), audit.Options{Origin: "custody.test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	b.log = log
	b.open(o)
	t.Cleanup(func() {
		b.vault.Close()
		checkDirectory(t, b.dir)
	})
	return b
}

func (b *bench) open(o Options) {
	b.Helper()
	if o.MinFree == 0 {
		o.MinFree = -1
	}
	if o.Lost == nil {
		o.Lost = b.note
	}
	v, err := Open(b.dir, o)
	if err != nil {
		b.Fatal(err)
	}
	b.vault = v
}

// reopen is a restart.
func (b *bench) reopen(o Options) {
	b.Helper()
	if err := b.vault.Close(); err != nil {
		b.Fatal(err)
	}
	b.open(o)
}

func (b *bench) hold(data []byte) *Item {
	b.Helper()
	return b.holdFor("client", data)
}

func (b *bench) holdFor(client string, data []byte) *Item {
	b.Helper()
	item, err := b.vault.Hold(context.Background(), bytes.NewReader(data), Intake{Client: client, Length: int64(len(data))})
	if err != nil {
		b.Fatal(err)
	}
	if item.SHA256 != sha256.Sum256(data) || item.Size != int64(len(data)) {
		b.Fatalf("held %d bytes as %s, %d bytes", len(data), item.SHA256, item.Size)
	}
	return item
}

func (b *bench) append(r audit.Record) audit.Receipt {
	b.Helper()
	receipt, err := b.log.Append(r)
	if err != nil {
		b.Fatal(err)
	}
	return receipt
}

func (b *bench) decision(d verify.Digest, scope string, action policy.Action, observed bool) audit.Receipt {
	b.Helper()
	return b.append(audit.Record{
		V: 1, Kind: audit.KindDecision, Channel: scope,
		Artifact: &audit.Artifact{Name: "update.bin", SHA256: d},
		Decision: &audit.Decision{Action: action, Observed: observed, Rule: "test", Policy: "sha256:" + d.String()},
	})
}

func (b *bench) byHand(kind audit.Kind, d verify.Digest, scope string, until time.Time) audit.Receipt {
	b.Helper()
	return b.append(audit.Record{
		V: 1, Kind: kind,
		Release: &audit.Release{SHA256: d, Scope: scope, Until: until, Reason: "a test", By: "tester"},
	})
}

// settle settles an item by a decision and closes it.
func (b *bench) settle(item *Item, scope string, action policy.Action) (*Content, error) {
	b.Helper()
	defer item.Close()
	return b.vault.Settle(item, scope, b.decision(item.SHA256, scope, action, false), Origin{Name: "update.bin", URL: "https://example.org/update.bin"})
}

// release holds data and releases it.
func (b *bench) release(data []byte, scope string) verify.Digest {
	b.Helper()
	item := b.hold(data)
	c, err := b.settle(item, scope, policy.Allow)
	if err != nil || c == nil {
		b.Fatalf("releasing: %v, %v", c, err)
	}
	c.Close()
	return item.SHA256
}

// quarantine holds data and quarantines it.
func (b *bench) quarantine(data []byte, scope string) verify.Digest {
	b.Helper()
	item := b.hold(data)
	if c, err := b.settle(item, scope, policy.Quarantine); err != nil || c != nil {
		b.Fatalf("quarantining: %v, %v", c, err)
	}
	return item.SHA256
}

// served returns what a client would get.
func (b *bench) served(d verify.Digest, scope string) ([]byte, bool) {
	b.Helper()
	c, ok := b.vault.Released(d, scope)
	if !ok {
		return nil, false
	}
	defer c.Close()
	return b.read(c), true
}

func (b *bench) read(c *Content) []byte {
	b.Helper()
	r, err := c.Reader()
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		b.Fatal(err)
	}
	if verify.Digest(sha256.Sum256(data)) != c.SHA256() || int64(len(data)) != c.Size() {
		b.Fatalf("content %s gave other bytes", c.SHA256())
	}
	return data
}

// random returns n bytes that are never the same twice.
func random(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	return data
}

// failer is what testing and rapid have in common.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
}

// checkLedger demands that what the vault counts is what it has. No download may be under way.
func checkLedger(t failer, v *Vault) {
	t.Helper()
	v.lock()
	defer v.unlock()
	var total int64
	var lines [3]int64
	shares := map[string]int64{}
	for _, b := range v.blobs {
		total += b.size
		lines[b.state] += b.size
		if b.owned {
			shares[b.owner] += b.size
		}
		if b.state != b.marks.category() {
			t.Errorf("%s counts as %s", b.digest, b.state)
		}
		if len(b.marks) == 0 && b.refs == 0 {
			t.Errorf("%s is held by nobody", b.digest)
		}
		if (b.refs > 0) != (b.file != nil) {
			t.Errorf("%s has %d references and file %v", b.digest, b.refs, b.file)
		}
	}
	if total != v.total || v.coming != (tally{}) || v.moving != (tally{}) || v.unwritten.Load() != 0 {
		t.Errorf("total is %d, counted as %d; coming %v, moving %v, unwritten %d", total, v.total, v.coming, v.moving, v.unwritten.Load())
	}
	if total > v.options.Quota || lines[Quarantined] > v.options.QuarantineQuota {
		t.Errorf("%d bytes, %d of them quarantined: more than allowed", total, lines[Quarantined])
	}
	for s := range lines {
		if lines[s] != v.line[s].bytes {
			t.Errorf("%s has %d bytes, counted as %d", State(s), lines[s], v.line[s].bytes)
		}
	}
	for client, n := range shares {
		if v.shares[client] != n {
			t.Errorf("client %s holds %d bytes, charged %d", client, n, v.shares[client])
		}
	}
	if len(v.shares) > len(shares) {
		t.Errorf("shares are charged for nothing: %v", v.shares)
	}
}

// checkDirectory demands of a closed vault that every state has its bytes, whole and right, every blob its state,
// and that nothing else is left.
func checkDirectory(t testing.TB, dir string) {
	t.Helper()
	paths := layout(dir)
	if left, err := os.ReadDir(paths.incoming()); err != nil || len(left) > 0 {
		t.Errorf("incoming holds %v, %v", left, err)
	}
	states := map[string]bool{}
	walkFiles(t, filepath.Join(dir, stateDir), func(path string) {
		states[filepath.Base(path)] = true
		digest, ok := parseName(filepath.Base(path))
		if !ok {
			t.Errorf("%s is left over", path)
			return
		}
		line, _, err := readSealed(path, maxStateFile)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		doc, err := parseState(line)
		data, e := os.ReadFile(paths.blob(digest))
		if err != nil || e != nil || doc.SHA256 != digest || verify.Digest(sha256.Sum256(data)) != digest || int64(len(data)) != doc.Size {
			t.Errorf("%s is not what its state says: %v, %v", digest, err, e)
		}
	})
	walkFiles(t, filepath.Join(dir, blobsDir), func(path string) {
		if !states[filepath.Base(path)] {
			t.Errorf("%s has no state", path)
		}
	})
	walkFiles(t, filepath.Join(dir, objectsDir), func(path string) {
		if _, ok := parseName(filepath.Base(path)); !ok {
			t.Errorf("%s is left over", path)
		}
	})
}

func walkFiles(t testing.TB, dir string, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			visit(path)
			if info, err := d.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s can be read by others: %v, %v", path, info, err)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTwoProcessesInOneVault(t *testing.T) {
	b := newBench(t, Options{})
	if _, err := Open(b.dir, Options{}); !errors.Is(err, ErrBusy) {
		t.Errorf("a second Open: %v", err)
	}
	b.vault.Close()
	b.open(Options{})
}

func TestVaultOpenToOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	v, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, path := range []string{"", incomingDir, blobsDir, stateDir, objectsDir, "blobs/00", "state/ff"} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%q: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestVaultThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := Open(file, Options{}); err == nil {
		v.Close()
		t.Error("a vault in a file")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, stateDir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := Open(dir, Options{}); err == nil {
		v.Close()
		t.Error("a vault whose state is a file")
	}
}

// A crash leaves files behind; none of them may stay for ever, none may become an item.
func TestLeftoversOfACrash(t *testing.T) {
	b := newBench(t, Options{})
	kept := b.release([]byte("kept"), "a")
	damaged := b.quarantine([]byte("damaged state"), "a")
	torn := b.release([]byte("torn"), "a")
	missing := b.release([]byte("missing"), "a")
	renamed := b.release([]byte("renamed"), "a")
	if err := b.vault.Close(); err != nil {
		t.Fatal(err)
	}
	p := layout(b.dir)
	orphan := verify.Digest(sha256.Sum256([]byte("orphan")))
	write := func(path, data string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(p.incoming(), "123"), "half a download")
	write(p.blob(orphan), "orphan")
	write(filepath.Join(p.shard(stateDir, 7), ".abc.tmp-1"), "x")
	write(filepath.Join(p.shard(objectsDir, 9), ".abc.tmp-1"), "x")
	write(p.state(damaged), "damaged")
	write(p.blob(torn), "to")
	os.Remove(p.blob(missing))
	other := verify.Digest(sha256.Sum256([]byte("another name")))
	os.Rename(p.state(renamed), p.state(other))
	os.Rename(p.blob(renamed), p.blob(other))

	b.open(Options{})
	if left, err := os.ReadDir(p.incoming()); err != nil || len(left) > 0 {
		t.Errorf("incoming holds %v, %v", left, err)
	}
	if data, ok := b.served(kept, "a"); !ok || string(data) != "kept" {
		t.Errorf("kept: %q, %v", data, ok)
	}
	for _, d := range []verify.Digest{damaged, torn, missing, renamed, other, orphan} {
		if _, ok := b.vault.Released(d, "a"); ok {
			t.Errorf("%s is released", d)
		}
		if _, err := b.vault.Open(d); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", d, err)
		}
	}
	if s := b.vault.Stats(); s.Broken != 4 || len(b.lost) != 4 {
		t.Errorf("%d reported as broken, %v", s.Broken, b.lost)
	}
	checkLedger(t, b.vault)
}

func TestClosedVault(t *testing.T) {
	b := newBench(t, Options{})
	d := b.release([]byte("released"), "a")
	item := b.hold([]byte("held"))
	receipt := b.decision(item.SHA256, "a", policy.Allow, false)
	content, _ := b.vault.Released(d, "a")
	if err := b.vault.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.vault.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if data := b.read(content); string(data) != "released" {
		t.Errorf("a response under way read %q", data)
	}
	content.Close()
	if c, err := b.vault.Settle(item, "a", receipt, Origin{}); c != nil || !errors.Is(err, ErrClosed) {
		t.Errorf("Settle: %v, %v", c, err)
	}
	item.Close()
	if _, err := b.vault.Hold(context.Background(), strings.NewReader("x"), Intake{Length: 1}); !errors.Is(err, ErrClosed) {
		t.Errorf("Hold: %v", err)
	}
	if _, err := b.vault.Open(d); !errors.Is(err, ErrClosed) {
		t.Errorf("Open: %v", err)
	}
	if _, ok := b.vault.Released(d, "a"); ok {
		t.Error("Released gave Content")
	}
	if err := b.vault.Reject(d, "a", b.byHand(audit.KindReject, d, "a", time.Time{})); !errors.Is(err, ErrClosed) {
		t.Errorf("Reject: %v", err)
	}
	if err := b.vault.Remember(Object{Key: "k", Status: 200, SHA256: d}); !errors.Is(err, ErrClosed) {
		t.Errorf("Remember: %v", err)
	}
}
