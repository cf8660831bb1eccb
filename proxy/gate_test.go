package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
	"github.com/sallyport-project/sallyport/verify"
)

func TestProvenUpdateIsServedAsTheOriginSentIt(t *testing.T) {
	r := newRig(t, serving(acme, "Content-Type", "application/x-msdownload", "Etag", `"v1"`, "X-Secret", "internal"))
	got := r.get("http://origin.example/dl/setup.exe?token=s3cret")
	if got.status != 200 || !bytes.Equal(got.body, acme) || got.err != nil {
		t.Fatalf("status %d, %d bytes, %v", got.status, len(got.body), got.err)
	}
	if got.header.Get("Content-Type") != "application/x-msdownload" || got.header.Get("Etag") != `"v1"` {
		t.Errorf("the origin's header was not kept: %v", got.header)
	}
	if got.header.Get("X-Secret") != "" {
		t.Error("a field that is not on the list came through")
	}
	recs := r.waitFor(audit.KindDelivery, 1)
	d := recs[0]
	if d.Kind != audit.KindDecision || d.Decision.Action != policy.Allow || d.Channel != "dl" || d.Artifact.SHA256.IsZero() {
		t.Errorf("decision record: %+v", d)
	}
	if strings.Contains(d.Request.URL, "s3cret") || !strings.Contains(d.Request.URL, "token=") {
		t.Errorf("recorded URL %q", d.Request.URL)
	}
	if last := recs[len(recs)-1]; last.Decides != d.ID || !last.Delivery.Complete || last.Delivery.Sent != int64(len(acme)) {
		t.Errorf("delivery record: %+v %+v", last, last.Delivery)
	}
}

func TestWhatIsNotProvenIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		body []byte
		code string
	}{
		"unsigned":       {program(5000, "nothing"), ""},
		"somebody else":  {program(5000, "stamped by Mallory;"), "Mallory"},
		"forged":         {program(5000, "stamped by Acme;forged;"), ""},
		"forged twice":   {program(5000, "forged;"), "digest-mismatch"},
		"verifier bug":   {program(5000, "panic;"), ""},
		"no format":      {[]byte("just some bytes, in a channel with paths"), ""},
		"an empty file":  {nil, ""},
		"a page instead": {[]byte("<!doctype html><p>hello"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, serving(c.body, "Content-Type", "text/html"))
			got := r.get("http://origin.example/dl/setup.exe")
			if got.status != 403 || bytes.Contains(got.body, []byte("0123456789abcdef")) {
				t.Fatalf("status %d, body %.200q", got.status, got.body)
			}
			if !strings.Contains(string(got.body), c.code) || !strings.Contains(got.header.Get("Proxy-Status"), "http_request_denied") {
				t.Errorf("the refusal does not say %q: %s", c.code, got.body)
			}
			rec := r.records()[0]
			if rec.Decision == nil || rec.Decision.Action != policy.Quarantine || !strings.Contains(string(got.body), rec.ID) {
				t.Errorf("record %+v is not the one the client was told: %s", rec, got.body)
			}
			if _, released := r.vault.Released(rec.Artifact.SHA256, "dl"); released {
				t.Error("the file is released")
			}
		})
	}
}

func TestUpdateOutsideEveryChannelIsHeld(t *testing.T) {
	r := newRig(t, serving(program(5000, "stamped by Mallory;"), "Content-Type", "text/plain"))
	got := r.get("http://origin.example/other/readme.txt")
	if got.status != 403 || !strings.Contains(string(got.body), "defaults.unmatched") {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}

func TestWithoutALogNothingIsReleased(t *testing.T) {
	r := newRig(t, serving(acme, "Etag", `"v1"`))
	r.broken.Store(true)
	got := r.get("http://origin.example/dl/setup.exe")
	if got.status != 503 || bytes.Contains(got.body, acme[:100]) {
		t.Fatalf("status %d", got.status)
	}
	if s := r.vault.Stats(); s.Released.Items != 0 {
		t.Errorf("%+v", s)
	}
	r.broken.Store(false)
	if got := r.get("http://origin.example/dl/setup.exe"); got.status != 200 {
		t.Errorf("after repair: status %d", got.status)
	}
}

func TestObserveModeDeliversAndReleasesNothing(t *testing.T) {
	body := program(5000, "stamped by Mallory;")
	r := newRig(t, serving(body, "Etag", `"v1"`))
	r.setPolicy(strings.Replace(rigPolicy, "defaults: {", "defaults: {mode: observe, ", 1))
	got := r.get("http://origin.example/dl/setup.exe")
	if got.status != 200 || !bytes.Equal(got.body, body) {
		t.Fatalf("status %d", got.status)
	}
	rec := r.records()[0]
	if !rec.Decision.Observed || rec.Decision.Action != policy.Quarantine {
		t.Errorf("%+v", rec.Decision)
	}
	if _, ok := r.vault.Released(rec.Artifact.SHA256, "dl"); ok {
		t.Error("released")
	}
	r.setPolicy(rigPolicy)
	if got := r.get("http://origin.example/dl/setup.exe"); got.status != 403 {
		t.Errorf("enforced again: status %d", got.status)
	}
}

func TestReleaseByHandLetsExactlyThatFileThrough(t *testing.T) {
	body := program(5000, "stamped by Mallory;")
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/dl/other.exe" {
			serving(program(6000, "stamped by Mallory;"))(w, req)
			return
		}
		serving(body, "Etag", `"v1"`)(w, req)
	})
	const u = "http://origin.example/dl/setup.exe"
	r.get(u)
	rec := r.records()[0]
	release := policy.Release{Record: "R1", SHA256: rec.Artifact.SHA256, Scope: "dl", Until: time.Now().Add(time.Hour)}
	r.gate.Releases.Add(release)
	if got := r.get(u); got.status != 200 || !bytes.Equal(got.body, body) {
		t.Errorf("released: status %d", got.status)
	}
	if got := r.get("http://origin.example/dl/other.exe"); got.status != 403 {
		t.Errorf("another file: status %d", got.status)
	}
	r.clock.Store(int64(2 * time.Hour))
	if got := r.get(u); got.status != 403 {
		t.Errorf("after its end: status %d", got.status)
	}
}

