package ledger

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// dumps are all that a ledger knows, whatever the numbers of rows.
var dumps = []string{
	"SELECT hex(sha256), name, named, first, first_record, lowest, lowest_record, requests, allowed, went_out FROM artifacts ORDER BY 1",
	"SELECT hex(key), hex(sha256), v.first, v.last, v.record, v.latest, hex(client), several FROM views v JOIN artifacts a ON a.id = artifact ORDER BY 1, 2",
	`SELECT channel, p.product, version, hex(r.sha256), system, r.name, publishers, proofs, at, record, basis, by_hand
		FROM releases r JOIN products p ON p.id = r.product JOIN artifacts a ON a.id = artifact ORDER BY 1, 2, 3, 4`,
	`SELECT channel, p.product, h.kind, branch, h.by_hand, r.version
		FROM highest h JOIN products p ON p.id = h.product JOIN releases r ON r.id = h.release ORDER BY 1, 2, 3, 4, 5`,
	"SELECT channel, p.product, proof, at, record FROM proofs o JOIN products p ON p.id = o.product ORDER BY 1, 2, 3",
	"SELECT hex(digest), hex(sha256), path FROM inside JOIN artifacts a ON a.id = artifact ORDER BY 1, 2, 3",
	"SELECT start, first, last FROM clock ORDER BY 1",
	"SELECT walked FROM state",
	"SELECT record FROM applied",
}

func (r *rig) dump() string {
	r.t.Helper()
	r.must(r.ledger.CatchUp(r.t.Context()))
	var out strings.Builder
	for _, query := range dumps {
		fmt.Fprintln(&out, strings.Fields(query)[1:])
		r.must(r.ledger.store.each(r.t.Context(), query, nil, func(rows *sql.Rows) error {
			columns, err := rows.Columns()
			r.must(err)
			row := make([]any, len(columns))
			for i := range row {
				row[i] = new(string)
			}
			r.must(rows.Scan(row...))
			for _, v := range row {
				fmt.Fprintf(&out, "%q ", *v.(*string))
			}
			fmt.Fprintln(&out)
			return nil
		}))
	}
	return out.String()
}

// rebuilt is what a ledger of the same log and key knows that is made anew.
func (r *rig) rebuilt() string {
	r.t.Helper()
	other := &rig{t: r.t, dir: r.t.TempDir(), log: r.log}
	key, err := os.ReadFile(filepath.Join(r.dir, keyFile))
	r.must(err)
	r.must(os.WriteFile(filepath.Join(other.dir, keyFile), key, 0o600))
	other.open()
	defer other.ledger.Close()
	return other.dump()
}

func (r *rig) sameAsRebuilt() {
	r.t.Helper()
	if have, want := r.dump(), r.rebuilt(); have != want {
		r.t.Errorf("the ledger is not what the log says:\n%s\nrebuilt:\n%s", have, want)
	}
}

func someUpdate(n int) update {
	rng := rand.New(rand.NewPCG(7, uint64(n)))
	u := update{
		digest: rng.IntN(40), url: fmt.Sprintf("https://dl.example/%d", rng.IntN(10)), client: fmt.Sprintf("10.0.0.%d", rng.IntN(3)),
		action: policy.Action(rng.IntN(3)), observed: rng.IntN(5) == 0, private: rng.IntN(9) == 0,
		rule:    []string{"channel vendor", "channel vendor", "release 01X", "exception Y"}[rng.IntN(4)],
		edition: app(fmt.Sprintf("1.%d.%d", rng.IntN(3), rng.IntN(20))),
	}
	u.edition.Proofs = [][]string{{"signed"}, {"signed", "logged"}, nil}[rng.IntN(3)]
	return u
}

func TestRebuiltFromTheLogItIsTheSame(t *testing.T) {
	r := newRig(t)
	for i := range 150 {
		if i%20 == 19 {
			r.now = r.now.Add(time.Duration(i%7-3) * 24 * time.Hour) // back, too
		}
		r.decide(someUpdate(i))
	}
	r.sameAsRebuilt()
	r.close()
	r.open()
	r.sameAsRebuilt()
}

