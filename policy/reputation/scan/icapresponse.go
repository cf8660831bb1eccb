package scan

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// Bounds of a response, in bytes if nothing else is said.
const (
	icapLine      = 16 << 10
	icapHeader    = 64 << 10
	icapFields    = 200 // number
	icapInnerHead = 64 << 10
	icapExtra     = 1 << 20 // that a body may be longer than the file
)

// icapResponse is a response (section 4.3.3), of whose body only the digest is kept.
type icapResponse struct {
	status   int
	reason   string
	header   textproto.MIMEHeader
	said     []textproto.MIMEHeader // all fields that may say what was found: header, those of the HTTP message in it, trailers
	inner    int                    // status of the HTTP response in it; 0: there is none
	bodyKind string                 // "res-body", "req-body", "opt-body", or "" for none
	size     int64                  // of the body
	digest   verify.Digest
	reusable bool // the connection can be used for another request
	early    bool // it came before the whole file was sent
}

// protocolError says that a server does not keep to the protocol.
type protocolError struct{ text string }

// Error implements error.
func (e *protocolError) Error() string { return e.text }

func oddly(format string, args ...any) error { return &protocolError{fmt.Sprintf(format, args...)} }

func isProtocol(err error) bool {
	var odd *protocolError
	return errors.As(err, &odd)
}

// readICAP reads a response whose body has no more than most bytes and a little. "100 Continue" has nothing but its head.
func readICAP(in *bufio.Reader, most int64) (*icapResponse, error) {
	head := &headReader{in: in}
	line, err := head.line()
	if err != nil {
		return nil, err
	}
	r := &icapResponse{}
	if r.status, r.reason, err = statusLine(line); err != nil {
		return nil, err
	}
	if r.header, err = head.fields(); err != nil {
		return nil, err
	}
	r.said = append(r.said, r.header)
	r.reusable = !strings.EqualFold(r.header.Get("Connection"), "close")
	if r.status == 100 {
		return r, nil
	}
	parts, err := encapsulated(r.header.Values("Encapsulated"))
	if err != nil {
		return nil, err
	}
	return r, r.readParts(in, parts, most)
}

// statusLine reads the first line of a response: ICAP/1.0 200 OK.
func statusLine(line string) (status int, reason string, err error) {
	version, rest, _ := strings.Cut(line, " ")
	code, reason, _ := strings.Cut(rest, " ")
	status, err = strconv.Atoi(code)
	if version != "ICAP/1.0" || err != nil || len(code) != 3 || status < 100 {
		return 0, "", oddly("it does not speak ICAP: its answer begins with %q", shorten(line))
	}
	return status, reason, nil
}

// headReader reads lines and header fields under limits.
type headReader struct {
	in   *bufio.Reader
	read int
}

