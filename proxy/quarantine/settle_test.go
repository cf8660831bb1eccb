package quarantine

import (
	"errors"
	"io"
	"io/fs"
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

// Only a receipt that allows these bytes on this scope gives Content, and only an allow that is not observed
// releases them.
func TestWhatAReceiptGives(t *testing.T) {
	b := newBench(t, Options{})
	other := b.quarantine([]byte("other"), "a")
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	for _, c := range []struct {
		name     string
		receipt  func(d verify.Digest) audit.Receipt
		content  bool
		err      error
		released bool // afterwards
		kept     bool // in whatever state
	}{
		{"none", func(verify.Digest) audit.Receipt { return audit.Receipt{} }, false, ErrNoReceipt, false, false},
		{"allow", func(d verify.Digest) audit.Receipt { return b.decision(d, "a", policy.Allow, false) }, true, nil, true, true},
		{"quarantine", func(d verify.Digest) audit.Receipt { return b.decision(d, "a", policy.Quarantine, false) }, false, nil, false, true},
		{"block", func(d verify.Digest) audit.Receipt { return b.decision(d, "a", policy.Block, false) }, false, nil, false, false},
		{"observed allow", func(d verify.Digest) audit.Receipt { return b.decision(d, "a", policy.Allow, true) }, true, nil, false, false},
		{"observed quarantine", func(d verify.Digest) audit.Receipt { return b.decision(d, "a", policy.Quarantine, true) }, true, nil, false, false},
		{"observed block", func(d verify.Digest) audit.Receipt { return b.decision(d, "a", policy.Block, true) }, true, nil, false, false},
		{"allow elsewhere", func(d verify.Digest) audit.Receipt { return b.decision(d, "b", policy.Allow, false) }, false, nil, false, false},
		{"allow outside channels", func(d verify.Digest) audit.Receipt { return b.decision(d, "", policy.Allow, false) }, false, nil, false, false},
		{"observed elsewhere", func(d verify.Digest) audit.Receipt { return b.decision(d, "b", policy.Allow, true) }, false, nil, false, false},
		{"allow of other bytes", func(verify.Digest) audit.Receipt { return b.decision(other, "a", policy.Allow, false) }, false, nil, false, false},
		{"observed other bytes", func(verify.Digest) audit.Receipt { return b.decision(other, "a", policy.Allow, true) }, false, nil, false, false},
		{"release by hand", func(d verify.Digest) audit.Receipt { return b.byHand(audit.KindRelease, d, "a", future) }, true, nil, true, true},
		{"release that has ended", func(d verify.Digest) audit.Receipt { return b.byHand(audit.KindRelease, d, "a", past) }, false, ErrForeign, false, false},
		{"release elsewhere", func(d verify.Digest) audit.Receipt { return b.byHand(audit.KindRelease, d, "b", future) }, false, ErrForeign, false, false},
		{"reject", func(d verify.Digest) audit.Receipt { return b.byHand(audit.KindReject, d, "a", time.Time{}) }, false, nil, false, false},
		{"another kind of record", func(d verify.Digest) audit.Receipt {
			return b.append(audit.Record{V: 1, Kind: audit.KindStart, Channel: "a"})
		}, false, ErrForeign, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			item := b.hold([]byte("bytes for " + c.name))
			content, err := b.vault.Settle(item, "a", c.receipt(item.SHA256), Origin{})
			if (content != nil) != c.content || !errors.Is(err, c.err) {
				t.Errorf("content %v, error %v", content != nil, err)
			}
			if content != nil {
				b.read(content)
			}
			item.Close()
			if content != nil {
				b.read(content)
				content.Close()
			}
			for _, scope := range []string{"a", "b", "", "A", "a+b"} {
				if _, ok := b.served(item.SHA256, scope); ok != (c.released && scope == "a") {
					t.Errorf("released on %q: %v", scope, ok)
				}
			}
			again, kept := b.vault.Get(item.SHA256)
			if kept != c.kept {
				t.Errorf("kept: %v", kept)
			}
			if kept {
				again.Close()
			}
			checkLedger(t, b.vault)
		})
	}
}

