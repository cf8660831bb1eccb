package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy/alert"
)

// alarms is a webhook and a syslog server that keep what they get.
type alarms struct {
	webhook *httptest.Server
	syslog  net.PacketConn
	mu      sync.Mutex
	events  []alert.Event
	lines   []string
	at      map[string]time.Time // when something came that contains a text
}

func newAlarms(t *testing.T) *alarms {
	t.Helper()
	a := &alarms{}
	a.webhook = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var e alert.Event
		if err := json.Unmarshal(body, &e); err != nil {
			t.Errorf("the webhook got %q: %v", body, err)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.events = append(a.events, e)
	}))
	t.Cleanup(a.webhook.Close)
	var err error
	if a.syslog, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.syslog.Close() })
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, _, err := a.syslog.ReadFrom(b)
			if err != nil {
				return
			}
			a.mu.Lock()
			a.lines = append(a.lines, string(b[:n]))
			a.mu.Unlock()
		}
	}()
	return a
}

func (a *alarms) config() string {
	return fmt.Sprintf("alerts:\n- {name: soc, webhook: \"%s/hooks/T0PS3CRET\"}\n- {name: siem, syslog: \"udp://%s\", events: [all]}\n", a.webhook.URL, a.syslog.LocalAddr())
}

// await waits for an event of a kind about a text, and returns it.
func (a *alarms) await(t *testing.T, k alert.Kind, text string) alert.Event {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		a.mu.Lock()
		for _, e := range a.events {
			if e.Kind == k && strings.Contains(e.Text, text) {
				a.mu.Unlock()
				return e
			}
		}
		a.mu.Unlock()
		if time.Now().After(end) {
			t.Fatalf("no alert of %s about %q: %+v", k, text, a.events)
		}
	}
}

// line waits for a syslog message with all of some texts, and returns it.
func (a *alarms) line(t *testing.T, texts ...string) string {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		a.mu.Lock()
		for _, l := range a.lines {
			all := true
			for _, text := range texts {
				all = all && strings.Contains(l, text)
			}
			if all {
				a.mu.Unlock()
				return l
			}
		}
		a.mu.Unlock()
		if time.Now().After(end) {
			t.Fatalf("no message with %q:\n%s", texts, strings.Join(a.lines, "\n"))
		}
	}
}

