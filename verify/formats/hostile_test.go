package formats

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// What an artifact of hostileSize bytes may cost.
const (
	hostileSize   = 10 << 20
	maxMemory     = 512 << 20
	maxProcessor  = 30 * time.Second // the aim is 10 s; the rest is for machines that are slower than usual
	sampleEvery   = 5 * time.Millisecond
	hostileBudget = 256 << 20 // the garbage collector's limit, so that what is counted is in use
)

// hostile is an artifact that was made to cost much.
type hostile struct {
	name   string // of the file
	about  string
	make   func() []byte
	beside func() []byte // what every sidecar is; nil for none
}

// everythingBeside has the same bytes beside an artifact whatever is asked for.
type everythingBeside []byte

// Fetch implements verify.Sidecars.
func (b everythingBeside) Fetch(_ context.Context, _ string, limit int64) ([]byte, error) {
	switch {
	case b == nil:
		return nil, verify.ErrNotExist
	case int64(len(b)) > limit:
		return nil, verify.ErrTooLarge
	}
	return b, nil
}

// TestHostileArtifactsCostLittle has everything that is known here look at artifacts that were made to cost much time or
// memory. With SALLYPORT_COSTS set it says what each of them costs.
func TestHostileArtifactsCostLittle(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	for _, h := range allHostile() {
		t.Run(h.name+" "+h.about, func(t *testing.T) {
			var panicked []string
			e := &verify.Examiner{Verifiers: All(), Openers: Openers(), Reviewers: Reviewers(), Limits: verify.Limits{Dir: t.TempDir()},
				Panicked: func(method string, value any, stack []byte) {
					panicked = append(panicked, fmt.Sprintf("%s: %v\n%s", method, value, stack))
				}}
			data := h.make()
			env := verify.Env{At: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), Inside: true, Memory: nothing{}, Trust: hostileTrust(), Sidecars: everythingBeside(nil)}
			if h.beside != nil {
				env.Sidecars = everythingBeside(h.beside())
			}
			a := &verify.Artifact{Name: h.name, Size: int64(len(data)), Content: bytes.NewReader(data), Format: verify.Sniff(data[:min(len(data), verify.SniffLen)], h.name)}
			a.URL = published(h.name)
			a.Role = e.Classify(a)
			c := measure(func() {
				report := e.Examine(t.Context(), a, env)
				if n := len(report.Findings); n > 200_000 {
					t.Errorf("%d findings", n)
				}
				if os.Getenv("SALLYPORT_COSTS") != "" {
					t.Logf("%d findings, contents %+v", len(report.Findings), summary(report))
				}
			})
			if os.Getenv("SALLYPORT_COSTS") != "" {
				fmt.Printf("COST %7.2f s cpu %7.2f s wall %5d MiB  %8d bytes  %s %s\n", c.processor.Seconds(), c.wall.Seconds(), c.memory>>20, len(data), h.name, h.about)
			}
			if c.memory > maxMemory || c.processor > maxProcessor {
				t.Errorf("%d MiB of memory and %s of processor time for %d bytes", c.memory>>20, c.processor, len(data))
			}
			if len(panicked) > 0 {
				t.Errorf("panics: %s", strings.Join(panicked, "\n"))
			}
		})
	}
}

// published is where a repository would have a file of this name.
func published(name string) *url.URL {
	folder := "/repo/"
	switch {
	case strings.Contains(name, "Release"):
		folder = "/debian/dists/stable/"
	case strings.Contains(name, "Packages"):
		folder = "/debian/dists/stable/main/binary-amd64/"
	case strings.HasSuffix(name, ".deb"):
		folder = "/debian/pool/main/a/"
	case strings.Contains(name, "xml"):
		folder = "/repo/repodata/"
	}
	return &url.URL{Scheme: "https", Host: "example.org", Path: folder + name}
}

func summary(r verify.Report) string {
	if r.Contents == nil {
		return "none"
	}
	c := *r.Contents
	codes := map[string]int{}
	for _, f := range r.Findings {
		codes[f.Status.String()+" "+f.Code]++
	}
	return fmt.Sprintf("files %d bytes %d containers %d depth %d unread %d; %v", c.Files, c.Bytes, c.Containers, c.Depth, c.Unread, codes)
}

// nothing is a verify.Memory that forgets.
type nothing struct{}

// Load implements verify.Memory.
func (nothing) Load(string, string) ([]byte, error) { return nil, nil }

// Advance implements verify.Memory.
func (nothing) Advance(string, string, []byte, []byte) error { return nil }

// cost is what some work took.
type cost struct {
	memory          uint64 // bytes more in use, at most, than before
	processor, wall time.Duration
}

func measure(work func()) cost {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(hostileBudget))
	runtime.GC()
	before, began, used := inUse(), time.Now(), processorTime()
	stop, done := make(chan struct{}), make(chan uint64)
	go func() {
		most := uint64(0)
		for tick := time.NewTicker(sampleEvery); ; {
			select {
			case <-stop:
				done <- most
				return
			case <-tick.C:
				most = max(most, inUse())
			}
		}
	}()
	work()
	close(stop)
	most := <-done
	return cost{most - min(most, before), processorTime() - used, time.Since(began)}
}

// inUse is what the heap's objects and the stacks take, garbage that is not collected yet included.
func inUse() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() + s[1].Value.Uint64()
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
