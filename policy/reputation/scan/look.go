package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// look has an update looked through by several scanners, opened once for all of them, and remembers what they say.
func (s *Scanners) look(ctx context.Context, tasks []task, inside bool, a *verify.Artifact) map[string]policy.Scan {
	out := map[string]policy.Scan{}
	var active []*looker
	for _, t := range tasks {
		l := newLooker(t, inside)
		if t.err != nil {
			l.failures.add(t.err.Error())
			l.transient = true
			out[t.Name] = s.settle(l, 0)
			continue
		}
		active = append(active, l)
	}
	if len(active) == 0 {
		return out
	}
	began := time.Now()
	s.visit(ctx, active, inside, a)
	for _, l := range active {
		out[l.Name] = s.settle(l, time.Since(began))
	}
	return out
}

// visit gives all files to all scanners.
func (s *Scanners) visit(ctx context.Context, active []*looker, inside bool, a *verify.Artifact) {
	total, atOnce := time.Duration(0), 0
	for _, l := range active {
		total, atOnce = max(total, l.Total), max(atOnce, l.AtOnce)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, total, &totalError{total})
	defer cancel()
	for _, l := range active {
		var end context.CancelFunc
		l.ctx, end = context.WithTimeoutCause(ctx, l.Total, &totalError{l.Total})
		defer end()
	}
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	case <-ctx.Done():
		for _, l := range active {
			l.fail("", fmt.Errorf("too much is being scanned already: its turn did not come within %s", l.Total), true)
		}
		return
	}
	unvisited := s.Examiner.Visit(ctx, a, verify.VisitOptions{Inside: inside, AtOnce: atOnce, Time: total}, func(ctx context.Context, path string, a *verify.Artifact) {
		var wg sync.WaitGroup
		for _, l := range active {
			wg.Go(func() {
				defer s.guard(l, path)
				l.give(path, a)
			})
		}
		wg.Wait()
		if !slices.ContainsFunc(active, func(l *looker) bool { return !l.ended() }) {
			cancel() // there is nobody left to look at the rest
		}
	})
	for _, l := range active {
		l.skipped(unvisited)
	}
}

// totalError is why a scanner was given nothing more.
type totalError struct{ limit time.Duration }

// Error implements error.
func (e *totalError) Error() string {
	return fmt.Sprintf("the update with everything inside took longer than %s", e.limit)
}

// looker is one scanner that looks through one update.
type looker struct {
	task
	inside bool
	ctx    context.Context

	mu        sync.Mutex
	scan      policy.Scan
	failures  failures
	givenUp   bool                   // because nobody waits for it any more
	transient bool                   // a failure may have gone at the next attempt
	covered   failures               // containers that are too large, and count as scanned if everything in them was
	inARow    int                    // files for which the scanner was not available
	clean     map[verify.Digest]bool // the same file may lie in an update several times
}

// maxDown is how often in a row a scanner may not be available until it is given nothing more of an update.
const maxDown = 3

func newLooker(t task, inside bool) *looker {
	return &looker{task: t, inside: inside, clean: map[verify.Digest]bool{}, scan: policy.Scan{Inside: inside, Engine: t.engineNow}}
}

// ended reports whether the scanner is given nothing more.
func (l *looker) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inARow >= maxDown || len(l.scan.Hits) >= policy.MaxScanHits || l.ctx.Err() != nil
}

// give gives one file to the scanner.
func (l *looker) give(path string, a *verify.Artifact) {
	switch {
	case l.ended():
		return
	case a.Size == 0:
		l.passed(path, a)
		return
	case a.Size > l.MaxSize:
		l.tooLarge(path, a)
		return
	case l.known(a):
		l.passed(path, a)
		return
	}
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	case <-l.ctx.Done():
		return // skipped says so
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.Timeout)
	defer cancel()
	name, err := l.client.scan(ctx, &file{content: a.Content, size: a.Size, digest: a.Digests.SHA256})
	switch {
	case err != nil && l.ctx.Err() != nil:
		return
	case errors.Is(err, context.DeadlineExceeded):
		l.fail(path, down("it took longer than %s", l.Timeout), true)
	case err != nil:
		var file *fileError
		l.fail(path, err, !errors.As(err, &file))
	case name != "":
		l.found(path, name)
	default:
		l.passed(path, a)
	}
}

// known reports whether the same bytes were clean before.
func (l *looker) known(a *verify.Artifact) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clean[a.Digests.SHA256]
}