// What is true of an item on a scope changes with each decision, survives a restart, and touches no other scope.
func TestStatesFollowDecisions(t *testing.T) {
	const allow, quarantine, block = policy.Allow, policy.Quarantine, policy.Block
	type step struct {
		scope  string
		action policy.Action
	}
	for name, c := range map[string]struct {
		steps []step
		want  map[string]State
	}{
		"released by a second decision": {[]step{{"a", quarantine}, {"a", allow}}, map[string]State{"a": Released}},
		"taken back into quarantine":    {[]step{{"a", allow}, {"a", quarantine}}, map[string]State{"a": Quarantined}},
		"taken back":                    {[]step{{"a", allow}, {"a", block}}, nil},
		"lax channel":                   {[]step{{"strict", quarantine}, {"lax", allow}}, map[string]State{"strict": Quarantined, "lax": Released}},
		"blocked elsewhere":             {[]step{{"a", allow}, {"b", block}}, map[string]State{"a": Released}},
		"one of two taken back":         {[]step{{"a", allow}, {"b", allow}, {"a", block}}, map[string]State{"b": Released}},
		"no channel is a scope":         {[]step{{"", allow}, {"a", quarantine}}, map[string]State{"": Released, "a": Quarantined}},
		"the same again":                {[]step{{"a", allow}, {"a", allow}}, map[string]State{"a": Released}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{})
			data := []byte("update")
			var d verify.Digest
			for _, s := range c.steps {
				item := b.hold(data)
				d = item.SHA256
				content, err := b.settle(item, s.scope, s.action)
				if err != nil || (content != nil) != (s.action == allow) {
					t.Fatalf("%v: %v, %v", s, content, err)
				}
				if content != nil {
					content.Close()
				}
			}
			for range 2 {
				got := map[string]State{}
				for _, e := range b.vault.List(Filter{SHA256: d}) {
					got[e.Scope] = e.State
				}
				for _, scope := range []string{"", "a", "b", "strict", "lax"} {
					if got[scope] != c.want[scope] {
						t.Errorf("%q is %s, not %s", scope, got[scope], c.want[scope])
					}
					if _, ok := b.served(d, scope); ok != (c.want[scope] == Released) {
						t.Errorf("%q is served: %v", scope, ok)
					}
				}
				checkLedger(t, b.vault)
				b.reopen(Options{})
			}
		})
	}
}

// While somebody holds an item, a block takes its release and not its bytes.
func TestBlockWhileOthersRead(t *testing.T) {
	b := newBench(t, Options{})
	d := b.release([]byte("update"), "a")
	content, _ := b.vault.Released(d, "a")
	r, err := content.Reader()
	if err != nil {
		t.Fatal(err)
	}
	content.Close()
	if _, err := content.Reader(); !errors.Is(err, ErrClosed) {
		t.Errorf("a reader of closed Content: %v", err)
	}
	item, _ := b.vault.Get(d)
	if _, err := b.settle(item, "a", policy.Block); err != nil {
		t.Fatal(err)
	}
	if _, ok := b.vault.Released(d, "a"); ok {
		t.Error("still released")
	}
	if data, err := io.ReadAll(r); err != nil || string(data) != "update" {
		t.Errorf("a response under way: %q, %v", data, err)
	}
	r.Close()
	r.Close()
	if _, err := b.vault.Open(d); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
	checkLedger(t, b.vault)
}

