package reputation

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

// A notice matches what is new with it, and comes again after a restart until it has been dealt with.
func TestNoticesMatchWhatIsNewUntilDealtWith(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "bad.txt")
	write := func(names ...string) {
		text := ""
		for _, name := range names {
			text += fmt.Sprintf("%x\n", sha256.Sum256([]byte(name)))
		}
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	var told []Notice
	var done []func()
	open := func() *Feeds {
		f, err := Open(t.Context(), []Feed{{Name: "bad", File: file}}, Options{Dir: filepath.Join(dir, "feeds"), Tell: func(n Notice) {
			if n.What == Changed {
				told, done = append(told, n), append(done, n.Defer())
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	matches := func(n *Notice, name string) bool {
		t.Helper()
		hits, err := n.Match(Subject{SHA256: verify.Digest(sha256.Sum256([]byte(name)))})
		if err != nil {
			t.Fatal(err)
		}
		return len(hits) > 0
	}
	write("a")
	f := open()
	if len(told) != 1 || !matches(&told[0], "a") || matches(&told[0], "b") || told[0].Definition().Name != "bad" || !told[0].Kinds().Has(KindSHA256) {
		t.Fatalf("%d notices", len(told))
	}
	done[0]()
	write("a", "b")
	f.Refresh(t.Context(), "bad")
	if len(told) != 2 || matches(&told[1], "a") || !matches(&told[1], "b") {
		t.Fatalf("%d notices", len(told))
	}
	write("a", "b", "c")
	f.Refresh(t.Context(), "bad")
	if merged := told[2]; !matches(&merged, "c") || matches(&merged, "b") {
		t.Error("the third notice")
	} else if merged.After(&told[1]); !matches(&merged, "b") || !matches(&merged, "c") || matches(&merged, "a") || merged.Added != 2 {
		t.Errorf("with the second one: added %d", merged.Added)
	}
	told, done = nil, nil // the process ends before the last two were dealt with
	open()
	if len(told) != 1 || !matches(&told[0], "b") || !matches(&told[0], "c") || matches(&told[0], "a") {
		t.Fatalf("after a restart: %d notices", len(told))
	}
	done[0]()
	told = nil
	open()
	if len(told) != 0 {
		t.Errorf("dealt with, and told of again: %d notices", len(told))
	}
	if other := (&Notice{What: Failed}); matches(other, "a") || other.Kinds() != 0 {
		t.Error("a notice of a failure matches")
	}
}
