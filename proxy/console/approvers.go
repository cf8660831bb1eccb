package console

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/proxy"
)

// Credential is how a person proves who they are.
type Credential struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

// ErrProof means that somebody could not prove who they are.
var ErrProof = errors.New("not proved")

// Approvers are the people whose word counts where it takes several. Its methods may be called by several goroutines.
type Approvers struct {
	// Credentials are their names and passwords; nil, or nil returned, where the configuration names none.
	Credentials func() *proxy.Credentials
	Now         func() time.Time                     // nil means time.Now
	Pause       func(context.Context, time.Duration) // how a wrong answer is delayed; nil means that it is
	slot        sync.Mutex                           // held while one password is looked at: guesses come one after the other
	mu          sync.Mutex                           // guards failed
	failed      map[string]wrongPasswords            // by name; of names that nobody has, under ""
}

type wrongPasswords struct {
	count int
	last  time.Time
}

// After this many wrong passwords none is looked at for a while.
const (
	maxWrong   = 5
	wrongPause = 15 * time.Minute
	wrongDelay = 500 * time.Millisecond // times how many there were
)

// locked says that there were too many wrong passwords.
type locked struct{ until time.Time }

func (l locked) Error() string {
	return "too many wrong passwords were given; none is looked at before " + l.until.UTC().Format("15:04:05 UTC")
}

// prove returns nil if the password is the person's. What is wrong otherwise wraps ErrProof, unless it lies with us.
func (a *Approvers) prove(ctx context.Context, c Credential) error {
	users := a.users()
	if users == nil {
		return noApprovers{}
	}
	a.slot.Lock()
	defer a.slot.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	key := ""
	if users.Knows(c.Name) {
		key = c.Name
	}
	if until := a.lockedUntil(key); !until.IsZero() {
		return fmt.Errorf("%w: %w", ErrProof, locked{until})
	}
	if users.Proves(c.Name, c.Password) {
		a.mu.Lock()
		delete(a.failed, key)
		a.mu.Unlock()
		return nil
	}
	a.pause(ctx, time.Duration(a.wrong(key))*wrongDelay)
	return fmt.Errorf("%w: the name or the password is wrong", ErrProof)
}

// still returns those of the people who have agreed whose word still counts: not that of whoever was taken out of the file since.
func (a *Approvers) still(names []string) (out []string) {
	users := a.users()
	for _, name := range names {
		if users != nil && users.Knows(name) {
			out = append(out, name)
		}
	}
	return out
}

func (a *Approvers) users() *proxy.Credentials {
	if a == nil || a.Credentials == nil {
		return nil
	}
	return a.Credentials()
}

func (a *Approvers) now() time.Time {
	if a.Now == nil {
		return time.Now()
	}
	return a.Now()
}

// lockedUntil returns when passwords are looked at again, zero if they are now.
func (a *Approvers) lockedUntil(key string) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.failed[key]
	if until := f.last.Add(wrongPause); f.count >= maxWrong && a.now().Before(until) {
		return until
	}
	return time.Time{}
}

// wrong counts a wrong password and returns how many there were of late.
func (a *Approvers) wrong(key string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed == nil {
		a.failed = map[string]wrongPasswords{}
	}
	f, now := a.failed[key], a.now()
	if now.Sub(f.last) >= wrongPause {
		f.count = 0
	}
	f = wrongPasswords{f.count + 1, now}
	a.failed[key] = f
	return f.count
}

func (a *Approvers) pause(ctx context.Context, d time.Duration) {
	if a.Pause != nil {
		a.Pause(ctx, d)
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// noApprovers says that nobody can prove anything.
type noApprovers struct{}

func (noApprovers) Error() string {
	return "the policy asks for people who prove who they are, and the configuration names none"
}

// Hint is what can be done about it.
func (noApprovers) Hint() string {
	return "set approvers.htpasswd in the configuration to a file that `htpasswd -B` has made, and restart the server"
}

// called is a person's name as records and messages show it.
func called(name string) string { return printable.Text(name, 60) }
