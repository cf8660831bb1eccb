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
	"sync/atomic"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/proxy"
	"github.com/sallyport-project/sallyport/verify"
)

// folderSidecars finds in a folder of this machine what is published beside a file or where an anchor says: by host and path
// of its URL, with its query if it has one; by path alone; or by base name. No reference leads out of the folder.
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
	if host := strings.ToLower(u.Hostname()); host != "" {
		if u.RawQuery != "" {
			names = append(names, path.Join(host, clean)+"?"+u.RawQuery)
		}
		names = append(names, path.Join(host, clean))
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
	maxSidecars = 512
	sidecarTime = time.Minute
)

// originSidecars fetches what is published beside a file from the file's own origin, and from where the anchors say, as
// the gate does.
type originSidecars struct {
	upstream http.RoundTripper
	policy   *policy.Policy
	base     *url.URL
	sources  proxy.Sources
	count    atomic.Int32
}

// Fetch implements verify.Sidecars.
func (s *originSidecars) Fetch(ctx context.Context, ref string, limit int64) ([]byte, error) {
	u, err := s.base.Parse(ref)
	if err != nil {
		return nil, fmt.Errorf("reading the address of a sidecar: %w", err)
	}
	own := strings.EqualFold(u.Scheme, s.base.Scheme) && strings.EqualFold(u.Host, s.base.Host) && u.User == nil
	if !own && !s.sources.Hold(u) {
		return nil, fmt.Errorf("sidecar %s is neither on the update's own origin nor where an anchor of the channel says", printable.Text(u.Redacted(), 300))
	}
	if s.count.Add(1) > maxSidecars {
		return nil, fmt.Errorf("more than %d sidecars", maxSidecars)
	}
	ctx, cancel := context.WithTimeout(ctx, sidecarTime)
	defer cancel()
	e := proxy.Evidence{Upstream: s.upstream, UserAgent: proxy.AgentName, Follow: proxy.FollowUnder(s.policy, u, s.sources)}
	answer, err := e.Get(ctx, u, limit, proxy.EvidenceAnswer{})
	return answer.Body, err
}
