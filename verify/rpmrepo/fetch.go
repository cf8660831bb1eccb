package rpmrepo

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// session is one call of Verify.
type session struct {
	v        *Verifier
	ctx      context.Context
	env      verify.Env
	artifact *verify.Artifact

	asked    map[repository]bool // whose document was fetched in this call
	digests  []verify.Digest     // of the key data of each keyring
	sums     map[string]sum      // of the artifact, by algorithm
	problems []verify.Finding    // about documents that vouch for nothing
	doubtful []*voucher          // authentic documents that may not vouch
	missing  []string            // what could not be fetched, and why
}

// How long a document that was seen is taken for the current one before it is fetched again.
const (
	freshFor  = 5 * time.Minute
	absentFor = 10 * time.Minute
	fetchTime = 2 * time.Minute // of one document or index, whoever waits for it
	patience  = 3               // fetches that may fail, other than by "does not exist", before no more repositories are looked for
)

// fetchedDocument is what was last seen at a repository.
type fetchedDocument struct {
	document document
	absent   bool // the origin says that there is none
	when     time.Time
}

func (f fetchedDocument) fresh() bool {
	if f.absent {
		return time.Since(f.when) < absentFor
	}
	return time.Since(f.when) < freshFor
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

// sees takes note of what is at a repository now.
func (v *Verifier) sees(at repository, f fetchedDocument) {
	f.when = time.Now()
	v.documents.Put(at, f, int64(len(f.document.body)+len(f.document.sig)+512))
}

// current returns the repository's document, fetched unless it was seen a moment ago; again asks for it to be fetched
// anyway, once in a call. It returns verify.ErrNotExist where the origin says that there is none.
func (s *session) current(at repository, again bool) (document, error) {
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
		s.asked = map[repository]bool{}
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

// fetchDocument asks for repomd.xml and what signs it.
func fetchDocument(ctx context.Context, from verify.Sidecars, at repository) (document, error) {
	body, err := from.Fetch(ctx, at.url(repomd), maxRepomd)
	if err != nil {
		return document{}, err
	}
	sig, err := from.Fetch(ctx, at.url(repomdSig), maxRepomd)
	if errors.Is(err, verify.ErrNotExist) {
		return document{at: at, body: body}, nil
	}
	return document{at, body, sig}, err
}

// together runs fetch once for all who ask for the same at the same time.
func (s *session) together(key string, fetch func(context.Context) (any, error)) (any, error) {
	return s.v.flights.Do(s.ctx, key, fetchTime, fetch)
}

// refreshed fetches a repository's document, verifies it and learns from it. It returns nil where there is none or
// where it does not vouch; the reason is then among the session's problems. An error means that we failed.
func (s *session) refreshed(at repository, again bool) (*voucher, error) {
	d, err := s.current(at, again)
	switch {
	case errors.Is(err, verify.ErrNotExist):
		return nil, nil
	case errors.Is(err, verify.ErrTooLarge):
		s.problems = append(s.problems, finding(verify.Invalid, "malformed",
			fmt.Sprintf("the repomd.xml of %s, or its signature, has more than %d bytes", at, maxRepomd)))
		return nil, nil
	case err != nil && s.ctx.Err() != nil:
		return nil, s.ctx.Err()
	case err != nil:
		s.lacks(at.url(repomd), err)
		return nil, nil
	}
	v, problem, err := s.accept(d)
	if problem != nil {
		s.problems = append(s.problems, withEvidence(*problem, d.reference()))
	}
	return v, err
}

// accept proves and judges a document, and remembers it if it vouches. There is a voucher or a problem.
func (s *session) accept(d document) (*voucher, *verify.Finding, error) {
	m, signers, problem, err := s.v.prove(d, s.env)
	if err != nil || problem != nil {
		return nil, problem, err
	}
	v, err := s.judge(d.at, m, signers)
	if err != nil {
		return nil, nil, err
	}
	if v.problem != nil {
		s.doubtful = append(s.doubtful, v)
		return nil, v.problem, nil
	}
	for _, by := range signers {
		if slices.Contains(v.anchors, by.anchor) {
			if err := learn(s.env.Memory, by, d.at, m); err != nil {
				return nil, nil, err
			}
		}
	}
	return v, nil, nil
}

// lacks notes what could not be fetched.
func (s *session) lacks(what string, err error) {
	if note := fmt.Sprintf("%s: %v", what, err); !slices.Contains(s.missing, note) {
		s.missing = append(s.missing, note)
	}
}

// whatIsMissing lists what could not be fetched, the first few of it.
func (s *session) whatIsMissing() string {
	list := s.missing[:min(len(s.missing), patience)]
	out := strings.Join(list, "; ")
	if more := len(s.missing) - len(list); more > 0 {
		out += fmt.Sprintf("; and %d more", more)
	}
	return out
}

func withEvidence(f verify.Finding, refs ...verify.Reference) verify.Finding {
	f.Evidence = append(slices.Clone(f.Evidence), refs...)
	return f
}

// gravest returns the problem that proves most: Invalid before Untrusted before the others.
func gravest(list []verify.Finding) *verify.Finding {
	for _, status := range []verify.Status{verify.Invalid, verify.Untrusted, verify.Inconclusive, verify.Absent} {
		if i := slices.IndexFunc(list, func(f verify.Finding) bool { return f.Status == status }); i >= 0 {
			return &list[i]
		}
	}
	return nil
}
