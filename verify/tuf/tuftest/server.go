package tuftest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sallyport-project/sallyport/verify"
)

// State is what a Server does at a moment.
type State struct {
	Files   Files
	Gone    bool            // the repository has vanished: nobody answers
	Hangs   bool            // requests are accepted and not answered before the client gives up
	Endless map[string]bool // names of files that never end
}

// Server serves a State by HTTP and as verify.Sidecars. Its methods may be used concurrently.
type Server struct {
	Prefix string // of URL paths, such as "/acme/"; "" means "/"

	state atomic.Pointer[State]
	mu    sync.Mutex
	asked map[string]int
}

var errGone = errors.New("connection refused")

// Serve answers with files from now on, all else being well.
func (s *Server) Serve(files Files) { s.Set(State{Files: files}) }

// Set changes what the server does.
func (s *Server) Set(to State) { s.state.Store(&to) }

// State returns what the server does.
func (s *Server) State() State {
	if now := s.state.Load(); now != nil {
		return *now
	}
	return State{}
}

// Asked returns how often a file was asked for since the last Forget; "" counts all.
func (s *Server) Asked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name != "" {
		return s.asked[name]
	}
	all := 0
	for _, n := range s.asked {
		all += n
	}
	return all
}

// Forget begins to count anew.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = nil
}

// name returns the name among Files of what a URL asks for. Only what stands behind metadata/ keeps its escapes.
func (s *Server) name(u *url.URL) string {
	prefix := s.Prefix
	if prefix == "" {
		prefix = "/"
	}
	name := strings.TrimPrefix(u.Path, prefix)
	if raw := strings.TrimPrefix(u.EscapedPath(), prefix); strings.HasPrefix(raw, "metadata/") {
		name = raw
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked == nil {
		s.asked = map[string]int{}
	}
	s.asked[name]++
	return name
}

// Fetch implements verify.Sidecars. Of an absolute URL it looks at the path only.
func (s *Server) Fetch(ctx context.Context, ref string, limit int64) ([]byte, error) {
	u, err := url.Parse(ref)
	if err != nil {
		return nil, fmt.Errorf("reading the address: %w", err)
	}
	name, state := s.name(u), s.State()
	switch body, ok := state.Files[name]; {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case state.Gone:
		return nil, errGone
	case state.Hangs:
		<-ctx.Done()
		return nil, ctx.Err()
	case state.Endless[name]:
		return nil, verify.ErrTooLarge
	case !ok:
		return nil, verify.ErrNotExist
	case int64(len(body)) > limit:
		return nil, verify.ErrTooLarge
	default:
		return body, nil
	}
}

// ServeHTTP implements http.Handler. A repository that has vanished closes the connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	name, state := s.name(req.URL), s.State()
	body, ok := state.Files[name]
	switch {
	case state.Gone:
		panic(http.ErrAbortHandler)
	case state.Hangs:
		<-req.Context().Done()
	case state.Endless[name]:
		endless(w)
	case !ok:
		http.NotFound(w, req)
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		if req.Method != http.MethodHead {
			w.Write(body)
		}
	}
}

// endless writes until the client has gone.
func endless(w http.ResponseWriter) {
	spaces := []byte(strings.Repeat(" ", 64<<10))
	for {
		if _, err := w.Write(spaces); err != nil {
			return
		}
	}
}
