package audit

import (
	"os"
	"path/filepath"
	"testing"
)

func through(t *testing.T, dir string, b byte, most int) string {
	t.Helper()
	var list []Record
	err := Through(t.Context(), dir, digest(b), func(r *Record) bool {
		list = append(list, *r)
		return len(list) < most
	})
	if err != nil {
		t.Fatal(err)
	}
	return idsOf(list)
}

// What the index knows, what it does not know yet, and the log without it say the same.
func TestThroughWithEveryStateOfTheIndex(t *testing.T) {
	check := func(what, dir string) {
		t.Helper()
		for _, c := range []struct {
			digest byte
			most   int
			want   string
		}{
			{1, 100, "W09 W08 W05 W04 W03 W01"}, {1, 1, "W09"}, {1, 3, "W09 W08 W05"}, {2, 100, "W10 W06 W02"}, {3, 100, ""},
		} {
			if got := through(t, dir, c.digest, c.most); got != c.want {
				t.Errorf("%s: about %d, at most %d: %s, want %s", what, c.digest, c.most, got, c.want)
			}
		}
		for b, want := range map[byte]int{1: 2, 2: 0, 3: 0} {
			if n, err := CountAllowed(t.Context(), dir, digest(b)); err != nil || n != want {
				t.Errorf("%s: %d was allowed %d times, want %d: %v", what, b, n, want, err)
			}
		}
	}
	dir, l := searchedLog(t)
	check("the end of the log", dir)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if indexed(t, dir) != 12 {
		t.Fatal("the index was to be whole")
	}
	check("the index", dir)
	if err := os.Remove(filepath.Join(dir, indexFile)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, indexFile, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	check("no index", dir)
}
