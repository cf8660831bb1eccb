package lookup

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
)

// Who stops waiting says nothing of the service: others go on asking it.
func TestAClientThatGoesAway(t *testing.T) {
	arrived := make(chan struct{}, 1)
	hang := make(chan struct{})
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		arrived <- struct{}{}
		select {
		case <-hang:
		case <-req.Context().Done():
		}
	})
	defer close(hang)
	s := r.services(t)
	def := policy.Lookup{Name: "own", Service: "json", URL: r.URL + "/{sha256}", Timeout: time.Minute, Answer: policy.JSONAnswer{Pointer: "/v", Is: []string{"bad"}}}
	for name, ctxOf := range map[string]func() (context.Context, context.CancelFunc){
		"cancelled": func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) },
		"out of its time": func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 300*time.Millisecond)
		},
	} {
		r.set(func(w http.ResponseWriter, req *http.Request) {
			arrived <- struct{}{}
			select {
			case <-hang:
			case <-req.Context().Done():
			}
		})
		ctx, cancel := ctxOf()
		ended := make(chan policy.Reputation)
		go func() { ended <- s.Ask(ctx, []policy.Lookup{def}, one(name)) }()
		<-arrived
		if name == "cancelled" {
			cancel()
		}
		if got := outcome(<-ended, "own"); !strings.HasPrefix(got, "never: ") {
			t.Errorf("%s: %s", name, got)
		}
		cancel()
		r.set(says(200, `{"v": "fine"}`))
		if got := outcome(ask(s, def, one("another "+name)), "own"); got != "ok" {
			t.Fatalf("%s: the next who asks: %s", name, got)
		}
		if got := outcome(ask(s, def, one(name)), "own"); got != "ok" {
			t.Errorf("%s: the next who asks about the same: %s", name, got)
		}
	}
}

// An answer about another file than was asked for is none.
func TestAnswersAboutAnotherFile(t *testing.T) {
	const vt = `{"data": {"type": "file", "id": %q, "attributes": {"sha256": %q, "last_analysis_stats": {"malicious": 0, "undetected": 60}}}}`
	same, other := digestOf("a file").String(), digestOf("another").String()
	for _, c := range []struct {
		def        policy.Lookup
		body, want string
	}{
		{policy.Lookup{Name: "x", Service: "virustotal"}, fmt.Sprintf(vt, same, same), "ok"},
		{policy.Lookup{Name: "x", Service: "virustotal"}, fmt.Sprintf(vt, other, other), "never: its answer is about another file"},
		{policy.Lookup{Name: "x", Service: "virustotal"}, fmt.Sprintf(vt, "id", other), "never: its answer is about another file"},
		{policy.Lookup{Name: "x", Service: "hashlookup", Good: true}, `{"hashlookup:trust": 90, "SHA-256": "` + strings.ToUpper(same) + `"}`, "ok | , trust 90 of 100"},
		{policy.Lookup{Name: "x", Service: "hashlookup", Good: true}, `{"hashlookup:trust": 90, "SHA-256": "` + strings.ToUpper(other) + `"}`, "never: its answer is about another file"},
	} {
		r := newRig(t, says(200, c.body))
		c.def.URL = r.URL
		if got := outcome(ask(r.services(t), c.def, one("a file")), "x"); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.body, got, c.want)
		}
	}
}

// That one look-up was not asked about everything casts no doubt on another, nor on what it does name.
func TestTooManyFilesConcernOneService(t *testing.T) {
	r := newRig(t, says(200, `{"v": "fine"}`))
	def := policy.Lookup{Name: "own", Service: "json", URL: r.URL + "/{sha256}", Inside: true, MaxFiles: 1, Answer: policy.JSONAnswer{Pointer: "/v", Is: []string{"bad"}}}
	got := ask(r.services(t), def, append(one("a"), one("b")...))
	if len(got.Incomplete) > 0 || got.Feeds["own"].Partial != "it was not asked about 1 of the executables inside (max_files)" {
		t.Errorf("%+v", got)
	}
}
