package tuf

import (
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/tufclient"
)

// vote is what one repository says of the artifact: either it lists it as it is, or there is a problem.
type vote struct {
	from    *source
	target  *tufclient.Target // what it lists under the path; nil if nothing, or if it may not say so now
	problem *tufclient.Error  // why it does not vouch; nil if it does
}

// vote asks a repository for a path. What is known is used without asking anybody while it is fresh and vouches. Where it does
// not vouch there may be a release that is newer than what is known, and where a client has fetched newer metadata there is
// one, so that it is asked once more.
func (s *session) vote(from *source, path string) (vote, error) {
	h := from.current()
	asked := h.due(s.env.At, from.every)
	if asked {
		if _, err := from.refresh(s.ctx); err != nil {
			return vote{}, err
		}
	}
	got, err := s.voteByNow(from, path)
	if err != nil || asked || got.problem == nil && !got.target.Behind {
		return got, err
	}
	if asked, err = from.refresh(s.ctx); err != nil || !asked {
		return got, err
	}
	return s.voteByNow(from, path)
}

// voteByNow asks a repository by what is known of it. The bytes of delegated roles are fetched where they are missing.
func (s *session) voteByNow(from *source, path string) (vote, error) {
	out := vote{from: from}
	h := from.current()
	if h.problem != nil {
		out.problem = h.problem
		return out, nil
	}
	target, err := s.lookup(from, path)
	if err == nil {
		out.target = &target
		err = target.Check(s.artifact.Size, s.digest)
	}
	if err == nil || errors.As(err, &out.problem) {
		if out.problem != nil && !h.silent.IsZero() {
			out.problem = h.withSilence(out.problem)
		}
		return out, nil
	}
	return vote{}, err
}

// withSilence adds to a problem that there may be news which could not be asked for.
func (h *health) withSilence(p *tufclient.Error) *tufclient.Error {
	more := *p
	more.Detail = fmt.Sprintf("%s; the repository has not answered since %s: %s", p.Detail, timeText(h.silent), h.reason)
	return &more
}

// lookup looks a path up: without the digest that a consistent snapshot puts before the file's name, if the repository lists
// the file with that digest, and as it is.
func (s *session) lookup(from *source, path string) (tufclient.Target, error) {
	stripped, digits, ok := withoutDigest(path)
	if !ok {
		return s.lookUp(from, path)
	}
	t, err := s.lookUp(from, stripped)
	if err == nil && hasHash(t, digits) {
		return t, nil
	}
	plain, plainErr := s.lookUp(from, path)
	var problem *tufclient.Error
	switch {
	case plainErr == nil:
		return plain, nil
	case err != nil && !(errors.As(err, &problem) && problem.Code == tufclient.NotListed):
		return t, err
	case err == nil && errors.As(plainErr, &problem) && problem.Code == tufclient.NotListed:
		more := *problem
		more.Detail = fmt.Sprintf("%s lists %.200q, but not with the digest %.16s… that the file's name begins with", lastRole(t), stripped, digits)
		return plain, &more
	}
	return plain, plainErr
}

func hasHash(t tufclient.Target, digits string) bool {
	for _, sum := range t.Hashes {
		if hex.EncodeToString(sum) == digits {
			return true
		}
	}
	return false
}

// digest returns the artifact's digest. SHA-256 is known; for SHA-512 it is read, once for all who ask.
func (s *session) digest(algorithm string) ([]byte, error) {
	a := s.artifact
	switch algorithm {
	case "sha256":
		return a.Digests.SHA256[:], nil
	case "sha512":
		if sum, ok := s.v.sums.Get(a.Digests.SHA256); ok {
			return sum[:], nil
		}
		h := sha512.New()
		r := &untilDone{r: io.NewSectionReader(a.Content, 0, a.Size), done: s.ctx.Err}
		if n, err := io.CopyBuffer(struct{ io.Writer }{h}, r, make([]byte, 256<<10)); err != nil {
			return nil, fmt.Errorf("reading the artifact: %w", err)
		} else if n != a.Size {
			return nil, fmt.Errorf("reading the artifact: %d of %d bytes are there", n, a.Size)
		}
		var sum [64]byte
		h.Sum(sum[:0])
		s.v.sums.Put(a.Digests.SHA256, sum, 1)
		return sum[:], nil
	}
	return nil, fmt.Errorf("no digest %q is known here", algorithm)
}

// untilDone reads until done says that nobody waits any longer.
type untilDone struct {
	r    io.Reader
	done func() error
}

func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.done(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// statusOf returns the status of a finding about a problem.
func statusOf(p *tufclient.Error) verify.Status {
	switch {
	case p.Code == tufclient.NotListed:
		return verify.Absent
	case p.Inconclusive() || p.Code == tufclient.Unsupported:
		return verify.Inconclusive
	}
	return verify.Invalid
}
