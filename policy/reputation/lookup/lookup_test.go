package lookup

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// rig is a service that answers as a test says.
type rig struct {
	*httptest.Server
	answer  func(w http.ResponseWriter, r *http.Request)
	asked   atomic.Int64
	now     time.Time
	mu      sync.Mutex
	options Options
}

func newRig(t *testing.T, answer http.HandlerFunc) *rig {
	r := &rig{answer: answer, now: time.Date(2026, 11, 20, 10, 0, 30, 0, time.UTC)}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.asked.Add(1)
		r.mu.Lock()
		answer := r.answer
		r.mu.Unlock()
		answer(w, req)
	}))
	t.Cleanup(r.Close)
	r.options = Options{Transport: r.Client().Transport, Now: func() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.now }}
	return r
}

func (r *rig) services(t *testing.T) *Services {
	t.Helper()
	s, err := Open(r.options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (r *rig) set(answer http.HandlerFunc) { r.mu.Lock(); r.answer = answer; r.mu.Unlock() }

func (r *rig) later(d time.Duration) { r.mu.Lock(); r.now = r.now.Add(d); r.mu.Unlock() }

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func digestOf(s string) verify.Digest { return sha256.Sum256([]byte(s)) }

func one(s string) []Subject { return []Subject{{SHA256: digestOf(s)}} }

func ask(s *Services, def policy.Lookup, files []Subject) policy.Reputation {
	return s.Ask(context.Background(), []policy.Lookup{def}, files)
}

// outcome puts a reputation in a line: ok or the reason, and labels of what is listed.
func outcome(r policy.Reputation, name string) string {
	state := r.Feeds[name]
	out := state.Status.String()
	if state.Reason != "" {
		out += ": " + state.Reason
	}
	for _, l := range r.Listings {
		out += " | " + strings.TrimPrefix(l.Path+" ", " ") + l.Label
	}
	return out
}

func TestWhatAnswersMean(t *testing.T) {
	const vt = `{"data": {"type": "file", "attributes": {"last_analysis_stats": {"malicious": %d, "suspicious": 0, "undetected": 60, "harmless": 0, "timeout": 1}, "popular_threat_classification": {"suggested_threat_label": "trojan.ward\u001b[31m"}}}}`
	virus := policy.Lookup{Name: "vt", Service: "virustotal", Key: "secret", AtLeast: 2}
	known := policy.Lookup{Name: "hl", Service: "hashlookup", Good: true, MinTrust: 50}
	bad := policy.Lookup{Name: "hl", Service: "hashlookup"}
	own := policy.Lookup{Name: "own", Service: "json", Answer: policy.JSONAnswer{Pointer: "/files/0/verdict", Is: []string{"malicious", "true"}, Label: "/files/0/na~1me"}}
	score := policy.Lookup{Name: "own", Service: "json", Answer: policy.JSONAnswer{Pointer: "/score", AtLeast: 70}}
	unclear := virus
	unclear.Unclear = true
	for _, c := range []struct {
		name   string
		def    policy.Lookup
		status int
		body   string
		want   string
	}{
		{"two engines", virus, 200, fmt.Sprintf(vt, 2), "ok | 2 of 62 engines call it malicious (trojan.ward\\x1b[31m)"},
		{"one engine", virus, 200, fmt.Sprintf(vt, 1), "ok"},
		{"not known", virus, 404, `{"error": {"code": "NotFoundError", "message": "…"}}`, "ok"},
		{"not known, and that counts", unclear, 404, `{"error": {"code": "NotFoundError", "message": "…"}}`, "never: it does not know the file"},
		{"another service's 404", virus, 404, `{"message": "no Route matched"}`, "never: it answers 404 Not Found, but not as the service would"},
		{"a page for a 404", virus, 404, `<html>`, "never: it answers 404 Not Found, but not as the service would: its answer is no JSON"},
		{"no right", virus, 401, `{}`, "never: it answers 401 Unauthorized"},
		{"no analysis", virus, 200, `{"data": {"type": "file", "attributes": {}}}`, "never: its answer holds no result of an analysis"},
		{"no engines", virus, 200, `{"data": {"type": "file", "attributes": {"last_analysis_stats": {"malicious": 0}}}}`, "never: no engine has judged the file"},
		{"something else", virus, 200, `[1]`, "never: its answer is not what the service would say"},
		{"a redirect", virus, 302, ``, "never: it answers 302 Found"},
		{"known to be good", known, 200, `{"FileName": "a.dll", "hashlookup:trust": 60, "source": "NSRL"}`, "ok | a.dll, trust 60 of 100"},
		{"hardly trusted", known, 200, `{"FileName": "a.dll", "hashlookup:trust": 40}`, "ok"},
		{"known, but malicious", known, 200, `{"FileName": "a.dll", "hashlookup:trust": 90, "KnownMalicious": "list"}`, "ok"},
		{"known, but special", known, 200, `{"FileName": "a.dll", "hashlookup:trust": 90, "SpecialCode": "M"}`, "ok"},
		{"without trust", known, 200, `{"FileName": "a.dll"}`, "never: its answer holds no hashlookup:trust"},
		{"not known to hashlookup", known, 404, `{"message": "Non existing SHA-256", "query": "…"}`, "ok"},
		{"known to be bad", bad, 200, `{"KnownMalicious": "malshare"}`, "ok | known to be malicious: malshare"},
		{"good, where bad is asked for", bad, 200, `{"hashlookup:trust": 60}`, "ok"},
		{"a verdict", own, 200, `{"files": [{"verdict": "malicious", "na/me": "Ward"}]}`, "ok | malicious: Ward"},
		{"a verdict that is true", own, 200, `{"files": [{"verdict": true}]}`, "ok | true"},
		{"another verdict", own, 200, `{"files": [{"verdict": "clean"}]}`, "ok"},
		{"no verdict", own, 200, `{"files": []}`, "never: its answer has nothing at /files/0/verdict"},
		{"no single verdict", own, 200, `{"files": [{"verdict": {}}]}`, "never: what its answer has at /files/0/verdict is no single value"},
		{"a score", score, 200, `{"score": 70}`, "ok | 70"},
		{"a low score", score, 200, `{"score": 69.9}`, "ok"},
		{"a score in a text", score, 200, `{"score": "99"}`, "never: what its answer has at /score is no number"},
		{"not found by a service of one's own", own, 404, `{}`, "ok"},
		{"too long", own, 200, `{"files": "` + strings.Repeat("x", maxAnswer) + `"}`, "never: its answer has more than 2097152 bytes"},
	} {
		r := newRig(t, says(c.status, c.body))
		c.def.URL = r.URL
		if c.def.Service == "json" {
			c.def.URL += "/{sha256}"
		}
		if got := outcome(ask(r.services(t), c.def, one("a file")), c.def.Name); !strings.HasPrefix(got, c.want) || strings.HasPrefix(c.want, "ok") && got != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestWhatIsSent demands that nothing but the digest and the secret goes out.
func TestWhatIsSent(t *testing.T) {
	d := digestOf("a file")
	for _, c := range []struct {
		def         policy.Lookup
		path, field string
	}{
		{policy.Lookup{Name: "vt", Service: "virustotal", Key: "secret"}, "/files/" + d.String(), "X-Apikey"},
		{policy.Lookup{Name: "hl", Service: "hashlookup"}, "/lookup/sha256/" + d.String(), ""},
		{policy.Lookup{Name: "own", Service: "json", Key: "secret", Answer: policy.JSONAnswer{Pointer: "/v", Is: []string{"x"}}}, "/v1?q=" + d.String(), "Authorization"},
		{policy.Lookup{Name: "own", Service: "json", Key: "secret", Header: "X-Token", Answer: policy.JSONAnswer{Pointer: "/v", Is: []string{"x"}}}, "/v1?q=" + d.String(), "X-Token"},
	} {
		var got *http.Request
		r := newRig(t, func(w http.ResponseWriter, req *http.Request) { got = req; says(404, "{}")(w, req) })
		c.def.URL = r.URL
		if c.def.Service == "json" {
			c.def.URL += "/v1?q={sha256}"
		}
		ask(r.services(t), c.def, one("a file"))
		if got == nil || got.URL.RequestURI() != c.path || got.Method != http.MethodGet {
			t.Fatalf("%s: asked for %v", c.def.Name, got)
		}
		for name, values := range got.Header {
			switch {
			case name == c.field && values[0] == "secret":
			case name == "Accept", name == "User-Agent" && values[0] == "Sallyport", name == "Accept-Encoding":
			default:
				t.Errorf("%s: sent %s: %s", c.def.Name, name, values)
			}
		}
		if c.field != "" && got.Header.Get(c.field) == "" {
			t.Errorf("%s: no %s", c.def.Name, c.field)
		}
	}
}

// TestAnswersAreKept counts questions: one for all who ask at once, none while an answer holds, also after a restart.
func TestAnswersAreKept(t *testing.T) {
	r := newRig(t, says(200, `{"v": "bad"}`))
	r.options.Kept = filepath.Join(t.TempDir(), "lookups.db")
	def := policy.Lookup{Name: "own", Service: "json", URL: r.URL + "/{sha256}", Cache: 3 * time.Hour, Answer: policy.JSONAnswer{Pointer: "/v", Is: []string{"bad"}}}
	s := r.services(t)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if got := outcome(ask(s, def, one("a file")), "own"); got != "ok | bad" {
				t.Error(got)
			}
		})
	}
	all.Wait()
	if n := r.asked.Load(); n != 1 {
		t.Errorf("asked %d times for 50 who wanted to know at once", n)
	}
	s.Close()
	s = r.services(t)
	if got := outcome(ask(s, def, one("a file")), "own"); got != "ok | bad" || r.asked.Load() != 1 {
		t.Errorf("after a restart: %s, asked %d times", got, r.asked.Load())
	}
	def.Answer.Is = []string{"worse"}
	if got := outcome(ask(s, def, one("a file")), "own"); got != "ok" || r.asked.Load() != 1 {
		t.Errorf("the answer kept is judged by another definition: %s, asked %d times", got, r.asked.Load())
	}
	r.later(3 * time.Hour)
	if ask(s, def, one("a file")); r.asked.Load() != 2 {
		t.Errorf("an answer that has ended still holds")
	}
	r.later(-4 * time.Hour)
	if ask(s, def, one("a file")); r.asked.Load() != 3 {
		t.Errorf("an answer of the future holds")
	}
	r.set(says(404, `{}`))
	ask(s, def, one("another"))
	r.later(time.Hour)
	if ask(s, def, one("another")); r.asked.Load() != 5 {
		t.Errorf("that a file is not known holds for longer than an hour")
	}
	other := def
	other.Key = "another secret"
	if ask(s, other, one("another")); r.asked.Load() != 6 {
		t.Errorf("an answer to one who asks with another secret was used")
	}
}

// TestServiceThatFails demands that silence is no answer, that a service that failed is left alone, and that answers that are kept
// still count.
func TestServiceThatFails(t *testing.T) {
	hang := make(chan struct{})
	r := newRig(t, says(200, `{"v": "bad"}`))
	defer close(hang)
	s := r.services(t)
	def := policy.Lookup{Name: "own", Service: "json", URL: r.URL + "/{sha256}", Timeout: 50 * time.Millisecond, Answer: policy.JSONAnswer{Pointer: "/v", Is: []string{"bad"}}}
	patient := def
	patient.Timeout = 20 * time.Second
	ask(s, patient, one("known"))
	r.set(func(http.ResponseWriter, *http.Request) { <-hang })
	const late = "never: it did not answer within 50ms; it is not asked again before 2026-11-20 10:01:00 UTC"
	if got := outcome(ask(s, def, one("a")), "own"); got != strings.Split(late, ";")[0] {
		t.Errorf("%s", got)
	}
	for _, file := range []string{"a", "b"} {
		if got := outcome(ask(s, def, one(file)), "own"); got != late {
			t.Errorf("%s: %s", file, got)
		}
	}
	if r.asked.Load() != 2 {
		t.Errorf("it was asked %d times", r.asked.Load())
	}
	if got := outcome(ask(s, def, one("known")), "own"); got != "ok | bad" {
		t.Errorf("what is known: %s", got)
	}
	r.set(says(429, `{}`))
	r.later(time.Minute)
	if got := outcome(ask(s, patient, one("a")), "own"); got != "never: it answers 429 Too Many Requests" {
		t.Error(got)
	}
	r.set(says(200, `{"v": "fine"}`))
	r.later(time.Minute)
	if got := outcome(ask(s, patient, one("a")), "own"); got != "ok" {
		t.Error(got)
	}
	if got := outcome((&Services{o: Options{Now: time.Now, Asked: func(string, time.Duration, error) {}}, by: map[verify.Digest]*service{}}).Ask(t.Context(), []policy.Lookup{patient}, one("a")), "own"); !strings.HasPrefix(got, "never: nothing is asked here") {
		t.Error(got)
	}
}

func TestBudget(t *testing.T) {
	r := newRig(t, says(200, `{"v": "fine"}`))
	s := r.services(t)
	def := policy.Lookup{Name: "own", Service: "json", URL: r.URL + "/{sha256}", Timeout: time.Second, Answer: policy.JSONAnswer{Pointer: "/v", Is: []string{"bad"}},
		Budget: []policy.Rate{{N: 2, Per: time.Minute}, {N: 3, Per: 24 * time.Hour}}}
	for i, want := range []string{"ok", "ok", "never: the budget of 2 requests a minute is used up until 2026-11-20 10:01:00 UTC"} {
		if got := outcome(ask(s, def, one(fmt.Sprint(i))), "own"); got != want {
			t.Errorf("%d: %s", i, got)
		}
	}
	r.later(time.Minute)
	for i, want := range []string{"ok", "never: the budget of 3 requests a day is used up until 2026-11-21 00:00:00 UTC"} {
		if got := outcome(ask(s, def, one(fmt.Sprint("next", i))), "own"); got != want {
			t.Errorf("%d: %s", i, got)
		}
	}
	if got := outcome(ask(s, def, one("0")), "own"); got != "ok" {
		t.Errorf("what is known costs nothing: %s", got)
	}
	r.later(24 * time.Hour)
	if got := outcome(ask(s, def, one("tomorrow")), "own"); got != "ok" {
		t.Error(got)
	}
}

func TestInside(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		v := "fine"
		if strings.HasSuffix(req.URL.Path, digestOf("b").String()) {
			v = "bad"
		}
		says(200, fmt.Sprintf(`{"v": %q}`, v))(w, req)
	})
	s := r.services(t)
	a := &verify.Artifact{Digests: verify.Digests{SHA256: digestOf("zip")}}
	report := verify.Report{Contents: &verify.Contents{Inner: []verify.Inner{
		{Path: "a.dll", Format: "pe", SHA256: digestOf("a")}, {Path: "readme.txt", SHA256: digestOf("b")}, {Path: "b.dll", Format: "pe", SHA256: digestOf("b")},
		{Path: "again/a.dll", Format: "pe", SHA256: digestOf("a")}, {Path: "c.dll", Format: "pe", SHA256: digestOf("c")},
	}}}
	def := policy.Lookup{Name: "own", Service: "json", URL: r.URL + "/{sha256}", Answer: policy.JSONAnswer{Pointer: "/v", Is: []string{"bad"}}}
	if got := outcome(ask(s, def, Subjects(a, report)), "own"); got != "ok" || r.asked.Load() != 1 {
		t.Errorf("not asked about the inside: %s, %d questions", got, r.asked.Load())
	}
	def.Inside = true
	if got := outcome(ask(s, def, Subjects(a, report)), "own"); got != "ok | b.dll bad" || r.asked.Load() != 4 {
		t.Errorf("inside: %s, %d questions", got, r.asked.Load())
	}
	def.MaxFiles = 2
	got := ask(s, def, Subjects(a, report))
	if partial := got.Feeds["own"].Partial; partial != "it was not asked about 2 of the executables inside (max_files)" {
		t.Errorf("%q", partial)
	}
}

