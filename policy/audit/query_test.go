package audit

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// searchedLog is a log with a bit of everything, over several segments, left open. The ids are W0 to W11.
func searchedLog(t *testing.T) (dir string, l *Log) {
	t.Helper()
	dir = t.TempDir()
	clock := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	l = openTest(t, dir, Options{SegmentSize: 2500, Now: func() time.Time { clock = clock.Add(time.Hour); return clock }})
	n := 0
	add := func(r Record) {
		r.ID = "W" + string(rune('0'+n/10)) + string(rune('0'+n%10))
		n++
		appendTest(t, l, r)
	}
	other := decision(2, policy.Block)
	other.Channel, other.Artifact.Name, other.Client = "other", "Other-Setup.MSI", &Client{Addr: "10.9.9.9"}
	add(Record{Kind: KindStart, Message: "started"})                                                               // W00
	add(decision(1, policy.Quarantine))                                                                            // W01
	add(other)                                                                                                     // W02
	add(Record{Kind: KindRelease, Release: &Release{SHA256: digest(1), Scope: "vendor", Reason: "ok", By: "bob"}}) // W03
	add(decision(1, policy.Allow))                                                                                 // W04
	add(Record{Kind: KindDelivery, Decides: "W04", Delivery: &Delivery{Status: 200, Sent: 123, Complete: true}})   // W05
	add(Record{Kind: KindDelivery, Decides: "W02", Delivery: &Delivery{Status: 403}})                              // W06
	add(Record{Kind: KindTunnel, Tunnel: &Tunnel{Host: "example.org"}})                                            // W07
	add(decision(1, policy.Allow))                                                                                 // W08
	add(Record{Kind: KindDelivery, Decides: "W08", Delivery: &Delivery{Status: 200}})                              // W09
	add(Record{Kind: KindReject, Release: &Release{SHA256: digest(2), Scope: "other", Reason: "no", By: "bob"}})   // W10
	add(Record{Kind: KindStop})                                                                                    // W11
	return dir, l
}

func idsOf(list []Record) string {
	var ids []string
	for _, r := range list {
		ids = append(ids, r.ID)
	}
	return strings.Join(ids, " ")
}

// searches are run with every state that the index can be in.
var searches = []struct {
	name string
	f    Filter
	want string
}{
	{"all", Filter{}, "W11 W10 W09 W08 W07 W06 W05 W04 W03 W02 W01 W00"},
	{"newest", Filter{Limit: 3}, "W11 W10 W09"},
	{"kind", Filter{Kind: KindDecision}, "W08 W04 W02 W01"},
	{"action", Filter{Action: "allow"}, "W08 W04"},
	{"channel", Filter{Channel: "other"}, "W10 W02"},
	{"rule", Filter{Rule: "channel vendor", Limit: 2}, "W08 W04"},
	{"digest", Filter{SHA256: digest(2)}, "W10 W02"},
	{"name", Filter{Name: "setup.msi"}, "W02"},
	{"client address", Filter{Client: "10.9.9.9"}, "W02"},
	{"client user", Filter{Client: "alice", Kind: KindDecision}, "W08 W04 W01"},
	{"since and until", Filter{Since: time.Date(2026, 3, 1, 5, 0, 0, 0, time.UTC), Until: time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC)}, "W05 W04"},
	{"before", Filter{Before: "W03"}, "W02 W01 W00"},
	{"before, limited", Filter{Before: "W09", Kind: KindDelivery, Limit: 1}, "W06"},
	{"nothing", Filter{SHA256: digest(9)}, ""},
}

func runSearches(t *testing.T, dir string) {
	t.Helper()
	for _, c := range searches {
		list, err := List(t.Context(), dir, c.f)
		if err != nil || idsOf(list) != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.name, idsOf(list), err, c.want)
		}
	}
	for _, c := range []struct {
		digest byte
		limit  int
		want   string
	}{{1, 0, "W09 W08 W05 W04 W03 W01"}, {1, 2, "W09 W08"}, {2, 0, "W10 W06 W02"}, {3, 0, ""}} {
		if list, err := Who(t.Context(), dir, digest(c.digest), c.limit); err != nil || idsOf(list) != c.want {
			t.Errorf("who %d: got %s, %v, want %s", c.digest, idsOf(list), err, c.want)
		}
	}
	if r, err := Show(t.Context(), dir, "W02"); err != nil || r.Client == nil || r.Client.Addr != "10.9.9.9" {
		t.Errorf("Show: %+v, %v", r, err)
	}
	if _, err := Show(t.Context(), dir, "W99"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Show of what is not there: %v", err)
	}
	if _, err := List(t.Context(), dir, Filter{Before: "W99"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("before a record that is not there: %v", err)
	}
}

func indexed(t *testing.T, dir string) int64 {
	t.Helper()
	db, err := openIndex(dir, "rw")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p, err := indexPosition(t.Context(), db, dir)
	if err != nil {
		t.Fatal(err)
	}
	return p.next
}

