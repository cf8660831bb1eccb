//go:build unix

package scan

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
)

// script writes a shell script, and returns its path.
func script(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scanner")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCommands(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 4<<20)
	const byOutput, byExit = "output", "{exit: [1, 3]}"
	for _, c := range []struct {
		name, text, found, arg, data string
		want                         string
	}{
		{"says nothing", "cat $1 >/dev/null", byOutput, "{file}", "hello", "clean, file clean, 1 files"},
		{"says something", `grep -q MARKER $1 && echo "Rule_1 $1"; true`, byOutput, "{file}", marker, `found, file found, 1 files; Rule_1 in ""`},
		{"says something, and fails", `echo Rule_1; exit 4`, byOutput, "{file}", "x", `found, file found, 1 files; Rule_1 in ""`},
		{"says it in colour", `printf '\033[31mRule\033[0m\n'`, byOutput, "{file}", "x", `found, file found, 1 files; \x1b[31mRule\x1b[0m in ""`},
		{"fails", "echo it is broken: $1 >&2; exit 2", byOutput, "{file}", "x", "failed, file failed, 0 files; the file itself: it ends with exit status 2: it is broken: file"},
		{"dies", "kill -SEGV $$", byOutput, "{file}", "x", "failed, file failed, 0 files; the file itself: it ends with signal: segmentation fault"},
		{"exits as one who found", `echo "$1: Evil"; exit 1`, byExit, "{file}", "x", `found, file found, 1 files; file: Evil in ""`},
		{"exits so, in silence", "exit 3", byExit, "{file}", "x", `found, file found, 1 files; exit status 3 in ""`},
		{"exits otherwise", "exit 2", byExit, "{file}", "x", "failed, file failed, 0 files; the file itself: it ends with exit status 2"},
		{"prints where the exit status counts", "echo all is well", byExit, "{file}", "x", "clean, file clean, 1 files"},
		{"reads standard input", "grep -q MARKER && exit 1; exit 0", byExit, "-", marker, `found, file found, 1 files; exit status 1 in ""`},
		{"reads all of standard input", "cat >/dev/null", byExit, "-", large, "clean, file clean, 1 files"},
		{"ignores standard input", "exit 0", byExit, "-", large, "failed, file failed, 0 files; the file itself: it ended without having read the whole file"},
		{"ignores a little on standard input", "exit 0", byExit, "-", "x", "failed, file failed, 0 files; the file itself: it ended without having read the whole file"},
		{"reads half of standard input", "head -c 2000000 >/dev/null", byExit, "-", large, "failed, file failed, 0 files; the file itself: it ended without having read the whole file"},
		{"closes standard input", "exec <&-; sleep 0.1", byExit, "-", large, "failed, file failed, 0 files; the file itself: it ended without having read the whole file"},
		{"prints without end", "yes", byOutput, "{file}", "x", `found, file found, 1 files; y in ""`},
		{"prints without end where the exit status counts", "yes", byExit, "{file}", "x", "failed, file failed, 0 files; the file itself: it prints more than 1048576 bytes"},
		{"complains without end", "yes >&2", byOutput, "{file}", "x", "failed, file failed, 0 files; the file itself: it prints more than 1048576 bytes"},
		{"hangs", "sleep 1000", byOutput, "{file}", "x", "failed, file failed, 0 files; the file itself: it took longer than 2s"},
		{"hangs with children", "sleep 1000 & sleep 1000 & wait", byOutput, "{file}", "x", "failed, file failed, 0 files; the file itself: it took longer than 2s"},
		{"leaves a child behind", "sleep 1000 & exit 0", byOutput, "{file}", "x", "clean, file clean, 1 files"},
		{"has no environment", `[ "$(env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD=)" = "" ] || env`, byOutput, "{file}", "x", "clean, file clean, 1 files"},
		{"runs in an empty folder", `[ "$(ls -A)" = file ] || ls -A`, byOutput, "{file}", "x", "clean, file clean, 1 files"},
		{"is given the file alone", `[ "$(ls -l $1 | cut -c1-10)" = -r-------- ] || ls -l $1`, byOutput, "{file}", "x", "clean, file clean, 1 files"},
		{"is given part of an argument", `[ -f "${1#--in=}" ] || echo none`, byOutput, "--in={file}", "x", "clean, file clean, 1 files"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := policyOf(t, fmt.Sprintf("cmd: {command: [/bin/sh, %q, %q], found: %s, timeout: 2s}", script(t, c.text), c.arg, c.found))
			s := newScanners(t, Options{})
			got := scanOne(t, s, p, false, artifactOf("-rf\n$(id).txt", []byte(c.data)))
			if said(got) != c.want {
				t.Errorf("got  %s\nwant %s", said(got), c.want)
			}
			if left, _ := os.ReadDir(s.Dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// What a command has started is killed with it, whether it ended by itself or not.
func TestNothingOfACommandIsLeft(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"ended": "exit 0", "stopped": "sleep 1000"} {
		pids := filepath.Join(t.TempDir(), "pids")
		p := policyOf(t, fmt.Sprintf("cmd: {command: [/bin/sh, %q, \"{file}\"], found: output, timeout: 2s}", script(t, fmt.Sprintf("for i in 1 2 3; do (sleep 1000) & echo $! >>%s; done; %s", pids, text))))
		scanOne(t, newScanners(t, Options{}), p, false, artifactOf("a.txt", []byte("x")))
		data, err := os.ReadFile(pids)
		if err != nil || len(strings.Fields(string(data))) != 3 {
			t.Fatalf("%s: %q, %v", name, data, err)
		}
		for _, pid := range strings.Fields(string(data)) {
			n, _ := strconv.Atoi(pid)
			for end := time.Now().Add(20 * time.Second); alive(n); time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) {
					syscall.Kill(n, syscall.SIGKILL)
					t.Fatalf("%s: process %d still runs", name, n)
				}
			}
		}
	}
}

// alive reports whether a process runs; one that has ended and that nobody has asked about does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !bytes.Contains(stat, []byte(") Z "))
}

