package audit

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// withInside is a decision about an artifact with files inside.
func withInside(b byte, action policy.Action, inner ...verify.Inner) Record {
	r := decision(b, action)
	_, r.Contents = OfReport(verify.Report{Contents: &verify.Contents{Files: len(inner), Inner: inner}})
	return r
}

func dll(path string, b byte) verify.Inner {
	return verify.Inner{Path: path, Format: "pe", Size: 9, SHA256: digest(b)}
}

// heldLog is a log with files inside artifacts, over several segments.
func heldLog(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	l := openTest(t, dir, Options{SegmentSize: 3000})
	n := 0
	add := func(r Record) {
		r.ID = fmt.Sprintf("H%02d", n)
		n++
		appendTest(t, l, r)
	}
	empty := dll("empty.dll", 60)
	empty.Size = 0
	add(withInside(1, policy.Allow, dll("a/evil.dll", 50), dll("b/evil.dll", 50), dll("good.dll", 51)))                     // H00
	add(Record{Kind: KindDelivery, Decides: "H00", Delivery: &Delivery{Status: 200, Sent: 123, Complete: true}})            // H01
	add(withInside(2, policy.Block, dll("other/evil.dll", 50), empty))                                                      // H02
	add(decision(3, policy.Allow))                                                                                          // H03
	add(decision(1, policy.Allow))                                                                                          // H04: not looked into this time
	add(Record{Kind: KindDelivery, Decides: "H04", Delivery: &Delivery{Status: 200, Sent: 5}})                              // H05
	add(Record{Kind: KindDelivery, Decides: "H03", Delivery: &Delivery{Status: 200, Sent: 5, Complete: true}})              // H06
	add(Record{Kind: KindRecall, Recall: &Recall{SHA256: digest(50), Reason: "INC-1", By: "bob"}})                          // H07
	add(Record{Kind: KindDelivery, Decides: "nothing", Delivery: &Delivery{Status: 200}})                                   // H08
	add(withInside(4, policy.Allow, dll(strings.Repeat("é/", 400)+"\u202e\x00.dll", 52), dll("'); DROP TABLE inside", 53))) // H09
	closeTest(t, l)
	return dir
}

func checkHeld(t *testing.T, dir string) {
	t.Helper()
	for _, c := range []struct {
		digest byte
		want   string // records
		inside []Holder
	}{
		{50, "H07 H05 H04 H02 H01 H00", []Holder{{SHA256: digest(2), Paths: []string{"other/evil.dll"}}, {SHA256: digest(1), Paths: []string{"a/evil.dll", "b/evil.dll"}}}},
		{51, "H05 H04 H01 H00", []Holder{{SHA256: digest(1), Paths: []string{"good.dll"}}}},
		{1, "H05 H04 H01 H00", nil},
		{3, "H06 H03", nil},
		{60, "", nil},
		{99, "", nil},
		{53, "H09", []Holder{{SHA256: digest(4), Paths: []string{"'); DROP TABLE inside"}}}},
	} {
		list, err := Who(t.Context(), dir, digest(c.digest), 0)
		if err != nil || idsOf(list) != c.want {
			t.Errorf("who %d: got %s, %v, want %s", c.digest, idsOf(list), err, c.want)
		}
		holders, err := Holders(t.Context(), dir, digest(c.digest))
		byDigest := map[verify.Digest]Holder{}
		for _, h := range holders {
			byDigest[h.SHA256] = h
		}
		want := map[verify.Digest]Holder{}
		for _, h := range c.inside {
			want[h.SHA256] = h
		}
		if err != nil || !reflect.DeepEqual(byDigest, want) {
			t.Errorf("holders of %d: %+v, %v, want %+v", c.digest, holders, err, c.inside)
		}
	}
	if list, err := Who(t.Context(), dir, digest(50), 2); err != nil || idsOf(list) != "H07 H05" {
		t.Errorf("limited: %s, %v", idsOf(list), err)
	}
	if holders, err := Holders(t.Context(), dir, digest(52)); err != nil || len(holders) != 1 || len(holders[0].Paths) != 1 {
		t.Errorf("a hostile path: %+v, %v", holders, err)
	}
}

