package verify

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// visited visits an artifact with the openers of the tests, and returns what each file held, by its path.
func visited(t *testing.T, e *Examiner, data []byte, o VisitOptions) (map[string]string, []Finding) {
	t.Helper()
	e.Openers = []Opener{tarOpener{}}
	a := &Artifact{Name: "outer.tar", Format: "tar", Size: int64(len(data)), Content: bytes.NewReader(data)}
	var mu sync.Mutex
	seen := map[string]string{}
	findings := e.Visit(t.Context(), a, o, func(_ context.Context, path string, a *Artifact) {
		content, err := io.ReadAll(io.NewSectionReader(a.Content, 0, a.Size))
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if _, again := seen[path]; again {
			t.Errorf("%q was visited twice", path)
		}
		seen[path] = string(content)
	})
	return seen, findings
}

func TestEveryFileIsVisitedWithItsContent(t *testing.T) {
	large := strings.Repeat("data", 3<<20) // is only hashed where nobody visits it
	inner := tarOf(t, member{name: "deep.exe", content: "MZ deep"}, member{name: "placed.exe", how: "in place"})
	data := tarOf(t, member{name: "a.exe", content: "MZ a"}, member{name: "inner.tar", content: string(inner)}, member{name: "large.dat", content: large},
		member{name: "a.exe", content: "MZ another"}, member{name: "empty"}, member{name: "link", link: "a.exe"})
	want := map[string]string{"": string(data), "a.exe": "MZ a", "inner.tar": string(inner), "inner.tar/deep.exe": "MZ deep", "inner.tar/placed.exe": "MZ in place", "large.dat": large, "a.exe#2": "MZ another", "empty": ""}
	for name, e := range map[string]*Examiner{"in memory": {}, "in files": {Limits: Limits{Memory: 1}}} {
		for _, atOnce := range []int{0, 1, 16} {
			seen, findings := visited(t, e, data, VisitOptions{Inside: true, AtOnce: atOnce})
			if len(findings) > 0 {
				t.Errorf("%s: %+v", name, findings)
			}
			for path, content := range want {
				if got, ok := seen[path]; !ok || got != content {
					t.Errorf("%s: %q holds %.40q, want %.40q", name, path, got, content)
				}
			}
			if len(seen) != len(want) {
				t.Errorf("%s: %d files, want %d", name, len(seen), len(want))
			}
		}
	}
	seen, findings := visited(t, &Examiner{}, data, VisitOptions{})
	if len(seen) != 1 || seen[""] != string(data) || len(findings) > 0 {
		t.Errorf("the artifact alone: %d files, %+v", len(seen), findings)
	}
}

// Whatever keeps a visit from being complete is said.
func TestWhatIsNotVisitedIsSaid(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits Limits
		data   []byte
		code   string
	}{
		{"encrypted", Limits{}, tarOf(t, member{name: "a", content: "a"}, member{name: "b", how: "encrypted", content: "b"}), "unpack/not-looked-into"},
		{"broken", Limits{}, tarOf(t, member{name: "a", how: "broken", content: "b"}), "unpack/broken"},
		{"another size", Limits{}, tarOf(t, member{name: "a", how: "lies", content: "b"}), "unpack/size-mismatch"},
		{"a path that leads out", Limits{}, tarOf(t, member{name: "../a", content: "b"}), "unpack/traversal"},
		{"a crash", Limits{}, tarOf(t, member{name: "a", how: "panics", content: "b"}), "tar/crashed"},
		{"too many", Limits{Files: 1}, tarOf(t, member{name: "a", content: "a"}, member{name: "b", content: "b"}), "unpack/limit"},
		{"too much", Limits{Bytes: 100}, tarOf(t, member{name: "a", content: strings.Repeat("a", 1000)}), "unpack/limit"},
		{"too deep", Limits{Depth: 1}, tarOf(t, member{name: "a.tar", content: string(tarOf(t, member{name: "b", content: "b"}))}), "unpack/limit"},
		{"a container that nothing opens", Limits{}, tarOf(t, member{name: "a.7z", content: "7z\xbc\xaf\x27\x1c"}), "unpack/not-looked-into"},
	} {
		_, findings := visited(t, &Examiner{Limits: c.limits}, c.data, VisitOptions{Inside: true})
		if !slices.ContainsFunc(findings, func(f Finding) bool { return f.Code == c.code }) {
			t.Errorf("%s: %+v, want %s", c.name, findings, c.code)
		}
	}
}

// A visit that is given up, or a visitor that panics, is not complete.
func TestAVisitThatIsGivenUp(t *testing.T) {
	data := tarOf(t, member{name: "a", content: "a"}, member{name: "b", content: "b"})
	a := &Artifact{Name: "outer.tar", Format: "tar", Size: int64(len(data)), Content: bytes.NewReader(data)}
	e := &Examiner{Openers: []Opener{tarOpener{}}}
	for _, inside := range []bool{true, false} {
		ctx, cancel := context.WithCancel(t.Context())
		if got := e.Visit(ctx, a, VisitOptions{Inside: inside}, func(context.Context, string, *Artifact) { cancel() }); len(got) == 0 {
			t.Errorf("inside %v: given up, and nothing said", inside)
		}
		if got := e.Visit(t.Context(), a, VisitOptions{Inside: inside, Time: 20 * time.Millisecond}, func(ctx context.Context, _ string, _ *Artifact) { <-ctx.Done() }); len(got) == 0 {
			t.Errorf("inside %v: out of time, and nothing said", inside)
		}
		if got := e.Visit(t.Context(), a, VisitOptions{Inside: inside}, func(context.Context, string, *Artifact) { panic("a bug") }); len(got) == 0 || !strings.HasSuffix(got[0].Code, "/crashed") {
			t.Errorf("inside %v: a panic: %+v", inside, got)
		}
	}
}
