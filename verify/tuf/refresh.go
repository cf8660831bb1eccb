package tuf

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/tufclient"
)

// mirrorTime is how long a mirror is waited for where there is another one.
const mirrorTime = 10 * time.Second

// source is a repository as one caller can ask it.
type source struct {
	*repository
	v       *Verifier
	env     verify.Env
	mirrors []string
	every   time.Duration
}

func (v *Verifier) source(anchor *verify.TUFAnchor, repo *verify.TUFRepository, env verify.Env) *source {
	return &source{v.repository(anchor.Anchor, repo, env.Memory), v, env, repo.Metadata, every(anchor)}
}

// key names something that is done once for all who want it, of this repository.
func (s *source) key(what string) string { return fmt.Sprintf("%p %s", s.repository, what) }

// fetch implements tufclient.Fetch. All who want a file at the same time share one request.
func (s *source) fetch(ctx context.Context, name string, limit int64) ([]byte, error) {
	got, err := s.v.flights.Do(ctx, s.key(fmt.Sprintf("fetch %d %s", limit, name)), refreshTime, func(ctx context.Context) (any, error) {
		return s.fetchMirrors(ctx, name, limit)
	})
	if err != nil {
		return nil, err
	}
	return got.([]byte), nil
}

// fetchMirrors asks the next mirror where one cannot tell. What a mirror says, that there is no such file included, counts.
func (s *source) fetchMirrors(ctx context.Context, name string, limit int64) ([]byte, error) {
	err := errors.New("the anchor names no URL for metadata")
	for i, base := range s.mirrors {
		var body []byte
		if body, err = s.fetchOne(ctx, base+name, limit, i == len(s.mirrors)-1); err == nil {
			return body, nil
		}
		if errors.Is(err, verify.ErrNotExist) || errors.Is(err, verify.ErrTooLarge) || ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

func (s *source) fetchOne(ctx context.Context, url string, limit int64, last bool) ([]byte, error) {
	wait := s.v.oneFile
	if !last {
		wait = min(wait, mirrorTime)
	}
	short, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	body, err := s.env.Sidecars.Fetch(short, url, limit)
	if err != nil && short.Err() != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("no answer within %s", wait)
	}
	return body, err
}

// fetchRole is fetch for delegated roles, which updates wait for: who has just not answered is not asked.
func (s *source) fetchRole(ctx context.Context, name string, limit int64) ([]byte, error) {
	if h := s.current(); !h.silent.IsZero() && !h.mayAsk(s.v.now(), s.every) {
		return nil, fmt.Errorf("it has not answered since %s: %s", timeText(h.silent), h.reason)
	}
	return s.fetch(ctx, name, limit)
}

// refresh brings the repository up to date, together with all who want that now, unless it was asked a moment ago. It
// reports whether it was asked; what came of it is its health. An error means that ctx ended.
func (s *source) refresh(ctx context.Context) (bool, error) {
	before := s.current()
	if !before.mayAsk(s.v.now(), s.every) {
		return false, nil
	}
	waiting, cancel := ctx, func() {}
	if state, err := s.client.State(); err == nil && state.Usable {
		waiting, cancel = context.WithTimeout(ctx, s.v.patience)
	}
	defer cancel()
	_, err := s.v.flights.Do(waiting, s.key("refresh"), refreshTime, func(ctx context.Context) (any, error) {
		if h := s.current(); h.mayAsk(s.v.now(), s.every) {
			s.walk(ctx)
		}
		return nil, nil
	})
	switch {
	case ctx.Err() != nil:
		return true, ctx.Err()
	case waiting.Err() != nil && err != nil: // it goes on without us
		s.givenUp(before.asked, s.env.At, s.v.now(), fmt.Sprintf("no answer within %s", s.v.patience))
	case err != nil:
		s.unanswered(s.env.At, s.v.now(), err.Error())
	}
	return true, nil
}

// walk makes one refresh and notes what came of it.
func (s *source) walk(ctx context.Context) {
	_, err := s.client.Refresh(ctx, s.fetch, s.env.At)
	var problem *tufclient.Error
	switch {
	case err == nil:
		s.answered(s.env.At, s.v.now(), nil)
	case errors.As(err, &problem) && problem.Code != tufclient.Unavailable:
		s.answered(s.env.At, s.v.now(), problem)
	case ctx.Err() != nil:
		s.unanswered(s.env.At, s.v.now(), fmt.Sprintf("no complete answer within %s", refreshTime))
	case problem != nil:
		s.unanswered(s.env.At, s.v.now(), problem.Detail)
	default: // ours: a disk that is full, say
		s.unanswered(s.env.At, s.v.now(), "what was answered could not be dealt with: "+err.Error())
	}
}
