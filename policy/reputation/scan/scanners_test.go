package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/formats"
)

func TestEverythingInsideIsScanned(t *testing.T) {
	t.Parallel()
	s := fakeClamd(t, byMarker)
	p := policyOf(t, "clam: {clamd: \"tcp:"+s.address+"\"}")
	deep := zipped(t, [2]string{"a/inner.tar", string(tarred(t, [2]string{"readme\n\x1b[31m.txt", "hello"}, [2]string{"payload.dat", "x " + marker}, [2]string{"empty", ""}))}, [2]string{"b.txt", "b"})
	clean := zipped(t, [2]string{"a/inner.tar", string(tarred(t, [2]string{"a", "hello"}, [2]string{"b", "hello"}, [2]string{"empty", ""}))}, [2]string{"b.txt", "b"})
	all := newScanners(t, Options{})
	if got, want := said(scanOne(t, all, p, true, artifactOf("deep.zip", deep))), `found, file clean, 6 files; Marker in "a/inner.tar"; Marker in "a/inner.tar/payload.dat"`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := said(scanOne(t, all, p, true, artifactOf("clean.zip", clean))), "clean, file clean, 6 files"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	outer := scanOne(t, all, p, false, artifactOf("deep.zip", deep))
	if got, want := said(outer), "clean, file clean, 1 files"; got != want || outer.Inside {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What cannot be opened, is too large, or is more than limits allow, is a scan that failed; what was found all the same counts.
func TestWhatIsNotScanned(t *testing.T) {
	t.Parallel()
	s := fakeClamd(t, byMarker)
	address := "clamd: \"tcp:" + s.address + "\""
	locked := zipped(t, [2]string{"a.txt", "a"}, [2]string{"b.txt", marker})
	flagged := bytes.ReplaceAll(locked, []byte("PK\x03\x04\x14\x00\x08"), []byte("PK\x03\x04\x14\x00\x09"))
	flagged = bytes.ReplaceAll(flagged, []byte("PK\x01\x02\x14\x00\x14\x00\x08"), []byte("PK\x01\x02\x14\x00\x14\x00\x09"))
	bomb := zipped(t, [2]string{"bomb", strings.Repeat("\x00", 20<<20)})
	large := tarred(t, [2]string{"a", strings.Repeat("a", 3000)}, [2]string{"b", "b"})
	for _, c := range []struct {
		name, keys, file string
		data             []byte
		limits           verify.Limits
		want             string
	}{
		{"encrypted", "", "a.zip", flagged, verify.Limits{}, "failed, file clean, 1 files; a.txt: "},
		{"broken", "", "a.zip", locked[:len(locked)-30], verify.Limits{}, "failed, file clean, "},
		{"unknown", "", "what", []byte("what is this?"), verify.Limits{}, "failed, file clean, 1 files; the file itself: It is no kind of file that is known here"},
		{"a bomb", "", "a.zip", bomb, verify.Limits{Bytes: 10 << 20}, "failed, file clean, 1 files; "},
		{"too many", "", "a.tar", large, verify.Limits{Files: 1}, "failed, file clean, 2 files; "},
		{"too deep", "", "a.zip", zipped(t, [2]string{"b.zip", string(zipped(t, [2]string{"c", "c"}))}), verify.Limits{Depth: 1}, "failed, file clean, 2 files; b.zip: It lies 1 containers deep"},
		{"too large", ", max_size: 2000", "a.tar", large, verify.Limits{}, "failed, file failed, 1 files; a has 3000 bytes, more than the 2000 that scanner clam is given (max_size); the file itself has 5632 bytes"},
		{"a container that is too large", ", max_size: 4000", "a.tar", large, verify.Limits{}, "failed, file failed, 2 files; the file itself has 5632 bytes, more than the 4000"},
		{"a container that may be too large", ", max_size: 4000, too_large: contents", "a.tar", large, verify.Limits{}, "clean, file clean, 2 files"},
		{"a container that may be too large, cut off", ", max_size: 4000, too_large: contents", "a.tar", large[:5000], verify.Limits{}, "failed, file failed, "},
		{"a file in it that may not", ", max_size: 2000, too_large: contents", "a.tar", large, verify.Limits{}, "failed, file failed, 1 files; a has 3000 bytes"},
		{"found in what is not opened to the end", "", "a.tar", append(tarred(t, [2]string{"a", marker})[:1024], "broken"...), verify.Limits{}, `found, file found, 2 files; Marker in ""; Marker in "a"`},
	} {
		p := policyOf(t, "clam: {"+address+c.keys+"}")
		all := newScanners(t, Options{Examiner: &verify.Examiner{Openers: formats.Openers(), Limits: c.limits}})
		if got := said(scanOne(t, all, p, true, artifactOf(c.file, c.data))); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %s\nwant %s", c.name, got, c.want)
		}
	}
	program := policyOf(t, "clam: {"+address+", max_size: 1000, too_large: contents}")
	pe := append([]byte("MZ"), make([]byte, 5000)...)
	if got := scanOne(t, newScanners(t, Options{}), program, true, artifactOf("a.exe", pe)); got.Status != policy.ScanFailed {
		t.Errorf("a program that is too large: %s", said(got))
	}
}

// One of 2,000 files that could not be scanned is enough not to call the update clean.
func TestOneFailureOfManyFiles(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	s := fakeClamd(t, func(c clamdConn) {
		if data := c.stream(1 << 30); strings.HasPrefix(string(data), "number 1234 ") {
			io.WriteString(c, "stream: Can't allocate memory ERROR\x00")
			return
		}
		n.Add(1)
		io.WriteString(c, "stream: OK\x00")
	})
	var files [][2]string
	for i := range 2000 {
		files = append(files, [2]string{fmt.Sprintf("f%d.txt", i), fmt.Sprintf("number %d ", i)})
	}
	p := policyOf(t, "clam: {clamd: \"tcp:"+s.address+"\"}")
	got := scanOne(t, newScanners(t, Options{}), p, true, artifactOf("a.zip", zipped(t, files...)))
	if want := "failed, file clean, 2000 files; f1234.txt: it answers stream: Can't allocate memory ERROR"; said(got) != want || n.Load() != 2000 {
		t.Errorf("got  %s (%d)\nwant %s", said(got), n.Load(), want)
	}
}

// A scanner that goes away is not waited for 2,000 times.
func TestAScannerThatGoesAway(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	s := fakeClamd(t, func(c clamdConn) {
		if n.Add(1) > 5 {
			<-hang
		}
		c.stream(1 << 30)
		io.WriteString(c, "stream: OK\x00")
	})
	var files [][2]string
	for i := range 2000 {
		files = append(files, [2]string{fmt.Sprintf("f%d.txt", i), fmt.Sprint(i)})
	}
	p := policyOf(t, "clam: {at_once: 2, timeout: 300ms, clamd: \"tcp:"+s.address+"\"}")
	got := scanOne(t, newScanners(t, Options{}), p, true, artifactOf("a.zip", zipped(t, files...)))
	if got.Status != policy.ScanFailed || !strings.Contains(got.Reason, "it took longer than 300ms") || n.Load() > 20 {
		t.Errorf("%d files: %s", n.Load(), said(got))
	}
	p = policyOf(t, "clam: {at_once: 1, timeout: 400ms, total: 500ms, clamd: \"tcp:"+s.address+"\"}")
	if got = scanOne(t, newScanners(t, Options{}), p, true, artifactOf("a.zip", zipped(t, files...))); got.Status != policy.ScanFailed || !strings.Contains(got.Reason, "the update with everything inside took longer than 500ms") {
		t.Error(said(got))
	}
}

// 500 who ask for the same update at once cause one scan, and those who ask later none.
func TestManyWhoAskForTheSame(t *testing.T) {
	t.Parallel()
	var streams, remembered atomic.Int32
	s := fakeClamd(t, func(c clamdConn) { streams.Add(1); byMarker(c) })
	p := policyOf(t, "clam: {clamd: \"tcp:"+s.address+"\"}")
	now := time.Now()
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	all := newScanners(t, Options{Now: clock, Scanned: func(m Made) {
		if m.Remembered {
			remembered.Add(1)
		}
	}})
	data := zipped(t, [2]string{"a", "a"}, [2]string{"b", marker})
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			if got := scanOne(t, all, p, true, artifactOf("a.zip", data)); got.Status != policy.ScanFound {
				t.Error(said(got))
			}
		})
	}
	wg.Wait()
	if n := streams.Load(); n != 3 {
		t.Errorf("%d files were given to the scanner", n)
	}
	got := scanOne(t, all, p, true, artifactOf("a.zip", data))
	if streams.Load() != 3 || remembered.Load() == 0 || !got.At.Equal(now.UTC()) {
		t.Errorf("%d files, %d remembered, at %s", streams.Load(), remembered.Load(), got.At)
	}
	for name, other := range map[string]func() policy.Scan{
		"without what is inside": func() policy.Scan { return scanOne(t, all, p, false, artifactOf("a.zip", data)) },
		"other bytes":            func() policy.Scan { return scanOne(t, all, p, false, artifactOf("a.zip", data[1:])) },
		"another name":           func() policy.Scan { return scanOne(t, all, p, false, artifactOf("b.zip", data)) },
		"another scanner": func() policy.Scan {
			return scanOne(t, all, policyOf(t, "clam: {max_size: 1MiB, clamd: \"tcp:"+s.address+"\"}"), false, artifactOf("a.zip", data))
		},
		"later": func() policy.Scan {
			mu.Lock()
			now = now.Add(time.Hour)
			mu.Unlock()
			return scanOne(t, all, p, true, artifactOf("a.zip", data))
		},
	} {
		before := streams.Load()
		if other(); streams.Load() == before {
			t.Errorf("%s: remembered", name)
		}
	}
}

