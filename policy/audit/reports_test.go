package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

func openedReports(t testing.TB, dir string) *Reports {
	t.Helper()
	r, err := OpenReports(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// aReport has something of everything.
func aReport(name string) verify.Report {
	at := time.Date(2026, 11, 20, 10, 0, 0, 123456789, time.UTC)
	return verify.Report{
		Product: name, Version: "1.2.3", System: "msi",
		Findings: []verify.Finding{
			{Method: "authenticode", Status: verify.Valid, Code: "authenticode/signed", Signer: verify.Identity{Name: "Acme \uFFFD <&> Ltd", Organization: "Acme", PrivateRoot: true, RootFingerprint: "ab"}, SignedAt: at, NotAfter: at.Add(time.Hour), Anchors: []string{"a"}},
			{Subject: "disk1.cab/a.dll", Method: "sigstore", Status: verify.Inconclusive, Attestation: &verify.Attestation{PredicateType: "x", Source: "y"}, Workload: &verify.Workload{Run: "r"},
				Evidence: []verify.Reference{{URL: "https://example.com/a", Result: "none"}}},
		},
		Evidence: []verify.Reference{{URL: "https://example.com/b", SHA256: verify.Digest{1}}},
		Contents: &verify.Contents{Files: 1, Executables: 1, Containers: 1, Depth: 1, Inner: []verify.Inner{
			{Path: "disk1.cab/a.dll", Format: "pe", Size: 7, SHA256: verify.Digest{2}, Facts: map[string]string{"company": "Acme"}, Taps: map[string][]byte{"authenticode/sha256": {1, 2}}},
		}},
	}
}

func TestReportsComeBackAsTheyWere(t *testing.T) {
	dir := t.TempDir()
	r := openedReports(t, dir)
	want := aReport("app")
	id, err := r.Keep(want)
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.Keep(want)
	if err != nil || again != id {
		t.Errorf("the same report has the ids %s and %s, %v", id, again, err)
	}
	other, err := ReadReports(dir) // beside the one that writes
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, store := range []*Reports{r, other} {
		got, err := store.Load(id)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
	var n int
	if err := r.db.QueryRow("SELECT count(*) FROM reports").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows for one report, %v", n, err)
	}
}

func TestReportsThatCannotBeExact(t *testing.T) {
	r := openedReports(t, t.TempDir())
	inner := verify.Report{Contents: &verify.Contents{Inner: []verify.Inner{{Path: "a\xff.dll"}, {Path: "a\xfe.dll"}}}}
	if _, err := r.Keep(inner); err == nil {
		t.Error("a report was kept in which two files would have become one")
	}
	if _, err := r.Keep(verify.Report{Product: "\uFFFD"}); err != nil {
		t.Errorf("U+FFFD itself: %v", err)
	}
}

func TestReportsThatAreGoneOrDamaged(t *testing.T) {
	dir := t.TempDir()
	r := openedReports(t, dir)
	id, err := r.Keep(aReport("app"))
	if err != nil {
		t.Fatal(err)
	}
	lost := func(id verify.Digest, what string) {
		t.Helper()
		if _, err := r.Load(id); !errors.Is(err, ErrNoReport) {
			t.Errorf("%s: %v", what, err)
		}
	}
	lost(verify.Digest{}, "no id")
	lost(verify.Digest{9}, "another id")
	for what, body := range map[string][]byte{
		"no compressed data": []byte("x"), "another report": r.encode.EncodeAll([]byte(`{"findings":[]}`), nil), "a bomb": r.encode.EncodeAll(make([]byte, maxReport+1), nil),
	} {
		if _, err := r.db.Exec("UPDATE reports SET body = ?", body); err != nil {
			t.Fatal(err)
		}
		lost(id, what)
	}
	r.Close()

	if err := os.WriteFile(filepath.Join(dir, ReportsFile), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if read, err := ReadReports(dir); err != nil {
		t.Errorf("reading a damaged store: %v", err)
	} else if _, err := read.Load(id); !errors.Is(err, ErrNoReport) {
		t.Errorf("from a damaged store: %v", err)
	}
	r = openedReports(t, dir)
	lost(id, "a damaged store")
	if id, err = r.Keep(aReport("app")); err != nil {
		t.Errorf("a store that was made anew: %v", err)
	}
	if _, err := r.Load(id); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, ReportsFile+".damaged")); err != nil {
		t.Errorf("what was damaged is not kept: %v", err)
	}
}

func TestReportsMakeRoomForNewOnes(t *testing.T) {
	r := openedReports(t, t.TempDir())
	r.limit = 20_000
	first, err := r.Keep(aReport("the first"))
	if err != nil {
		t.Fatal(err)
	}
	var last verify.Digest
	for i := range 200 {
		if last, err = r.Keep(aReport(fmt.Sprint("report ", i))); err != nil {
			t.Fatal(err)
		}
	}
	var size int64
	if err := r.db.QueryRow("SELECT sum(size) FROM reports").Scan(&size); err != nil || size > r.limit || size != r.size {
		t.Errorf("%d bytes are kept, it thinks %d, with a limit of %d, %v", size, r.size, r.limit, err)
	}
	if _, err := r.Load(first); !errors.Is(err, ErrNoReport) {
		t.Errorf("the first: %v", err)
	}
	if _, err := r.Load(last); err != nil {
		t.Errorf("the last: %v", err)
	}
	r.limit = 100
	if _, err := r.Keep(aReport("one that is too large")); err == nil {
		t.Error("a report was kept that is larger than the store")
	}
}

func TestReportsByManyAtOnce(t *testing.T) {
	r := openedReports(t, t.TempDir())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 20 {
				id, err := r.Keep(aReport(fmt.Sprint(i)))
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := r.Load(id); err != nil || got.Product != fmt.Sprint(i) {
					t.Errorf("got %q, %v", got.Product, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestSnapshotOfReports(t *testing.T) {
	dir := t.TempDir()
	r := openedReports(t, dir)
	id, err := r.Keep(aReport("app"))
	if err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	if there, err := SnapshotReports(t.Context(), dir, filepath.Join(to, ReportsFile)); err != nil || !there {
		t.Fatal(there, err)
	}
	read, err := ReadReports(to)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if _, err := read.Load(id); err != nil {
		t.Error(err)
	}
	if _, err := read.Keep(aReport("another")); err == nil {
		t.Error("a store to read from took a report")
	}
	if there, err := SnapshotReports(t.Context(), t.TempDir(), filepath.Join(to, "none")); err != nil || there {
		t.Error("there is none: ", there, err)
	}
}

// FuzzReport checks that what is kept comes back exactly, or is not kept.
func FuzzReport(f *testing.F) {
	f.Add("app", "disk1.cab/a.dll", "key", []byte{1})
	f.Add("\xff", "a\ufffdb", "\x00", []byte{})
	store := openedReports(f, f.TempDir())
	f.Fuzz(func(t *testing.T, product, path, fact string, tap []byte) {
		want := verify.Report{Product: product, Findings: []verify.Finding{{Subject: path, Detail: fact}},
			Contents: &verify.Contents{Inner: []verify.Inner{{Path: path, Facts: map[string]string{fact: product}, Taps: map[string][]byte{path: append([]byte{0}, tap...)}}}}}
		id, err := store.Keep(want)
		if err != nil {
			return
		}
		if got, err := store.Load(id); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	})
}

// Room is made while somebody waits for a decision: what has to go is found by the index, and nothing is sorted.
func TestRoomIsMadeWithoutSorting(t *testing.T) {
	r, err := OpenReports(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rows, err := r.db.Query("EXPLAIN QUERY PLAN SELECT rowid FROM reports ORDER BY day, size LIMIT 64")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var a, b, c int
		var plan string
		if err := rows.Scan(&a, &b, &c, &plan); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(plan, "TEMP B-TREE") || !strings.Contains(plan, "by_day") {
			t.Errorf("plan: %s", plan)
		}
	}
}