func TestPolicyInForceDecides(t *testing.T) {
	gate := make(chan bool)
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		<-gate
		serving(acme)(w, req)
	})
	got := make(chan answerOf)
	go func() { got <- r.get("http://origin.example/dl/setup.exe") }()
	r.waitForRiders(1)
	r.setPolicy(strings.Replace(rigPolicy, "organization: Acme", "organization: Nobody", 1))
	close(gate)
	if a := <-got; a.status != 403 {
		t.Errorf("status %d: judged by a policy that is no longer in force", a.status)
	}
}

func TestFullVaultIsOurFaultAndSaysSo(t *testing.T) {
	x := &transit{gate: &Gate{}}
	for err, want := range map[error]int{
		quarantine.ErrFull: 503, quarantine.ErrShare: 503, quarantine.ErrTooLarge: 502, quarantine.ErrShort: 502,
		fmt.Errorf("reading: %w", io.ErrUnexpectedEOF): 502,
	} {
		r := x.holdRefusal(err).settled()
		if r.Status != want {
			t.Errorf("%v: status %d, want %d", err, r.Status, want)
		}
	}
}

func TestNewGateNamesWhatIsMissing(t *testing.T) {
	if _, err := NewGate(GateOptions{}); err == nil || !strings.Contains(err.Error(), "policy") {
		t.Error(err)
	}
}

func TestSidecarsStayOnTheUpdatesOrigin(t *testing.T) {
	r := newRig(t, serving([]byte("sidecar")))
	u := mustURL(t, "http://origin.example/dl/a.exe")
	x := &transit{gate: r.gate, req: &http.Request{URL: u, Header: http.Header{}}, plan: policy.Plan{Sidecars: true}}
	s := r.gate.sidecarsOf(x, &verify.Artifact{URL: u}, verify.Trust{})
	ctx := context.Background()
	if b, err := s.Fetch(ctx, "a.exe.sig", 100); err != nil || string(b) != "sidecar" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := s.Fetch(ctx, "a.exe.sig", 3); !errors.Is(err, verify.ErrTooLarge) {
		t.Errorf("over the limit: %v", err)
	}
	for _, ref := range []string{"http://other.example/x", "https://origin.example/x", "//other.example/x", "http://origin.example:81/x"} {
		if _, err := s.Fetch(ctx, ref, 100); err == nil {
			t.Errorf("%s was fetched", ref)
		}
	}
	for range sidecarsEach {
		s.Fetch(ctx, "a.exe.sig", 100)
	}
	if _, err := s.Fetch(ctx, "a.exe.sig", 100); err == nil {
		t.Error("no end to sidecars")
	}
}

func TestClockThatJumpsBackReleasesNothingNew(t *testing.T) {
	r := newRig(t, serving(acme, "Etag", `"v1"`))
	const u = "http://origin.example/dl/setup.exe"
	for _, jump := range []time.Duration{0, -48 * time.Hour, 48 * time.Hour, -time.Hour} {
		r.clock.Store(int64(jump))
		if got := r.get(u); got.status != 200 || !bytes.Equal(got.body, acme) {
			t.Errorf("clock moved by %s: status %d", jump, got.status)
		}
	}
	body := program(5000, "stamped by Mallory;")
	r = newRig(t, serving(body))
	r.clock.Store(int64(-48 * time.Hour))
	if got := r.get(u); got.status != 403 {
		t.Errorf("status %d", got.status)
	}
}
