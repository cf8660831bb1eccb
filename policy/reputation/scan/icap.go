package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/policy"
)

// icap is a client of one ICAP service (RFC 3507).
type icap struct {
	service *url.URL
	method  string        // RESPMOD or REQMOD
	early   bool          // "nothing to change" counts before the whole file was sent, too
	hold    time.Duration // how long the end of a file is held back
	idle    idleConns

	mu      sync.Mutex
	options *icapOptions // as of the last OPTIONS; nil: not asked, or not known any more
}

func newICAP(s policy.Scanner) (*icap, error) {
	u, err := url.Parse(s.ICAP)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("scanner %s: %q is no URL of an ICAP service", s.Name, s.ICAP)
	}
	if u.Port() == "" {
		u.Host += ":1344"
	}
	c := &icap{service: u, method: "RESPMOD", early: s.Early, hold: holdTime}
	if s.Request {
		c.method = "REQMOD"
	}
	return c, nil
}

// engine implements client: the service's name with its ISTag, which changes with whatever may change its answers (section 4.7).
func (c *icap) engine(ctx context.Context) (string, error) {
	o, err := c.current(ctx)
	if err != nil {
		return "", err
	}
	return o.engine(), nil
}

// current returns the service's options, and asks for them where they are not known or have become too old.
func (c *icap) current(ctx context.Context) (*icapOptions, error) {
	c.mu.Lock()
	o := c.options
	c.mu.Unlock()
	if o != nil && time.Now().Before(o.until) {
		return o, nil
	}
	got, err := c.exchange(ctx, func(conn *icapConn) (*icapResponse, error) {
		if _, err := fmt.Fprintf(conn, "OPTIONS %s ICAP/1.0\r\nHost: %s\r\nUser-Agent: Sallyport\r\nEncapsulated: null-body=0\r\n\r\n", c.service, c.service.Host); err != nil {
			return nil, err
		}
		return conn.finish(0)
	})
	if err != nil {
		c.forget()
		return nil, down("it does not say what it can do: %w", plain(ctx, err))
	}
	if o, err = readOptions(got, c.method, time.Now()); err != nil {
		c.forget()
		return nil, &downError{err}
	}
	c.mu.Lock()
	c.options = o
	c.mu.Unlock()
	return o, nil
}

// noticed takes notice of the tag in a response: what was known of a service with another one is out of date.
func (c *icap) noticed(r *icapResponse, o *icapOptions) {
	if tag := r.header.Get("Istag"); tag != "" && shorten(tag) != o.tag {
		c.forget()
	}
}

func (c *icap) forget() {
	c.mu.Lock()
	c.options = nil
	c.mu.Unlock()
}

// scan implements client.
func (c *icap) scan(ctx context.Context, f *file) (string, error) {
	o, err := c.current(ctx)
	if err != nil {
		return "", err
	}
	var content *sent
	r, err := c.exchange(ctx, func(conn *icapConn) (*icapResponse, error) {
		content = f.read()
		return c.send(conn, o, f, content)
	})
	switch {
	case content != nil && content.failed != nil:
		return "", fmt.Errorf("reading the file: %w", content.failed)
	case err != nil:
		return "", c.broken(ctx, err)
	}
	c.noticed(r, o)
	return c.verdict(r, f, content)
}

// broken puts an error of an exchange into words.
func (c *icap) broken(ctx context.Context, err error) error {
	var odd *protocolError
	if errors.As(err, &odd) {
		return odd
	}
	return down("it broke off: %w", plain(ctx, err))
}

