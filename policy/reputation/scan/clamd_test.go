package scan

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/policy"
)

// clamdConn is the server's side of a conversation.
type clamdConn struct {
	net.Conn
	t testing.TB
}

func (c clamdConn) command() string {
	var b []byte
	one := make([]byte, 1)
	for {
		if _, err := io.ReadFull(c, one); err != nil {
			return ""
		}
		if one[0] == 0 {
			return string(b)
		}
		b = append(b, one[0])
	}
}

// stream reads what INSTREAM sends, up to limit bytes.
func (c clamdConn) stream(limit int) []byte {
	var b bytes.Buffer
	for b.Len() <= limit {
		head := make([]byte, 4)
		if _, err := io.ReadFull(c, head); err != nil {
			return b.Bytes()
		}
		n := binary.BigEndian.Uint32(head)
		if n == 0 {
			return b.Bytes()
		}
		if _, err := io.CopyN(&b, c, int64(n)); err != nil {
			return b.Bytes()
		}
	}
	return b.Bytes()
}

// fakeClamd answers VERSION, and everything else by scan.
func fakeClamd(t testing.TB, scan func(clamdConn)) *server {
	return serve(t, func(conn net.Conn) {
		c := clamdConn{conn, t}
		switch c.command() {
		case "zVERSION":
			io.WriteString(c, "ClamAV 1.4.6/27000/Mon Nov 23 08:00:00 2026\x00")
		case "zINSTREAM":
			scan(c)
		}
	})
}

func byMarker(c clamdConn) {
	if bytes.Contains(c.stream(1<<30), []byte(marker)) {
		io.WriteString(c, "stream: Marker FOUND\x00")
		return
	}
	io.WriteString(c, "stream: OK\x00")
}

func TestClamdAnswers(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 4<<20)
	for _, c := range []struct {
		name, data string
		serve      func(clamdConn)
		want       string
	}{
		{"nothing in it", "hello", byMarker, "clean, file clean, 1 files"},
		{"nothing in a large one", large, byMarker, "clean, file clean, 1 files"},
		{"something in it", "a " + marker, byMarker, `found, file found, 1 files; Marker in ""`},
		{"a name full of escape codes", "x", func(c clamdConn) { c.stream(100); io.WriteString(c, "stream: \x1b[31mEvil\r\nX: y\u202e FOUND\x00") }, `found, file found, 1 files; \x1b[31mEvil\r\nX: y\u202e in ""`},
		{"a name without end", "x", func(c clamdConn) { c.stream(100); io.WriteString(c, "stream: "+strings.Repeat("A", 5000)+" FOUND\x00") }, "found, file found, 1 files; " + strings.Repeat("A", 159) + `… in ""`},
		{"a signature called OK", "x", func(c clamdConn) { c.stream(100); io.WriteString(c, "stream: OK FOUND\x00") }, `found, file found, 1 files; OK in ""`},
		{"no name", "x", func(c clamdConn) { c.stream(100); io.WriteString(c, "stream:  FOUND\x00") }, `found, file found, 1 files; something without a name in ""`},
		{"OK before anything was sent", strings.Repeat("x", 32<<20), func(c clamdConn) { io.WriteString(c, "stream: OK\x00"); c.stream(1 << 30) }, "failed"},
		{"OK in the middle", large, func(c clamdConn) { c.stream(1 << 20); io.WriteString(c, "stream: OK\x00") }, "failed"},
		{"OK to a small one that it has not read", "x", func(c clamdConn) { io.WriteString(c, "stream: OK\x00") }, "failed"},
		{"OK, and more", "x", func(c clamdConn) { c.stream(100); io.WriteString(c, "stream: OK\x00stream: A FOUND\x00") }, "failed"},
		{"found in the middle", large, func(c clamdConn) { c.stream(1 << 20); io.WriteString(c, "stream: Half FOUND\x00"); c.stream(1 << 30) }, `found, file found, 1 files; Half in ""`},
		{"too large", large, func(c clamdConn) { c.stream(1 << 20); io.WriteString(c, "INSTREAM size limit exceeded. ERROR\x00") }, "failed, file failed, 0 files; the file itself: the file is larger than it takes (StreamMaxLength of clamd)"},
		{"its limits", "x", func(c clamdConn) {
			c.stream(100)
			io.WriteString(c, "stream: Heuristics.Limits.Exceeded.MaxRecursion FOUND\x00")
		}, "failed, file failed, 0 files; the file itself: its own limits kept it from scanning the file to the end (Heuristics.Limits.Exceeded.MaxRecursion)"},
		{"an error", "x", func(c clamdConn) { c.stream(100); io.WriteString(c, "stream: Can't allocate memory ERROR\x00") }, "failed, file failed, 0 files; the file itself: it answers stream: Can't allocate memory ERROR"},
		{"an unknown command", "x", func(c clamdConn) { io.WriteString(c, "UNKNOWN COMMAND\x00") }, "failed, file failed, 0 files; the file itself: it answers UNKNOWN COMMAND"},
		{"half an OK", "x", func(c clamdConn) { c.stream(100); io.WriteString(c, "stream: OK") }, "failed, file failed, 0 files; the file itself: it does not answer as it should: it closed the connection"},
		{"OK and something", "x", func(c clamdConn) { c.stream(100); io.WriteString(c, "stream: OK, I think\x00") }, "failed, file failed, 0 files; the file itself: it answers stream: OK, I think"},
		{"somebody else's OK", "x", func(c clamdConn) { c.stream(100); io.WriteString(c, "/etc/passwd: OK\x00") }, "failed, file failed, 0 files; the file itself: it answers /etc/passwd: OK"},
		{"nothing", "x", func(c clamdConn) { c.stream(100) }, "failed, file failed, 0 files; the file itself: it does not answer as it should: it closed the connection"},
		{"an endless answer", "x", func(c clamdConn) { c.stream(100); io.WriteString(c, strings.Repeat("stream: OK ", 10_000)) }, "failed, file failed, 0 files; the file itself: it does not answer as it should: its answer has more than 8192 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := policyOf(t, "clam: {clamd: \"tcp:"+fakeClamd(t, c.serve).address+"\"}")
			got := scanOne(t, newScanners(t, Options{}), p, false, artifactOf("a.txt", []byte(c.data)))
			if said(got) != c.want && !(c.want == "failed" && got.Status == policy.ScanFailed) {
				t.Errorf("got  %s\nwant %s", said(got), c.want)
			}
			if got.Engine != "ClamAV 1.4.6/27000/Mon Nov 23 08:00:00 2026" {
				t.Errorf("engine %q", got.Engine)
			}
		})
	}
}

