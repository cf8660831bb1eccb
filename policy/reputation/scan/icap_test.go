package scan

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
)

// icapServer is a small ICAP server.
type icapServer struct {
	*server
	options string // further fields of the answer to OPTIONS
	answer  func(c *icapConversation)
	tag     atomic.Value
}

// icapConversation is one request, on the server's side.
type icapConversation struct {
	net.Conn
	in      *bufio.Reader
	method  string
	head    string
	preview []byte
	whole   bool // the preview is the file
	asks    int  // requests on this connection so far
}

func icapFake(t testing.TB, options string, answer func(*icapConversation)) *icapServer {
	s := &icapServer{options: options, answer: answer}
	s.tag.Store("T1")
	s.server = serve(t, func(conn net.Conn) {
		c := &icapConversation{Conn: conn, in: bufio.NewReader(conn)}
		for s.one(c) {
		}
	})
	return s
}

func (s *icapServer) one(c *icapConversation) bool {
	c.head = c.until("\r\n\r\n")
	c.method, _, _ = strings.Cut(c.head, " ")
	c.preview, c.whole = nil, false
	switch c.method {
	case "":
		return false
	case "OPTIONS":
		fmt.Fprintf(c, "ICAP/1.0 200 OK\r\nMethods: RESPMOD, REQMOD\r\nService: Fake/1\r\nISTag: %q\r\n%s\r\nEncapsulated: null-body=0\r\n\r\n", s.tag.Load(), s.options)
		return true
	}
	c.asks++
	c.until("\r\n\r\n") // of the HTTP request
	if c.method == "RESPMOD" {
		c.until("\r\n\r\n")
	}
	if strings.Contains(c.head, "Preview: ") {
		c.preview, c.whole = c.chunks()
	}
	before := c.asks
	s.answer(c)
	return before == c.asks
}

// chunks reads a chunked body, and whether it is said that there is no more than this.
func (c *icapConversation) chunks() (data []byte, all bool) {
	data = []byte{}
	for {
		line := c.until("\r\n")
		n, err := strconv.ParseUint(strings.TrimSpace(strings.Split(line, ";")[0]), 16, 32)
		if err != nil || n == 0 {
			c.until("\r\n")
			return data, strings.Contains(line, "ieof")
		}
		part := make([]byte, n+2)
		if _, err := io.ReadFull(c.in, part); err != nil {
			return data, false
		}
		data = append(data, part[:n]...)
	}
}

func (c *icapConversation) until(end string) string {
	var b []byte
	for !bytes.HasSuffix(b, []byte(end)) {
		one, err := c.in.ReadByte()
		if err != nil {
			return ""
		}
		b = append(b, one)
	}
	return string(b)
}

// rest reads what was not in the preview, and asks for it if need be.
func (c *icapConversation) rest() []byte {
	if c.whole {
		return c.preview
	}
	if c.preview != nil {
		io.WriteString(c, "ICAP/1.0 100 Continue\r\n\r\n")
	}
	more, _ := c.chunks()
	return append(c.preview, more...)
}

func (c *icapConversation) say(s string) { io.WriteString(c, s) }

const (
	nothingToChange = "ICAP/1.0 204 No Content\r\nISTag: \"T1\"\r\nEncapsulated: null-body=0\r\n\r\n"
	blocked         = "ICAP/1.0 200 OK\r\nISTag: \"T1\"\r\n%sEncapsulated: res-hdr=0, res-body=28\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n\r\n4\r\nstop\r\n0\r\n\r\n"
)

func (c *icapConversation) byMarker() {
	if bytes.Contains(c.rest(), []byte(marker)) {
		c.say(fmt.Sprintf(blocked, "X-Infection-Found: Type=0; Resolution=2; Threat=Marker;\r\n"))
		return
	}
	c.say(nothingToChange)
}

// back sends the message back as it came.
func (c *icapConversation) back(data []byte) {
	head := "HTTP/1.1 200 OK\r\nContent-Type: x/y\r\n\r\n"
	kind := "res"
	if c.method == "REQMOD" {
		head, kind = "POST / HTTP/1.1\r\nHost: x\r\n\r\n", "req"
	}
	fmt.Fprintf(c, "ICAP/1.0 200 OK\r\nEncapsulated: %[1]s-hdr=0, %[1]s-body=%[2]d\r\n\r\n%[3]s", kind, len(head), head)
	if len(data) > 0 {
		fmt.Fprintf(c, "%x\r\n%s\r\n", len(data), data)
	}
	c.say("0\r\n\r\n")
}

