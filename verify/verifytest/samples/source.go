package main

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/sallyport-project/sallyport/verify/verifytest/fetch"
)

// sample is one line of SOURCES.tsv.
type sample struct {
	fetch.File
	pkg fetch.Package
}

// parseSources reads tab-separated lines; those that begin with # are remarks.
func parseSources(table string) ([]sample, error) {
	var out []sample
	for i, line := range strings.Split(table, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		c := strings.Split(line, "\t")
		if len(c) != 5 || (c[1] != "npm" && c[1] != "go") || len(c[4]) != 2*sha256.Size ||
			!filepath.IsLocal(filepath.FromSlash(c[0])) || !strings.Contains(c[2], "@") {
			return nil, fmt.Errorf("SOURCES.tsv:%d: want file, npm or go, package@version, inner path, sha256", i+1)
		}
		out = append(out, sample{File: fetch.File{Name: c[0], Inner: c[3], SHA256: c[4]}, pkg: fetch.Package{Client: c[1], Spec: c[2]}})
	}
	return out, nil
}
