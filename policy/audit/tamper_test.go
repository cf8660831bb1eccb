package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport-project/sallyport/internal/durable"
	"github.com/sallyport-project/sallyport/policy"
)

// appendBatch appends records as one batch.
func appendBatch(t testing.TB, l *Log, records ...Record) {
	t.Helper()
	var last *batch
	l.mu.Lock()
	for _, r := range records {
		r := bounded(r)
		r.V = 1
		_, b, err := l.add(&r)
		if err != nil {
			l.mu.Unlock()
			t.Fatal(err)
		}
		last = b
	}
	l.mu.Unlock()
	if <-last.done; last.err != nil {
		t.Fatal(last.err)
	}
}

// numbered are decisions that can be told apart by their ids: R0, R1, ...
func numbered(from, to int) []Record {
	var list []Record
	for i := from; i < to; i++ {
		r := decision(byte(i+1), policy.Allow)
		r.ID = fmt.Sprintf("R%d", i)
		list = append(list, r)
	}
	return list
}

// sampleLog is a closed log of nine records in batches of 1, 3, 1, 1 and 3.
func sampleLog(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	for _, b := range [][2]int{{0, 1}, {1, 4}, {4, 5}, {5, 6}, {6, 9}} {
		appendBatch(t, l, numbered(b[0], b[1])...)
	}
	closeTest(t, l)
	return dir
}

func readLines(t testing.TB, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.SplitAfter(strings.TrimSuffix(string(b), "\n"), "\n")
}

func writeTest(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// editLines rewrites a file of the log. Lines 0, 2, 6, 8, 10 and 14 of the sample are checkpoints.
func editLines(t testing.TB, dir, name string, edit func(lines []string) []string) {
	t.Helper()
	path := filepath.Join(dir, name)
	lines := readLines(t, path)
	lines[len(lines)-1] += "\n"
	writeTest(t, path, strings.Join(edit(lines), ""))
}

func swap(s []string, i, j int) []string { s[i], s[j] = s[j], s[i]; return s }

func drop(s []string, i, n int) []string { return append(s[:i:i], s[i+n:]...) }

func TestTamperedRecordsAreNamed(t *testing.T) {
	edit := func(line int) func([]string) []string {
		return func(s []string) []string {
			s[line] = strings.Replace(s[line], "setup.exe", "setup.msi", 1)
			return s
		}
	}
	for _, c := range []struct {
		name  string
		edit  func([]string) []string
		fault Fault
		index int64
		id    string
	}{
		{"edited alone in its batch", edit(1), FaultEdited, 0, "R0"},
		{"edited inside a batch", edit(4), FaultEdited, 2, "R2"},
		{"edited last", edit(13), FaultEdited, 8, "R8"},
		{"dropped inside a batch", func(s []string) []string { return drop(s, 4, 1) }, FaultMissing, 2, "R3"},
		{"dropped at the end of a batch", func(s []string) []string { return drop(s, 5, 1) }, FaultMissing, 3, ""},
		{"dropped with its checkpoint", func(s []string) []string { return drop(s, 7, 2) }, FaultMissing, 4, "R5"},
		{"dropped without its checkpoint", func(s []string) []string { return drop(s, 7, 1) }, FaultMissing, 4, ""},
		{"two batches dropped", func(s []string) []string { return drop(s, 3, 6) }, FaultMissing, 1, "R5"},
		{"duplicated", func(s []string) []string { return append(s[:5:5], s[4:]...) }, FaultInserted, 3, "R2"},
		{"duplicated with its checkpoint", func(s []string) []string { return append(s[:9:9], s[7:]...) }, FaultInserted, 5, "R4"},
		{"reordered inside a batch", func(s []string) []string { return swap(s, 3, 5) }, FaultReordered, 1, "R3"},
		{"reordered across batches", func(s []string) []string { return swap(s, 7, 9) }, FaultReordered, 4, "R5"},
		{"batches reordered", func(s []string) []string { return swap(swap(s, 7, 9), 8, 10) }, FaultReordered, 4, "R5"},
		{"a checkpoint's signature", func(s []string) []string {
			s[6] = strings.Replace(s[6], `\n"}`, `AAAA\n"}`, 1)
			return s
		}, FaultSignature, 1, "R1"},
		{"a checkpoint made a record", func(s []string) []string {
			s[8] = " " + s[8]
			return s
		}, FaultInserted, 5, ""},
		{"the first checkpoint gone", func(s []string) []string { return s[1:] }, FaultSignature, 0, ""},
		{"the end cut off", func(s []string) []string { return s[:11] }, FaultCut, 6, ""},
		{"the end cut off in a batch", func(s []string) []string { return s[:13] }, FaultCut, 6, ""},
		{"all cut off", func(s []string) []string { return s[:1] }, FaultCut, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := sampleLog(t)
			editLines(t, dir, recordsName(0), c.edit)
			v := verifyTest(t, dir, VerifyOptions{})
			if len(v.Problems) != 1 {
				t.Fatalf("problems: %v", v.Problems)
			}
			p := v.Problems[0]
			if p.Fault != c.fault || p.Index != c.index || p.ID != c.id {
				t.Errorf("got %v, want %s at %d (%s)", p, c.fault, c.index, c.id)
			}
			// All of these lie in the last segment, which Open reads.
			if _, err := Open(dir, Options{}); !errors.Is(err, ErrBroken) {
				t.Errorf("opened for writing: %v", err)
			}
		})
	}
}

