//go:build unix

package scan

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
)

// An ICAP server that says that there is nothing to change, without having read the file, cannot have scanned it: neither where the file
// is so small that it was on its way as a whole by then, nor where no preview was asked for.
func TestICAPServerThatDoesNotRead(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 5000, 100_000, 300_000, 8 << 20} {
		s := icapFake(t, "Allow: 204", func(c *icapConversation) { c.say(nothingToChange); io.Copy(io.Discard, c.in) })
		c, err := newICAP(policy.Scanner{ICAP: "icap://" + s.address + "/scan"})
		if err != nil {
			t.Fatal(err)
		}
		c.hold = time.Minute // however slow this machine is
		a := artifactOf("a.txt", bytes.Repeat([]byte("x"), size))
		name, err := c.scan(t.Context(), &file{content: a.Content, size: a.Size, digest: a.Digests.SHA256})
		if err == nil || !strings.Contains(err.Error(), "cannot have scanned the file") {
			t.Errorf("%d bytes: %q, %v", size, name, err)
		}
	}
}

// Whatever an ICAP server says of something that it has found counts, wherever in its answer it says so.
func TestWhereICAPServersSayWhatTheyFound(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\nX-Virus-ID: Evil\r\n\r\n"
	for name, answer := range map[string]string{
		"the second of two fields": "ICAP/1.0 204 No Content\r\nX-Virus-ID: no threats\r\nX-Virus-ID: Evil\r\n\r\n",
		"the second name":          "ICAP/1.0 204 No Content\r\nX-Virus-ID: no threats\r\nX-Virus-Name: Evil\r\n\r\n",
		"the second finding":       "ICAP/1.0 204 No Content\r\nX-Violations-Found: 0\r\nX-Violations-Found: 1\r\n\tf\r\n\tEvil\r\n\t1\r\n\t2\r\n\r\n",
		"the HTTP response inside": fmt.Sprintf("ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=%d\r\n\r\n%s5\r\nhello\r\n0\r\n\r\n", len(head), head),
		"a trailer":                "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n5\r\nhello\r\n0\r\nX-Infection-Found: Type=0; Resolution=0; Threat=Evil;\r\n\r\n",
	} {
		s := icapFake(t, "", func(c *icapConversation) { c.rest(); c.say(answer) })
		p := policyOf(t, "av: {icap: \"icap://"+s.address+"/scan\"}")
		got := scanOne(t, newScanners(t, Options{}), p, false, artifactOf("a.txt", []byte("hello")))
		if said(got) != `found, file found, 1 files; Evil in ""` {
			t.Errorf("%s: %s", name, said(got))
		}
	}
}

// An answer that comes when nobody has asked is not taken for that to the next request on the connection.
func TestICAPAnswersThatNobodyAskedFor(t *testing.T) {
	t.Parallel()
	s := icapFake(t, "Allow: 204", func(c *icapConversation) {
		data := c.rest()
		if bytes.Contains(data, []byte(marker)) {
			c.say(fmt.Sprintf(blocked, "X-Virus-ID: Evil\r\n"))
			return
		}
		c.say(nothingToChange)
		time.Sleep(20 * time.Millisecond)
		c.say(nothingToChange)
	})
	p := policyOf(t, "av: {icap: \"icap://"+s.address+"/scan\"}")
	all := newScanners(t, Options{})
	found := false
	for i := 0; i < 10 && !found; i++ { // it may take a machine that is busy too long to look
		scanOne(t, all, p, false, artifactOf("a.txt", fmt.Appendf(nil, "hello %d", i)))
		time.Sleep(100 * time.Millisecond)
		got := scanOne(t, all, p, false, artifactOf("b.txt", fmt.Append(nil, marker, i)))
		if got.Status == policy.ScanClean {
			t.Fatalf("%s", said(got))
		}
		found = got.Status == policy.ScanFound
	}
	if !found {
		t.Error("a connection on which something came that nobody had asked for is used again")
	}
}

// A container that is too large counts as scanned for the sake of what is in it. One in which nothing is, or that has bytes which belong
// to nothing in it, was not scanned.
func TestContainersThatHideWhatIsNotInThem(t *testing.T) {
	t.Parallel()
	s := fakeClamd(t, byMarker)
	p := policyOf(t, "clam: {clamd: \"tcp:"+s.address+"\", max_size: 1000, too_large: contents}")
	hidden := []byte(strings.Repeat(marker+" ", 100))
	var folders bytes.Buffer
	w := tar.NewWriter(&folders)
	for i := range 10 {
		w.WriteHeader(&tar.Header{Name: fmt.Sprintf("d%d/", i), Typeflag: tar.TypeDir, Mode: 0o755})
	}
	w.Close()
	small := tarred(t, [2]string{"a", "a"})
	for name, data := range map[string][]byte{
		"a.zip with nothing": zippedComment(t, 2000),
		"a.tar with folders": folders.Bytes(),
		"b.tar and more":     append(bytes.Clone(small), hidden...),
		"b.zip after more":   append(bytes.Clone(hidden), zipped(t, [2]string{"a", "a"})...),
		"c.zip and more":     append(zipped(t, [2]string{"a", "a"}), hidden...),
		"a.gz and more":      append(gzipped(t, []byte("a")), hidden...),
		"b.gz with a name":   gzippedNamed(t, string(hidden), []byte("a")),
	} {
		got := scanOne(t, newScanners(t, Options{}), p, true, artifactOf(strings.Fields(name)[0], data))
		if got.Status == policy.ScanClean {
			t.Errorf("%s (%s): %s", name, artifactOf(strings.Fields(name)[0], data).Format, said(got))
		}
	}
}