func TestICAPAnswers(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 8<<20)
	page := fmt.Sprintf(blocked, "%s")
	for _, c := range []struct {
		name, options, keys, data string
		answer                    func(*icapConversation)
		want                      string
	}{
		{"nothing to change", "Allow: 204", "", "hello", (*icapConversation).byMarker, "clean, file clean, 1 files"},
		{"nothing in a large one", "Allow: 204\r\nPreview: 1024", "", large, (*icapConversation).byMarker, "clean, file clean, 1 files"},
		{"found", "Allow: 204", "", marker, (*icapConversation).byMarker, `found, file found, 1 files; Marker in ""`},
		{"found after a preview", "Allow: 204\r\nPreview: 100", "", large + marker, (*icapConversation).byMarker, `found, file found, 1 files; Marker in ""`},
		{"found in what a preview could hold", "Allow: 204\r\nPreview: 4096", "", marker, (*icapConversation).byMarker, `found, file found, 1 files; Marker in ""`},
		{"a preview of nothing", "Allow: 204\r\nPreview: 0", "", "hello", (*icapConversation).byMarker, "clean, file clean, 1 files"},
		{"an absurd preview", "Allow: 204\r\nPreview: 99999999999999999999999", "", "hello", (*icapConversation).byMarker, "clean, file clean, 1 files"},
		{"by REQMOD", "Allow: 204", ", method: reqmod", marker, (*icapConversation).byMarker, `found, file found, 1 files; Marker in ""`},
		{"nothing by REQMOD", "Allow: 204", ", method: reqmod", "hello", (*icapConversation).byMarker, "clean, file clean, 1 files"},
		{"it comes back", "", "", "hello", func(c *icapConversation) { c.back(c.rest()) }, "clean, file clean, 1 files"},
		{"it comes back by REQMOD", "Preview: 3", ", method: reqmod", "hello", func(c *icapConversation) { c.back(c.rest()) }, "clean, file clean, 1 files"},
		{"something else comes back", "", "", "hello", func(c *icapConversation) { c.rest(); c.back([]byte("hullo")) }, `found, file found, 1 files; changed by the ICAP server in ""`},
		{"less comes back", "", "", "hello", func(c *icapConversation) { c.rest(); c.back(nil) }, `found, file found, 1 files; changed by the ICAP server in ""`},
		{"much more comes back", "", "", "hello", func(c *icapConversation) { c.rest(); c.back(make([]byte, 2<<20)) }, "failed, file failed, 0 files; the file itself: its answer is larger than the file and what a page about it may have"},
		{"nothing to change before the whole file", "Allow: 204\r\nPreview: 100", "", large, func(c *icapConversation) { c.say(nothingToChange) }, "failed, file failed, 0 files; the file itself: it said after 100 of 8388608 bytes that there is nothing to change, so that it cannot have scanned the file (early: clean accepts that)"},
		{"nothing to change before all of a small one", "Allow: 204\r\nPreview: 4096", "", "hello", func(c *icapConversation) { c.say(nothingToChange) }, "failed, file failed, 0 files; the file itself: it said after 4 of 5 bytes that there is nothing to change, so that it cannot have scanned the file (early: clean accepts that)"},
		{"the same, as the policy has it", "Allow: 204\r\nPreview: 100", ", early: clean", large, func(c *icapConversation) { c.say(nothingToChange) }, "clean, file clean, 1 files"},
		{"found before the whole file", "Allow: 204\r\nPreview: 100", "", large, func(c *icapConversation) { c.say(fmt.Sprintf(page, "X-Virus-ID: Early\r\n")) }, `found, file found, 1 files; Early in ""`},
		{"a page", "", "", "x", func(c *icapConversation) { c.rest(); c.say(fmt.Sprintf(page, "")) }, `found, file found, 1 files; refused by the ICAP server (HTTP 403) in ""`},
		{"a page of errors", "", "", "x", func(c *icapConversation) {
			c.rest()
			c.say(strings.Replace(fmt.Sprintf(page, ""), "403 Forbidden", "503 Forbidden", 1))
		}, "failed, file failed, 0 files; the file itself: it answers with an error page (HTTP 503)"},
		{"violations", "", "", "x", func(c *icapConversation) {
			c.rest()
			c.say(fmt.Sprintf(page, "X-Violations-Found: 1\r\n\tfile\r\n\tEvil.A\r\n\t1\r\n\t2\r\n"))
		}, `found, file found, 1 files; Evil.A in ""`},
		{"a name full of escape codes", "", "", "x", func(c *icapConversation) { c.rest(); c.say(fmt.Sprintf(page, "X-Virus-ID: \x1b[2J\u202eA\x00B\r\n")) }, `found, file found, 1 files; \x1b[2J\u202eA\x00B in ""`},
		{"infected, and nothing to change", "", "", "x", func(c *icapConversation) {
			c.rest()
			c.say("ICAP/1.0 204 No Content\r\nX-Infection-Found: Type=0; Threat=A;\r\n\r\n")
		}, `found, file found, 1 files; A in ""`},
		{"an error", "", "", "x", func(c *icapConversation) {
			c.rest()
			c.say("ICAP/1.0 500 Server error\r\nEncapsulated: null-body=0\r\n\r\n")
		}, "failed, file failed, 0 files; the file itself: it answers 500 Server error"},
		{"HTTP", "", "", "x", func(c *icapConversation) { c.rest(); c.say("HTTP/1.1 204 No Content\r\n\r\n") }, `failed, file failed, 0 files; the file itself: it does not speak ICAP: its answer begins with "HTTP/1.1 204 No Content"`},
		{"huge fields", "", "", "x", func(c *icapConversation) {
			c.rest()
			c.say("ICAP/1.0 204 No Content\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n")
		}, "failed, file failed, 0 files; the file itself: the head of its answer is too long"},
		{"very many fields", "", "", "x", func(c *icapConversation) {
			c.rest()
			c.say("ICAP/1.0 204 No Content\r\n" + strings.Repeat("X: y\r\n", 1000) + "\r\n")
		}, "failed, file failed, 0 files; the file itself: its answer has more than 200 header fields"},
		{"huge heads inside", "", "", "x", func(c *icapConversation) {
			c.rest()
			c.say("ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=99999999\r\n\r\n")
		}, "failed, file failed, 0 files; the file itself: it does not say where the parts of its answer begin: Encapsulated: res-hdr=0, res-body=99999999"},
		{"go on, again and again", "Preview: 1", "", "xxxx", func(c *icapConversation) { c.rest(); c.say("ICAP/1.0 100 Continue\r\n\r\n") }, "failed, file failed, 0 files; the file itself: it answers 100 Continue"},
		{"nothing at all", "", "", "x", func(c *icapConversation) { c.rest(); c.Close() }, "failed"},
		{"half an answer", "", "", "x", func(c *icapConversation) {
			c.rest()
			c.say("ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=28\r\n\r\nHTTP/1.1 200")
			c.Close()
		}, "failed, file failed, 0 files; the file itself: it broke off: unexpected EOF"},
		{"half a file", "", "", "hello", func(c *icapConversation) {
			c.rest()
			c.say("ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n5\r\nhel")
			c.Close()
		}, "failed, file failed, 0 files; the file itself: it broke off: unexpected EOF"},
		{"it closes while it is sent to", "", "", large, func(c *icapConversation) { c.Close() }, "failed"},
		{"it hangs", "", ", timeout: 300ms", large, func(c *icapConversation) { time.Sleep(5 * time.Second) }, "failed, file failed, 0 files; the file itself: it took longer than 300ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := icapFake(t, c.options, c.answer)
			p := policyOf(t, "av: {icap: \"icap://"+s.address+"/scan\""+c.keys+"}")
			got := scanOne(t, newScanners(t, Options{}), p, false, artifactOf("a.txt", []byte(c.data)))
			if said(got) != c.want && !(c.want == "failed" && got.Status == policy.ScanFailed) {
				t.Errorf("got  %s\nwant %s", said(got), c.want)
			}
			if got.Engine != `Fake/1, ISTag "T1"` {
				t.Errorf("engine %q", got.Engine)
			}
		})
	}
}

func TestICAPServersThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for options, want := range map[string]string{
		"ICAP/1.0 404 Service not found\r\n\r\n":                 "it answers 404 Service not found when it is asked what it can do",
		"ICAP/1.0 200 OK\r\nMethods: REQMOD\r\n\r\n":             "it does not know the method RESPMOD",
		"ICAP/1.0 200 OK\r\nMETHODS : RESPMOD\r\n\r\n":           "the head of its answer cannot be read",
		"HTTP/1.1 400 Bad Request\r\n\r\n":                       "it does not speak ICAP",
		"ICAP/1.0 200 OK\r\n folded\r\nMethods: RESPMOD\r\n\r\n": "the head of its answer cannot be read",
	} {
		s := serve(t, func(c net.Conn) { io.WriteString(c, options) })
		p := policyOf(t, "av: {icap: \"icap://"+s.address+"/scan\"}")
		if got := scanOne(t, newScanners(t, Options{}), p, false, artifactOf("a", []byte("x"))); got.Status != policy.ScanFailed || !strings.Contains(got.Reason, want) {
			t.Errorf("%q: %s", options, said(got))
		}
	}
}

// Connections are used again, one that the server has closed meanwhile is replaced, and a new tag is a new engine.
func TestICAPConnections(t *testing.T) {
	t.Parallel()
	var closing atomic.Bool
	s := icapFake(t, "Allow: 204\r\nPreview: 10", nil)
	s.answer = func(c *icapConversation) {
		c.rest()
		c.say(strings.Replace(nothingToChange, "T1", s.tag.Load().(string), 1))
		if closing.Load() {
			c.Close()
		}
	}
	now := time.Now()
	all := newScanners(t, Options{Now: func() time.Time { return now }})
	p := policyOf(t, "av: {icap: \"icap://"+s.address+"/scan\"}")
	scan := func(i int) policy.Scan {
		return scanOne(t, all, p, false, artifactOf("a", fmt.Appendf(nil, "file %d", i)))
	}
	for i := range 20 {
		if got := scan(i); got.Status != policy.ScanClean {
			t.Fatal(said(got))
		}
	}
	if n := s.count.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	closing.Store(true)
	for i := range 10 {
		if got := scan(100 + i); got.Status != policy.ScanClean {
			t.Fatal(said(got))
		}
	}
	closing.Store(false)
	s.tag.Store("T2")
	scan(200) // in whose answer the new tag is
	now = now.Add(engineKnown)
	if got := scan(0); got.Engine != `Fake/1, ISTag "T2"` {
		t.Errorf("engine %q", got.Engine)
	}
}

