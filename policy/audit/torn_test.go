package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/policy"
)

// copyLog copies the files of a log.
func copyLog(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// tornLog is a log as a crash leaves it: two batches are acknowledged, and a third of two records is on its way, all
// of it written. It returns the size of each file before that batch.
func tornLog(t testing.TB) (dir string, before map[string]int64) {
	t.Helper()
	dir = t.TempDir()
	l := openTest(t, dir, Options{})
	appendBatch(t, l, numbered(0, 2)...)
	appendBatch(t, l, numbered(2, 3)...)
	before = map[string]int64{}
	for _, name := range []string{recordsName(0), personalName(0), hashesFile} {
		size, err := fileSize(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		before[name] = size
	}
	latest, err := os.ReadFile(filepath.Join(dir, checkpointFile))
	if err != nil {
		t.Fatal(err)
	}
	appendBatch(t, l, Record{Kind: KindStart, Client: &Client{User: "root"}}, Record{Kind: KindStop})
	dir = copyLog(t, dir)
	writeTest(t, filepath.Join(dir, checkpointFile), string(latest))
	return dir, before
}

// reopen opens a log that a crash left, appends to it, and returns how many records it had.
func reopen(t *testing.T, dir string) (records uint64, repaired string) {
	t.Helper()
	return reopenAnd(t, dir, 1)
}

// reopenAnd opens a log that a crash left, and appends so many records.
func reopenAnd(t *testing.T, dir string, more int) (records uint64, repaired string) {
	t.Helper()
	l, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	records, _ = l.Size()
	for range more {
		appendTest(t, l, decision(1, policy.Allow))
	}
	closeTest(t, l)
	v := verifyTest(t, dir, VerifyOptions{})
	if !v.OK() || v.Records != int64(records)+int64(more) || len(v.Warnings) > 0 || v.Pending > 0 {
		t.Fatalf("after repairing (%s): %+v", l.Repaired(), v)
	}
	return records, l.Repaired()
}

func TestTornAtEveryByteOfTheLastBatch(t *testing.T) {
	whole, before := tornLog(t)
	for name, from := range before {
		b, err := os.ReadFile(filepath.Join(whole, name))
		if err != nil {
			t.Fatal(err)
		}
		step := int64(1)
		if testing.Short() {
			step = 17
		}
		for size := from; size <= int64(len(b)); size += step {
			dir := copyLog(t, whole)
			writeTest(t, filepath.Join(dir, name), string(b[:size]))
			if v := verifyTest(t, dir, VerifyOptions{}); !v.OK() {
				t.Fatalf("%s cut to %d bytes, not yet repaired: %v", name, size, v.Problems)
			}
			records, repaired := reopenAnd(t, dir, int(size%8/7))
			want, cut := uint64(5), false
			if name == recordsName(0) && size < int64(len(b)) {
				want, cut = 3, size > from
			}
			if records != want || cut != (repaired != "") {
				t.Fatalf("%s cut to %d bytes: %d records, want %d; repaired %q", name, size, records, want, repaired)
			}
		}
	}
}

func TestTornBatchWithPagesThatNeverCame(t *testing.T) {
	whole, before := tornLog(t)
	name := recordsName(0)
	b, err := os.ReadFile(filepath.Join(whole, name))
	if err != nil {
		t.Fatal(err)
	}
	from := int(before[name])
	for zero := from; zero < len(b)-1; zero += 101 {
		dir := copyLog(t, whole)
		torn := bytes.Clone(b)
		clear(torn[zero:min(zero+200, len(torn)-1)])
		writeTest(t, filepath.Join(dir, name), string(torn))
		if records, _ := reopen(t, dir); records != 3 {
			t.Fatalf("zeros at %d: %d records", zero, records)
		}
	}
}

func TestTornSegmentBeginning(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	appendTest(t, l, decision(1, policy.Allow))
	first, err := os.ReadFile(filepath.Join(dir, recordsName(0)))
	if err != nil {
		t.Fatal(err)
	}
	closeTest(t, l)
	for _, begun := range []string{"", "{", string(first[:50])} {
		at := copyLog(t, dir)
		writeTest(t, filepath.Join(at, recordsName(1)), begun)
		if records, repaired := reopen(t, at); records != 1 || !strings.Contains(repaired, recordsName(1)) {
			t.Errorf("%q: %d records, %q", begun, records, repaired)
		}
	}
	// A first start or a last stop that died in the middle of writing a small file.
	writeTest(t, filepath.Join(dir, "."+keyFile+".tmp-123"), "half a k")
	reopen(t, dir)
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	// A first start that died between its key and its first segment.
	at := t.TempDir()
	closeTest(t, openTest(t, at, Options{}))
	os.Remove(filepath.Join(at, checkpointFile))
	writeTest(t, filepath.Join(at, recordsName(0)), string(first[:20]))
	if records, _ := reopen(t, at); records != 0 {
		t.Errorf("%d records", records)
	}
}

func TestUnreadableNewestCheckpointIsMadeAgain(t *testing.T) {
	for _, torn := range []string{"", "log.test\n1", "\x00\x00\x00"} {
		dir := sampleLog(t)
		writeTest(t, filepath.Join(dir, checkpointFile), torn)
		if records, repaired := reopen(t, dir); records != 9 || repaired == "" {
			t.Errorf("%q: %d records, repaired %q", torn, records, repaired)
		}
	}
}

func TestCutEndIsNotTakenForATornOne(t *testing.T) {
	whole := sampleLog(t)
	path := recordsName(0)
	size, err := fileSize(whole, path)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int64{1, 100, 700, 2000} {
		dir := copyLog(t, whole)
		if err := os.Truncate(filepath.Join(dir, path), size-cut); err != nil {
			t.Fatal(err)
		}
		if l, err := Open(dir, Options{}); !errors.Is(err, ErrBroken) {
			t.Errorf("%d bytes of acknowledged records cut off: %v, %v", cut, l, err)
		}
	}
	for _, gone := range []string{recordsName(0), keyFile} {
		dir := copyLog(t, whole)
		os.Remove(filepath.Join(dir, gone))
		if _, err := Open(dir, Options{}); !errors.Is(err, ErrBroken) {
			t.Errorf("without %s: %v", gone, err)
		}
	}
}

// killedDir is the variable by which this test binary learns that it is to append until it is killed.
const killedDir = "SALLYPORT_AUDIT_TEST_APPEND"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedDir); dir != "" {
		appendForever(dir)
	}
	os.Exit(m.Run())
}

