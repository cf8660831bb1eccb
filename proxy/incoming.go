package proxy

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// holds says whether a 2xx response with a body is kept for examination: on a channel everything but passive types
// where the channel names no paths, and passive types as well where a repository is whose files the channel asks about;
// elsewhere what looks like an update.
func (x *transit) holds(resp *http.Response, format verify.Format) bool {
	switch {
	case x.plan.HoldAll:
		return true
	case x.plan.Scope != "":
		return format != "" || !passive(resp.Header) || x.inRepository()
	default:
		return format != ""
	}
}

// inRepository reports whether the request is for a file of a TUF repository of the channel's anchors, metadata or
// target, whatever its media type.
func (x *transit) inRepository() bool {
	for _, a := range x.gate.trustUnder(x.policy).only(x.plan.Anchors).TUF {
		below := []string{a.Targets}
		for _, r := range a.Repositories {
			below = append(below, r.Metadata...)
		}
		if NewSources(below).Hold(x.published()) {
			return true
		}
	}
	return false
}

// passiveTypes are media types that nothing installs or runs.
var passiveTypes = map[string]bool{
	"text/html": true, "application/xhtml+xml": true, "application/json": true, "application/problem+json": true,
	"text/css": true,
}

func passive(h http.Header) bool {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && (passiveTypes[t] || strings.HasPrefix(t, "image/") || strings.HasPrefix(t, "font/"))
}

// unacceptable returns the refusal for a response that no request of ours allows.
func (x *transit) unacceptable(resp *http.Response) *refusal {
	refuse := func(kind, proxyError, detail string) *refusal {
		return &refusal{Kind: kind, ProxyError: proxyError, Detail: detail, Channel: x.plan.Scope}
	}
	switch {
	case resp.StatusCode == http.StatusPartialContent:
		return refuse(kindUpstream, "http_protocol_error",
			"the origin answered with a part of the file (206), although no range was asked for")
	case resp.StatusCode == http.StatusSwitchingProtocols && !x.session.Upgrade:
		return refuse(kindUpstream, "http_upgrade_failed", "the origin switched protocols, although that was not asked for")
	case resp.StatusCode == http.StatusNotModified && x.req.Method == http.MethodGet:
		return refuse(kindUpstream, "http_protocol_error",
			"the origin answered that nothing has changed (304), although it was not asked whether")
	}
	return nil
}

// hasBody reports whether a response may bring bytes. A 205 should not (RFC 9110 section 15.3.6), but can, and some
// clients store them.
func hasBody(req *http.Request, resp *http.Response) bool {
	switch {
	case req.Method == http.MethodHead || resp.StatusCode < 200:
		return false
	case resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified:
		return false
	}
	return resp.StatusCode != http.StatusResetContent || resp.Body != http.NoBody
}

// decode undoes gzip, so that what is verified is what every client ends up with, and refuses every other coding.
func decode(resp *http.Response, name string) error {
	coding := strings.ToLower(strings.TrimSpace(strings.Join(resp.Header["Content-Encoding"], ",")))
	switch coding {
	case "", "identity":
		return nil
	case "gzip", "x-gzip":
	default:
		return fmt.Errorf("the origin sent the content coding %q, which was not asked for and cannot be looked into", coding)
	}
	resp.Header.Del("Content-Encoding")
	if ext := strings.ToLower(path.Ext(name)); ext == ".gz" || ext == ".tgz" {
		return nil // the file itself is a gzip file; naming it twice is a common mistake of servers
	}
	z, err := gzip.NewReader(resp.Body)
	if err != nil {
		return fmt.Errorf("the origin announced gzip and sent something else: %w", err)
	}
	resp.Body = &gunzipped{z, resp.Body} // cut short, it ends in an error: gzip counts and sums its content
	resp.ContentLength = -1
	resp.Header.Del("Content-Length")
	if tag := resp.Header.Get("Etag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		resp.Header.Set("Etag", "W/"+tag) // RFC 9110 section 8.8.1: not the same bytes any more
	}
	return nil
}

