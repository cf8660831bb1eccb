package lookup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// answer is what a service says of one file.
type answer struct {
	asked bool // false: there is no answer
	known bool // false: the service does not know the file
	at    time.Time
	said  said
}

// pause is how long a service that failed is left alone, so that not every update waits for it in vain.
const pause = 30 * time.Second

// service is one service with its memory and its limits.
type service struct {
	of    *Services
	key   verify.Digest // of its definition
	slots chan struct{}

	mu      sync.Mutex
	memory  map[verify.Digest]answer
	flights map[verify.Digest]chan struct{}
	used    []*window
	broken  error // why it is left alone
	until   time.Time
}

// maxMemory is how many answers are kept in memory for each service.
const maxMemory = 20_000

func newService(s *Services, key verify.Digest) *service {
	return &service{of: s, key: key, slots: make(chan struct{}, atOnce), memory: map[verify.Digest]answer{}, flights: map[verify.Digest]chan struct{}{}}
}

// about returns what is known of a file, by asking where need be: once for all who want to know at the same time.
func (v *service) about(ctx context.Context, def *policy.Lookup, d verify.Digest) (answer, error) {
	for {
		a, wait, err := v.claim(def, d)
		switch {
		case err != nil || a.asked:
			return a, err
		case wait == nil:
			return v.fetch(ctx, def, d)
		}
		select {
		case <-wait: // it may have failed: look again
		case <-ctx.Done():
			return answer{}, errGone
		}
	}
}

// claim returns an answer that still holds, or a channel to wait on, or neither: then the caller asks.
func (v *service) claim(def *policy.Lookup, d verify.Digest) (answer, chan struct{}, error) {
	now := v.of.o.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	a, ok := v.memory[d]
	if !ok {
		if a, ok = v.of.store.load(v.key, d); ok {
			v.remember(d, a)
		}
	}
	if ok && a.holds(def, now) {
		return a, nil, nil
	}
	if v.broken != nil && now.Before(v.until) {
		return answer{}, nil, v.broken
	}
	if wait := v.flights[d]; wait != nil {
		return answer{}, wait, nil
	}
	v.flights[d] = make(chan struct{})
	return answer{}, nil, nil
}

// holds reports whether an answer still counts.
func (a *answer) holds(def *policy.Lookup, now time.Time) bool {
	life := def.Cache
	if life == 0 {
		life = defaultCache
	}
	if !a.known {
		life = min(life, unknownCache)
	}
	return !now.Before(a.at) && now.Sub(a.at) < life
}

// remember keeps an answer in memory; where there is no room, any other makes it.
func (v *service) remember(d verify.Digest, a answer) {
	if len(v.memory) >= maxMemory {
		for other := range v.memory {
			delete(v.memory, other)
			break
		}
	}
	v.memory[d] = a
}

// errGone says that whoever asked waits no longer, which says nothing of the service.
var errGone = errors.New("there was no time left to wait for its answer")

// fetch asks the service about a file that was claimed.
func (v *service) fetch(ctx context.Context, def *policy.Lookup, d verify.Digest) (a answer, err error) {
	defer func() { v.settle(d, a, err) }()
	timeout := def.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	asker := ctx
	ctx, cancel := context.WithTimeout(asker, timeout)
	defer cancel()
	defer func() {
		if err != nil && asker.Err() != nil {
			err = errGone
		}
	}()
	select {
	case v.slots <- struct{}{}:
		defer func() { <-v.slots }()
	case <-ctx.Done():
		return answer{}, fmt.Errorf("%d other questions were before it for %s", atOnce, timeout)
	}
	if err := v.spend(ctx, def.Budget); err != nil {
		return answer{}, err
	}
	began := time.Now()
	body, known, err := v.of.get(ctx, def, d)
	v.of.o.Asked(def.Name, time.Since(began), err)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("it did not answer within %s", timeout)
	}
	if err != nil {
		return answer{}, err
	}
	a = answer{asked: true, known: known, at: v.of.o.Now()}
	if known {
		if a.said, err = understand(def, d, body); err != nil {
			return answer{}, err
		}
	}
	return a, nil
}

// settle keeps what a fetch has brought and lets those go on who wait for it.
func (v *service) settle(d verify.Digest, a answer, err error) {
	v.mu.Lock()
	close(v.flights[d])
	delete(v.flights, d)
	var spent *spentError
	switch {
	case err == nil:
		v.broken = nil
		v.remember(d, a)
	case !errors.As(err, &spent) && !errors.Is(err, errGone):
		now := v.of.o.Now()
		if v.broken == nil || !now.Before(v.until) { // the first of those that fail side by side is told of
			v.until = now.Add(pause)
			var busy *busyError
			if errors.As(err, &busy) {
				v.until = now.Add(max(pause, busy.after))
			}
			v.broken = fmt.Errorf("%w; it is not asked again before %s", err, v.until.UTC().Format("2006-01-02 15:04:05 MST"))
		}
	}
	v.mu.Unlock()
	if err == nil {
		v.of.store.save(v.key, d, a)
	}
}

// listing is what an answer says of a file.
func (a *answer) listing(def *policy.Lookup, f Subject) (policy.Listing, bool) {
	if !a.asked || !a.known {
		return policy.Listing{}, false
	}
	label, listed := a.said.listed(def)
	sum := f.SHA256.String()
	return policy.Listing{Feed: def.Name, Path: f.Path, Kind: "sha256", Match: sum, Value: sum, Label: label}, listed
}

func sortListings(list []policy.Listing) {
	slices.SortFunc(list, func(a, b policy.Listing) int {
		return cmp.Or(cmp.Compare(a.Feed, b.Feed), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Value, b.Value))
	})
}