// A failure of the scanner is tried again soon, and one that the file is to blame for is not.
func TestFailuresAreRememberedAsLongAsTheyLast(t *testing.T) {
	t.Parallel()
	var answer atomic.Value
	answer.Store("stream: Busy ERROR\x00")
	var streams atomic.Int32
	s := fakeClamd(t, func(c clamdConn) { streams.Add(1); c.stream(1 << 30); io.WriteString(c, answer.Load().(string)) })
	p := policyOf(t, "clam: {clamd: \"tcp:"+s.address+"\"}")
	now := time.Now()
	all := newScanners(t, Options{Now: func() time.Time { return now }})
	a := artifactOf("a.txt", []byte("a"))
	scanOne(t, all, p, false, a)
	answer.Store("stream: OK\x00")
	if got := scanOne(t, all, p, false, a); got.Status != policy.ScanFailed || streams.Load() != 1 {
		t.Errorf("%d: %s", streams.Load(), said(got))
	}
	now = now.Add(failedFor)
	if got := scanOne(t, all, p, false, a); got.Status != policy.ScanClean || streams.Load() != 2 {
		t.Errorf("%d: %s", streams.Load(), said(got))
	}
	answer.Store("INSTREAM size limit exceeded. ERROR\x00")
	b := artifactOf("b.txt", []byte("b"))
	scanOne(t, all, p, false, b)
	now = now.Add(failedFor)
	if got := scanOne(t, all, p, false, b); got.Status != policy.ScanFailed || streams.Load() != 3 {
		t.Errorf("%d: %s", streams.Load(), said(got))
	}
}

