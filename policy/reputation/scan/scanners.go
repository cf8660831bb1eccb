package scan

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// Options are what Scanners stand on.
type Options struct {
	// Examiner opens what is inside updates; only its Openers, Limits and Panicked count. Its limit on time does not: each scanner has
	// its own.
	Examiner *verify.Examiner
	// Dir is where commands are given files, in folders of their own that only we can read; "" means the system's for temporary files.
	Dir string
	// AtOnce is how many updates are looked through at once; 0 means 4.
	AtOnce int
	// Scanned is told of every scan that was made, or found among the remembered ones; nil means nobody is.
	Scanned func(Made)
	Now     func() time.Time // nil means time.Now
}

// Made is one scan of an update.
type Made struct {
	Scanner    string
	Scan       policy.Scan
	Took       time.Duration
	Remembered bool
}

// Scanners has updates looked through by the scanners of policies, and remembers for a time what they said. Its methods may be
// called by several goroutines.
type Scanners struct {
	Options
	turns chan struct{} // one for each update that is being looked through

	mu      sync.Mutex
	members map[string]*member // by what they are
	memory  memory
	calls   map[string]*call // by what they are about
}

// maxMembers bounds how many scanners are kept ready, those of former policies included.
const maxMembers = 4 * 64

// New returns Scanners. They need not be closed: connections that are not used are given up by and by.
func New(o Options) *Scanners {
	if o.AtOnce <= 0 {
		o.AtOnce = 4
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Scanners{Options: o, turns: make(chan struct{}, o.AtOnce), members: map[string]*member{}, memory: newMemory(), calls: map[string]*call{}}
}

// member is a scanner with what is known of it.
type member struct {
	policy.Scanner
	key    string
	client client
	slots  chan struct{} // one for each file that it is given at once
	state  state
}

// keyOf tells scanners apart by all that makes a difference to what they say.
func keyOf(s policy.Scanner) string {
	s.Line, s.Position = 0, 0
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Sprintf("%#v", s)
	}
	return string(data)
}

// member returns the scanner that a policy defines.
func (s *Scanners) member(of policy.Scanner) (*member, error) {
	key := keyOf(of)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.members[key]; m != nil {
		return m, nil
	}
	c, err := newClient(of, s.Dir)
	if err != nil {
		return nil, err
	}
	if len(s.members) >= maxMembers {
		clear(s.members) // those in use go on
	}
	m := &member{Scanner: of, key: key, client: c, slots: make(chan struct{}, max(1, of.AtOnce))}
	s.members[key] = m
	return m, nil
}

// Scan has an update looked through by the scanners of a policy that are named, with everything inside if so asked, and returns what
// each of them says. It ends when ctx is done, or when the scanners' own time is up; what is not known then is a failed scan.
func (s *Scanners) Scan(ctx context.Context, p *policy.Policy, names []string, inside bool, a *verify.Artifact) map[string]policy.Scan {
	out := map[string]policy.Scan{}
	var asked []*member
	for _, of := range p.Scanners() {
		if !slices.Contains(names, of.Name) {
			continue
		}
		m, err := s.member(of)
		if err != nil {
			out[of.Name] = s.failed(err.Error(), inside)
			continue
		}
		asked = append(asked, m)
	}
	var wg sync.WaitGroup
	engines := make([]string, len(asked))
	errs := make([]error, len(asked))
	for i, m := range asked {
		wg.Go(func() { engines[i], errs[i] = m.engine(ctx, s.Now, engineKnown) })
	}
	wg.Wait()
	var left []task
	for i, m := range asked {
		t := task{m, engines[i], errs[i], memoryKey(m, engines[i], inside, a)}
		if found, ok := s.remembered(t.key); ok {
			s.tell(Made{Scanner: m.Name, Scan: found, Remembered: true})
			out[m.Name] = found
		} else {
			left = append(left, t)
		}
	}
	for name, found := range s.together(ctx, left, inside, a) {
		out[name] = found
	}
	return out
}

// task is what is left to be asked of one scanner.
type task struct {
	*member
	engineNow string
	err       error // of asking for it
	key       string
}

func (s *Scanners) failed(why string, inside bool) policy.Scan {
	return policy.Scan{Reason: why, Inside: inside, At: s.Now().UTC()}
}

func (s *Scanners) tell(m Made) {
	if s.Scanned != nil {
		s.Scanned(m)
	}
}
