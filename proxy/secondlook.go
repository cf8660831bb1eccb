package proxy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// Bounds of a second look.
const (
	secondLookHops  = redirectHops // redirects, as for a client
	secondLookStart = 30 * time.Second
	secondLookRate  = 256 << 10 // bytes a second that a larger one has to come with
	secondLookMost  = 20 * time.Minute
	secondLookExtra = 16 << 20         // bytes that the second answer may be longer than the first, to be told by its digest
	secondLookFresh = 10 * time.Minute // for so long an answer is not asked for again
	secondLooksKept = 4096
)

// SecondLooks asks origins once more for what they have sent. The request is the same as before, so that an origin with two faces does
// not know which to show: of the client's it has what a shared fetch has, and nothing that tells who asks. What an origin still can
// tell is that it is asked twice, from the same place, within moments. Answers are remembered for some minutes. The zero value with an
// Upstream is ready.
type SecondLooks struct {
	Upstream http.RoundTripper // guarded, verifying TLS, following no redirect
	Now      func() time.Time
	Patience time.Duration // with a small file; 0 means 30 s. A larger one has 4 s more for each MiB, 20 min at most

	mu sync.Mutex
	by map[secondLookKey]keptLook
}

// secondLookKey is a question: whether there still is this file at this address, for whoever asks with such a program.
type secondLookKey struct {
	url     verify.Digest
	program verify.Digest // User-Agent and Accept, by which origins choose
	file    verify.Digest
}

type keptLook struct {
	look  policy.SecondLook
	until time.Time
}

// PrivateLook is the second look at an answer that is for one client alone.
var PrivateLook = policy.SecondLook{Asked: true, Failed: "the answer was for this client alone, so that nobody else can ask for the same"}

// Look asks for u again, where the origin has sent a file of that digest and size before, and returns what it sends now.
// fields are those of the request that brought the file, without what tells who asked; nil where no client asked.
// Redirects are followed as the policy lets an update be redirected.
func (s *SecondLooks) Look(ctx context.Context, p *policy.Policy, u *url.URL, fields http.Header, file verify.Digest, size int64) policy.SecondLook {
	if u == nil || u.User != nil || !webAddress(u) {
		return PrivateLook
	}
	fields = lookFields(fields)
	key := secondLookKey{sha256.Sum256([]byte(canonicalURL(u))), sha256.Sum256([]byte(fields.Get("User-Agent") + "\n" + fields.Get("Accept"))), file}
	if look, ok := s.recall(key); ok {
		return look
	}
	limit := size + max(size, secondLookExtra)
	patience := s.patience(size)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	look := policy.SecondLook{Asked: true}
	var err error
	look.SHA256, err = s.sum(ctx, p, u, fields, limit)
	switch {
	case err == nil:
		s.keep(key, look)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		look.Failed = fmt.Sprintf("the origin did not send it a second time within %s", patience)
	default:
		look.Failed = printable.Text(err.Error(), 300)
	}
	return look
}

// lookFields completes the fields of a request as those of a fetch for a channel are.
func lookFields(fields http.Header) http.Header {
	h := http.Header{"User-Agent": {AgentName}, "Accept": {"*/*"}}
	if fields != nil {
		h = fields.Clone()
	}
	if _, ok := h["User-Agent"]; !ok {
		h.Set("User-Agent", "") // none, rather than Go's own
	}
	h.Set("Accept-Encoding", "identity")
	return h
}

// sum returns the digest of what is at u now.
func (s *SecondLooks) sum(ctx context.Context, p *policy.Policy, u *url.URL, fields http.Header, limit int64) (verify.Digest, error) {
	e := Evidence{Follow: FollowUnder(p, u, nil)}
	for hop := 0; ; hop++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return verify.Digest{}, err
		}
		req.Header = fields.Clone()
		resp, err := s.Upstream.RoundTrip(req)
		if err != nil {
			return verify.Digest{}, errors.New(classify(err).Detail)
		}
		next, err := e.next(resp, u)
		if err == nil && next == nil {
			return sumOf(resp, u, limit)
		}
		resp.Body.Close()
		if err == nil && hop == secondLookHops {
			err = fmt.Errorf("the origin redirects more than %d times", secondLookHops)
		}
		if err != nil {
			return verify.Digest{}, err
		}
		u = next
	}
}

// sumOf returns the digest of a response's body, which it closes, if that is all there and has at most limit bytes.
func sumOf(resp *http.Response, u *url.URL, limit int64) (sum verify.Digest, err error) {
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return sum, fmt.Errorf("the origin answered %d when it was asked again", resp.StatusCode)
	}
	if !EndKnown(resp) {
		return sum, errors.New("the origin's second answer has neither a length nor an end mark")
	}
	if err := decode(resp, artifactName(resp.Header, u)); err != nil {
		return sum, err
	}
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return sum, errors.New("the origin's second answer broke off")
	case n > limit:
		return sum, fmt.Errorf("the origin's second answer has more than %d bytes", limit)
	}
	h.Sum(sum[:0])
	return sum, nil
}

// patience is how long an origin may take to send so many bytes again.
func (s *SecondLooks) patience(size int64) time.Duration {
	start := s.Patience
	if start <= 0 {
		start = secondLookStart
	}
	return min(start+time.Duration(size/secondLookRate)*time.Second, secondLookMost)
}

func (s *SecondLooks) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *SecondLooks) recall(k secondLookKey) (policy.SecondLook, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, ok := s.by[k]
	if !ok || s.now().After(kept.until) {
		return policy.SecondLook{}, false
	}
	return kept.look, true
}

func (s *SecondLooks) keep(k secondLookKey, look policy.SecondLook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil || len(s.by) >= secondLooksKept {
		s.by = map[secondLookKey]keptLook{}
	}
	s.by[k] = keptLook{look, s.now().Add(secondLookFresh)}
}
