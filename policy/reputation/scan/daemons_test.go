//go:build unix

package scan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/reputation/scan/scantest"
)

// The scanners as the distribution has them find a marker wherever it lies, and call clean what is without it.
func TestRealScanners(t *testing.T) {
	t.Parallel()
	clean := zipped(t, [2]string{"a/inner.tar", string(tarred(t, [2]string{"a.txt", "hello"}, [2]string{"large.bin", strings.Repeat("0123456789abcdef", 200_000)}))})
	bad := zipped(t, [2]string{"a/inner.tar", string(tarred(t, [2]string{"a.txt", "hello"}, [2]string{"payload.txt", "x " + scantest.Marker + " y"}))})
	for name, define := range map[string]func(*testing.T) (definition, hit string){
		"clamd": func(t *testing.T) (string, string) {
			return fmt.Sprintf("{clamd: %q}", scantest.Clamd(t).Address()), scantest.ClamdName
		},
		"c-icap, RESPMOD": func(t *testing.T) (string, string) {
			return fmt.Sprintf("{icap: \"icap://%s/avscan\"}", scantest.ICAP(t, scantest.Clamd(t)).Address()), scantest.ClamdName
		},
		"c-icap, REQMOD": func(t *testing.T) (string, string) {
			return fmt.Sprintf("{icap: \"icap://%s/avscan\", method: reqmod}", scantest.ICAP(t, scantest.Clamd(t)).Address()), scantest.ClamdName
		},
		"yara": func(t *testing.T) (string, string) {
			program, rules := scantest.Yara(t)
			return fmt.Sprintf("{command: [%q, --no-warnings, %q, \"{file}\"], found: output}", program, rules), scantest.YaraName
		},
	} {
		t.Run(name, func(t *testing.T) {
			definition, hit := define(t)
			p := policyOf(t, "av: "+definition)
			s := newScanners(t, Options{})
			if got := scanOne(t, s, p, true, artifactOf("clean.zip", clean)); said(got) != "clean, file clean, 4 files" {
				t.Errorf("clean: %s", said(got))
			}
			got := scanOne(t, s, p, true, artifactOf("bad.zip", bad))
			if got.Status != policy.ScanFound || got.Engine == "" || !strings.Contains(said(got), hit+` in "a/inner.tar/payload.txt"`) {
				t.Errorf("bad: %s (%s)", said(got), got.Engine)
			}
			t.Log(got.Engine, said(got))
		})
	}
}

// The echo service of c-icap changes nothing, and says so either by 204 or by sending the file back.
func TestRealEcho(t *testing.T) {
	t.Parallel()
	d := scantest.ICAP(t, scantest.Clamd(t))
	s := newScanners(t, Options{})
	for _, method := range []string{"respmod", "reqmod"} {
		for _, size := range []int{1, 1023, 1024, 1025, 100_000, 3 << 20} {
			p := policyOf(t, fmt.Sprintf("av: {icap: \"icap://%s/echo\", method: %s, early: clean}", d.Address(), method))
			got := scanOne(t, s, p, false, artifactOf("a.txt", []byte(strings.Repeat("x", size))))
			if said(got) != "clean, file clean, 1 files" {
				t.Errorf("%s, %d bytes: %s", method, size, said(got))
			}
		}
	}
}

// clamd's own limits are never taken for clean, nor is its absence; what it learns later counts once it is another engine.
func TestRealClamdAtItsLimits(t *testing.T) {
	t.Parallel()
	d := scantest.Clamd(t, "StreamMaxLength 1M")
	p := policyOf(t, fmt.Sprintf("av: {clamd: %q, timeout: 3s}", d.Address()))
	now := time.Now()
	s := newScanners(t, Options{Now: func() time.Time { return now }})
	for name, data := range map[string]string{"large": strings.Repeat("x", 8<<20), "nested": string(nested())} {
		got := scanOne(t, s, p, false, artifactOf(name+".txt", []byte(data)))
		if got.Status != policy.ScanFailed || !strings.Contains(got.Reason, map[string]string{"large": "StreamMaxLength", "nested": "Heuristics.Limits.Exceeded"}[name]) {
			t.Errorf("%s: %s", name, said(got))
		}
	}
	if h := s.Health(t.Context(), p.Scanners())[0]; h.Err != nil || h.Remark != "" {
		t.Errorf("%+v", h)
	}
	d.Suspend()
	if got := scanOne(t, s, p, false, artifactOf("a.txt", []byte("suspended"))); got.Status != policy.ScanFailed || !strings.Contains(got.Reason, "took longer than 3s") {
		t.Errorf("suspended: %s", said(got))
	}
	d.Stop()
	now = now.Add(engineKnown)
	if got := scanOne(t, s, p, false, artifactOf("a.txt", []byte("stopped"))); got.Status != policy.ScanFailed || !strings.Contains(got.Reason, "it cannot be reached") {
		t.Errorf("stopped: %s", said(got))
	}
	d.Start()
	now = now.Add(failedFor)
	if got := scanOne(t, s, p, false, artifactOf("a.txt", []byte("stopped"))); got.Status != policy.ScanClean {
		t.Errorf("started again: %s", said(got))
	}
}

// What the antivirus service of c-icap lets pass without scanning it is not clean, nor is what it cannot scan.
func TestRealICAPThatDoesNotScan(t *testing.T) {
	t.Parallel()
	clamd := scantest.Clamd(t)
	d := scantest.ICAP(t, clamd, "EXECUTABLE")
	s := newScanners(t, Options{})
	text := artifactOf("a.txt", []byte(strings.Repeat("text "+scantest.Marker+"\n", 10_000)))
	for _, method := range []string{"respmod", "reqmod"} {
		definition := fmt.Sprintf("av: {icap: \"icap://%s/avscan\", method: %s", d.Address(), method)
		if got := scanOne(t, s, policyOf(t, definition+"}"), false, text); got.Status != policy.ScanFailed || !strings.Contains(got.Reason, "there is nothing to change") {
			t.Errorf("%s: not one of its types: %s", method, said(got))
		}
		if got := scanOne(t, s, policyOf(t, definition+", early: clean}"), false, text); got.Status != policy.ScanClean {
			t.Errorf("%s: not one of its types, as the policy has it: %s", method, said(got))
		}
		short := artifactOf("short.txt", []byte("x "+scantest.Marker))
		if got := scanOne(t, s, policyOf(t, definition+"}"), false, short); got.Status != policy.ScanFailed || !strings.Contains(got.Reason, "there is nothing to change") {
			t.Errorf("%s: not one of its types, and short: %s", method, said(got))
		}
		program := artifactOf("a", append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 100_000)...))
		if got := scanOne(t, s, policyOf(t, definition+"}"), false, program); got.Status != policy.ScanClean {
			t.Errorf("%s: one of its types: %s", method, said(got))
		}
	}
	clamd.Stop()
	for _, method := range []string{"respmod", "reqmod"} {
		p := policyOf(t, fmt.Sprintf("av: {icap: \"icap://%s/avscan\", method: %s}", d.Address(), method))
		got := scanOne(t, s, p, false, artifactOf("a", append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 200_000)...)))
		if got.Status != policy.ScanFailed {
			t.Errorf("%s: its clamd is stopped: %s", method, said(got))
		}
		t.Log(said(got))
	}
}