func TestKeptFileThatIsBroken(t *testing.T) {
	r := newRig(t, says(200, `{"v": "bad"}`))
	r.options.Kept = filepath.Join(t.TempDir(), "lookups.db")
	if err := os.WriteFile(r.options.Kept, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	def := policy.Lookup{Name: "own", Service: "json", URL: r.URL + "/{sha256}", Answer: policy.JSONAnswer{Pointer: "/v", Is: []string{"bad"}}}
	if got := outcome(ask(r.services(t), def, one("a")), "own"); got != "ok | bad" {
		t.Error(got)
	}
}

func FuzzUnderstand(f *testing.F) {
	for _, s := range []string{`{"data": {"type": "file", "attributes": {"last_analysis_stats": {"malicious": 1}}}}`, `{"hashlookup:trust": 60}`, `{"a": [{"b": 1}]}`, `null`, `1e999`} {
		f.Add([]byte(s))
	}
	defs := []policy.Lookup{{Service: "virustotal", AtLeast: 1}, {Service: "hashlookup", Good: true}, {Service: "hashlookup"},
		{Service: "json", Answer: policy.JSONAnswer{Pointer: "/a/0/b", AtLeast: 1, Label: "/a"}}, {Service: "json", Answer: policy.JSONAnswer{Pointer: "/a", Is: []string{"x"}}}}
	f.Fuzz(func(t *testing.T, body []byte) {
		for i := range defs {
			s, err := understand(&defs[i], digestOf("a file"), body)
			if err != nil {
				continue
			}
			if label, _ := s.listed(&defs[i]); len(label) > maxVerdict+2*maxLabel+100 {
				t.Fatalf("a label of %d bytes", len(label))
			}
		}
	})
}
