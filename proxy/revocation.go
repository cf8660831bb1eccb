package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// Bounds of what is fetched to know which certificates were revoked.
const (
	revocationSources = 512              // lists that are kept
	revocationList    = 64 << 20         // bytes of one list
	revocationTotal   = 512 << 20        // bytes of all lists
	revocationTime    = 2 * time.Minute  // for one fetch
	revocationSoon    = 10 * time.Minute // a list that was fetched is not fetched again sooner
	revocationLate    = 24 * time.Hour   // nor is it kept for longer without looking for a newer one
	revocationRetry   = time.Minute      // after the first failure; twice as long after each further one
	revocationPatient = time.Hour        // at most
	revocationForget  = 180 * 24 * time.Hour
)

// CheckedList is a revocation list whose signature by the issuer is right.
type CheckedList struct {
	List                   *verify.RevocationList
	Issuer                 string // name, for people
	ThisUpdate, NextUpdate time.Time
	Entries                int
	Covers                 bool // the certificate that named the list would be on it, were it revoked
}

// RevocationOptions are what Revocations stand on.
type RevocationOptions struct {
	Dir string // where lists are kept; made where it is missing, if Upstream is set
	// Check reads what was fetched from a URL or kept, and verifies that it is a list signed by issuer. certificate is one that
	// issuer has issued and that names the URL; both are in DER.
	Check func(name string, data, issuer, certificate []byte) (CheckedList, error)
	// Upstream is the way to the issuers, guarded as that to the origins. Without it nothing is fetched or written.
	Upstream http.RoundTripper
	// Wanted reports whether the policy in force asks for lists to be fetched; needed with Upstream.
	Wanted func() bool
	Append func(audit.Record) (audit.Receipt, error) // the log is told of new lists; may be nil
	Logger *zap.Logger                               // nil means none
	Now    func() time.Time                          // nil means time.Now
}

// Revocations keeps the certificate revocation lists of the issuers whose certificates were met, on disk and up to date,
// on its own time: nobody who waits for a verdict waits for it. What it has is served while an issuer cannot be
// reached, and after a restart. It is safe for concurrent use; one process at a time may Run it.
type Revocations struct {
	RevocationOptions
	mu         sync.Mutex
	by         map[string]*revocationSource // by key
	generation uint64                       // counts changes of the lists
	wake       chan struct{}
}

// revocationSource is one list: where it comes from, and the last good one. Its fields but list are guarded by
// Revocations.mu; a list does not change.
type revocationSource struct {
	key     string
	url     string
	issuer  []byte // certificate, DER
	named   []byte // a certificate that names url, DER
	seen    time.Time
	tried   time.Time
	fails   int
	fetched time.Time
	list    *CheckedList // nil: none yet
	sum     verify.Digest
}

// OpenRevocations reads what is kept. A file that is damaged, or whose list is not signed by its issuer, is left out and
// said so to the logger.
func OpenRevocations(o RevocationOptions) (*Revocations, error) {
	switch {
	case o.Check == nil:
		return nil, errors.New("opening revocation lists: nothing to check them with")
	case o.Upstream != nil && o.Wanted == nil:
		return nil, errors.New("opening revocation lists: nobody says whether they are wanted")
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Revocations{RevocationOptions: o, by: map[string]*revocationSource{}, wake: make(chan struct{}, 1)}
	if o.Upstream != nil {
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("making the folder of revocation lists: %w", err)
		}
	}
	return r, r.load()
}

// Trust returns base with the lists that are kept, and an Epoch that changes with them.
func (r *Revocations) Trust(base verify.Trust) verify.Trust {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := make([]string, 0, len(r.by))
	for key, s := range r.by {
		if s.list != nil {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s", len(base.Epoch), base.Epoch)
	lists := slices.Clone(base.Revocation.Lists)
	for _, key := range keys {
		lists = append(lists, r.by[key].list.List)
		h.Write(r.by[key].sum[:])
	}
	base.Revocation.Lists = lists
	base.Epoch = hex.EncodeToString(h.Sum(nil))
	if r.Upstream != nil {
		base.Revocation.Seen = r.see
	}
	return base
}

// Generation changes whenever Trust returns something else for the same base.
func (r *Revocations) Generation() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.generation
}

// see takes note of where an issuer publishes its lists. It is called while somebody waits for a verdict.
func (r *Revocations) see(p verify.Published) {
	now := r.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, url := range p.URLs {
		key := revocationKey(url, p.Issuer)
		s, known := r.by[key]
		if !known {
			if len(r.by) >= revocationSources && !r.displace() {
				return
			}
			s = &revocationSource{key: key, url: url, issuer: slices.Clone(p.Issuer), named: slices.Clone(p.Certificate)}
			r.by[key] = s
			select {
			case r.wake <- struct{}{}:
			default:
			}
		}
		s.seen = now
	}
}

// displace makes room for a source that is met now, in the place of one that has no list, or else was not met for long.
func (r *Revocations) displace() bool {
	var oldest *revocationSource
	for _, s := range r.by {
		if oldest == nil || (s.list == nil) != (oldest.list == nil) && s.list == nil || (s.list == nil) == (oldest.list == nil) && s.seen.Before(oldest.seen) {
			oldest = s
		}
	}
	if oldest == nil || oldest.list != nil && r.Now().Sub(oldest.seen) < revocationLate {
		return false
	}
	r.forget(oldest)
	return true
}

func (r *Revocations) forget(s *revocationSource) {
	delete(r.by, s.key)
	if s.list != nil {
		r.generation++
	}
}

// revocationKey names a source; it is a file name as well.
func revocationKey(url string, issuer []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s", len(url), url)
	h.Write(issuer)
	return hex.EncodeToString(h.Sum(nil))
}

// due returns when a source is to be fetched next.
func (s *revocationSource) due() time.Time {
	if s.fails > 0 {
		wait := revocationRetry << min(s.fails-1, 10)
		return s.tried.Add(min(wait, revocationPatient))
	}
	if s.list == nil {
		return s.tried
	}
	// A tenth of its time before it ends, the next one is usually there.
	next := s.fetched.Add(revocationLate)
	if end := s.list.NextUpdate; !end.IsZero() {
		if early := end.Add(-end.Sub(s.list.ThisUpdate) / 10); early.Before(next) {
			next = early
		}
	}
	if soon := s.fetched.Add(revocationSoon); next.Before(soon) {
		return soon
	}
	return next
}

// Run keeps the lists up to date until ctx is done.
func (r *Revocations) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-timer.C:
		}
		wait := time.Minute
		if r.Wanted() {
			wait = r.Refresh(ctx)
		}
		timer.Reset(max(time.Second, min(wait, time.Minute)))
	}
}

// Refresh fetches every list that is due, one after the other, and returns how long there is nothing more to do.
func (r *Revocations) Refresh(ctx context.Context) time.Duration {
	for ctx.Err() == nil && r.Wanted() {
		s, wait := r.next()
		if s == nil {
			return wait
		}
		r.refresh(ctx, s)
	}
	return time.Minute
}

// next returns the source that has been due for longest, or how long none is.
func (r *Revocations) next() (*revocationSource, time.Duration) {
	now := r.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	var first *revocationSource
	for _, s := range r.by {
		if now.Sub(s.seen) > revocationForget {
			r.forget(s)
			r.removeFile(s)
			continue
		}
		if first == nil || s.due().Before(first.due()) {
			first = s
		}
	}
	if first == nil {
		return nil, time.Hour
	}
	if wait := first.due().Sub(now); wait > 0 {
		return nil, wait
	}
	return first, 0
}
