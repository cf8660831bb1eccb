package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// verifyBy runs the command and returns its exit code and what it printed.
func verifyBy(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(append([]string{"verify"}, args...), strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// TestVerifyOfTheDrillsInstaller: the stuffed library of the 3CX installer is named by its path, the code and the count
// of bytes; who signed the installer lets it through, what is inside does not.
func TestVerifyOfTheDrillsInstaller(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "drill")
	if code, _, errs := drillBy(t, "3cx", "--write", dir); code != exitDone {
		t.Fatalf("drill: exit code %d: %s", code, errs)
	}
	attack, genuine := filepath.Join(dir, "3cx/attack/3CXDesktopApp-18.12.416.msi"), filepath.Join(dir, "3cx/genuine/3CXDesktopApp-18.12.402.msi")
	flags := []string{"--config", filepath.Join(dir, "sallyport.yaml"), "--policy", filepath.Join(dir, "policy.yaml")}
	stuffed := regexp.MustCompile(`invalid +authenticode/padding-data +- +disk1\.cab/\S[^:]*/d3dcompiler_47\.dll: 2753\d\d bytes `)
	for _, c := range []struct {
		channel, file, verdict string
		code                   int
		names                  bool
	}{
		{channel: "", file: attack, verdict: ": quarantine by defaults.unmatched\n", code: exitRefused, names: true},
		{channel: "signed-by", file: attack, verdict: ": allow on channel signed-by ", code: exitDone},
		{channel: "contents", file: attack, verdict: ": quarantine on channel contents ", code: exitRefused, names: true},
		{channel: "contents", file: genuine, verdict: ": allow on channel contents ", code: exitDone},
	} {
		args := flags
		if c.channel != "" {
			args = append(args[:len(args):len(args)], "--channel", c.channel)
		}
		code, out, errs := verifyBy(t, append(args[:len(args):len(args)], c.file)...)
		if code != c.code || !strings.Contains(out, c.verdict) || stuffed.MatchString(out) != c.names {
			t.Errorf("channel %q, %s: exit code %d\n%s%s", c.channel, filepath.Base(c.file), code, out, errs)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "state")); err == nil {
		t.Error("verify has made a state")
	}
}

// TestDrillWrites: each file that was served is where the document says it is, and is judged by its folder's policy as
// the drill's proxy has judged it, by the commands that are written beside it.
func TestDrillWrites(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "drill")
	code, out, errs := drillBy(t, "--all", "--write", dir, "--json")
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	genuine := map[string]bool{}
	for dec := json.NewDecoder(strings.NewReader(out)); dec.More(); {
		var doc drillJSON
		if err := dec.Decode(&doc); err != nil {
			t.Fatal(err)
		}
		for _, s := range doc.Served {
			genuine[s.File] = s.Genuine || s.Untold != ""
		}
	}
	readme, err := os.ReadFile(filepath.Join(dir, "README.txt"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	tried := 0
	for line := range strings.Lines(string(readme)) {
		words := strings.Fields(line)
		if !strings.HasPrefix(line, "sallyport verify") {
			continue
		}
		tried++
		file := words[len(words)-1]
		pass, known := genuine[filepath.Join(dir, filepath.FromSlash(file))]
		if !known {
			t.Errorf("%s was not served", file)
		}
		code, out, errs := verifyBy(t, words[2:]...)
		// That a release is old is known only where a newer one was seen.
		if passed := code == exitDone; passed != pass && !strings.HasPrefix(file, "replay/attack/") && !strings.HasPrefix(file, "tuf-rollback/attack/") {
			t.Errorf("%s: exit code %d\n%s%s", file, code, out, errs)
		}
	}
	if tried == 0 || tried != len(genuine) {
		t.Errorf("%d files were served, %d are in README.txt", len(genuine), tried)
	}
}

// TestDrillWritesNothingOver: a folder with something in it is left alone.
func TestDrillWritesNothingOver(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs := drillBy(t, "stripped", "--write", dir)
	if code != exitError || !strings.Contains(errs, "is not empty") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}
