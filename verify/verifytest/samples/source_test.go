package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSourcesIsWellFormed(t *testing.T) {
	all, err := parseSources(sources)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range all {
		if seen[s.file] {
			t.Errorf("%s stands there twice", s.file)
		}
		seen[s.file] = true
	}
	if len(all) < 10 {
		t.Errorf("only %d samples", len(all))
	}
}

func TestParseSourcesRefuses(t *testing.T) {
	sum := strings.Repeat("0", 64)
	for defect, line := range map[string]string{
		"a path that leaves the directory": "../x\tnpm\ta@1\tp\t" + sum,
		"an unknown client":                "x\tcurl\ta@1\tp\t" + sum,
		"no version":                       "x\tnpm\ta\tp\t" + sum,
		"a short digest":                   "x\tnpm\ta@1\tp\t00",
		"too few columns":                  "x\tnpm",
	} {
		if _, err := parseSources(line); err == nil {
			t.Errorf("%s was accepted", defect)
		}
	}
}

func TestStoreKeepsNothingWithAWrongDigest(t *testing.T) {
	dir := t.TempDir()
	s := sample{file: "a/b", inner: "b", sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
	if err := s.store(dir, strings.NewReader("abd")); err == nil {
		t.Error("stored bytes with another digest")
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "a")); len(left) != 0 {
		t.Errorf("left %v behind", left)
	}
	if err := s.store(dir, strings.NewReader("abc")); err != nil {
		t.Error(err)
	}
	if !s.present(dir) {
		t.Error("what was stored is not there")
	}
}
