package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// row is one line of the manifest.
type row struct {
	kind    string
	file    string // slash-separated, below one of the directories of the samples
	sha256  string // hexadecimal
	size    int64  // bytes
	source  string // where it comes from: a word for the client, then what the client is asked for
	verdict string // what the reference tool said when the manifest was written
}

var columns = []string{"kind", "file", "sha256", "size", "source", "signer_cn", "issuer_cn", "timestamped", "verdict", "notes"}

func readManifest(file string) ([]row, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	return parseManifest(string(data))
}

// parseManifest reads tab-separated lines under a first one that names the columns.
func parseManifest(text string) ([]row, error) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if lines[0] != strings.Join(columns, "\t") {
		return nil, fmt.Errorf("the manifest's first line must name the columns %s", strings.Join(columns, ", "))
	}
	var out []row
	for i, line := range lines[1:] {
		r, err := parseRow(line)
		if err != nil {
			return nil, fmt.Errorf("line %d of the manifest: %w", i+2, err)
		}
		out = append(out, r)
	}
	return out, nil
}

func parseRow(line string) (row, error) {
	c := strings.Split(line, "\t")
	if len(c) != len(columns) {
		return row{}, fmt.Errorf("%d columns, want %d", len(c), len(columns))
	}
	r := row{kind: c[0], file: c[1], sha256: c[2], source: c[4], verdict: c[8]}
	if !filepath.IsLocal(filepath.FromSlash(r.file)) {
		return row{}, fmt.Errorf("%q leads out of the directory", r.file)
	}
	if len(r.sha256) != 2*sha256.Size {
		return row{}, errors.New("the sha256 is none")
	}
	var err error
	if r.size, err = strconv.ParseInt(c[3], 10, 64); err != nil || r.size < 0 {
		return row{}, fmt.Errorf("%q is no size", c[3])
	}
	return r, nil
}
