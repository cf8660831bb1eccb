package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/configs"
)

// drillBy runs the command and returns its exit code and what it printed.
func drillBy(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(append([]string{"drill"}, args...), strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// TestDrillUnderTheBuiltInPolicy: every attack is stopped, by the finding that it is known for, and what is genuine
// passes.
func TestDrillUnderTheBuiltInPolicy(t *testing.T) {
	code, out, errs := drillBy(t, "--all", "--json")
	if code != exitDone {
		t.Fatalf("exit code %d: %s%s", code, errs, out)
	}
	want := map[string]string{
		"3cx": "authenticode/padding-data in ", "notepad++": "authenticode/unsigned", "escan": "authenticode/digest-mismatch",
		"hijack": "authenticode/valid by Busy Software Trading Ltd", "stripped": "authenticode/unsigned", "stuffed": "authenticode/padding-data",
		"polyglot": "authenticode/trailing-data", "tampered-mirror": "apt/digest-mismatch", "replay": "apt/rollback", "freeze": "apt/expired",
		"axios": "sigstore/regressed", "tanstack": "sigstore/valid by https://github.com/TanStack/query/", "tuf-rollback": "tuf/rollback", "tuf-freeze": "tuf/expired",
		"tuf-swap": "tuf/digest-mismatch", "tuf-detour": "tuf/threshold", "tuf-threshold": "tuf/threshold",
	}
	dec := json.NewDecoder(strings.NewReader(out))
	for dec.More() {
		var doc drillJSON
		if err := dec.Decode(&doc); err != nil {
			t.Fatal(err)
		}
		found := false
		for _, s := range doc.Served {
			if s.Through != (s.Genuine || s.Untold != "") {
				t.Errorf("%s: %+v", doc.Attack, s)
			}
			found = found || !s.Genuine && strings.HasPrefix(s.Finding, want[doc.Attack])
		}
		// Nothing tells the release of TanStack, and the drill may not pretend otherwise.
		if !found || doc.Stopped == (doc.Attack == "tanstack") {
			t.Errorf("%s: not stopped, or not shown as what it is, by %q: %+v", doc.Attack, want[doc.Attack], doc.Served)
		}
		switch doc.Attack {
		case "3cx":
			checkControls(t, doc.Controls, "lllsss")
		case "tanstack":
			checkControls(t, doc.Controls, "llls")
		}
		delete(want, doc.Attack)
	}
	if len(want) > 0 {
		t.Errorf("not tried: %v", want)
	}
}

// checkControls: what looks at the outside only lets the 3CX installer through, what accounts for every byte inside
// does not; what asks who built it lets the release of TanStack through, who knows its digest does not.
func checkControls(t *testing.T, controls []drillControlJSON, want string) {
	t.Helper()
	verdicts := ""
	for _, c := range controls {
		verdicts += c.Verdict[:1]
	}
	if verdicts != want {
		t.Errorf("controls: %+v", controls)
	}
}

// TestDrillSaysWhatGotThrough: under a policy that asks only who signed the installer, the installer with the payload
// gets through, and the drill says so; with contents it does not.
func TestDrillSaysWhatGotThrough(t *testing.T) {
	policy, err := configs.Policy()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, configs.Files()); err != nil {
		t.Fatal(err)
	}
	// The policy's own channels come before those of the catalogue.
	lax, _, found := strings.Cut(string(policy), "\n# Tried whenever this file is loaded")
	if !found {
		t.Fatal("the built-in policy has changed: this test does not know it any more")
	}
	lax += "\nchannels:\n- {name: lax, hosts: [\"*.3cx.com\"], require: [{signed_by: [3cx]}]}\n"
	path := filepath.Join(dir, "lax.yaml")
	if err := os.WriteFile(path, []byte(lax), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := drillBy(t, "3cx", "stuffed", "--policy", path)
	if code != exitRefused || !strings.Contains(out, "GOT THROUGH (200)") || !strings.Contains(out, "1 WENT WRONG") || !strings.Contains(errs, "went wrong") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}

func TestDrillUsage(t *testing.T) {
	if code, out, _ := drillBy(t); code != exitDone || !strings.Contains(out, "3cx") || strings.Count(out, "\n") < 8 {
		t.Errorf("the list: exit code %d, %s", code, out)
	}
	if code, _, errs := drillBy(t, "4cx"); code != exitError || !strings.Contains(errs, "hint: there are 3cx") {
		t.Errorf("an attack that does not exist: exit code %d, %s", code, errs)
	}
	if code, _, _ := drillBy(t, "3cx", "--all"); code != exitError {
		t.Errorf("names and --all: exit code %d", code)
	}
}

// TestDrillSaysWhatNothingTells: an attack that no requirement can tell from a genuine release is shown getting through.
func TestDrillSaysWhatNothingTells(t *testing.T) {
	code, out, errs := drillBy(t, "tanstack", "axios")
	if code != exitDone || !strings.Contains(out, "let through, as nothing tells (200)") || !strings.Contains(out, "tells: tanstack got through") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	if code, out, _ = drillBy(t, "tanstack"); code != exitDone || !strings.Contains(out, "NOT STOPPED") || strings.Contains(out, "it was stopped") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// TestDrillAsksNobody: wherever the anchors of a policy take what they rest on, the drill's own origins are asked.
func TestDrillAsksNobody(t *testing.T) {
	keys, err := newDrillKeys()
	if err != nil {
		t.Fatal(err)
	}
	r, err := openDrillRange(defaultConfig(), keys, []string{registryHost}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	resolve := r.proxy.config.Upstream.Resolve
	for _, d := range drillRepositories {
		if to := resolve[repositoryHost(d.name)]; to == "" || to != resolve[registryHost] {
			t.Errorf("%s is looked for at %q", repositoryHost(d.name), to)
		}
	}
}

// TestDrillLeavesNothing: no directory of a drill outlives it.
func TestDrillLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	if code, _, errs := drillBy(t, "stripped"); code != exitDone {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	entries, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
}