// A child that leaves its group and holds on to the output cannot keep us waiting, and nothing is taken for clean then.
func TestACommandThatHidesAChild(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/usr/bin/setsid"); err != nil {
		t.Skip("setsid is not installed here: a child that leaves its group is left out")
	}
	pids := filepath.Join(t.TempDir(), "pid")
	p := policyOf(t, fmt.Sprintf("cmd: {command: [/bin/sh, %q, \"{file}\"], found: output, timeout: 30s}",
		script(t, fmt.Sprintf("/usr/bin/setsid sh -c 'echo $$ >%[1]s; exec sleep 60' & while ! [ -s %[1]s ]; do :; done; exit 0", pids))))
	got := scanOne(t, newScanners(t, Options{}), p, false, artifactOf("a.txt", []byte("x")))
	if want := "failed, file failed, 0 files; the file itself: it left a process behind that holds on to its output"; said(got) != want {
		t.Errorf("got  %s\nwant %s", said(got), want)
	}
	if data, err := os.ReadFile(pids); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
			syscall.Kill(n, syscall.SIGKILL)
		}
	}
}

// What is remembered of a command is forgotten when it, or its rules, change.
func TestRulesThatChange(t *testing.T) {
	t.Parallel()
	rules := filepath.Join(t.TempDir(), "rules")
	os.WriteFile(rules, []byte("nothing-like-this\n"), 0o600)
	p := policyOf(t, fmt.Sprintf("cmd: {command: [/bin/sh, %q, %q, \"{file}\"], found: output}", script(t, `grep -q -f $1 $2 && echo Rule; true`), rules))
	now := time.Now()
	s := newScanners(t, Options{Now: func() time.Time { return now }})
	a := artifactOf("a.txt", []byte(marker))
	if got := scanOne(t, s, p, false, a); got.Status != policy.ScanClean {
		t.Fatal(said(got))
	}
	os.WriteFile(rules, []byte("HARMLESS\n"), 0o600)
	now = now.Add(engineKnown)
	if got := scanOne(t, s, p, false, a); got.Status != policy.ScanFound {
		t.Error(said(got))
	}
}

func TestACommandThatIsMissing(t *testing.T) {
	t.Parallel()
	p := policyOf(t, `cmd: {command: [/nowhere/scanner, "{file}"], found: output}`)
	got := scanOne(t, newScanners(t, Options{}), p, false, artifactOf("a.txt", []byte("x")))
	if want := "failed, file failed, 0 files; looking at scanner: no such file or directory"; said(got) != want {
		t.Errorf("got %s", said(got))
	}
	plain := filepath.Join(t.TempDir(), "scanner")
	os.WriteFile(plain, nil, 0o600)
	p = policyOf(t, fmt.Sprintf(`cmd: {command: [%q, "{file}"], found: output}`, plain))
	got = scanOne(t, newScanners(t, Options{}), p, false, artifactOf("a.txt", []byte("x")))
	if want := "failed, file failed, 0 files; the file itself: it cannot be run: scanner: permission denied"; said(got) != want {
		t.Errorf("got %s", said(got))
	}
}
