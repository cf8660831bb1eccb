package audit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestVerifierWrittenFromTheFormatAgrees runs a verifier that shares no code with this package.
func TestVerifierWrittenFromTheFormatAgrees(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed: the verifier that was written from FORMAT.md alone is left out")
	}
	run := func(args ...string) (string, bool) {
		out, err := exec.Command(python, append([]string{filepath.Join("testdata", "verify.py")}, args...)...).CombinedOutput()
		return strings.TrimSpace(string(out)), err == nil
	}
	dir := t.TempDir()
	l := openTest(t, dir, Options{SegmentSize: 4000})
	appendBatch(t, l, numbered(0, 3)...)
	kept := filepath.Join(t.TempDir(), "kept")
	writeTest(t, kept, string(l.Checkpoint()))
	for _, r := range everyKind() {
		appendTest(t, l, r)
	}
	closeTest(t, l)
	v := verifyTest(t, dir, VerifyOptions{})
	if out, ok := run(dir, kept); !ok || out != fmt.Sprintf("%d records %s", v.Records, v.Root) {
		t.Fatalf("it says %q, we say %d records %s", out, v.Records, v.Root)
	}
	for _, c := range []struct {
		name string
		harm func(dir string)
		want string // "" = sound
	}{
		{"edited", func(dir string) {
			editLines(t, dir, recordsName(0), func(s []string) []string {
				s[2] = strings.Replace(s[2], "setup.exe", "setup.msi", 1)
				return s
			})
		}, "not what was signed"},
		{"dropped", func(dir string) {
			editLines(t, dir, recordsName(0), func(s []string) []string { return drop(s, 2, 1) })
		}, "not what was signed"},
		{"personal value changed", func(dir string) {
			editLines(t, dir, personalName(0), func(s []string) []string {
				s[1] = strings.Replace(s[1], "alice", "mallory", 1)
				return s
			})
		}, "record 1: the value of user was changed"},
		{"personal values deleted", func(dir string) { os.Remove(filepath.Join(dir, personalName(0))) }, ""},
		{"signature changed", func(dir string) {
			editLines(t, dir, recordsName(0), func(s []string) []string {
				at := strings.LastIndex(s[4], `\n"}`) - 20
				flip := map[bool]string{true: "B", false: "A"}[s[4][at] == 'A']
				s[4] = s[4][:at] + flip + s[4][at+1:]
				return s
			})
		}, "not signed"},
		{"first segment gone", func(dir string) { os.Remove(filepath.Join(dir, recordsName(0))) }, "records are missing"},
		{"cut off", func(dir string) {
			segments, err := listSegments(dir)
			if err != nil {
				t.Fatal(err)
			}
			os.Remove(filepath.Join(dir, recordsName(segments[len(segments)-1].first)))
		}, "cut off"},
		{"forged with the key", func(dir string) {
			segments, err := listSegments(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range segments[1:] {
				os.Remove(filepath.Join(dir, recordsName(s.first)))
			}
			forge(t, dir, storedKey(t, dir), forgeRecord2)
			os.Remove(filepath.Join(dir, personalName(0)))
		}, "a fork"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := copyLog(t, dir)
			c.harm(dir)
			b, err := os.ReadFile(kept)
			if err != nil {
				t.Fatal(err)
			}
			ours := verifyTest(t, dir, VerifyOptions{Checkpoint: b})
			out, ok := run(dir, kept)
			if ok != ours.OK() || ok != (c.want == "") || !strings.Contains(out, c.want) {
				t.Errorf("it says %q, we say %v, want %q", out, ours.Problems, c.want)
			}
		})
	}
}