func TestManyAtOnceWhileTheLogIsFollowed(t *testing.T) {
	r := newRig(t)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				r.ledger.CatchUp(t.Context())
			}
		}
	}()
	for g := range 4 {
		wg.Go(func() {
			for i := range 60 {
				u := someUpdate(g*1000 + i)
				rec := u.record()
				receipt, err := r.l.Append(rec)
				if err != nil {
					t.Error(err)
					return
				}
				rec.ID, rec.Time = receipt.ID(), receipt.Time()
				r.ledger.Add(rec, nil)
				if h, err := r.ledger.Of(Query{SHA256: rec.Artifact.SHA256, Now: day0}); err != nil || h.Requests == 0 {
					t.Errorf("not known at once: %+v, %v", h, err)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	r.sameAsRebuilt()
}

func TestWhatWasNotAddedIsFoundInTheLog(t *testing.T) {
	r := newRig(t)
	r.decide(allow(1))
	r.appendOnly(allow(2))
	r.close()
	r.open()
	if h := r.of(allow(2)); h.Requests != 1 {
		t.Errorf("%+v", h)
	}
	// The log was faster than Add.
	rec := r.appendOnly(allow(3))
	r.must(r.ledger.CatchUp(t.Context()))
	r.ledger.Add(rec, nil)
	r.ledger.Add(rec, nil)
	if h := r.of(allow(3)); h.Requests != 1 {
		t.Errorf("counted twice: %+v", h)
	}
	r.sameAsRebuilt()
}

func TestADatabaseThatIsNoGoodIsMadeAnew(t *testing.T) {
	execute := func(statement string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(b []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, path string)
	}{
		{"deleted", func(t *testing.T, path string) { os.Remove(path) }},
		{"empty", write(nil)},
		{"no database", write([]byte(strings.Repeat("no database ", 9000)))},
		{"cut", func(t *testing.T, path string) { os.Truncate(path, 3*4096) }},
		{"overwritten in the middle", func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, _ := f.Stat()
			for at := int64(4096); at < info.Size(); at += 4096 {
				f.WriteAt([]byte(strings.Repeat("\xa5", 2000)), at)
			}
		}},
		{"older schema", execute("PRAGMA user_version = 0")},
		{"newer schema", execute("PRAGMA user_version = 99")},
		{"a table is missing", execute("DROP TABLE state")},
		{"of another key", execute("UPDATE state SET key = x'00'")},
		{"of another log", execute("UPDATE state SET position = replace(position, 'log.test', 'log.tset')")},
		{"position is no position", execute("UPDATE state SET position = 'x'")},
		{"key deleted", func(t *testing.T, path string) { os.Remove(filepath.Join(filepath.Dir(path), keyFile)) }},
		{"key damaged", func(t *testing.T, path string) {
			os.WriteFile(filepath.Join(filepath.Dir(path), keyFile), []byte("x"), 0o600)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			for i := range 25 {
				r.decide(someUpdate(i))
			}
			r.close()
			c.damage(t, filepath.Join(r.dir, databaseFile))
			r.open()
			r.sameAsRebuilt()
			r.decide(allow(999))
			if h := r.of(allow(999)); h.Requests != 1 {
				t.Errorf("%+v", h)
			}
			r.sameAsRebuilt()
		})
	}
}

func TestATableThatGoesMissingIsMadeAnewBehindAdd(t *testing.T) {
	r := newRig(t)
	r.decide(allow(1))
	s := r.ledger.store
	s.mu.Lock()
	_, err := s.conn.ExecContext(t.Context(), "DROP TABLE views")
	s.mu.Unlock()
	r.must(err)
	rec := r.appendOnly(allow(2))
	r.ledger.Add(rec, nil)
	deadline := time.Now().Add(20 * time.Second)
	for {
		h, err := r.ledger.Of(r.query(allow(2)))
		if err == nil && h.Requests == 1 && len(h.Views) == 1 {
			break
		}
		if err == nil {
			t.Fatalf("it says what is not so: %+v", h)
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.sameAsRebuilt()
}

func TestALogThatWasTornOrCutBack(t *testing.T) {
	r := newRig(t)
	r.decide(allow(1))
	r.close()
	r.must(r.l.Close())
	segment := filepath.Join(r.log, "records-0000000000000000.jsonl")
	whole, err := os.ReadFile(segment)
	r.must(err)

	r.must(os.WriteFile(segment, append(whole, []byte(`{"v":1,"kind":"decision","id":"TORN`)...), 0o600))
	r.open()
	if h := r.of(allow(1)); h.Requests != 1 {
		t.Errorf("torn: %+v", h)
	}
	r.close()
	r.openLog() // cuts it off
	r.open()
	r.decide(allow(2))
	r.sameAsRebuilt()
	r.close()
	r.must(r.l.Close())

	// A restored log that is older than the ledger.
	r.must(os.WriteFile(segment, whole, 0o600))
	r.must(os.Remove(filepath.Join(r.log, "hashes")))
	r.must(os.Remove(filepath.Join(r.log, "checkpoint")))
	r.openLog()
	r.open()
	if h := r.of(allow(2)); h.Requests != 0 || len(h.Views) != 1 {
		t.Errorf("the ledger knows what the log does not: %+v", h)
	}
	r.decide(allow(3))
	r.sameAsRebuilt()
}

func TestOneWriterAndReadersBesideIt(t *testing.T) {
	r := newRig(t)
	r.decide(allow(1))
	if _, err := Open(r.dir, r.log, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("a second writer: %v", err)
	}
	reader, err := Open(r.dir, r.log, Options{ReadOnly: true, Warn: func(err error) { t.Log(err) }})
	r.must(err)
	defer reader.Close()
	if _, err := reader.Of(r.query(allow(1))); !errors.Is(err, ErrBehind) {
		t.Errorf("before it was compared: %v", err)
	}
	r.must(reader.CatchUp(t.Context()))
	for i := range 3 {
		if h, err := reader.Of(r.query(allow(1))); err != nil || h.Requests != int64(i+1) {
			t.Errorf("%+v, %v", h, err)
		}
		r.decide(allow(1))
	}
	reader.Add(r.appendOnly(allow(5)), nil)
	if _, err := reader.Of(r.query(allow(1))); !errors.Is(err, ErrBehind) {
		t.Errorf("after an Add that it cannot make: %v", err)
	}
	r.must(r.ledger.CatchUp(t.Context()))
	r.must(reader.CatchUp(t.Context()))
	if h, err := reader.Of(r.query(allow(5))); err != nil || h.Requests != 1 {
		t.Errorf("%+v, %v", h, err)
	}

	// Nobody writes, and the log has more.
	r.appendOnly(allow(6))
	r.close()
	r.appendOnly(allow(7))
	if err := reader.CatchUp(t.Context()); !errors.Is(err, ErrBehind) {
		t.Errorf("a ledger that lacks a decision: %v", err)
	}
	if _, err := reader.Of(r.query(allow(7))); !errors.Is(err, ErrBehind) {
		t.Error(err)
	}
}

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("LEDGER_TEST_KILLED"); dir != "" {
		beKilled(dir)
		return
	}
	os.Exit(m.Run())
}

func beKilled(dir string) {
	log, err := audit.Open(filepath.Join(dir, "log"), audit.Options{Origin: "log.test"})
	if err != nil {
		panic(err)
	}
	l, err := Open(dir, filepath.Join(dir, "log"), Options{})
	if err != nil {
		panic(err)
	}
	for i := 0; ; i++ {
		rec := someUpdate(i).record()
		receipt, err := log.Append(rec)
		if err != nil {
			panic(err)
		}
		rec.ID, rec.Time = receipt.ID(), receipt.Time()
		l.Add(rec, nil)
		fmt.Println(i)
	}
}

func TestKilledAnyTime(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "LEDGER_TEST_KILLED="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 40+30*round && lines.Scan(); n++ {
		}
		cmd.Process.Kill()
		cmd.Wait()
		r := &rig{t: t, dir: dir, log: filepath.Join(dir, "log"), now: time.Now()}
		r.openLog()
		r.open()
		r.sameAsRebuilt()
		r.must(r.ledger.Close())
		r.must(r.l.Close())
	}
}