func TestEveryFlippedByteIsFound(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	appendTest(t, l, Record{Kind: KindStart, Message: "started"})
	appendTest(t, l, Record{Kind: KindStop, Message: "stopped", Client: &Client{User: "root"}})
	closeTest(t, l)
	path := filepath.Join(dir, recordsName(0))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 1
		writeTest(t, path, string(b))
		if v := verifyTest(t, dir, VerifyOptions{}); v.OK() {
			t.Errorf("byte %d (%q) flipped: not found", i, whole[i])
		}
	}
}

func TestPersonalValues(t *testing.T) {
	name := personalName(0)
	t.Run("changed", func(t *testing.T) {
		dir := sampleLog(t)
		editLines(t, dir, name, func(s []string) []string {
			s[2] = strings.Replace(s[2], "alice", "mallory", 1)
			return s
		})
		v := verifyTest(t, dir, VerifyOptions{})
		if len(v.Problems) != 1 || v.Problems[0].Fault != FaultPersonal || v.Problems[0].Index != 2 || v.Problems[0].ID != "R2" {
			t.Fatalf("got %v", v.Problems)
		}
		r, err := Show(t.Context(), dir, "R2")
		if err != nil || r.Client.User != "" || r.Client.Addr != "10.1.2.3" || len(r.Altered) != 1 || r.Altered[0] != "client.user" {
			t.Errorf("got %+v, %v: a value that does not fit must not be shown", r.Client, r.Altered)
		}
	})
	t.Run("moved between salt and value", func(t *testing.T) {
		p := &secret{Salt: make([]byte, saltSize), Value: "xyz"}
		c := p.commit()
		q := &secret{Salt: append(bytes.Clone(p.Salt), 'x'), Value: "yz"}
		if q.fits(c) {
			t.Error("another value fits the same commitment")
		}
	})
	t.Run("added to a record without", func(t *testing.T) {
		dir := t.TempDir()
		l := openTest(t, dir, Options{})
		appendTest(t, l, Record{Kind: KindStart, ID: "S"})
		closeTest(t, l)
		writeTest(t, filepath.Join(dir, name), `{"n":0,"addr":{"s":"AAAAAAAAAAAAAAAAAAAAAA==","v":"10.0.0.1"}}`+"\n")
		if v := verifyTest(t, dir, VerifyOptions{}); len(v.Problems) != 1 || v.Problems[0].Fault != FaultPersonal {
			t.Errorf("got %v", v.Problems)
		}
	})
	for what, edit := range map[string]func([]string) []string{
		"deleted with their line": func(s []string) []string { return drop(s, 2, 1) },
		"overwritten with spaces": func(s []string) []string { s[2] = strings.Repeat(" ", len(s[2])-1) + "\n"; return s },
		"deleted with their file": nil,
		"one value of them deleted": func(s []string) []string {
			s[2] = `{"n":2,` + s[2][strings.Index(s[2], `"user"`):]
			return s
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir := sampleLog(t)
			if _, err := List(t.Context(), dir, Filter{}); err != nil { // makes the index before
				t.Fatal(err)
			}
			if err := catchUp(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
			if edit == nil {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			} else {
				editLines(t, dir, name, edit)
			}
			v := verifyTest(t, dir, VerifyOptions{})
			if !v.OK() || v.Deleted == 0 {
				t.Fatalf("got %+v: deleted values must not break the log", v)
			}
			r, err := Show(t.Context(), dir, "R2")
			if err != nil || r.Client == nil || r.Client.Addr != "" || len(r.Deleted) == 0 {
				t.Errorf("got %+v, %v", r, err)
			}
			if edit != nil {
				if r, err := Show(t.Context(), dir, "R7"); err != nil || r.Client.Addr != "10.1.2.3" {
					t.Errorf("the values of another record went too: %+v, %v", r.Client, err)
				}
			}
			l := openTest(t, dir, Options{})
			appendTest(t, l, decision(1, policy.Allow))
			closeTest(t, l)
		})
	}
}