func TestWhoFindsWhatIsInside(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
	}{
		{"no index", func(*testing.T, string) {}},
		{"whole index", func(t *testing.T, dir string) {
			if err := catchUp(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
		}},
		{"index of half the log", func(t *testing.T, dir string) {
			indexUntil(t, dir, 4)
		}},
		{"index of schema 1", func(t *testing.T, dir string) {
			indexOfSchema1(t, dir)
		}},
		{"index that cannot be made", func(t *testing.T, dir string) {
			if err := os.MkdirAll(filepath.Join(dir, indexFile, "in the way"), 0o700); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := heldLog(t)
			os.Remove(filepath.Join(dir, indexFile))
			c.prepare(t, dir)
			checkHeld(t, dir)
		})
	}
}

// indexUntil indexes the records before number n, and those that share the last one's batch.
func indexUntil(t *testing.T, dir string, n int64) {
	t.Helper()
	if err := makeIndex(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	db, err := openIndex(dir, "rw")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	in, err := newIndexing(t.Context(), tx)
	if err != nil {
		t.Fatal(err)
	}
	to, err := walk(t.Context(), dir, position{}, int(n), in.record)
	if err != nil {
		t.Fatal(err)
	}
	in.close()
	if _, err := tx.Exec("UPDATE position SET segment = ?, offset = ?, personal = ?, next = ?, checkpoint = ?", to.segment, to.offset, to.personal, to.next, to.checkpoint); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if to.next != n {
		t.Fatalf("indexed %d records", to.next)
	}
}

// indexOfSchema1 is an index as the first version of this program made it, of the whole log.
func indexOfSchema1(t *testing.T, dir string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, indexFile))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.Exec(`PRAGMA journal_mode = WAL; PRAGMA user_version = 1;
		CREATE TABLE position (one INTEGER PRIMARY KEY CHECK (one = 1), segment INTEGER NOT NULL, offset INTEGER NOT NULL,
			personal INTEGER NOT NULL, next INTEGER NOT NULL, checkpoint TEXT NOT NULL);
		INSERT INTO position VALUES (1, 0, 0, 0, 0, '');
		CREATE TABLE records (n INTEGER PRIMARY KEY, segment INTEGER NOT NULL, offset INTEGER NOT NULL, personal INTEGER NOT NULL, id TEXT NOT NULL,
			time INTEGER NOT NULL, kind TEXT NOT NULL, action TEXT NOT NULL, rule TEXT NOT NULL, channel TEXT NOT NULL, sha256 TEXT NOT NULL,
			name TEXT NOT NULL, decides TEXT NOT NULL);`)
	if err != nil {
		t.Fatal(err)
	}
}

