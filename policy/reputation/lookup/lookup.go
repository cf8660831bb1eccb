// Package lookup asks services about single files by their SHA-256: VirusTotal, CIRCL's hashlookup, any that answers in JSON.
// Nothing is asked that the policy does not name, nothing but digests (and the secret that the service wants) is sent, and whatever
// goes wrong is an answer that is missing, never one that a file is fine.
package lookup

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// What holds where a policy says nothing.
const (
	defaultTimeout  = 5 * time.Second
	defaultCache    = 6 * time.Hour
	defaultMaxFiles = 32
)

// unknownCache is how long it holds at most that a service does not know a file: that changes soon after a release.
const unknownCache = time.Hour

// atOnce is how many requests a service gets side by side.
const atOnce = 8

// Options says how Services asks.
type Options struct {
	// Transport makes the requests. It has to verify TLS; nil: none are made, and only what is kept is known.
	Transport http.RoundTripper
	// Kept is the file in which answers outlive the process; "" is none. ReadOnly only reads it.
	Kept     string
	ReadOnly bool
	Now      func() time.Time // nil means time.Now
	// Asked is told of each request that was made, how long it took and what went wrong; nil: nobody is.
	Asked func(service string, took time.Duration, err error)
}

// Services asks services and remembers what they say. It may be used by several goroutines.
type Services struct {
	o     Options
	store *store

	mu sync.Mutex
	by map[verify.Digest]*service // by definition
}

// Subject is a file to be asked about.
type Subject struct {
	Path   string // inside the update; empty for the update itself
	SHA256 verify.Digest
}

// Open returns Services. A file of answers that cannot be read is made anew.
func Open(o Options) (*Services, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Asked == nil {
		o.Asked = func(string, time.Duration, error) {}
	}
	store, err := openStore(o.Kept, o.ReadOnly)
	if err != nil {
		return nil, err
	}
	return &Services{o: o, store: store, by: map[verify.Digest]*service{}}, nil
}

// Close closes the file of answers.
func (s *Services) Close() error { return s.store.close() }

// Ask returns what services say of files, the update itself first: a FeedState and Listings under each service's name. It takes no
// longer than ctx, and no more than a few times the services' own limits.
func (s *Services) Ask(ctx context.Context, services []policy.Lookup, files []Subject) policy.Reputation {
	out := policy.Reputation{Feeds: map[string]policy.FeedState{}}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, def := range services {
		all.Go(func() {
			state, listings := s.service(&def).ask(ctx, &def, files)
			mu.Lock()
			defer mu.Unlock()
			out.Feeds[def.Name] = state
			out.Listings = append(out.Listings, listings...)
		})
	}
	all.Wait()
	sortListings(out.Listings)
	return out
}

// Subjects returns the files of an update that a service may be asked about.
func Subjects(a *verify.Artifact, report verify.Report) []Subject {
	out := []Subject{{SHA256: a.Digests.SHA256}}
	if report.Contents == nil {
		return out
	}
	seen := map[verify.Digest]bool{a.Digests.SHA256: true}
	for _, in := range report.Contents.Inner {
		if in.Format.Executable() && !in.SHA256.IsZero() && !seen[in.SHA256] {
			seen[in.SHA256] = true
			out = append(out, Subject{Path: in.Path, SHA256: in.SHA256})
		}
	}
	return out
}

// service returns the one that a definition means, with what is remembered of it.
func (s *Services) service(def *policy.Lookup) *service {
	key := definition(def)
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.by[key]
	if v == nil {
		v = newService(s, key)
		s.by[key] = v
	}
	return v
}

// definition identifies who is asked, with which secret, and what is kept of answers. Limits are not part of it.
func definition(l *policy.Lookup) verify.Digest {
	b, _ := json.Marshal([]any{l.Service, l.URL, l.Header, l.Key, l.Answer.Pointer, l.Answer.Label, len(l.Answer.Is) > 0})
	return sha256.Sum256(b)
}

// ask asks about as many files as the definition allows.
func (v *service) ask(ctx context.Context, def *policy.Lookup, files []Subject) (state policy.FeedState, listings []policy.Listing) {
	most := 1
	if def.Inside {
		if most = def.MaxFiles; most == 0 {
			most = defaultMaxFiles
		}
		if left := len(files) - most; left > 0 {
			state.Partial = fmt.Sprintf("it was not asked about %d of the executables inside (max_files)", left)
		}
	}
	files = files[:min(len(files), most)]
	answers := make([]answer, len(files))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, f := range files {
		group.Go(func() (err error) {
			answers[i], err = v.about(ctx, def, f.SHA256)
			return err
		})
	}
	err := group.Wait()
	state.Status, state.Entries = policy.FeedOK, len(files)
	if err != nil {
		state.Status, state.Reason = policy.FeedNever, err.Error()
	}
	for i, a := range answers {
		if l, ok := a.listing(def, files[i]); ok {
			listings = append(listings, l)
		} else if a.asked && !a.known && def.Unclear && err == nil {
			state.Status, state.Reason = policy.FeedNever, "it does not know the file"+inside(files[i].Path)
		}
	}
	return state, listings
}

func inside(path string) string {
	if path == "" {
		return ""
	}
	return " " + path
}