func TestSearchingWithEveryStateOfTheIndex(t *testing.T) {
	broken := func(change func(t *testing.T, path string)) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := catchUp(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
			change(t, filepath.Join(dir, indexFile))
		}
	}
	execute := func(statement string) func(*testing.T, string) {
		return broken(func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		})
	}
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		rebuilt bool // the index is whole afterwards
	}{
		{"missing", func(*testing.T, string) {}, true},
		{"whole", broken(func(*testing.T, string) {}), true},
		{"behind", execute("DELETE FROM records WHERE n >= 0; UPDATE position SET segment=0, offset=0, personal=0, next=0, checkpoint=''"), false},
		{"empty file", broken(func(t *testing.T, path string) { writeTest(t, path, "") }), true},
		{"no database", broken(func(t *testing.T, path string) { writeTest(t, path, strings.Repeat("no database ", 1000)) }), true},
		{"another version", execute("PRAGMA user_version = 99"), true},
		{"no tables", execute("DROP TABLE records"), true},
		{"of another log", execute("UPDATE position SET checkpoint = replace(checkpoint, 'log.test', 'log.tset')"), true},
		{"ahead of the log", execute("UPDATE position SET offset = offset + 5000"), true},
		{"wrong places", execute("UPDATE records SET offset = offset + 1"), false},
		{"cannot be made", func(t *testing.T, dir string) {
			if err := os.MkdirAll(filepath.Join(dir, indexFile, "in the way"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"being written", func(t *testing.T, dir string) {
			unlock, err := lock(filepath.Join(dir, indexLock))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { unlock() })
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, l := searchedLog(t)
			closeTest(t, l)
			os.Remove(filepath.Join(dir, indexFile))
			c.prepare(t, dir)
			runSearches(t, dir)
			if c.rebuilt {
				if n := indexed(t, dir); n != 12 {
					t.Errorf("the index knows %d records of 12", n)
				}
			}
		})
	}
}

func TestReadersSeeWhatTheIndexDoesNotKnowYet(t *testing.T) {
	dir, l := searchedLog(t)
	if err := catchUp(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		r := appendTest(t, l, Record{Kind: KindDelivery, Decides: "W08", Delivery: &Delivery{Sent: int64(i)}})
		if list, err := Who(t.Context(), dir, digest(1), 1); err != nil || idsOf(list) != r.ID() {
			t.Fatalf("after Append of %s: %s, %v", r.ID(), idsOf(list), err)
		}
		if got, err := Show(t.Context(), dir, strings.ToLower(r.ID()[:4]+"-"+r.ID()[4:])); err != nil || got.Delivery.Sent != int64(i) {
			t.Fatal(got, err)
		}
	}
	if n := indexed(t, dir); n != 12 {
		t.Errorf("the index has %d records: the test was to read the tail", n)
	}
	if list, err := List(t.Context(), dir, Filter{Before: "W01"}); err != nil || idsOf(list) != "W00" {
		t.Error(idsOf(list), err)
	}
}

func TestIndexOfARestoredOlderLogIsMadeAnew(t *testing.T) {
	dir, l := searchedLog(t)
	closeTest(t, l)
	old := copyLog(t, dir)
	l = openTest(t, dir, Options{})
	appendTest(t, l, decision(7, policy.Allow))
	closeTest(t, l)
	if err := catchUp(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, indexFile))
	if err != nil {
		t.Fatal(err)
	}
	writeTest(t, filepath.Join(old, indexFile), string(b))
	runSearches(t, old)
	if n := indexed(t, old); n != 12 {
		t.Errorf("the index knows %d records of 12", n)
	}
}

func TestIndexFollowsTheLog(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	var records []Record
	for i := range indexBehind {
		records = append(records, Record{Kind: KindTunnel, Tunnel: &Tunnel{Host: "example.org", Sent: int64(i)}})
	}
	appendBatch(t, l, records...)
	deadline := time.Now().Add(20 * time.Second)
	for {
		db, err := openIndex(dir, "rw")
		if err != nil {
			t.Fatal(err)
		}
		p, err := indexPosition(context.Background(), db, dir)
		db.Close()
		if err == nil && p.next == indexBehind {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the index never followed: %+v, %v", p, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestBadFilters(t *testing.T) {
	dir, _ := searchedLog(t)
	for _, f := range []Filter{{Kind: "decisions"}, {Action: "allowed"}, {Limit: -1}} {
		if list, err := List(t.Context(), dir, f); err == nil {
			t.Errorf("%+v: %v", f, idsOf(list))
		}
	}
	if _, err := Who(t.Context(), dir, verify.Digest{}, 0); err == nil {
		t.Error("Who without a digest found somebody")
	}
	if _, err := List(t.Context(), t.TempDir(), Filter{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder without a log: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := List(ctx, dir, Filter{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestManyRecordsAreIndexedInChunks(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{SegmentSize: 100 << 10})
	const total = indexChunk + 700
	for n := 0; n < total; n += 300 {
		var records []Record
		for i := range min(300, total-n) {
			records = append(records, Record{Kind: KindTunnel, Tunnel: &Tunnel{Host: "example.org", Sent: int64(n + i)}})
		}
		appendBatch(t, l, records...)
	}
	closeTest(t, l)
	if err := catchUp(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if n := indexed(t, dir); n != total {
		t.Fatalf("%d of %d", n, total)
	}
	list, err := List(t.Context(), dir, Filter{Limit: total})
	if err != nil || len(list) != total {
		t.Fatal(len(list), err)
	}
	if !slices.IsSortedFunc(list, func(a, b Record) int { return int(b.Tunnel.Sent - a.Tunnel.Sent) }) {
		t.Error("not newest first")
	}
}

func TestShowWithoutAnIDShowsNothing(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Append(Record{Kind: KindStart, Message: "only record"}); err != nil {
		t.Fatal(err)
	}
	if r, err := Show(t.Context(), dir, ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("%+v, %v", r, err)
	}
}
