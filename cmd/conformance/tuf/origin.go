package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// origin fetches files below one URL. It follows no redirects to other hosts, and has a client of its own.
type origin struct {
	base string
	http *http.Client
}

func newOrigin(base string) *origin {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true // what is measured is what is hashed
	transport.ResponseHeaderTimeout = 30 * time.Second
	return &origin{
		base: strings.TrimSuffix(base, "/") + "/",
		http: &http.Client{Transport: transport, Timeout: 2 * time.Minute, CheckRedirect: sameHost},
	}
}

func sameHost(next *http.Request, via []*http.Request) error {
	if len(via) > 5 {
		return errors.New("more than five redirects")
	}
	if first := via[0].URL; next.URL.Host != first.Host || next.URL.Scheme != first.Scheme {
		return fmt.Errorf("redirected from %s to another host, %s", first.Host, next.URL.Host)
	}
	return nil
}

// metadata is a client.Fetch. Stores that do not tell outsiders what they lack answer 403 for it.
func (o *origin) metadata(ctx context.Context, name string, limit int64) ([]byte, error) {
	return o.get(ctx, name, limit)
}

// get returns what is at name, an escaped path, if that is at most limit bytes.
func (o *origin) get(ctx context.Context, name string, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.base+name, nil)
	if err != nil {
		return nil, err
	}
	resp, err := o.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusForbidden:
		return nil, fmt.Errorf("%s: %w", resp.Status, verify.ErrNotExist)
	case resp.StatusCode != http.StatusOK:
		return nil, errors.New(resp.Status)
	case resp.ContentLength > limit:
		return nil, verify.ErrTooLarge
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = verify.ErrTooLarge
	}
	return data, err
}