// htpasswd is a file of people whose password is their name with "pw-" before it.
func htpasswd(t *testing.T, names ...string) string {
	t.Helper()
	text := ""
	for _, name := range names {
		hash, err := bcrypt.GenerateFromPassword([]byte("pw-"+name), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		text += name + ":" + string(hash) + "\n"
	}
	return text
}

const regretPolicy = `version: 1
feeds:
  bad: {file: bad.txt}
approval: {break_glass: {people: 2, at_most: 4h}}
channels:
- {name: dl, hosts: [dl.example], paths: ["/dl/**"], require: [{not_listed: [bad]}]}
- {name: tools, hosts: [dl.example], paths: ["/tools/**"], require: []}
- {name: never, hosts: [dl.example], paths: ["/never/**"], require: [{if: "false"}]}
`

// An IoC names at once everybody who has fetched something that contains it, and the next fetch is refused.
func TestRegretNamesWhoGotIt(t *testing.T) {
	library := append([]byte("MZ"), bytes.Repeat([]byte("library"), 5000)...)
	tool := append([]byte("MZ"), bytes.Repeat([]byte("tool"), 5000)...)
	origin := newFiles()
	origin.put("/dl/app.zip", zipOf(t, map[string][]byte{"app/ffmpeg.dll": library, "app/readme.txt": []byte("hello")}))
	origin.put("/tools/kit.zip", zipOf(t, map[string][]byte{"kit/tool.exe": tool}))
	g := newGateway(t, regretPolicy, map[string]string{"dl.example": tlsOrigin(t, origin, "dl.example")})
	a := newAlarms(t)
	g.write("users", htpasswd(t, "ann", "ben"))
	g.config = a.config() + "auth: {htpasswd: users}\n"
	g.write("bad.txt", fmt.Sprintf("%064x\n", 1))
	g.start()
	fetch := func(user, path string) fetched {
		return g.curl("https://dl.example"+path, "--proxy-user", user+":pw-"+user)
	}
	for _, user := range []string{"ann", "ben"} {
		for _, path := range []string{"/dl/app.zip", "/tools/kit.zip"} {
			if got := fetch(user, path); got.status != "200" {
				t.Fatalf("%s %s: status %s: %s", user, path, got.status, got.body)
			}
		}
	}

	began := time.Now()
	g.replace("bad.txt", fmt.Sprintf("%064x\n%x  SmoothOperator\n", 1, sha256.Sum256(library)))
	e := a.await(t, alert.Regret, "app.zip")
	took := time.Since(began)
	t.Logf("the webhook named %d clients %s after the feed had changed", len(e.Clients), took)
	if len(e.Clients) != 2 || e.Clients[0].User != "ben" || e.Clients[1].User != "ann" || e.Clients[0].Addr != "127.0.0.1" || e.Clients[0].Rule != "channel dl" ||
		e.Clients[0].URL != "https://dl.example/dl/app.zip" || e.Path != "app/ffmpeg.dll" || e.Source != "feed bad" || e.Label != "SmoothOperator" || e.Severity != 10 {
		t.Errorf("%+v", e)
	}
	for _, user := range []string{"ann", "ben"} {
		a.line(t, "<162>1 ", " regret - CEF:0|Sallyport|Sallyport|", "|10|", "src=127.0.0.1", "suser="+user, "cs2=channel dl", "filePath=app/ffmpeg.dll", "fname=app.zip")
	}
	if got := fetch("ann", "/dl/app.zip"); got.status != "403" || !strings.Contains(string(got.body), "app/ffmpeg.dll inside is on feed bad") {
		t.Errorf("the next fetch: status %s: %s", got.status, got.body)
	}
	regret := g.newest(t, "regret")
	if regret.Regret.Count != 2 || len(regret.Regret.Allowed) != 2 || regret.Regret.Path != "app/ffmpeg.dll" {
		t.Errorf("%+v", regret.Regret)
	}
	out, _, _ := g.sallyport("audit", "show", regret.ID)
	for _, want := range []string{"ann@127.0.0.1", "ben@127.0.0.1", "received", "https://dl.example/dl/app.zip", "feed bad"} {
		if !strings.Contains(out, want) {
			t.Errorf("audit show does not say %q:\n%s", want, out)
		}
	}
	if out, _, _ := g.sallyport("audit", "list", "--kind", "regret"); !strings.Contains(out, "app.zip: feed bad, 2 decisions") {
		t.Errorf("audit list: %s", out)
	}

	// An auditor's recall, of a file inside what another channel has let through, whatever that channel requires.
	inner := fmt.Sprintf("%x", sha256.Sum256(tool))
	out, errs, code := g.sallyport("audit", "recall", inner, "--reason", "stolen key")
	if code != 0 || !strings.Contains(out, "nothing that is known to contain it was let through") { // the channel had no reason to open it
		t.Fatalf("audit recall: exit %d: %s%s", code, out, errs)
	}
	if got := fetch("ben", "/tools/kit.zip"); got.status != "403" || !strings.Contains(string(got.body), "stolen key") {
		t.Errorf("after the recall: status %s: %s", got.status, got.body)
	}
	if e := a.await(t, alert.Regret, "kit.zip"); len(e.Clients) != 2 || e.Path != "kit/tool.exe" {
		t.Errorf("%+v", e)
	}
	a.await(t, alert.Recall, "stolen key")
	g.stop()
	g.logged(t, "REGRET: something that was let through turns out to be bad", "ann at 127.0.0.1", "ben at 127.0.0.1", "channel dl")
	g.run()
	if got := fetch("ben", "/tools/kit.zip"); got.status != "403" {
		t.Errorf("after a restart: status %s: %s", got.status, got.body)
	}
	if out, errs, code = g.sallyport("audit", "recall", inner, "--lift", "--reason", "it was harmless"); code != 0 {
		t.Fatalf("lifting: exit %d: %s%s", code, out, errs)
	}
	g.untilAs("ben", "https://dl.example/tools/kit.zip", "200")
	file := fmt.Sprintf("%x", sha256.Sum256(origin.by["/tools/kit.zip"]))
	if out, errs, code = g.sallyport("audit", "recall", file, "--reason", "withdrawn by its vendor"); code != 0 || !strings.Contains(out, "1 update was let through before, by 3 decisions") {
		t.Errorf("recalling the update itself: exit %d: %s%s", code, out, errs)
	}
	if got := fetch("ben", "/tools/kit.zip"); got.status != "403" || !strings.Contains(string(got.body), "withdrawn by its vendor") {
		t.Errorf("the update itself: status %s: %s", got.status, got.body)
	}
	if out, _, _ := g.sallyport("audit", "list", "--kind", "regret", "--json"); strings.Count(out, "\n") != 3 {
		t.Errorf("what was told is told again after a restart:\n%s", out)
	}
	g.stop()
	if log := g.log.String(); strings.Contains(log, "T0PS3CRET") {
		t.Error("the URL of the webhook is in the log")
	}
}

// untilAs is until for a user.
func (g *gateway) untilAs(user, url, status string) {
	g.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		got := g.curl(url, "--proxy-user", user+":pw-"+user)
		if got.status == status {
			return
		}
		if time.Now().After(end) {
			g.t.Fatalf("%s: status %s: %s", url, got.status, got.body)
		}
	}
}

