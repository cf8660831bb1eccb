package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scripted is a verifier that does what a test says.
type scripted struct {
	method string
	match  func(*Artifact) bool
	verify func(context.Context, *Artifact, Env) ([]Finding, error)
	tap    func([]byte) Tap
}

func (s *scripted) Method() string { return s.method }

func (s *scripted) Match(a *Artifact) bool { return s.match == nil || s.match(a) }

func (s *scripted) Verify(ctx context.Context, a *Artifact, env Env) ([]Finding, error) {
	return s.verify(ctx, a, env)
}

func (s *scripted) Tap(head []byte) Tap {
	if s.tap == nil {
		return nil
	}
	return s.tap(head)
}

func finds(fs ...Finding) func(context.Context, *Artifact, Env) ([]Finding, error) {
	return func(context.Context, *Artifact, Env) ([]Finding, error) { return fs, nil }
}

func TestExamineIsTotal(t *testing.T) {
	valid := Finding{Method: "good", Status: Valid, Code: "good/valid", Anchors: []string{"a"}}
	good := &scripted{method: "good", verify: finds(valid)}
	tests := []struct {
		name string
		bad  *scripted
		want []string // method, status and code of every finding
	}{
		{"panic in Match", &scripted{method: "bad", match: func(*Artifact) bool { panic("match") }},
			[]string{"bad inconclusive bad/crashed", "good valid good/valid"}},
		{"panic in Verify", &scripted{method: "bad", verify: func(context.Context, *Artifact, Env) ([]Finding, error) { panic("verify") }},
			[]string{"bad inconclusive bad/crashed", "good valid good/valid"}},
		{"error", &scripted{method: "bad", verify: func(context.Context, *Artifact, Env) ([]Finding, error) {
			return nil, errors.New("disk full")
		}}, []string{"bad inconclusive bad/failed", "good valid good/valid"}},
		{"error after a finding", &scripted{method: "bad", verify: func(context.Context, *Artifact, Env) ([]Finding, error) {
			return []Finding{{Method: "bad", Status: Valid, Code: "bad/valid"}}, errors.New("disk full")
		}}, []string{"bad valid bad/valid", "bad inconclusive bad/failed", "good valid good/valid"}},
		{"endless", &scripted{method: "bad", verify: func(ctx context.Context, _ *Artifact, _ Env) ([]Finding, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}, []string{"bad inconclusive bad/timeout", "good valid good/valid"}},
		{"no match", &scripted{method: "bad", match: func(*Artifact) bool { return false }}, []string{"good valid good/valid"}},
		{"nothing to say", &scripted{method: "bad", verify: finds()}, []string{"good valid good/valid"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var panicked []string
			e := &Examiner{
				Verifiers: []Verifier{tt.bad, good}, Timeout: 50 * time.Millisecond,
				Panicked: func(method string, _ any, stack []byte) {
					if len(stack) == 0 {
						t.Error("no stack")
					}
					panicked = append(panicked, method)
				},
			}
			report := e.Examine(context.Background(), &Artifact{}, Env{})
			var got []string
			for _, f := range report.Findings {
				got = append(got, f.Method+" "+f.Status.String()+" "+f.Code)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if want := strings.HasPrefix(tt.name, "panic"); want != (len(panicked) == 1 && panicked[0] == "bad") {
				t.Errorf("told of panics in %v", panicked)
			}
		})
	}
}

func TestNothingFoundIsAbsent(t *testing.T) {
	for name, e := range map[string]*Examiner{
		"no verifier":           {},
		"none that matches":     {Verifiers: []Verifier{&scripted{method: "x", match: func(*Artifact) bool { return false }}}},
		"none that says a word": {Verifiers: []Verifier{&scripted{method: "x", verify: finds()}}},
	} {
		t.Run(name, func(t *testing.T) {
			report := e.Examine(context.Background(), &Artifact{Format: "pe"}, Env{})
			if len(report.Findings) != 1 || report.Findings[0].Status != Absent || report.Findings[0].Code != "verify/no-method" {
				t.Errorf("found %+v", report.Findings)
			}
		})
	}
}

// shelf is a Sidecars in a map.
type shelf map[string]string

func (s shelf) Fetch(_ context.Context, ref string, _ int64) ([]byte, error) {
	if body, ok := s[ref]; ok {
		return []byte(body), nil
	}
	return nil, ErrNotExist
}

func TestEvidenceIsWrittenDownOnceAndInOrder(t *testing.T) {
	cached := Reference{URL: "index", SHA256: sha256.Sum256([]byte("index"))}
	e := &Examiner{Verifiers: []Verifier{
		&scripted{method: "a", verify: func(ctx context.Context, _ *Artifact, env Env) ([]Finding, error) {
			for _, ref := range []string{"sig", "none", "sig"} {
				if _, err := env.Sidecars.Fetch(ctx, ref, 10); err != nil && !errors.Is(err, ErrNotExist) {
					return nil, err
				}
			}
			return []Finding{{Method: "a", Status: Absent, Code: "a/absent", Evidence: []Reference{cached}}}, nil
		}},
		&scripted{method: "b", verify: finds(Finding{Method: "b", Status: Absent, Code: "b/absent", Evidence: []Reference{cached}})},
	}}
	report := e.Examine(context.Background(), &Artifact{}, Env{Sidecars: shelf{"sig": "s"}})
	want := []Reference{
		{URL: "sig", SHA256: sha256.Sum256([]byte("s"))},
		{URL: "none", Result: ErrNotExist.Error()},
		cached,
	}
	if diff := cmp.Diff(want, report.Evidence); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutSidecarsNothingCanBeTold(t *testing.T) {
	e := &Examiner{Verifiers: []Verifier{&scripted{method: "a", verify: func(ctx context.Context, _ *Artifact, env Env) ([]Finding, error) {
		_, err := env.Sidecars.Fetch(ctx, "sig", 1)
		return nil, err
	}}}}
	report := e.Examine(context.Background(), &Artifact{}, Env{})
	if len(report.Findings) != 1 || report.Findings[0].Status != Inconclusive {
		t.Errorf("found %+v", report.Findings)
	}
}

// summing is a Tap that fails when told to.
type summing struct {
	bytes.Buffer
	name     string
	panicsAt string
}

func (s *summing) Write(p []byte) (int, error) {
	if s.panicsAt == "write" {
		panic("write")
	}
	return s.Buffer.Write(p)
}

func (s *summing) Sum(m map[string][]byte) {
	if s.panicsAt == "sum" {
		panic("sum")
	}
	m[s.name] = s.Bytes()
}

func TestTapThatPanicsIsDropped(t *testing.T) {
	for _, at := range []string{"tap", "write", "sum", ""} {
		t.Run("panic at "+at, func(t *testing.T) {
			panics := 0
			e := &Examiner{
				Panicked: func(string, any, []byte) { panics++ },
				Verifiers: []Verifier{
					&scripted{method: "bad", tap: func([]byte) Tap {
						if at == "tap" {
							panic("tap")
						}
						return &summing{name: "bad", panicsAt: at}
					}},
					&scripted{method: "none"},
					&scripted{method: "good", tap: func(head []byte) Tap { return &summing{name: "good"} }},
				},
			}
			tap := e.Tap([]byte("he"))
			for _, part := range []string{"he", "llo"} {
				if n, err := tap.Write([]byte(part)); n != len(part) || err != nil {
					t.Fatalf("wrote %d, %v", n, err)
				}
			}
			got := map[string][]byte{}
			tap.Sum(got)
			want := map[string][]byte{"good": []byte("hello")}
			if at == "" {
				want["bad"] = []byte("hello")
			} else if panics != 1 {
				t.Errorf("told of %d panics", panics)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if tap := (&Examiner{Verifiers: []Verifier{&scripted{method: "none"}}}).Tap(nil); tap != nil {
		t.Errorf("a tap of nobody: %v", tap)
	}
}

// clerk is a Classifier that knows one URL.
type clerk struct{ scripted }

func (*clerk) IsMetadata(a *Artifact) bool { return a.URL.Path == "/index" } // panics without a URL

func TestClassify(t *testing.T) {
	e := &Examiner{Verifiers: []Verifier{&scripted{method: "a"}, &clerk{}}}
	for path, want := range map[string]Role{"/index": Metadata, "/other": Payload} {
		if got := e.Classify(&Artifact{URL: &url.URL{Path: path}}); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	if got := e.Classify(&Artifact{}); got != Payload {
		t.Errorf("what a verifier panics about is %v", got)
	}
}

// partial finds something in each part of what it looks at.
type partial struct{}

func (partial) Method() string         { return "partial" }
func (partial) Match(a *Artifact) bool { return true }
func (partial) Verify(context.Context, *Artifact, Env) ([]Finding, error) {
	return []Finding{
		{Method: "partial", Status: Valid, Code: "partial/valid", Signer: Identity{Name: "A"}},
		{Subject: "part", Method: "partial", Status: Valid, Code: "partial/valid", Signer: Identity{Name: "B"}},
		{Subject: "part", Method: "partial", Status: Invalid, Code: "partial/layout", Detail: "It is wrong."},
	}, nil
}

// TestWhatIsWrongWithAPartIsWrongWithTheWhole: a signature on the whole is defeated by it; one on a part vouches for the
// part only.
func TestWhatIsWrongWithAPartIsWrongWithTheWhole(t *testing.T) {
	e := &Examiner{Verifiers: []Verifier{partial{}}}
	r := e.Examine(t.Context(), &Artifact{Content: strings.NewReader("")}, Env{})
	want := " valid partial/valid\npart valid partial/valid\n invalid partial/layout\n"
	if got := said(r); got != want || r.Findings[2].Detail != "part: It is wrong." {
		t.Errorf("%s%+v", got, r.Findings[2])
	}
}
