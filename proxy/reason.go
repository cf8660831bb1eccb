package proxy

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// statusLine puts a reason phrase of our own into the status line of one HTTP/1.x response (RFC 9112 section 4) on its
// way to the wire. net/http has no way to say it, but programs such as apt show nothing else. net/http writes the
// header of a final response as the first bytes after that of any interim response, in one piece as far as the status
// line goes, and before any byte of the body; so only the first write after expect is looked at, interim responses
// apart, and nothing is changed that is not exactly the status line that net/http writes for the status.
type statusLine struct {
	next atomic.Pointer[expectedLine]
}

type expectedLine struct {
	standard []string // what net/http writes, for each version
	ours     []string
}

// expect sets the phrase of the next final response, which is to have that status. An empty phrase, one that would
// not be a phrase, and the standard one leave the line as it is.
func (l *statusLine) expect(status int, phrase string) {
	text := http.StatusText(status)
	if text == "" || phrase == text || !isPhrase(phrase) {
		l.next.Store(nil)
		return
	}
	code := strconv.Itoa(status)
	e := &expectedLine{}
	for _, version := range []string{"HTTP/1.1 ", "HTTP/1.0 "} {
		e.standard = append(e.standard, version+code+" "+text+"\r\n")
		e.ours = append(e.ours, version+code+" "+phrase+"\r\n")
	}
	l.next.Store(e)
}

// isPhrase says whether s is a reason phrase of printable ASCII.
func isPhrase(s string) bool {
	if s == "" || len(s) > 200 || strings.TrimSpace(s) != s {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// apply returns p as it is to go out. It does not change p.
func (l *statusLine) apply(p []byte) []byte {
	e := l.next.Load()
	if e == nil || isInterim(p) {
		return p
	}
	l.next.CompareAndSwap(e, nil)
	for i, line := range e.standard {
		if bytes.HasPrefix(p, []byte(line)) {
			return append([]byte(e.ours[i]), p[len(line):]...)
		}
	}
	return p
}

// isInterim says whether p begins with a 1xx response.
func isInterim(p []byte) bool {
	return len(p) > len("HTTP/1.x 1") && bytes.HasPrefix(p, []byte("HTTP/1.")) && p[len("HTTP/1.x")] == ' ' &&
		p[len("HTTP/1.x ")] == '1'
}