func FuzzICAPResponse(f *testing.F) {
	f.Add([]byte(nothingToChange))
	f.Add([]byte(fmt.Sprintf(blocked, "X-Infection-Found: Type=0; Resolution=2; Threat=A;\r\nX-Violations-Found: 1\r\n\ta\r\n\tb\r\n")))
	f.Add([]byte("ICAP/1.0 100 Continue\r\n\r\n"))
	f.Add([]byte("ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nPreview: 1\r\nAllow: 204\r\nOptions-TTL: 3600\r\n\r\n"))
	f.Add([]byte("ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, req-body=16\r\n\r\nGET / HTTP/1.1\r\n2;x=y\r\nab\r\n0\r\nT: x\r\n\r\n"))
	content := &file{content: bytes.NewReader([]byte("ab")), size: 2}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := readICAP(bufio.NewReader(bytes.NewReader(data)), 2)
		if err != nil {
			return
		}
		if r.size > 2+icapExtra || r.status < 100 || len(r.header) > icapFields {
			t.Errorf("beyond the bounds: %+v", r)
		}
		c := &icap{method: "RESPMOD"}
		name, err := c.verdict(r, content, &sent{size: 2, n: 2, hash: sha256.New()})
		if name != "" && (err != nil || strings.ContainsAny(name, "\x00\x1b\r\n")) {
			t.Errorf("%q, %v", name, err)
		}
		if err == nil && name == "" {
			t.Errorf("clean although nothing was sent: %+v", r) // the digest cannot fit
		}
		if o, err := readOptions(r, "RESPMOD", time.Now()); err == nil && (o.preview > maxPreview || time.Until(o.until) > longOptions) {
			t.Errorf("%+v", o)
		}
	})
}
