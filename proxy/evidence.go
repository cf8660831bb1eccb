package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// evidenceRedirects is how many redirects are followed to one piece of evidence: release pages keep their files in object
// stores on other hosts.
const evidenceRedirects = 3

// AgentName is what the proxy calls itself where it asks for what no client has asked for.
const AgentName = "Sallyport"

// Evidence asks for untrusted evidence: what is published beside an update, or where an anchor says. Everything that comes
// back has to prove itself, so that redirects are followed, within bounds.
type Evidence struct {
	Upstream  http.RoundTripper // guarded, verifying TLS, following no redirect
	UserAgent string
	// Follow says why a redirect must not be followed to a URL; nil where it may be. See FollowUnder.
	Follow func(to *url.URL) error
}

// EvidenceAnswer is evidence as it came.
type EvidenceAnswer struct {
	Body           []byte
	ETag, Modified string // validators; none where it came by a redirect
	Unchanged      bool   // it is what the validators that were sent stand for
}

// Get returns what is at u, if it has at most limit bytes. The errors are those of verify.Sidecars. With validators of an
// earlier answer the origin is asked whether that still holds.
func (e Evidence) Get(ctx context.Context, u *url.URL, limit int64, earlier EvidenceAnswer) (EvidenceAnswer, error) {
	asked := u
	for hop := 0; ; hop++ {
		resp, err := e.ask(ctx, u, earlier)
		if err != nil {
			return EvidenceAnswer{}, fmt.Errorf("fetching sidecar %s: %w", redactedURL(asked), err)
		}
		next, err := e.next(resp, u)
		if err == nil && next == nil {
			var got EvidenceAnswer
			if got, err = read(resp, u, limit, earlier); err == nil && hop > 0 {
				got.ETag, got.Modified = "", ""
			}
			return got, named(err, asked)
		}
		resp.Body.Close()
		if err == nil && hop == evidenceRedirects {
			err = fmt.Errorf("more than %d redirects", evidenceRedirects)
		}
		if err != nil {
			return EvidenceAnswer{}, named(err, asked)
		}
		u, earlier = next, EvidenceAnswer{}
	}
}

// named adds to an error what was asked for, unless it is one of those that verifiers look for.
func named(err error, u *url.URL) error {
	if err == nil || err == verify.ErrNotExist || err == verify.ErrTooLarge {
		return err
	}
	return fmt.Errorf("fetching sidecar %s: %w", redactedURL(u), err)
}

func (e Evidence) ask(ctx context.Context, u *url.URL, earlier EvidenceAnswer) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "*/*")
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", e.UserAgent)
	req.Header.Set("Cache-Control", "max-age=0")
	if earlier.ETag != "" {
		req.Header.Set("If-None-Match", earlier.ETag)
	}
	if earlier.Modified != "" {
		req.Header.Set("If-Modified-Since", earlier.Modified)
	}
	return e.Upstream.RoundTrip(req)
}

// next returns where a response redirects to; nil if it does not.
func (e Evidence) next(resp *http.Response, from *url.URL) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	lines := resp.Header["Location"]
	if len(lines) != 1 {
		return nil, fmt.Errorf("the origin answered %d and names %d places to go to", resp.StatusCode, len(lines))
	}
	to, err := from.Parse(lines[0])
	switch {
	case err != nil || !webAddress(to):
		return nil, fmt.Errorf("the origin answered %d with a place that is no web address", resp.StatusCode)
	case strings.EqualFold(from.Scheme, "https") && !strings.EqualFold(to.Scheme, "https"):
		return nil, fmt.Errorf("the origin redirects to %s, which would leave TLS", redactedURL(to))
	case e.Follow == nil:
		return nil, fmt.Errorf("the origin answered %d", resp.StatusCode)
	}
	if err := e.Follow(to); err != nil {
		return nil, fmt.Errorf("the origin redirects to %s: %w", redactedURL(to), err)
	}
	to.Fragment, to.RawFragment = "", ""
	return to, nil
}

// read reads a response that is no redirect to its end, and closes it.
func read(resp *http.Response, u *url.URL, limit int64, earlier EvidenceAnswer) (EvidenceAnswer, error) {
	defer resp.Body.Close()
	got := EvidenceAnswer{ETag: resp.Header.Get("Etag"), Modified: resp.Header.Get("Last-Modified")}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotModified:
		if earlier.ETag == "" && earlier.Modified == "" {
			return got, errors.New("the origin answered 304, although it was not asked whether anything has changed")
		}
		return EvidenceAnswer{Unchanged: true}, nil
	case http.StatusNotFound, http.StatusGone, http.StatusForbidden:
		return got, verify.ErrNotExist
	default:
		return got, fmt.Errorf("the origin answered %d", resp.StatusCode)
	}
	if resp.ContentLength > limit {
		return got, verify.ErrTooLarge
	}
	if !EndKnown(resp) {
		return got, errors.New("the origin sends neither a length nor an end mark")
	}
	err := decode(resp, artifactName(resp.Header, u)) // which leaves no length
	if err != nil {
		return got, err
	}
	if got.Body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1)); err != nil {
		return got, err
	}
	if int64(len(got.Body)) > limit {
		return got, verify.ErrTooLarge
	}
	return got, nil
}

// FollowUnder says to where redirects of evidence that is asked for at from may lead: elsewhere on its origin, below the
// sources, and to where the policy would let an update be redirected.
func FollowUnder(p *policy.Policy, from *url.URL, sources Sources) func(*url.URL) error {
	return func(to *url.URL) error {
		if originOf(to) == originOf(from) || sources.Hold(to) {
			return nil
		}
		t, err := parseTarget(to.Host, defaultPort(strings.ToLower(to.Scheme)))
		if err != nil {
			return err
		}
		if ok, why := p.Redirect(t.host); !ok {
			return errors.New(why)
		}
		if !p.Port(t.host, t.port) {
			return fmt.Errorf("the policy lets nobody ask for port %d there", t.port)
		}
		return nil
	}
}