// appendForever appends from several goroutines and prints the id of every record that was acknowledged.
func appendForever(dir string) {
	l, err := Open(dir, Options{SegmentSize: 8 << 10, Origin: "log.test"})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	for range 4 {
		go func() {
			for {
				r, err := l.Append(decision(1, policy.Allow))
				if err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				fmt.Println("ok", r.ID())
			}
		}()
	}
	select {}
}

func TestKilledAtAnyInstant(t *testing.T) {
	dir := t.TempDir()
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	acknowledged := map[string]bool{}
	for round := range rounds {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), killedDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewScanner(out)
		for n := 0; in.Scan(); n++ {
			word, id, _ := strings.Cut(in.Text(), " ")
			if word != "ok" {
				t.Errorf("round %d: %s", round, in.Text())
			}
			acknowledged[id] = true
			if n == 7*round { // then read on: what was acknowledged before the signal came
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		if v := verifyTest(t, dir, VerifyOptions{}); !v.OK() {
			t.Fatalf("round %d: %v", round, v.Problems)
		}
	}
	l := openTest(t, dir, Options{})
	closeTest(t, l)
	v := verifyTest(t, dir, VerifyOptions{})
	if !v.OK() || v.Records < int64(len(acknowledged)) || v.Deleted > 0 {
		t.Fatalf("%+v, %d were acknowledged", v, len(acknowledged))
	}
	list, err := List(t.Context(), dir, Filter{Limit: int(v.Records)})
	if err != nil || int64(len(list)) != v.Records {
		t.Fatal(len(list), err)
	}
	for _, r := range list {
		delete(acknowledged, r.ID)
	}
	if len(acknowledged) > 0 {
		t.Errorf("%d acknowledged records are not in the log", len(acknowledged))
	}
}
