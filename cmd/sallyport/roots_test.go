package main

import (
	"os"
	"path/filepath"
	"testing"
)

// Where it cannot be told whether the state directory has roots of its own, the built-in ones do not step in.
func TestUnreadableRootsAreNotReplacedByBuiltInOnes(t *testing.T) {
	dir := t.TempDir()
	if c := (trustConfig{}).or(stateDir(dir)); c != (trustConfig{}) {
		t.Errorf("without a folder of roots: %+v", c)
	}
	if err := os.WriteFile(filepath.Join(dir, "trust"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadTrust(trustConfig{}.or(stateDir(dir))); err == nil {
		t.Error("the folder of roots is a file, and the built-in roots are in force")
	}
}