// A scanner that hangs, in whatever phase, costs its time and no more.
func TestClamdHangs(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	for name, serve := range map[string]func(clamdConn){
		"before it reads":  func(clamdConn) { <-hang },
		"while it reads":   func(c clamdConn) { c.stream(1 << 20); <-hang },
		"when it has read": func(c clamdConn) { c.stream(1 << 30); <-hang },
		"while it answers": func(c clamdConn) { c.stream(1 << 30); io.WriteString(c, "stream: O"); <-hang },
	} {
		p := policyOf(t, "clam: {timeout: 300ms, clamd: \"tcp:"+fakeClamd(t, serve).address+"\"}")
		got := scanOne(t, newScanners(t, Options{}), p, false, artifactOf("a.txt", bytes.Repeat([]byte("x"), 8<<20)))
		if want := "failed, file failed, 0 files; the file itself: it took longer than 300ms"; said(got) != want {
			t.Errorf("%s: got %s\nwant %s", name, said(got), want)
		}
	}
}

func TestWhatIsNoClamd(t *testing.T) {
	t.Parallel()
	closed := serve(t, func(net.Conn) {})
	web := serve(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\x00") })
	for address, want := range map[string]string{
		"tcp:" + closed.address:       "it does not say its version: ",
		"tcp:" + web.address:          `what answers is no clamd: it says "HTTP/1.1 400 Bad Request`,
		"unix:/nowhere/at/all/socket": "it cannot be reached: connect: no such file or directory",
	} {
		p := policyOf(t, fmt.Sprintf("clam: {clamd: %q}", address))
		if got := scanOne(t, newScanners(t, Options{}), p, true, artifactOf("a.txt", []byte("x"))); got.Status != policy.ScanFailed || !strings.HasPrefix(got.Reason, want) {
			t.Errorf("%s: %s", address, said(got))
		}
	}
}

func FuzzClamdReply(f *testing.F) {
	for _, s := range []string{"stream: OK\x00", "stream: A FOUND\x00", "INSTREAM size limit exceeded. ERROR\x00", "stream: Heuristics.Limits.Exceeded.X FOUND\x00", "stream: OK", "\x00", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text, err := readClamd(bytes.NewReader(data))
		if err != nil {
			return
		}
		name, err := parseClamdReply(text)
		switch {
		case err == nil && name == "" && text != "stream: OK":
			t.Errorf("%q is taken for clean", text)
		case err != nil && name != "":
			t.Errorf("%q is both found and an error", text)
		case len(name) > 8*maxName || strings.ContainsAny(name, "\x00\x1b\r\n"):
			t.Errorf("the name %q is not fit to be shown", name)
		}
	})
}