// passed notes a file in which there is nothing.
func (l *looker) passed(path string, a *verify.Artifact) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.scan.Files++
	l.inARow = 0
	l.clean[a.Digests.SHA256] = true
	if path == "" {
		l.scan.File = policy.ScanClean
	}
}

// found notes a hit.
func (l *looker) found(path, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.scan.Files++
	l.inARow = 0
	if path == "" {
		l.scan.File = policy.ScanFound
	}
	if len(l.scan.Hits) < policy.MaxScanHits {
		l.scan.Hits = append(l.scan.Hits, policy.ScanHit{Path: printable.Text(path, 1000), Name: name})
	}
}

// tooLarge notes a file that the scanner is not given.
func (l *looker) tooLarge(path string, a *verify.Artifact) {
	why := fmt.Sprintf("%s has %d bytes, more than the %d that scanner %s is given (max_size)", subject(path), a.Size, l.MaxSize, l.Name)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Contents && l.inside && a.Format.Container() && !a.Format.Executable() {
		l.covered.add(why)
		return
	}
	l.failures.add(why)
}

// fail notes that a file could not be scanned.
func (l *looker) fail(path string, err error, transient bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.transient = l.transient || transient
	if errors.Is(err, errDown) {
		l.inARow++
		l.doubt()
	} else {
		l.inARow = 0
	}
	l.failures.add(subject(path) + ": " + printable.Text(err.Error(), 300))
}

// skipped notes what was not visited, and what was visited without the scanner.
func (l *looker) skipped(unvisited []verify.Finding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ctx.Err() != nil && len(l.scan.Hits) < policy.MaxScanHits && l.inARow < maxDown:
		why := ""
		var total *totalError
		if errors.As(context.Cause(l.ctx), &total) {
			why = total.Error()
		} else {
			why, l.givenUp = "the scan was given up", true
		}
		l.failures.add(why)
		l.transient = true
		return
	case l.inARow >= maxDown:
		l.failures.add("it was given nothing more after that")
		return
	case len(l.scan.Hits) >= policy.MaxScanHits:
		return
	}
	for _, f := range unvisited {
		l.failures.add(subject(f.Subject) + ": " + printable.Text(f.Detail, 300))
	}
}

func subject(path string) string {
	if path == "" {
		return "the file itself"
	}
	return printable.Text(path, 200)
}

// failures are why a scan is not complete: the first of them, and how many there are.
type failures struct {
	first []string
	n     int
}

const shownFailures = 3

func (f *failures) add(why string) {
	f.n++
	if len(f.first) < shownFailures {
		f.first = append(f.first, why)
	}
}

// String implements fmt.Stringer.
func (f *failures) String() string {
	first := slices.Clone(f.first)
	slices.Sort(first) // files are scanned side by side: the same state has the same words
	s := strings.Join(first, "; ")
	if f.n > len(f.first) {
		s += fmt.Sprintf("; and %d more", f.n-len(f.first))
	}
	return s
}

// settle is what the scanner says in the end. It is remembered as long as it counts.
func (s *Scanners) settle(l *looker, took time.Duration) policy.Scan {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.scan
	out.At = s.Now().UTC()
	slices.SortFunc(out.Hits, func(a, b policy.ScanHit) int { return strings.Compare(a.Path+"\x00"+a.Name, b.Path+"\x00"+b.Name) })
	if out.File == policy.ScanFailed && l.failures.n == 0 && l.covered.n > 0 {
		out.File = policy.ScanClean // the update is a container that is too large, and everything in it was scanned
	}
	lasts := l.Remember
	switch {
	case len(out.Hits) > 0:
		out.Status = policy.ScanFound
		if len(out.Hits) == policy.MaxScanHits {
			out.Reason = fmt.Sprintf("after %d hits nothing more was looked for", policy.MaxScanHits)
		} else if l.failures.n > 0 {
			out.Reason = l.failures.String()
		}
	case l.failures.n > 0:
		out.Reason = l.failures.String()
		if l.transient {
			lasts = min(failedFor, lasts)
		}
		if l.givenUp {
			lasts = 0
		}
	case out.Files == 0: // a container that is too large, and in which nothing is, either
		out.Reason = "nothing was scanned"
		lasts = 0
	case out.File != policy.ScanClean:
		out.Reason = "the file itself was not scanned"
		lasts = 0
	default:
		out.Status = policy.ScanClean
	}
	s.keep(l.key, out, lasts)
	s.tell(Made{Scanner: l.Name, Scan: out, Took: took})
	return out
}
