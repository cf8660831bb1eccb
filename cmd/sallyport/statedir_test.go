package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSpoolIsEmptied: what a killed server left of inner files is gone after the next start, whatever it was.
func TestSpoolIsEmptied(t *testing.T) {
	dir := stateDir(t.TempDir())
	for range 2 {
		if err := dir.emptySpool(); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(dir.spool())
		if err != nil || len(entries) > 0 {
			t.Fatalf("%v, %v", entries, err)
		}
		if err := os.MkdirAll(filepath.Join(dir.spool(), "inside-1", "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(dir.spool()); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