// logged looks for a line of the operational log with all of some texts. The proxy has been stopped.
func (g *gateway) logged(t *testing.T, texts ...string) {
	t.Helper()
	for line := range strings.Lines(g.log.String()) {
		all := true
		for _, text := range texts {
			all = all && strings.Contains(line, text)
		}
		if all {
			return
		}
	}
	t.Errorf("no line of the log has %q", texts)
}

// newest returns the newest record of a kind.
func (g *gateway) newest(t *testing.T, kind string) audit.Record {
	t.Helper()
	out, errs, code := g.sallyport("audit", "list", "--kind", kind, "--limit", "1", "--json")
	var rec audit.Record
	if err := json.Unmarshal([]byte(out), &rec); err != nil || code != 0 {
		t.Fatalf("audit list --kind %s: exit %d, %v: %s%s", kind, code, err, out, errs)
	}
	return rec
}

// At three in the morning two people let through what the policy holds back, for some hours, and everybody hears of it.
func TestBreakGlassByTwoPeople(t *testing.T) {
	held := append([]byte("MZ"), bytes.Repeat([]byte("held"), 5000)...)
	origin := newFiles()
	origin.put("/never/fix.exe", held)
	g := newGateway(t, regretPolicy, map[string]string{"dl.example": tlsOrigin(t, origin, "dl.example")})
	a := newAlarms(t)
	g.write("approvers", htpasswd(t, "alice", "bob"))
	g.write("alice.pw", "pw-alice\n")
	g.write("bob.pw", "pw-bob\n")
	g.write("wrong.pw", "pw-mallory\n")
	g.config = a.config() + "approvers: {htpasswd: approvers}\n"
	g.write("bad.txt", "")
	g.start()
	const url = "https://dl.example/never/fix.exe"
	if got := g.curl(url); got.status != "403" {
		t.Fatalf("status %s: %s", got.status, got.body)
	}
	digest := fmt.Sprintf("%x", sha256.Sum256(held))
	file := func(name string) string { return filepath.Join(g.dir, name) }
	release := func(args ...string) (string, string, int) {
		return g.sallyport(append([]string{"quarantine", "release", digest[:16], "--break-glass", "--reason", "the plant stands still"}, args...)...)
	}
	if _, errs, code := release(); code == 0 || !strings.Contains(errs, "takes 2 people, who prove who they are") || !strings.Contains(errs, "hint: say who you are by --as NAME") {
		t.Errorf("nobody: exit %d: %s", code, errs)
	}
	if _, errs, code := release("--as", "alice", "--password-file", file("wrong.pw")); code == 0 || !strings.Contains(errs, "the name or the password is wrong") {
		t.Errorf("a wrong password: exit %d: %s", code, errs)
	}
	out, errs, code := release("--as", "alice", "--password-file", file("alice.pw"))
	if code != 0 || !strings.Contains(out, "nothing is released yet: 1 of 2 have agreed") {
		t.Fatalf("the first: exit %d: %s%s", code, out, errs)
	}
	_, request, _ := strings.Cut(strings.TrimSpace(out), "request ")
	if got := g.curl(url); got.status != "403" {
		t.Fatalf("after the first: status %s", got.status)
	}
	g.stop()
	g.run()
	if out, _, _ := g.sallyport("quarantine", "approvals"); !strings.Contains(out, request) || !strings.Contains(out, "the plant stands still") {
		t.Errorf("after a restart nothing waits: %s", out)
	}
	if _, errs, code := g.sallyport("quarantine", "approve", request, "--as", "alice", "--password-file", file("alice.pw")); code == 0 || !strings.Contains(errs, "alice has agreed already") {
		t.Errorf("the same person: exit %d: %s", code, errs)
	}
	out, errs, code = g.sallyport("quarantine", "approve", request, "--as", "bob", "--password-file", file("bob.pw"))
	if code != 0 || !strings.Contains(out, "BREAK GLASS: released fix.exe") || !strings.Contains(out, "agreed by alice, bob") {
		t.Fatalf("the second: exit %d: %s%s", code, out, errs)
	}
	if got := g.curl(url); got.status != "200" {
		t.Errorf("released: status %s: %s", got.status, got.body)
	}
	rec := g.newest(t, "release")
	if l := rec.Release; !l.BreakGlass || fmt.Sprint(l.Approvers) != "[alice bob]" || l.Approval != request || l.Until.IsZero() || time.Until(l.Until) > 4*time.Hour {
		t.Errorf("%+v", l)
	}
	if e := a.await(t, alert.BreakGlass, "BREAK GLASS: fix.exe is released"); e.SHA256.String() != digest || fmt.Sprint(e.Approvers) != "[alice bob]" {
		t.Errorf("%+v", e)
	}
	a.await(t, alert.BreakGlass, "alice wants a break-glass of")
	a.line(t, " break-glass - CEF:0|", "somebody who said they were alice could not prove it")
	if _, errs, _ := g.sallyport("quarantine", "list"); !strings.Contains(errs, "BREAK GLASS in force until") || !strings.Contains(errs, "agreed by alice, bob: the plant stands still") {
		t.Errorf("quarantine list: %s", errs)
	}
	if _, errs, _ := g.sallyport("quarantine", "show", digest[:16]); !strings.Contains(errs, "BREAK GLASS in force until") {
		t.Errorf("quarantine show: %s", errs)
	}
	if out, _, _ := g.sallyport("quarantine", "list", "--releases"); !strings.Contains(out, "BREAK-GLASS") {
		t.Errorf("quarantine list --releases: %s", out)
	}

	// It overrides no recall.
	if _, errs, code := g.sallyport("audit", "recall", digest, "--reason", "it was the attack"); code != 0 {
		t.Fatalf("audit recall: exit %d: %s", code, errs)
	}
	if got := g.curl(url); got.status != "403" || !strings.Contains(string(got.body), "it was the attack") {
		t.Errorf("recalled: status %s: %s", got.status, got.body)
	}
	_, errs, code = g.sallyport("quarantine", "release", rec.Decides, "--break-glass", "--reason", "again", "--as", "alice", "--password-file", file("alice.pw"))
	if code == 0 || !strings.Contains(errs, "no release overrides that") {
		t.Errorf("releasing what is recalled: exit %d: %s", code, errs)
	}
	a.await(t, alert.Regret, "fix.exe was let through once")
	g.stop()
	g.logged(t, "BREAK GLASS: an update is let through in an emergency", digest)
}

// A policy that is not put in force when the proxy starts is told of like one that is not later.
func TestAPolicyThatIsHeldBackAtTheStartIsToldOf(t *testing.T) {
	g := newGateway(t, "version: 1\napproval: {release: {people: 2}}\nchannels:\n- {name: dl, hosts: [dl.example], require: []}\n", nil)
	a := newAlarms(t)
	g.config = a.config()
	g.start()
	g.stop()
	g.write("policy.yaml", "version: 1\nchannels:\n- {name: dl, hosts: [dl.example], require: []}\n")
	g.run()
	a.await(t, alert.Policy, "a release takes one person, not 2 people")
}
