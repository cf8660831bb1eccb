package audit

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// openTest opens a log that is closed with the test.
func openTest(t testing.TB, dir string, o Options) *Log {
	t.Helper()
	if o.Origin == "" {
		o.Origin = "log.test"
	}
	if o.Warn == nil {
		o.Warn = func(err error) { t.Logf("warning: %v", err) }
	}
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func closeTest(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func digest(b byte) verify.Digest { return verify.Digest{b, 1} }

// decision is a decision record with everything in it.
func decision(b byte, action policy.Action) Record {
	return Record{
		Kind: KindDecision, Channel: "vendor",
		Client:   &Client{Addr: "10.1.2.3", User: "alice"},
		Request:  &Request{Method: "GET", URL: "https://dl.example/setup.exe?token=hush"},
		Artifact: &Artifact{Name: "setup.exe", Format: "pe", Role: "payload", Size: 123, SHA256: digest(b)},
		Findings: []Finding{{Method: "authenticode", Status: verify.Valid, Code: "authenticode/valid", Signer: "Vendor Ltd"}},
		Decision: &Decision{Action: action, Rule: "channel vendor", Reasons: []string{"signed by vendor"}, Policy: "sha256:00"},
	}
}

func appendTest(t testing.TB, l *Log, r Record) Receipt {
	t.Helper()
	receipt, err := l.Append(r)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

func verifyTest(t testing.TB, dir string, o VerifyOptions) Verification {
	t.Helper()
	v, err := Verify(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func wantSound(t testing.TB, dir string, records int64) {
	t.Helper()
	v := verifyTest(t, dir, VerifyOptions{})
	if !v.OK() || v.Records != records || len(v.Warnings) > 0 {
		t.Fatalf("got %+v, want a sound log of %d records", v, records)
	}
}

func TestAppendedRecordsVerifyAcrossSegmentsAndRestarts(t *testing.T) {
	dir := t.TempDir()
	n := int64(0)
	for range 3 {
		l := openTest(t, dir, Options{SegmentSize: 4 << 10})
		if r := l.Repaired(); r != "" {
			t.Errorf("repaired a log that was closed well: %s", r)
		}
		for i := range 20 {
			appendTest(t, l, decision(byte(i), policy.Allow))
			n++
		}
		wantSound(t, dir, n) // while it is open
		if size, _ := l.Size(); size != uint64(n) {
			t.Errorf("Size = %d, want %d", size, n)
		}
		closeTest(t, l)
		wantSound(t, dir, n)
	}
	segments, err := listSegments(dir)
	if err != nil || len(segments) < 5 {
		t.Errorf("%d segments, %v: the log was to be cut into several", len(segments), err)
	}
}

func TestConcurrentAppendsShareBatches(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	const goroutines, each = 16, 25
	var wg sync.WaitGroup
	seen := make([]map[string]bool, goroutines)
	for g := range goroutines {
		seen[g] = map[string]bool{}
		wg.Go(func() {
			for i := range each {
				r, err := l.Append(decision(byte(i), policy.Quarantine))
				if err != nil {
					t.Error(err)
					return
				}
				seen[g][r.ID()] = true
			}
		})
	}
	wg.Wait()
	all := map[string]bool{}
	for _, s := range seen {
		for id := range s {
			all[id] = true
		}
	}
	if len(all) != goroutines*each {
		t.Errorf("%d different ids of %d records", len(all), goroutines*each)
	}
	v := verifyTest(t, dir, VerifyOptions{})
	if !v.OK() || v.Records != goroutines*each {
		t.Fatalf("got %+v", v)
	}
	if v.Checkpoints >= v.Records {
		t.Errorf("%d checkpoints for %d records: no two shared a batch", v.Checkpoints, v.Records)
	}
}

func TestOneWriter(t *testing.T) {
	dir := t.TempDir()
	openTest(t, dir, Options{})
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), ErrLocked.Error()) {
		t.Errorf("a second writer got %v", err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l := openTest(t, dir, Options{})
	appendTest(t, l, decision(1, policy.Allow))
	for name, want := range map[string]os.FileMode{
		".": 0o700, keyFile: 0o600, verifierFile: 0o644, checkpointFile: 0o644, recordsName(0): 0o600, personalName(0): 0o600, hashesFile: 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v, want %v", name, info.Mode().Perm(), err, want)
		}
	}
}
