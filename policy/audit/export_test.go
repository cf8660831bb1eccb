package audit

import (
	"archive/tar"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-project/sallyport/policy"
)

func exported(t *testing.T, dir, format string, f Filter) string {
	t.Helper()
	var b bytes.Buffer
	if err := Export(t.Context(), dir, &b, format, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestExportJSONL(t *testing.T) {
	dir, _ := searchedLog(t)
	for _, c := range []struct {
		f    Filter
		want string
	}{
		{Filter{}, "W01 W02 W04 W08"},
		{Filter{Limit: 2}, "W01 W02"},
		{Filter{Kind: KindDelivery}, "W05 W06 W09"},
		{Filter{Channel: "other"}, "W02"},
		{Filter{Before: "W04"}, "W01 W02"},
	} {
		var list []Record
		d := json.NewDecoder(strings.NewReader(exported(t, dir, FormatJSONL, c.f)))
		for {
			var r Record
			if err := d.Decode(&r); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			list = append(list, r)
		}
		if got := idsOf(list); got != c.want {
			t.Errorf("%+v: %s, want %s", c.f, got, c.want)
		}
	}
	if err := Export(t.Context(), dir, io.Discard, "xml", Filter{}); err == nil {
		t.Error("there is no format xml")
	}
	if err := Export(t.Context(), dir, io.Discard, FormatCSV, Filter{Before: "W99"}); err == nil {
		t.Error("before a record that is not there")
	}
}

func TestExportedCellsAreNoFormulas(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	for _, name := range []string{`=cmd|'/c calc'!A0`, "+1", "-1", "@SUM(1)", " =1", "'=1", `"=1`, "|x", "％x", "＝1", "a,\"b\"=c", "plain.exe"} {
		r := decision(1, policy.Block)
		r.Artifact.Name, r.Client.User = name, name
		appendTest(t, l, r)
	}
	rows, err := csv.NewReader(strings.NewReader(exported(t, dir, FormatCSV, Filter{}))).ReadAll()
	if err != nil || len(rows) != 13 {
		t.Fatal(len(rows), err)
	}
	column := slices.Index(rows[0], "name")
	for _, row := range rows[1:] {
		if len(row) != len(csvColumns) {
			t.Errorf("%d cells in %q", len(row), row)
		}
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@|%＝＋－＠", []rune(cell)[0]) {
				t.Errorf("cell %q", cell)
			}
		}
	}
	if got := rows[1][column]; got != `'=cmd|'/c calc'!A0` {
		t.Errorf("%q", got)
	}
	if got := rows[12][column]; got != "plain.exe" {
		t.Errorf("%q", got)
	}
	for _, r := range everyKind() {
		if row := csvRow(&r); len(row) != len(csvColumns) {
			t.Errorf("%s: %d cells", r.Kind, len(row))
		}
	}
}

// pack copies a log through an archive, as a backup does.
func pack(t *testing.T, dir string) []byte {
	t.Helper()
	files, err := Snapshot(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		in, err := os.Open(filepath.Join(dir, f.Name))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteHeader(&tar.Header{Name: "audit/" + f.Name, Size: f.Size, Mode: int64(f.Mode)}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(w, in, f.Size); err != nil {
			t.Fatal(err)
		}
		in.Close()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unpack(t *testing.T, archive []byte) string {
	t.Helper()
	dir := t.TempDir()
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(h.Name)), b, os.FileMode(h.Mode)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSnapshotOfALogBeingWritten(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{SegmentSize: 20 << 10})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if _, err := l.Append(decision(1, policy.Allow)); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	for range 8 {
		acknowledged, _ := l.Size()
		kept := l.Checkpoint()
		to := unpack(t, pack(t, dir))
		restored := openTest(t, to, Options{})
		if n, _ := restored.Size(); n < acknowledged {
			t.Errorf("the copy has %d records, %d were acknowledged before it", n, acknowledged)
		}
		if r := restored.Repaired(); r != "" {
			t.Errorf("the copy had to be repaired: %s", r)
		}
		appendTest(t, restored, decision(2, policy.Allow))
		closeTest(t, restored)
		if v := verifyTest(t, to, VerifyOptions{Checkpoint: kept}); !v.OK() || v.Deleted > 0 {
			t.Fatalf("the copy: %+v", v)
		}
	}
	close(stop)
	wg.Wait()
	if _, err := Snapshot(t.TempDir()); err == nil {
		t.Error("a snapshot of nothing")
	}
}
