package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/proxy"
	"github.com/sallyport-project/sallyport/verify"
)

// folderSidecars finds what is published beside a file in a folder of this machine: by host and path of its URL, by
// path alone, or by base name. No reference leads out of the folder.
type folderSidecars struct {
	root *os.Root
	base *url.URL // of the file; nil if it has none
}

// Fetch implements verify.Sidecars.
func (s *folderSidecars) Fetch(_ context.Context, ref string, limit int64) ([]byte, error) {
	for _, name := range s.names(ref) {
		f, err := s.root.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading a sidecar: %w", err)
		}
		info, err := f.Stat()
		if err == nil && info.IsDir() {
			f.Close()
			continue
		}
		return readSidecar(f, limit)
	}
	return nil, verify.ErrNotExist
}

// names are the places where a sidecar may lie, the most exact first.
func (s *folderSidecars) names(ref string) []string {
	u, err := url.Parse(ref)
	if s.base != nil {
		u, err = s.base.Parse(ref)
	}
	if err != nil {
		return nil
	}
	clean := strings.TrimPrefix(path.Clean("/"+u.Path), "/")
	var names []string
	if u.Hostname() != "" {
		names = append(names, path.Join(strings.ToLower(u.Hostname()), clean))
	}
	names = append(names, clean, path.Base(clean))
	return names
}

func readSidecar(r io.ReadCloser, limit int64) ([]byte, error) {
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading a sidecar: %w", err)
	}
	if int64(len(data)) > limit {
		return nil, verify.ErrTooLarge
	}
	return data, nil
}

// How many sidecars are fetched for one run, and how long one may take.
const (
	maxSidecars = 64
	sidecarTime = time.Minute
)

// originSidecars fetches what is published beside a file from the file's own origin, as the gate does.
type originSidecars struct {
	upstream http.RoundTripper
	base     *url.URL

	mu    sync.Mutex
	count int
}

// Fetch implements verify.Sidecars.
func (s *originSidecars) Fetch(ctx context.Context, ref string, limit int64) ([]byte, error) {
	u, err := s.base.Parse(ref)
	if err != nil {
		return nil, fmt.Errorf("reading the address of a sidecar: %w", err)
	}
	shown := printable.Text(u.Redacted(), 300)
	if !strings.EqualFold(u.Scheme, s.base.Scheme) || !strings.EqualFold(u.Host, s.base.Host) || u.User != nil {
		return nil, fmt.Errorf("sidecar %s is not on the update's own origin", shown)
	}
	s.mu.Lock()
	s.count++
	tooMany := s.count > maxSidecars
	s.mu.Unlock()
	if tooMany {
		return nil, fmt.Errorf("more than %d sidecars", maxSidecars)
	}
	ctx, cancel := context.WithTimeout(ctx, sidecarTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("asking for a sidecar: %w", err)
	}
	req.Header.Set("Accept", "*/*")
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := s.upstream.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("fetching sidecar %s: %w", shown, err)
	}
	switch coding := strings.ToLower(resp.Header.Get("Content-Encoding")); {
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone || resp.StatusCode == http.StatusForbidden:
		err = verify.ErrNotExist
	case resp.StatusCode != http.StatusOK:
		err = fmt.Errorf("fetching sidecar %s: the origin answered %d", shown, resp.StatusCode)
	case coding != "" && coding != "identity":
		err = fmt.Errorf("fetching sidecar %s: the origin sent a content coding that was not asked for", shown)
	case resp.ContentLength < 0 && !proxy.EndKnown(resp):
		err = fmt.Errorf("fetching sidecar %s: the origin sends neither a length nor an end mark", shown)
	}
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	return readSidecar(resp.Body, limit)
}