// forge writes the log in dir anew, with its records edited and everything computed again, signed by key.
func forge(t *testing.T, dir string, key *signingKey, edit func(lines []string) []string) {
	t.Helper()
	var records []string
	for _, line := range readLines(t, filepath.Join(dir, recordsName(0))) {
		if !isCheckpointLine([]byte(line)) {
			records = append(records, strings.TrimSuffix(line, "\n"))
		}
	}
	lines := edit(records)
	for _, name := range []string{recordsName(0), hashesFile, checkpointFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	values, err := os.ReadFile(filepath.Join(dir, personalName(0)))
	if err != nil {
		t.Fatal(err)
	}
	l := &Log{dir: dir, files: diskFiles{}, signer: key.signer, limit: 1 << 30, tail: tail{tree: &peaks{}}, index: &indexer{}}
	if err := l.begin(0); err != nil {
		t.Fatal(err)
	}
	if l.hashes, err = l.files.open(filepath.Join(dir, hashesFile)); err != nil {
		t.Fatal(err)
	}
	if err := l.publish(); err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		if err := l.commit(&batch{items: []item{{line: []byte(line)}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.closeFiles(); err != nil {
		t.Fatal(err)
	}
	writeTest(t, filepath.Join(dir, personalName(0)), string(values))
}

func storedKey(t *testing.T, dir string) *signingKey {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	k, err := parseKey(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func forgeRecord2(lines []string) []string {
	lines[2] = strings.Replace(lines[2], "setup.exe", "clean.exe", 1)
	return lines
}

func TestForgerWithoutTheKeyIsCaughtBySignatures(t *testing.T) {
	dir := sampleLog(t)
	own, _, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{7}, 64)), "log.test")
	if err != nil {
		t.Fatal(err)
	}
	key, err := parseKey(own)
	if err != nil {
		t.Fatal(err)
	}
	forge(t, dir, key, forgeRecord2)
	v := verifyTest(t, dir, VerifyOptions{})
	if v.OK() || v.Problems[0].Fault != FaultSignature {
		t.Fatalf("got %v", v.Problems)
	}
	// Replacing the verifier key beside the log helps only against whoever trusts that one.
	right := storedKey(t, dir).public
	if err := durable.WriteFile(filepath.Join(dir, verifierFile), []byte(key.public), 0o644); err != nil {
		t.Fatal(err)
	}
	if v := verifyTest(t, dir, VerifyOptions{}); !v.OK() {
		t.Errorf("got %v: the forger's own key fits his log", v.Problems)
	}
	if v := verifyTest(t, dir, VerifyOptions{Key: right}); v.OK() {
		t.Error("a log signed by another key than the one given was found sound")
	}
}

func TestForgerWithTheKeyIsCaughtByACheckpointKeptElsewhere(t *testing.T) {
	for _, c := range []struct {
		name  string
		edit  func([]string) []string
		fault Fault
	}{
		{"edited", forgeRecord2, FaultFork},
		{"dropped", func(s []string) []string { return drop(s, 2, 1) }, FaultCut},
		{"dropped, another added", func(s []string) []string { return append(drop(s, 2, 1), s[0]) }, FaultFork},
		{"cut off", func(s []string) []string { return s[:5] }, FaultCut},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := sampleLog(t)
			kept, err := os.ReadFile(filepath.Join(dir, checkpointFile))
			if err != nil {
				t.Fatal(err)
			}
			forge(t, dir, storedKey(t, dir), c.edit)
			if err := os.Remove(filepath.Join(dir, personalName(0))); err != nil {
				t.Fatal(err)
			}
			if v := verifyTest(t, dir, VerifyOptions{}); !v.OK() {
				t.Fatalf("the forgery is not a good one: %v", v.Problems)
			}
			v := verifyTest(t, dir, VerifyOptions{Checkpoint: kept})
			if len(v.Problems) != 1 || v.Problems[0].Fault != c.fault || v.Extends != nil {
				t.Errorf("got %v, extends %v, want %s", v.Problems, v.Extends, c.fault)
			}
		})
	}
}

func TestLogIsAnExtensionOfItsCheckpoints(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{SegmentSize: 3000})
	kept := [][]byte{l.Checkpoint()}
	for i := range 8 {
		appendTest(t, l, decision(byte(i), policy.Block))
		kept = append(kept, l.Checkpoint())
	}
	for n, checkpoint := range kept {
		v := verifyTest(t, dir, VerifyOptions{Checkpoint: checkpoint})
		if !v.OK() || v.Extends == nil || *v.Extends != int64(n) {
			t.Errorf("checkpoint of %d records: %v, extends %v", n, v.Problems, v.Extends)
		}
	}
	other := openTest(t, t.TempDir(), Options{Origin: "other.test"})
	if v := verifyTest(t, dir, VerifyOptions{Checkpoint: other.Checkpoint()}); v.OK() || v.Problems[0].Fault != FaultSignature {
		t.Errorf("the checkpoint of another log: %v", v.Problems)
	}
}

