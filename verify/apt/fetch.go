package apt

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// session is one call of Verify.
type session struct {
	v        *Verifier
	ctx      context.Context
	env      verify.Env
	artifact *verify.Artifact

	asked    map[suite]bool   // whose document was fetched in this call
	digests  []verify.Digest  // of the key data of each keyring
	probes   int              // fetches for suites that may not exist
	loads    int              // indexes fetched
	problems []verify.Finding // about documents that vouch for nothing
	missing  []string         // what could not be fetched, and why
}

// Bounds of one call.
const (
	probesPerCall = 40
	loadsPerCall  = 16
	fetchTime     = 2 * time.Minute // of one document or index, whoever waits for it
)

// How long a document that was seen is taken for the archive's current one before it is fetched again.
const (
	freshFor  = 5 * time.Minute
	absentFor = 10 * time.Minute
)

// fetchedDocument is what was last seen at a suite.
type fetchedDocument struct {
	document document
	absent   bool // the origin says that there is none
	when     time.Time
}

func (f fetchedDocument) fresh() bool {
	age := time.Since(f.when)
	if f.absent {
		return age < absentFor
	}
	return age < freshFor
}

// keyringDigest returns the digest of the key data of the i-th keyring.
func (s *session) keyringDigest(i int) verify.Digest {
	if s.digests == nil {
		for _, k := range s.env.Trust.Keyrings {
			s.digests = append(s.digests, sha256.Sum256(k.Data))
		}
	}
	return s.digests[i]
}

// sees takes note of what is at a suite now.
func (v *Verifier) sees(at suite, f fetchedDocument) {
	f.when = time.Now()
	v.documents.Put(at, f, int64(len(f.document.body)+len(f.document.sig)+512))
}

// current returns the suite's document, fetched unless it was seen a moment ago; again asks for it to be fetched
// anyway, once in a call. It returns verify.ErrNotExist where the origin says that there is none.
func (s *session) current(at suite, again bool) (document, error) {
	if have, ok := s.v.documents.Get(at); ok && (s.asked[at] || !again && have.fresh()) {
		if have.absent {
			return document{}, verify.ErrNotExist
		}
		return have.document, nil
	}
	if s.asked[at] {
		return document{}, fmt.Errorf("%s could not be fetched a moment ago", at)
	}
	if s.asked == nil {
		s.asked = map[suite]bool{}
	}
	s.asked[at] = true
	got, err := s.together("document "+at.url(""), func(ctx context.Context) (any, error) {
		d, err := fetchDocument(ctx, s.env.Sidecars, at)
		if err == nil || errors.Is(err, verify.ErrNotExist) {
			s.v.sees(at, fetchedDocument{document: d, absent: err != nil})
		}
		return d, err
	})
	if err != nil {
		return document{}, err
	}
	return got.(document), nil
}

// fetchDocument asks for InRelease, then for Release and Release.gpg.
func fetchDocument(ctx context.Context, from verify.Sidecars, at suite) (document, error) {
	url := at.url("InRelease")
	body, err := from.Fetch(ctx, url, maxRelease)
	if err == nil {
		return inRelease(url, body), nil
	}
	if !errors.Is(err, verify.ErrNotExist) {
		return document{}, err
	}
	url = at.url("Release")
	body, err = from.Fetch(ctx, url, maxRelease)
	if err != nil {
		return document{}, err
	}
	sig, err := from.Fetch(ctx, url+".gpg", maxRelease)
	if errors.Is(err, verify.ErrNotExist) {
		return detachedRelease(url, body, nil), nil
	}
	if err != nil {
		return document{}, err
	}
	return detachedRelease(url, body, sig), nil
}

// together runs fetch once for all who ask for the same at the same time.
func (s *session) together(key string, fetch func(context.Context) (any, error)) (any, error) {
	return s.v.flights.Do(s.ctx, key, fetchTime, fetch)
}

// refreshed fetches a suite's document, verifies it and learns from it. It returns nil where there is none or where it
// is not authentic; the reason is then among the session's problems. An error means that we failed.
func (s *session) refreshed(at suite, again bool) (*voucher, error) {
	d, err := s.current(at, again)
	switch {
	case errors.Is(err, verify.ErrNotExist):
		return nil, nil
	case errors.Is(err, verify.ErrTooLarge):
		s.problems = append(s.problems, finding(verify.Invalid, "malformed",
			fmt.Sprintf("the Release of %s has more than %d bytes", at, maxRelease)))
		return nil, nil
	case err != nil && s.ctx.Err() != nil:
		return nil, s.ctx.Err()
	case err != nil:
		s.lacks(at.String(), err)
		return nil, nil
	}
	p, err := s.v.prove(d, s.env)
	if err != nil {
		return nil, err
	}
	if p.problem != nil {
		s.problems = append(s.problems, withEvidence(*p.problem, d.reference()))
		return nil, nil
	}
	return s.accept(at, p)
}

// accept judges an authentic Release and remembers it if it vouches.
func (s *session) accept(at suite, p *proof) (*voucher, error) {
	v, err := s.judge(at, p)
	if err != nil || v.problem != nil {
		return v, err
	}
	for _, by := range p.signers {
		if slices.Contains(v.anchors, by.anchor) {
			if err := s.v.learn(s.env.Memory, by, at, p.rel); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// lacks notes what could not be fetched.
func (s *session) lacks(what string, err error) {
	note := fmt.Sprintf("%s: %v", what, err)
	if !slices.Contains(s.missing, note) {
		s.missing = append(s.missing, note)
	}
}

func withEvidence(f verify.Finding, refs ...verify.Reference) verify.Finding {
	f.Evidence = append(slices.Clone(f.Evidence), refs...)
	return f
}