func zippedComment(t testing.TB, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	if err := w.SetComment(strings.Repeat("x", n)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t testing.TB, data []byte) []byte { return gzippedNamed(t, "", data) }

func gzippedNamed(t testing.TB, comment string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Comment = comment
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The lines of a command's output that hold nothing to be seen do not hide those that do, however many there are.
func TestCommandsWhoseOutputBeginsWithNothing(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"an empty line":       `printf '\n\nRule_1 x\n'`,
		"a line of spaces":    `printf '  \nRule_1 x\n'`,
		"spaces, and a CR":    `printf '   \rRule_1 x\n'`,
		"a form feed":         `printf '\f\v\nRule_1 x\n'`,
		"a great many spaces": `printf '%50000s\nRule_1 x\n' ""`,
	} {
		p := policyOf(t, fmt.Sprintf("cmd: {command: [/bin/sh, %q, \"{file}\"], found: output}", script(t, text)))
		if got := scanOne(t, newScanners(t, Options{}), p, false, artifactOf("a.txt", []byte("x"))); said(got) != `found, file found, 1 files; Rule_1 in ""` {
			t.Errorf("%s: %s", name, said(got))
		}
	}
}

// Rules that are replaced by others of the same size and time are others, and so are those that an argument names behind an option, and
// those in a folder.
func TestRulesThatAreReplaced(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only on Linux is anything but size and time known of rules without reading them: rules that are replaced are left out")
	}
	then := time.Now().Add(-time.Hour)
	for name, argument := range map[string]string{"file": "%s/rules", "option": "--rules=%s/rules", "folder": "%s", "folder by an option": "--rules=%s/"} {
		dir := t.TempDir()
		put := func(text string) {
			next := filepath.Join(t.TempDir(), "next")
			write(t, next, text)
			if err := os.Chtimes(next, then, then); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(next, filepath.Join(dir, "rules")); err != nil {
				t.Fatal(err)
			}
		}
		put("XXXXXXXX\n")
		p := policyOf(t, fmt.Sprintf("cmd: {command: [/bin/sh, %q, %q, \"{file}\"], found: output}", script(t, fmt.Sprintf("grep -q -f %s/rules $2 && echo Rule; true", dir)), fmt.Sprintf(argument, dir)))
		now := time.Now()
		s := newScanners(t, Options{Now: func() time.Time { return now }})
		a := artifactOf("a.txt", []byte(marker))
		if got := scanOne(t, s, p, false, a); got.Status != policy.ScanClean {
			t.Fatalf("%s: %s", name, said(got))
		}
		put("HARMLESS\n")
		now = now.Add(engineKnown)
		if got := scanOne(t, s, p, false, a); got.Status != policy.ScanFound {
			t.Errorf("%s: %s", name, said(got))
		}
	}
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Scanners that misbehave in every way cost no goroutine, no open file and no process in the end.
func TestNothingLeaks(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("open files and children are counted on Linux only")
	}
	hang := make(chan struct{})
	var definitions []string
	for i, answer := range []func(clamdConn){
		byMarker,
		func(clamdConn) { <-hang },
		func(c clamdConn) { c.stream(1 << 16) },
		func(c clamdConn) { io.WriteString(c, "stream: OK\x00"); <-hang },
	} {
		definitions = append(definitions, fmt.Sprintf("c%d: {clamd: \"tcp:%s\", timeout: 100ms}", i, fakeClamd(t, answer).address))
	}
	for i, answer := range []func(*icapConversation){
		(*icapConversation).byMarker,
		func(*icapConversation) { <-hang },
		func(c *icapConversation) { c.say(nothingToChange); <-hang },
		func(c *icapConversation) { c.say(nothingToChange); c.Close() },
		func(c *icapConversation) {
			c.rest()
			c.say("ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=19\r\n\r\nHTTP/1.1 200")
			<-hang
		},
	} {
		definitions = append(definitions, fmt.Sprintf("i%d: {icap: \"icap://%s/x\", timeout: 100ms}", i, icapFake(t, "Allow: 204", answer).address))
	}
	for i, text := range []string{"exit 0", "sleep 100 & exit 0", "sleep 100", "yes", "exec >&- 2>&- <&-; sleep 100", "cat"} {
		definitions = append(definitions, fmt.Sprintf("s%[1]d: {command: [/bin/sh, %[2]q], found: {exit: [1]}, timeout: 200ms}\n  f%[1]d: {command: [/bin/sh, %[2]q, \"{file}\"], found: output, timeout: 200ms}", i, script(t, text)))
	}
	p := policyOf(t, definitions...)
	var names []string
	for _, s := range p.Scanners() {
		names = append(names, s.Name)
	}
	all := newScanners(t, Options{})
	once := func(i int) {
		all.Scan(t.Context(), p, names, false, artifactOf("a.txt", append(bytes.Repeat([]byte("x"), 1<<20), fmt.Sprint(i)...)))
	}
	const kept = 4 // an idle connection, on both sides
	files, routines := openFiles(t)+kept, runtime.NumGoroutine()+kept
	for i := range 8 {
		once(i)
	}
	close(hang)
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		f, r, children := openFiles(t), runtime.NumGoroutine(), zombies(t)
		if f <= files && r <= routines && children == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d open files, %d before; %d goroutines, %d before; %d children that ended and were not waited for", f, files, r, routines, children)
		}
	}
}

func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// zombies counts children of this process that have ended.
func zombies(t testing.TB) (n int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if _, after, ok := strings.Cut(string(stat), ") "); err == nil && ok && strings.HasPrefix(after, fmt.Sprintf("Z %d ", os.Getpid())) {
			n++
		}
	}
	return n
}