// A refusal stands whether or not there is room for the evidence, and the oldest evidence gives way first.
func TestQuarantineWithoutRoom(t *testing.T) {
	b := newBench(t, Options{Quota: 10_000, QuarantineQuota: 1000, ClientShare: 10_000})
	oldest := b.quarantine(random(400), "a")
	older := b.quarantine(random(400), "a")
	large := random(1001)
	d := b.release(large, "a")
	if c, err := b.settle(b.hold(large), "a", policy.Quarantine); c != nil || !errors.Is(err, ErrNotKept) {
		t.Errorf("too large for the quarantine: %v, %v", c, err)
	}
	if _, ok := b.vault.Released(d, "a"); ok {
		t.Error("refused, without room, and still released")
	}
	if got := b.vault.List(Filter{State: Quarantined}); len(got) != 2 {
		t.Errorf("evidence was dropped for what does not fit: %v", got)
	}
	newest := b.quarantine(random(400), "a")
	for d, want := range map[verify.Digest]bool{oldest: false, older: true, newest: true} {
		item, ok := b.vault.Get(d)
		if ok != want {
			t.Errorf("%s is kept: %v", d, ok)
		}
		if ok {
			item.Close()
		}
	}
	if s := b.vault.Stats(); s.Displaced != 2 || len(b.lost) != 2 || b.lost[1] != (Loss{oldest, 400, Quarantined, Displaced}) {
		t.Errorf("%+v, %v", s, b.lost)
	}
	pinned, _ := b.vault.Get(older)
	defer pinned.Close()
	b.quarantine(random(600), "a") // takes the place of newest, since older is being looked at
	if _, ok := b.vault.Get(newest); ok {
		t.Error("newest was kept")
	}
	checkLedger(t, b.vault)
}

// Evidence never gives way to downloads.
func TestDownloadsDoNotDisplaceEvidence(t *testing.T) {
	b := newBench(t, Options{Quota: 1000, QuarantineQuota: 800, ClientShare: 1000})
	d := b.quarantine(random(800), "a")
	for range 5 {
		b.release(random(200), "a")
	}
	if item, ok := b.vault.Get(d); !ok {
		t.Error("evidence is gone")
	} else {
		item.Close()
	}
	checkLedger(t, b.vault)
}

func TestReject(t *testing.T) {
	b := newBench(t, Options{})
	d := b.quarantine([]byte("evidence"), "a")
	c, err := b.settle(b.hold([]byte("evidence")), "b", policy.Allow)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	reject := b.byHand(audit.KindReject, d, "a", time.Time{})
	for name, r := range map[string]audit.Receipt{
		"none": {}, "a release": b.byHand(audit.KindRelease, d, "a", time.Time{}),
		"a decision": b.decision(d, "a", policy.Block, false), "observed": b.decision(d, "a", policy.Block, true),
	} {
		if err := b.vault.Reject(d, "a", r); err == nil {
			t.Errorf("rejected by %s", name)
		}
	}
	if err := b.vault.Reject(d, "b", reject); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("rejecting what is released: %v", err)
	}
	if err := b.vault.Reject(d, "a", reject); err != nil {
		t.Error(err)
	}
	if err := b.vault.Reject(d, "a", reject); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("rejecting twice: %v", err)
	}
	if _, ok := b.served(d, "b"); !ok {
		t.Error("rejected on one scope, gone on another")
	}
	only := b.quarantine([]byte("only"), "a")
	if err := b.vault.Reject(only, "a", b.byHand(audit.KindReject, only, "a", time.Time{})); err != nil {
		t.Error(err)
	}
	if _, err := b.vault.Open(only); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
	checkLedger(t, b.vault)
}

// A scope that a state file could not give back as it was would release bytes on another one.
func TestScopesThatCannotBeStored(t *testing.T) {
	b := newBench(t, Options{})
	for _, scope := range []string{"bad \xff byte", strings.Repeat("a", maxScope+1)} {
		item := b.hold([]byte("update"))
		receipt, err := b.log.Append(audit.Record{
			V: 1, Kind: audit.KindDecision, Channel: scope,
			Artifact: &audit.Artifact{SHA256: item.SHA256},
			Decision: &audit.Decision{Action: policy.Allow, Rule: "test"},
		})
		if err == nil {
			if c, err := b.vault.Settle(item, scope, receipt, Origin{}); c != nil || err == nil {
				t.Errorf("settled on %.20q: %v", scope, err)
			}
		}
		if err := b.vault.keep(item.blob, scope, Released, Origin{}); err == nil {
			t.Errorf("stored scope %.20q", scope)
		}
		item.Close()
	}
	nothingLeft(t, b)
}