func TestHashesAreOnlyACache(t *testing.T) {
	dir := sampleLog(t)
	path := filepath.Join(dir, hashesFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[40] ^= 1
	writeTest(t, path, string(b))
	v := verifyTest(t, dir, VerifyOptions{})
	if !v.OK() || len(v.Warnings) != 1 {
		t.Errorf("got %v, warnings %v", v.Problems, v.Warnings)
	}
	// With the hashes of a batch changed too, the batch is still named.
	editLines(t, dir, recordsName(0), func(s []string) []string {
		s[4] = strings.Replace(s[4], "setup.exe", "setup.msi", 1)
		return s
	})
	writeTest(t, path, "")
	v = verifyTest(t, dir, VerifyOptions{})
	if len(v.Problems) != 1 || v.Problems[0].Fault != FaultEdited || v.Problems[0].Index != 1 || v.Problems[0].Last != 3 {
		t.Errorf("got %v", v.Problems)
	}
}

func TestMissingHashesAreMadeAgain(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{SegmentSize: 3000})
	for i := range 12 {
		appendTest(t, l, decision(byte(i), policy.Block))
	}
	closeTest(t, l)
	path := filepath.Join(dir, hashesFile)
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, b := range map[string][]byte{"gone": nil, "zero": make([]byte, len(want)), "short": want[:100], "longer": append(bytes.Clone(want), 1, 2, 3)} {
		writeTest(t, path, string(b))
		l := openTest(t, dir, Options{SegmentSize: 3000})
		closeTest(t, l)
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, %d bytes, want %d", what, err, len(got), len(want))
		}
	}
	wantSound(t, dir, 12)
}

func TestSegmentsThatAreGone(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{SegmentSize: 2000})
	for i := range 12 {
		appendTest(t, l, decision(byte(i), policy.Block))
	}
	closeTest(t, l)
	segments, err := listSegments(dir)
	if err != nil || len(segments) < 4 {
		t.Fatal(segments, err)
	}
	for i, s := range segments {
		path := filepath.Join(dir, recordsName(s.first))
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(path)
		v := verifyTest(t, dir, VerifyOptions{})
		want := FaultMissing
		if i == len(segments)-1 {
			want = FaultCut
		}
		if len(v.Problems) != 1 || v.Problems[0].Fault != want || v.Problems[0].Index != s.first {
			t.Errorf("segment %d gone: %v", i, v.Problems)
		}
		writeTest(t, path, string(b))
	}
	wantSound(t, dir, 12)
}
