package tuf

import (
	"errors"
	"fmt"
	"io"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/tufclient"
)

// offered judges metadata that a client is downloading. It is judged by itself: where the repository, as we see it, has a
// problem, what is good of it is good, and what is not is refused.
func (s *session) offered(anchor *verify.TUFAnchor, repo *verify.TUFRepository, name string) ([]verify.Finding, error) {
	from := s.v.source(anchor, repo, s.env)
	if s.artifact.Size > maxMetadata {
		return s.refusedOffer(from, &tufclient.Error{Code: tufclient.Oversize, Detail: fmt.Sprintf(
			"the file has %d bytes, and metadata has at most %d", s.artifact.Size, maxMetadata)}), nil
	}
	body := make([]byte, s.artifact.Size)
	if _, err := io.ReadFull(io.NewSectionReader(s.artifact.Content, 0, s.artifact.Size), body); err != nil {
		return nil, fmt.Errorf("reading the artifact: %w", err)
	}
	h := from.current()
	asked := h.due(s.env.At, from.every)
	if asked {
		if _, err := from.refresh(s.ctx); err != nil {
			return nil, err
		}
	}
	role, problem, err := s.offer(from, name, body)
	if err == nil && problem != nil && problem.Inconclusive() && !asked {
		if asked, err = from.refresh(s.ctx); err == nil && asked {
			role, problem, err = s.offer(from, name, body)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case problem != nil:
		if h := from.current(); problem.Inconclusive() && !h.silent.IsZero() {
			problem = h.withSilence(problem)
		}
		return s.refusedOffer(from, problem), nil
	}
	return []verify.Finding{s.goodOffer(from, role)}, nil
}

func (s *session) offer(from *source, name string, body []byte) (tufclient.Role, *tufclient.Error, error) {
	role, err := from.client.Offer(s.ctx, s.env.At, name, body)
	var problem *tufclient.Error
	if errors.As(err, &problem) {
		return role, problem, nil
	}
	return role, nil, err
}

func (s *session) own() []verify.Reference {
	return []verify.Reference{{URL: s.artifact.URL.Redacted(), SHA256: s.artifact.Digests.SHA256}}
}

func (s *session) refusedOffer(from *source, problem *tufclient.Error) []verify.Finding {
	f := finding(statusOf(problem), problem.Code, fmt.Sprintf("metadata of %s: %s", from, problem.Detail))
	f.Evidence = s.own()
	return []verify.Finding{f}
}

func (s *session) goodOffer(from *source, role tufclient.Role) verify.Finding {
	news := "which was known"
	if role.Advanced {
		news = "newer than what was known"
	}
	f := finding(verify.Valid, "metadata", fmt.Sprintf("role %.100s of %s, version %d, %s, until %s", role.Name, from, role.Version, news, timeText(role.Expires)))
	f.Signer = verify.Identity{Name: fmt.Sprintf("role %.100s of %s", role.Name, from)}
	f.Anchors, f.NotAfter, f.Evidence = []string{from.anchor}, role.Expires, s.own()
	return f
}