// Without a durable state there is no Content, and nothing is left of the attempt.
func TestStateThatCannotBeWritten(t *testing.T) {
	b := newBench(t, Options{})
	item := b.hold([]byte("update"))
	shard := filepath.Dir(b.vault.paths.state(item.SHA256))
	if err := os.Remove(shard); err != nil {
		t.Fatal(err)
	}
	for _, action := range []policy.Action{policy.Allow, policy.Quarantine} {
		c, err := b.vault.Settle(item, "a", b.decision(item.SHA256, "a", action, false), Origin{})
		if c != nil || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, %v", action, c, err)
		}
	}
	if _, ok := b.vault.Released(item.SHA256, "a"); ok {
		t.Error("released without a state")
	}
	if err := os.Mkdir(shard, 0o700); err != nil {
		t.Fatal(err)
	}
	item.Close()
	nothingLeft(t, b)
}

// A refusal that cannot be written down is still one.
func TestRefusalThatCannotBeWritten(t *testing.T) {
	b := newBench(t, Options{})
	data := []byte("update")
	d := b.release(data, "a")
	shard := filepath.Dir(b.vault.paths.state(d))
	if err := os.Rename(shard, shard+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.settle(b.hold(data), "a", policy.Quarantine); err == nil {
		t.Error("no error")
	}
	if _, ok := b.vault.Released(d, "a"); ok {
		t.Error("still released")
	}
	os.Rename(shard+".away", shard)
	os.Remove(b.vault.paths.state(d))
	checkLedger(t, b.vault)
}

// What comes from the outside cannot make a state file that is too large to be read again.
func TestEndlessOrigins(t *testing.T) {
	b := newBench(t, Options{})
	data := []byte("update")
	long := strings.Repeat("\x01é", 1<<16)
	var d verify.Digest
	for i := range maxScopes + 5 {
		item := b.hold(data)
		d = item.SHA256
		scope := strings.Repeat("\x02", 4000) + string(rune('A'+i))
		if err := b.vault.keep(item.blob, scope, Released, Origin{Name: long, URL: long, Format: verify.Format(long), Record: long}); err != nil {
			t.Fatal(err)
		}
		item.Close()
	}
	b.reopen(Options{})
	if got := b.vault.List(Filter{}); len(got) != maxScopes || len(got[0].Origin.URL) > maxURL || !strings.HasPrefix(long, got[0].Origin.URL) {
		t.Errorf("%d scopes", len(got))
	}
	if _, ok := b.served(d, strings.Repeat("\x02", 4000)+string(rune('A'+maxScopes+4))); !ok {
		t.Error("the newest scope gave way")
	}
}

// One item settled on many scopes at once by many: each decision holds.
func TestSettlingAtOnce(t *testing.T) {
	b := newBench(t, Options{})
	data := random(1000)
	var group sync.WaitGroup
	scopes := strings.Split("abcdefgh", "")
	for i, scope := range scopes {
		group.Go(func() {
			action := []policy.Action{policy.Allow, policy.Quarantine}[i%2]
			for range 5 {
				c, err := b.settle(b.hold(data), scope, action)
				if err != nil || (c != nil) != (action == policy.Allow) {
					t.Errorf("%s: %v, %v", scope, c, err)
				}
				if c != nil {
					b.read(c)
					c.Close()
				}
			}
		})
	}
	group.Wait()
	b.reopen(Options{})
	for i, scope := range scopes {
		if got := b.vault.List(Filter{Scopes: []string{scope}}); len(got) != 1 || (got[0].State == Released) != (i%2 == 0) {
			t.Errorf("%s: %v", scope, got)
		}
	}
	checkLedger(t, b.vault)
}