// verdict is what a response says of a file.
func (c *icap) verdict(r *icapResponse, f *file, content *sent) (string, error) {
	if name := r.infection(); name != "" {
		return name, nil
	}
	whole := content.complete() && !r.early
	switch {
	case r.status == 204 && (whole || c.early):
	case r.status == 204:
		return "", aboutFile("it said after %d of %d bytes that there is nothing to change, so that it cannot have scanned the file (early: clean accepts that)", content.n, f.size)
	case r.status == 200 && r.unchanged(f, c.method) && whole:
	case r.status == 200 && r.inner >= 500:
		return "", fmt.Errorf("it answers with an error page (HTTP %d)", r.inner)
	case r.status == 200 && r.replaced(c.method):
		return nameOf(fmt.Sprintf("refused by the ICAP server (HTTP %d)", r.inner)), nil
	case r.status == 200 && r.bodyKind != "":
		return "changed by the ICAP server", nil
	default:
		return "", fmt.Errorf("it answers %s", shorten(fmt.Sprint(r.status, " ", r.reason)))
	}
	if !content.complete() {
		return "", nil // the policy has it so
	}
	return "", content.check()
}

// exchange has a request made on a connection, an idle one if there is one. One that turns out to have been closed meanwhile is
// replaced by a new one, once.
func (c *icap) exchange(ctx context.Context, ask func(*icapConn) (*icapResponse, error)) (*icapResponse, error) {
	for {
		conn, err := c.idle.get(ctx, c.service.Host)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { conn.Conn.SetDeadline(time.Unix(1, 0)) })
		r, err := ask(conn)
		alive := stop()
		if err == nil && alive && r.reusable && conn.in.Buffered() == 0 && !conn.unsent {
			c.idle.put(conn)
		} else {
			conn.Close()
		}
		if err != nil && conn.used && !conn.answered && ctx.Err() == nil && !isProtocol(err) {
			continue // there is one idle connection less now
		}
		return r, err
	}
}

// icapOptions are what a service says of itself (section 4.10).
type icapOptions struct {
	service, tag string
	preview      int64 // bytes; -1: it wants none
	allows204    bool
	until        time.Time
}

const (
	maxPreview   = 64 << 10 // bytes
	shortOptions = 10 * time.Second
	longOptions  = time.Minute
)

func readOptions(r *icapResponse, method string, now time.Time) (*icapOptions, error) {
	if r.status != 200 && r.status != 204 {
		return nil, fmt.Errorf("it answers %s when it is asked what it can do", shorten(fmt.Sprint(r.status, " ", r.reason)))
	}
	o := &icapOptions{service: shorten(r.header.Get("Service")), tag: shorten(r.header.Get("Istag")), preview: -1, until: now.Add(longOptions)}
	var methods []string
	for _, line := range r.header.Values("Methods") {
		methods = append(methods, strings.FieldsFunc(strings.ToUpper(line), func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	if !slices.Contains(methods, method) {
		return nil, fmt.Errorf("it does not know the method %s", method)
	}
	for _, line := range r.header.Values("Allow") {
		o.allows204 = o.allows204 || slices.Contains(strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' }), "204")
	}
	if n, err := wholeNumber(r.header.Get("Preview")); err == nil {
		o.preview = min(n, maxPreview)
	}
	if n, err := wholeNumber(r.header.Get("Options-Ttl")); err == nil {
		o.until = now.Add(min(max(time.Duration(min(n, 1e6))*time.Second, shortOptions), longOptions))
	}
	return o, nil
}

func (o *icapOptions) engine() string {
	s := o.service
	if s == "" {
		s = "ICAP"
	}
	if o.tag != "" {
		s += ", ISTag " + o.tag
	}
	return s
}

// copyChunks sends all that r has, chunk by chunk, until there is an answer already.
func copyChunks(w io.Writer, r io.Reader, buf []byte, answered <-chan struct{}) error {
	for {
		n, err := io.ReadFull(r, buf)
		select {
		case <-answered:
			return errAnswered
		default:
		}
		if n > 0 {
			if _, err := fmt.Fprintf(w, "%x\r\n%s\r\n", n, buf[:n]); err != nil {
				return err
			}
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return nil
		default:
			return err
		}
	}
}

var errAnswered = errors.New("it answered while the file was sent")
