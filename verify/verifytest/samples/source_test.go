package main

import (
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
		if seen[s.Name] {
			t.Errorf("%s stands there twice", s.Name)
		}
		seen[s.Name] = true
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