// Whoever gives up asking does not spoil it for others who ask for the same.
func TestWhoGivesUpDoesNotDecide(t *testing.T) {
	t.Parallel()
	started, go1 := make(chan struct{}, 10), make(chan struct{})
	s := fakeClamd(t, func(c clamdConn) { started <- struct{}{}; <-go1; byMarker(c) })
	p := policyOf(t, "clam: {clamd: \"tcp:"+s.address+"\"}")
	all := newScanners(t, Options{})
	first, giveUp := context.WithCancel(t.Context())
	gone := make(chan policy.Scan)
	go func() { gone <- all.Scan(first, p, []string{"clam"}, false, artifactOf("a", []byte("a")))["clam"] }()
	<-started
	second := make(chan policy.Scan)
	go func() { second <- scanOne(t, all, p, false, artifactOf("a", []byte("a"))) }()
	giveUp()
	if got := <-gone; got.Status != policy.ScanFailed {
		t.Error(said(got))
	}
	<-started
	close(go1)
	if got := <-second; got.Status != policy.ScanClean {
		t.Error(said(got))
	}
}

// changing gives other bytes when it is read again.
type changing struct{ reads atomic.Int32 }

func (c *changing) ReadAt(p []byte, _ int64) (int, error) {
	for i := range p {
		p[i] = byte('a' + min(c.reads.Load(), 1))
	}
	c.reads.Add(1)
	return len(p), nil
}