func (h *headReader) line() (string, error) {
	var line []byte
	for {
		part, err := h.in.ReadSlice('\n')
		h.read += len(part)
		if len(line)+len(part) > icapLine || h.read > icapHeader {
			return "", oddly("the head of its answer is too long")
		}
		line = append(line, part...)
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil {
			return "", unexpected(err)
		}
		return strings.TrimRight(string(line), "\r\n"), nil
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// fields reads header fields, lines that go on included, up to an empty line.
func (h *headReader) fields() (textproto.MIMEHeader, error) {
	out := textproto.MIMEHeader{}
	last := ""
	for n := 0; ; n++ {
		line, err := h.line()
		switch {
		case err != nil:
			return nil, err
		case line == "":
			return out, nil
		case n == icapFields:
			return nil, oddly("its answer has more than %d header fields", icapFields)
		case line[0] == ' ' || line[0] == '\t':
			if last == "" {
				return nil, oddly("the head of its answer cannot be read")
			}
			values := out[last]
			values[len(values)-1] += "\n" + strings.TrimSpace(line)
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, oddly("the head of its answer cannot be read")
		}
		last = textproto.CanonicalMIMEHeaderKey(name)
		out[last] = append(out[last], strings.TrimSpace(value))
	}
}

// part is one of what a message encapsulates.
type part struct {
	name string
	at   int64
}

// encapsulated reads the field of that name (section 4.4.1): heads, and at the end a body, or that there is none.
func encapsulated(values []string) ([]part, error) {
	var out []part
	for _, item := range strings.Split(strings.Join(values, ","), ",") {
		name, offset, ok := strings.Cut(strings.TrimSpace(item), "=")
		if name == "" && !ok {
			continue
		}
		at, err := wholeNumber(offset)
		name = strings.ToLower(name)
		switch {
		case err != nil, len(out) == 0 && at != 0, len(out) > 0 && at <= out[len(out)-1].at, at > 2*icapInnerHead,
			len(out) > 0 && !strings.HasSuffix(out[len(out)-1].name, "-hdr"):
			return nil, oddly("it does not say where the parts of its answer begin: Encapsulated: %s", shorten(strings.Join(values, ",")))
		}
		switch name {
		case "req-hdr", "res-hdr", "req-body", "res-body", "opt-body", "null-body":
		default:
			return nil, oddly("its answer has a part %q", shorten(name))
		}
		out = append(out, part{name, at})
	}
	return out, nil
}

// readParts reads what a response encapsulates.
func (r *icapResponse) readParts(in *bufio.Reader, parts []part, most int64) error {
	for i, p := range parts {
		if strings.HasSuffix(p.name, "-hdr") {
			if i+1 == len(parts) {
				return oddly("it does not say whether its answer has a body")
			}
			head := make([]byte, parts[i+1].at-p.at)
			if _, err := io.ReadFull(in, head); err != nil {
				return unexpected(err)
			}
			if p.name == "res-hdr" {
				inner, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
				if err != nil {
					return oddly("the HTTP response in its answer cannot be read")
				}
				r.inner = inner.StatusCode
				r.said = append(r.said, textproto.MIMEHeader(inner.Header))
			}
			continue
		}
		if p.name != "null-body" {
			r.bodyKind = p.name
			return r.readBody(in, most)
		}
	}
	return nil
}

// readBody reads a chunked body, and keeps its digest.
func (r *icapResponse) readBody(in *bufio.Reader, most int64) error {
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(httputil.NewChunkedReader(in), most+icapExtra+1))
	switch {
	case err != nil:
		return unexpected(err)
	case n > most+icapExtra:
		return oddly("its answer is larger than the file and what a page about it may have")
	}
	r.size, r.digest = n, verify.Digest(h.Sum(nil))
	trailers, err := (&headReader{in: in}).fields() // and the empty line after them
	r.said = append(r.said, trailers)
	return err
}

// unchanged reports whether the response is the message that was sent.
func (r *icapResponse) unchanged(f *file, method string) bool {
	kind := map[string]string{"RESPMOD": "res-body", "REQMOD": "req-body"}[method]
	return r.bodyKind == kind && r.size == f.size && r.digest == f.digest && (method == "REQMOD" || r.inner == 200)
}

// replaced reports whether there is another HTTP response than what was sent.
func (r *icapResponse) replaced(method string) bool {
	return r.inner != 0 && (method == "REQMOD" || r.inner != 200)
}

// infection is what the response says that was found, wherever it does; "" if it does not say so. The fields are those of
// draft-stecher-icap-subid-00, and what servers have made of them.
func (r *icapResponse) infection() string {
	for _, fields := range r.said {
		for _, v := range append(fields.Values("X-Virus-Id"), fields.Values("X-Virus-Name")...) {
			if v != "" && !strings.EqualFold(v, "no threats") {
				return nameOf(v)
			}
		}
		for _, v := range fields.Values("X-Infection-Found") {
			if v != "" {
				return threat(v)
			}
		}
		for _, v := range fields.Values("X-Violations-Found") {
			if name := violation(v); name != "" {
				return name
			}
		}
	}
	return ""
}

// threat is the name in X-Infection-Found: Type=0; Resolution=2; Threat=NAME;
func threat(field string) string {
	for _, item := range strings.Split(field, ";") {
		if name, threat, _ := strings.Cut(strings.TrimSpace(item), "="); strings.EqualFold(name, "threat") {
			return nameOf(threat)
		}
	}
	return nameOf(field)
}

// violation is the first name in X-Violations-Found: the number; then of each the file, the name, an id, what was done. It is "" for none.
func violation(field string) string {
	lines := strings.Split(field, "\n")
	switch {
	case lines[0] == "" || strings.TrimSpace(lines[0]) == "0":
		return ""
	case len(lines) > 2:
		return nameOf(lines[2])
	}
	return nameOf(strings.Join(lines, " "))
}

func wholeNumber(s string) (int64, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 62)
	return int64(n), err
}
