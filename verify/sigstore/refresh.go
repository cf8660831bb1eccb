package sigstore

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
	core "github.com/sallyport-project/sallyport/verify/internal/sigstore"
	"github.com/sallyport-project/sallyport/verify/internal/tufclient"
)

// How long Refresh waits: after the first failure, at most after many, and at most when nothing is to be done.
const (
	firstRetry = time.Minute
	lastRetry  = time.Hour
	idle       = time.Hour
	margin     = time.Hour // before metadata expires
)

// Refresh implements verify.Refresher: it fetches newer trusted roots from the repositories that publish them. What could not be
// fetched leaves the last one in force.
func (v *Verifier) Refresh(ctx context.Context, env verify.Env, tell func(verify.Refreshed)) time.Duration {
	next := idle
	for _, s := range v.roots.all(env.Trust.Sigstore) {
		if ctx.Err() != nil {
			break
		}
		if wait := s.wait(env.At); wait > 0 {
			next = min(next, wait)
			continue
		}
		next = min(next, s.refresh(ctx, env, tell))
	}
	return max(next, time.Second)
}

// wait returns how long there is nothing to do.
func (s *source) wait(at time.Time) time.Duration {
	if s.due.Sub(at) > s.every+time.Minute { // the clock was set back
		return 0
	}
	return s.due.Sub(at)
}

// refresh brings one source up to date, and returns how long there is nothing more to do.
func (s *source) refresh(ctx context.Context, env verify.Env, tell func(verify.Refreshed)) time.Duration {
	changed, until, err := s.update(ctx, env)
	say := func(failed bool, code, format string, args ...any) {
		tell(verify.Refreshed{Anchor: s.anchor, Failed: failed, Code: code, Text: fmt.Sprintf(format, args...)})
	}
	if err != nil {
		wait := min(firstRetry<<min(s.failures, 10), lastRetry, s.every)
		s.failures++
		s.due = env.At.Add(wait)
		say(true, codeOf(err), "The trusted root at %s could not be brought up to date (failure %d, again in %s); the last one stays in force: %s.",
			s.targets, s.failures, wait, text(err.Error()))
		return wait
	}
	switch {
	case changed != "":
		say(false, "", "%s", changed)
	case s.failures > 0:
		say(false, "", "The trusted root at %s could be brought up to date again, after %s.", s.targets, count(s.failures, "failure"))
	}
	s.failures = 0
	s.due = env.At.Add(s.every)
	if early := until.Add(-margin); !until.IsZero() && early.Before(s.due) {
		s.due = early
	}
	if least := env.At.Add(firstRetry); s.due.Before(least) {
		s.due = least
	}
	return s.due.Sub(env.At)
}

// codeOf returns the code of what a repository did wrong.
func codeOf(err error) string {
	var e *tufclient.Error
	var b *core.Error
	switch {
	case errors.As(err, &e):
		return "tuf/" + e.Code
	case errors.As(err, &b):
		return method + "/" + string(b.Code)
	}
	return method + "/" + string(codeUnavailable)
}

// update runs the TUF client and takes the target. It returns what changed as a sentence, and when the metadata expires.
func (s *source) update(ctx context.Context, env verify.Env) (changed string, until time.Time, err error) {
	if env.Memory == nil || env.Sidecars == nil {
		return "", until, errors.New("there is nothing to fetch with or to remember in")
	}
	if s.client == nil {
		s.client = tufclient.New(s.root, store{env.Memory, s.id}, tufclient.Limits{Targets: 4 << 20, Snapshot: 4 << 20})
	}
	fetch := func(ctx context.Context, name string, limit int64) ([]byte, error) {
		return fetchFirst(ctx, env.Sidecars, s.metadata, name, limit)
	}
	if _, err := s.client.Refresh(ctx, fetch, env.At); err != nil {
		return "", until, err
	}
	target, err := s.client.Lookup(ctx, fetch, env.At, targetName)
	if err != nil {
		return "", until, err
	}
	have, err := s.current(env.Memory)
	if err != nil {
		return "", until, err
	}
	if have != nil && check(&target, have) == nil {
		return "", target.NotAfter, nil
	}
	data, err := s.download(ctx, env, &target)
	if err != nil {
		return "", until, err
	}
	if _, err := core.NewInstance(data); err != nil {
		return "", until, err
	}
	if _, err := s.replace(env.Memory, data); err != nil {
		return "", until, err
	}
	step := target.Chain[len(target.Chain)-1]
	return fmt.Sprintf("A new trusted root (SHA-256 %x) from %s is in force, listed by version %d of %s.",
		sha256.Sum256(data), s.targets, step.Version, printable.Text(step.Role, 100)), target.NotAfter, nil
}

// check compares a trusted root with what the repository says of it.
func check(t *tufclient.Target, data []byte) error {
	return t.Check(int64(len(data)), func(algorithm string) ([]byte, error) {
		switch algorithm {
		case "sha256":
			sum := sha256.Sum256(data)
			return sum[:], nil
		case "sha512":
			sum := sha512.Sum512(data)
			return sum[:], nil
		}
		return nil, fmt.Errorf("no digest %q", algorithm)
	})
}

// download fetches the target, under the name that consistent snapshots give it, and checks its length and hashes.
func (s *source) download(ctx context.Context, env verify.Env, t *tufclient.Target) ([]byte, error) {
	if t.Length > core.MaxRoot {
		return nil, &core.Error{Code: core.TooLarge, Detail: fmt.Sprintf("the trusted root has %d bytes, %d are read", t.Length, core.MaxRoot)}
	}
	var names []string
	for _, algorithm := range []string{"sha256", "sha512"} {
		if sum, ok := t.Hashes[algorithm]; ok && t.Prefixed {
			names = append(names, fmt.Sprintf("%x.%s", sum, targetName))
		}
	}
	if !t.Prefixed {
		names = []string{targetName}
	}
	var data []byte
	err := error(verify.ErrNotExist)
	for _, name := range names {
		if data, err = env.Sidecars.Fetch(ctx, s.targets+name, t.Length); !errors.Is(err, verify.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("fetching the trusted root: %w", err)
	}
	return data, check(t, data)
}

// fetchFirst asks the mirrors one after another until one of them answers, if only that there is no such file.
func fetchFirst(ctx context.Context, from verify.Sidecars, mirrors []string, name string, limit int64) (data []byte, err error) {
	if _, err := url.Parse(name); err != nil {
		return nil, fmt.Errorf("asking for metadata: %w", err)
	}
	err = errors.New("no URL of metadata is known")
	for _, mirror := range mirrors {
		data, err = from.Fetch(ctx, mirror+name, limit)
		if err == nil || errors.Is(err, verify.ErrNotExist) || ctx.Err() != nil {
			break
		}
	}
	return data, err
}

// store keeps a TUF client's state in the memory of the verifier.
type store struct {
	memory verify.Memory
	anchor string
}

// Load implements tufclient.Store.
func (s store) Load(name string) ([]byte, error) {
	return s.memory.Load(s.anchor, "sigstore/tuf "+name)
}

// Advance implements tufclient.Store.
func (s store) Advance(name string, old, new []byte) error {
	return s.memory.Advance(s.anchor, "sigstore/tuf "+name, old, new)
}