func TestManyHoldersAndPathsAreBounded(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	var many []verify.Inner
	for i := range maxPaths + 5 {
		many = append(many, dll(fmt.Sprintf("%03d.dll", i), 50))
	}
	appendTest(t, l, withInside(1, policy.Allow, many...))
	var records []Record
	for i := range maxHolders + 10 {
		r := withInside(9, policy.Allow, dll("x.dll", 51))
		r.Artifact.SHA256 = verify.Digest{byte(i), byte(i >> 8), 7}
		records = append(records, r)
	}
	appendBatch(t, l, records...)
	closeTest(t, l)
	for _, indexed := range []bool{false, true} {
		if indexed {
			if err := catchUp(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
		}
		if h, err := Holders(t.Context(), dir, digest(50)); err != nil || len(h) != 1 || len(h[0].Paths) != maxPaths || h[0].More != 5 {
			t.Errorf("%+v, %v", h, err)
		}
		if h, err := Holders(t.Context(), dir, digest(51)); err != nil || len(h) != maxHolders {
			t.Errorf("%d holders, %v", len(h), err)
		}
		if list, err := Who(t.Context(), dir, digest(51), 5000); err != nil || len(list) != maxHolders {
			t.Errorf("%d records, %v", len(list), err)
		}
	}
}

func TestFollowGoesOnWhereItWas(t *testing.T) {
	dir := heldLog(t)
	var at Position
	var ids []string
	for range 20 {
		text, err := at.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var kept Position
		if err := kept.UnmarshalText(text); err != nil || !kept.StandsIn(dir) {
			t.Fatal(err)
		}
		at, err = Follow(t.Context(), dir, kept, 3, func(n int64, r Record) error {
			if n != int64(len(ids)) {
				t.Errorf("record %d after %d others", n, len(ids))
			}
			ids = append(ids, r.ID)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(ids, " "); got != "H00 H01 H02 H03 H04 H05 H06 H07 H08 H09" || at.Records() != 10 {
		t.Errorf("%s, %d", got, at.Records())
	}
	other := t.TempDir()
	if l := openTest(t, other, Options{Origin: "log.other"}); at.StandsIn(other) {
		t.Errorf("the position stands in another log %s", l.Verifier())
	}
	for _, bad := range []string{"", "{}x", `{"segment":-1}`, `{"offset":-5}`, `{"segment":9,"next":3}`} {
		if err := new(Position).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is taken for a position", bad)
		}
	}
}

var benchRecords = flag.Int("records", 1_000_000, "how many records BenchmarkWho searches")

// BenchmarkWho searches an index of many records: for bytes that are inside a rare update, and for an update that a tenth of all
// records are about.
func BenchmarkWho(b *testing.B) {
	dir := b.TempDir()
	l := openTest(b, dir, Options{})
	for i := range 200 {
		r := withInside(byte(1+i%2), policy.Allow, dll("evil.dll", byte(50+i%2)))
		r.ID = fmt.Sprintf("B%03d", 2*i)
		appendTest(b, l, r)
		appendTest(b, l, Record{ID: fmt.Sprintf("B%03d", 2*i+1), Kind: KindDelivery, Decides: r.ID, Delivery: &Delivery{Status: 200, Complete: true}})
	}
	closeTest(b, l)
	if err := catchUp(b.Context(), dir); err != nil {
		b.Fatal(err)
	}
	fillIndex(b, dir, *benchRecords)
	info, err := os.Stat(filepath.Join(dir, indexFile))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		digest verify.Digest
	}{{"rare", digest(50)}, {"frequent", digest(51)}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				list, err := Who(context.Background(), dir, c.digest, 200)
				if err != nil || len(list) != 200 {
					b.Fatal(len(list), err)
				}
			}
			b.ReportMetric(float64(info.Size())/float64(*benchRecords), "index-bytes/record")
		})
	}
}

// fillIndex puts records before those of the log into its index: as many as if the log had them, in places where nobody reads. A tenth is
// about the artifact with the digest 2, the others about 100 times fewer artifacts than there are records, each of which has ten files inside.
func fillIndex(b *testing.B, dir string, records int) {
	b.Helper()
	db, err := openIndex(dir, "rw")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	start := time.Now()
	popular := digest(2)
	for _, statement := range []string{
		"PRAGMA synchronous = OFF; PRAGMA cache_size = -500000; DROP INDEX by_id; DROP INDEX by_time; DROP INDEX by_kind; DROP INDEX by_channel; DROP INDEX by_artifact",
		fmt.Sprintf(`WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d)
			INSERT INTO artifacts SELECT 1000 + i, randomblob(32), x'' FROM c`, records/100),
		fmt.Sprintf(`WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d)
			INSERT INTO inside SELECT randomblob(32), 1000 + i %% %d, 'lib/part-' || i || '.dll' FROM c`, records/10, records/100),
		fmt.Sprintf(`WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d)
			INSERT INTO records SELECT i - %d - 1, 0, 0, 0, printf('01K%%023d', i), 1772366400000000 + i, iif(i %% 2, 'decision', 'delivery'), iif(i %% 2, 'allow', ''),
			iif(i %% 2, 'channel vendor', ''), 'vendor', iif(i %% 10, 1001 + i / 2 %% %d, (SELECT id FROM artifacts WHERE sha256 = x'%x')), i %% 2 = 0, 'setup.exe' FROM c`,
			records, records, records/100, popular[:]),
		indexTables[strings.Index(indexTables, "CREATE INDEX by_id"):],
	} {
		if _, err := db.Exec(statement); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("%d records in %v", records, time.Since(start).Round(time.Second))
}
