package reputation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// fetched is a list as it came.
type fetched struct {
	content
	unchanged bool // the source says so; nothing else is set
	sum       verify.Digest
	date      time.Time // of the server or the file
	tags      tags
	close     func()
}

// tags let a server say that nothing has changed (RFC 9110, section 13.1).
type tags struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
}

// busy is an answer that asks for patience.
type busy struct {
	status string
	after  time.Duration // 0: it does not say
}

func (b *busy) Error() string { return "the server answers " + b.status }

// fetch asks a server for a list. It is written to a temporary file in dir, or in memory without one.
func (f *Feed) fetch(ctx context.Context, transport http.RoundTripper, known tags, dir string) (*fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout())
	defer cancel()
	header := f.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if known.ETag != "" {
		header.Set("If-None-Match", known.ETag)
	}
	if known.LastModified != "" {
		header.Set("If-Modified-Since", known.LastModified)
	}
	resp, err := f.get(ctx, transport, f.URL, header)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && known != tags{}:
		return &fetched{unchanged: true}, nil
	case resp.StatusCode != http.StatusOK:
		return nil, &busy{resp.Status, retryAfter(resp.Header.Get("Retry-After"))}
	case resp.ContentLength > f.maxSize():
		return nil, refusef("it has %d bytes, more than %d", resp.ContentLength, f.maxSize())
	case !endKnown(resp) && f.SHA256.IsZero() && f.SHA256URL == "":
		return nil, errors.New("the server sends neither a length nor an end mark, so that nobody can tell whether the list is whole")
	}
	got, err := hold(resp.Body, f.maxSize(), dir)
	if err != nil {
		return nil, err
	}
	if resp.ContentLength >= 0 && got.size != resp.ContentLength {
		got.close()
		return nil, fmt.Errorf("the answer broke off after %d of %d bytes", got.size, resp.ContentLength)
	}
	got.tags = tags{cut(resp.Header.Get("ETag")), cut(resp.Header.Get("Last-Modified"))}
	got.date, _ = http.ParseTime(resp.Header.Get("Last-Modified"))
	if err := f.fits(ctx, transport, got); err != nil {
		got.close()
		return nil, err
	}
	return got, nil
}

// endKnown reports whether an answer tells where it ends (RFC 9112, section 6.3), or, being packed by gzip, has an end of its own.
func endKnown(resp *http.Response) bool {
	return resp.ProtoMajor >= 2 || resp.ContentLength >= 0 || resp.Uncompressed || slices.Contains(resp.TransferEncoding, "chunked")
}

// cut returns a header's value if it is of a length to keep.
func cut(s string) string {
	if len(s) > 1024 {
		return ""
	}
	return s
}

func retryAfter(s string) time.Duration {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return min(time.Duration(min(n, 86400))*time.Second, 24*time.Hour)
	}
	return 0
}

const maxRedirects = 5

// get makes a request, following redirects: never from https to http, and not to another host if headers are sent that
// may be secret.
func (f *Feed) get(ctx context.Context, transport http.RoundTripper, at string, header http.Header) (*http.Response, error) {
	client := &http.Client{Transport: transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		switch {
		case len(via) > maxRedirects:
			return fmt.Errorf("more than %d redirects", maxRedirects)
		case next.URL.Scheme != "https" && via[0].URL.Scheme == "https":
			return errors.New("a redirect leads away from https")
		case len(f.Header) > 0 && next.URL.Host != via[0].URL.Host:
			return errors.New("a redirect leads to another host, which must not see this feed's headers")
		}
		return nil
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, fmt.Errorf("asking for the list: %w", err)
	}
	req.Header = header
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "sallyport")
	}
	resp, err := client.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) { // it would repeat the URL, which may hold a key
			err = wrapped.Err
		}
		return nil, fmt.Errorf("asking for the list: %w", err)
	}
	return resp, nil
}

// hold writes what a server sends where it can be read again.
func hold(in io.Reader, limit int64, dir string) (*fetched, error) {
	place := dir
	if place == "" {
		place = os.TempDir()
	}
	file, err := os.CreateTemp(place, "list-*.tmp")
	if err != nil {
		return nil, fmt.Errorf("keeping the list: %w", err)
	}
	got := &fetched{content: content{at: file}, close: func() { file.Close(); os.Remove(file.Name()) }}
	hash := sha256.New()
	got.size, err = io.Copy(io.MultiWriter(file, hash), io.LimitReader(in, limit+1))
	switch {
	case err != nil:
		got.close()
		return nil, fmt.Errorf("receiving the list: %w", err)
	case got.size > limit:
		got.close()
		return nil, refusef("it has more than %d bytes", limit)
	}
	hash.Sum(got.sum[:0])
	return got, nil
}

// fits compares the list with the digest that it must have.
func (f *Feed) fits(ctx context.Context, transport http.RoundTripper, got *fetched) error {
	if !f.SHA256.IsZero() && got.sum != f.SHA256 {
		return refusef("its SHA-256 is %s, not %s", got.sum, f.SHA256)
	}
	if f.SHA256URL == "" {
		return nil
	}
	base, err := url.Parse(f.URL)
	if err != nil {
		return fmt.Errorf("asking for the digest: %w", err)
	}
	beside, err := base.Parse(f.SHA256URL)
	if err != nil {
		return fmt.Errorf("asking for the digest: %w", err)
	}
	header := http.Header{}
	if beside.Host == base.Host && beside.Scheme == base.Scheme {
		header = f.Header.Clone()
	}
	if header == nil {
		header = http.Header{}
	}
	resp, err := f.get(ctx, transport, beside.String(), header)
	if err != nil {
		return fmt.Errorf("the digest beside it: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the digest beside it cannot be had: %s, %v", resp.Status, err)
	}
	return named(string(text), got.sum, base.Path)
}

// named looks a digest up in what sha256sum writes: a line for the list's name, or the only line there is.
func named(text string, sum verify.Digest, path string) error {
	name := path[strings.LastIndexByte(path, '/')+1:]
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, line := range lines {
		hex, label, ok := digestLine([]byte(strings.TrimSpace(line)))
		if !ok || len(hex) != len(sum) || len(lines) > 1 && strings.TrimPrefix(string(label), "./") != name {
			continue
		}
		if want := verify.Digest(hex); want != sum {
			return refusef("its SHA-256 is %s, the one published beside it is %s", sum, want)
		}
		return nil
	}
	return refusef("what is published beside it has no SHA-256 for it")
}