type unreadable struct{}

func (unreadable) ReadAt([]byte, int64) (int, error) { return 0, errors.New("input/output error") }

// What is scanned is what is judged: other bytes are never taken for it.
func TestContentThatChanges(t *testing.T) {
	t.Parallel()
	s := fakeClamd(t, byMarker)
	av := icapFake(t, "Allow: 204", (*icapConversation).byMarker)
	for _, scanner := range []string{"x: {clamd: \"tcp:" + s.address + "\"}", "x: {icap: \"icap://" + av.address + "/s\"}", "x: {command: [/bin/cat, \"{file}\"], found: {exit: [1]}}", "x: {command: [/bin/cat], found: {exit: [1]}}"} {
		p := policyOf(t, scanner)
		a := artifactOf("a.txt", []byte("aaaa"))
		a.Content = &changing{}
		a.Content.ReadAt(make([]byte, 4), 0)
		if got := scanOne(t, newScanners(t, Options{}), p, false, a); got.Status != policy.ScanFailed || !strings.Contains(got.Reason, errChanged.Error()) {
			t.Errorf("%s: %s", scanner, said(got))
		}
		a.Content = unreadable{}
		if got := scanOne(t, newScanners(t, Options{}), p, false, a); got.Status != policy.ScanFailed || !strings.Contains(got.Reason, "input/output error") {
			t.Errorf("%s: %s", scanner, said(got))
		}
	}
}

type crashing struct{ *clamd }

func (crashing) scan(context.Context, *file) (string, error) { panic("a bug") }

func TestAClientThatPanics(t *testing.T) {
	t.Parallel()
	p := policyOf(t, "clam: {clamd: \"tcp:"+fakeClamd(t, byMarker).address+"\"}")
	told := 0
	all := newScanners(t, Options{Examiner: &verify.Examiner{Openers: formats.Openers(), Panicked: func(string, any, []byte) { told++ }}})
	m, err := all.member(p.Scanners()[0])
	if err != nil {
		t.Fatal(err)
	}
	m.client = crashing{m.client.(*clamd)}
	if got := scanOne(t, all, p, false, artifactOf("a", []byte("a"))); got.Status != policy.ScanFailed || told != 1 {
		t.Errorf("told %d: %s", told, said(got))
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	good, blind := fakeClamd(t, func(c clamdConn) {
		c.stream(1 << 30)
		io.WriteString(c, "stream: Heuristics.Limits.Exceeded.MaxRecursion FOUND\x00")
	}), fakeClamd(t, byMarker)
	p := policyOf(t, "a-good: {clamd: \"tcp:"+good.address+"\"}", "b-blind: {clamd: \"tcp:"+blind.address+"\"}", "c-gone: {clamd: \"unix:/nowhere/clamd\"}")
	h := newScanners(t, Options{}).Health(t.Context(), p.Scanners())
	if h[0].Err != nil || h[0].Remark != "" || !strings.HasPrefix(h[0].Engine, "ClamAV") {
		t.Errorf("%+v", h[0])
	}
	if h[1].Err != nil || !strings.Contains(h[1].Remark, "AlertExceedsMax") {
		t.Errorf("%+v", h[1])
	}
	if h[2].Err == nil || h[2].Err.Error() != "clamd at unix:/nowhere/clamd: it cannot be reached: connect: no such file or directory" {
		t.Errorf("%+v", h[2])
	}
}