// gunzipped reads what a gzip body holds. An error in it is one of the origin's.
type gunzipped struct {
	gzip  *gzip.Reader
	under io.Closer
}

// Read implements io.Reader.
func (z *gunzipped) Read(p []byte) (int, error) {
	n, err := z.gzip.Read(p)
	if err != nil && err != io.EOF {
		err = classifyBody(err)
	}
	return n, err
}

// Close implements io.Closer.
func (z *gunzipped) Close() error { return z.under.Close() }

// peek reads the beginning of a body, as much as is needed to tell what it is and no more than is there: a stream of
// events is not kept waiting for bytes that may never come.
func peek(body io.ReadCloser) (head []byte, whole io.ReadCloser, err error) {
	head = make([]byte, 0, verify.SniffLen)
	for len(head) == 0 || len(head) < cap(head) && verify.Undecided(head) {
		n, err := body.Read(head[len(head):cap(head)])
		head = head[:len(head)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return head, &peeked{io.MultiReader(bytes.NewReader(head), body), body}, nil
}

// eventPatience is how long the first bytes of a stream of events are waited for before its header goes to the client.
const eventPatience = time.Second

// peekEvents is peek for a stream of events, whose origin may have nothing to say for long: if it says nothing at
// first, the head is empty, and the body is one that goes on waiting.
func peekEvents(body io.ReadCloser) ([]byte, io.ReadCloser, error) {
	waiting := &waitingBody{under: body, begun: make(chan struct{})}
	go func() {
		waiting.head, waiting.whole, waiting.err = peek(body)
		close(waiting.begun)
	}()
	timer := time.NewTimer(eventPatience)
	defer timer.Stop()
	select {
	case <-waiting.begun:
		return waiting.head, waiting.whole, waiting.err
	case <-timer.C:
		return nil, waiting, nil
	}
}

// isEventStream reports whether a response is one that comes in pieces for as long as there is something to tell.
func isEventStream(resp *http.Response) bool {
	t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && resp.ContentLength < 0 && (t == "text/event-stream" || t == "application/x-ndjson" || t == "application/json")
}

// waitingBody is a body whose beginning has not come yet.
type waitingBody struct {
	under io.Closer
	begun chan struct{} // closed when what follows is there
	head  []byte
	whole io.ReadCloser
	err   error
}

// Read implements io.Reader.
func (w *waitingBody) Read(p []byte) (int, error) {
	if <-w.begun; w.err != nil {
		return 0, w.err
	}
	return w.whole.Read(p)
}

// Close implements io.Closer. A Read under way ends with it.
func (w *waitingBody) Close() error { return w.under.Close() }

// peeked is a body whose beginning was looked at.
type peeked struct {
	io.Reader
	io.Closer
}

// maxName is the longest name of an artifact, in bytes. Of a longer one the end counts, where the extension is.
const maxName = 255

// artifactName returns what a response's file is called: by Content-Disposition, else by the URL.
func artifactName(h http.Header, u *url.URL) string {
	name := baseName(dispositionName(h["Content-Disposition"]))
	if name == "" {
		name = baseName(u.Path)
	}
	return name[max(0, len(name)-maxName):]
}

// dispositionName returns the file name in a Content-Disposition (RFC 6266). Where the field is malformed, so that
// clients differ in what they make of it, a name counts by which the file would be a program.
func dispositionName(lines []string) string {
	if len(lines) == 1 {
		if _, params, err := mime.ParseMediaType(lines[0]); err == nil {
			return params["filename"]
		}
	}
	var name string
	for _, part := range strings.FieldsFunc(strings.Join(lines, ";"), func(c rune) bool { return c == ';' || c == ',' }) {
		key, value, _ := strings.Cut(part, "=")
		if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(key)), "filename") {
			continue
		}
		value = strings.Trim(unescaped(value[strings.LastIndex(value, "''")+1:]), " \t\"'")
		if name == "" || verify.Sniff(nil, name) == "" {
			name = value
		}
	}
	return name
}

func baseName(p string) string {
	name := path.Base(strings.ReplaceAll(p, `\`, "/"))
	if name == "." || name == "/" {
		return ""
	}
	return name
}
