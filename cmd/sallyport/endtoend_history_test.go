package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
)

// moved is a gateway whose proxy runs in this process, so that its clock can be moved.
type moved struct {
	*gateway
	ahead atomic.Int64 // nanoseconds
	r     *running
}

// newMoved starts the proxy in this process.
func newMoved(t *testing.T, policyText string, origins map[string]string, files map[string][]byte) *moved {
	t.Helper()
	g := &moved{gateway: newGateway(t, policyText, origins)}
	for name, data := range files {
		g.write(name, string(data))
	}
	g.configure()
	g.begin()
	t.Cleanup(g.end)
	return g
}

func (g *moved) begin() {
	g.t.Helper()
	s := settings{configFile: filepath.Join(g.dir, "sallyport.yaml")}
	g.t.Setenv("SALLYPORT_STATE", filepath.Join(g.dir, "state"))
	c, dir, err := s.load()
	if err != nil {
		g.t.Fatal(err)
	}
	c.now = func() time.Time { return time.Now().Add(time.Duration(g.ahead.Load())) }
	if g.r, err = start(c, dir, zap.NewNop()); err != nil {
		g.t.Fatal(err)
	}
}

func (g *moved) end() {
	if g.r == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := g.r.stop(ctx, nil); err != nil {
		g.t.Error(err)
	}
	g.r = nil
}

// restart ends the proxy, moves its clock and starts it again.
func (g *moved) restart(ahead time.Duration) {
	g.t.Helper()
	g.end()
	g.ahead.Add(int64(ahead))
	g.begin()
}

// refused checks that an answer, and the log, name a requirement as what is not proven.
func (g *gateway) refused(url, requirement string, args ...string) fetched {
	g.t.Helper()
	got := g.curl(url, args...)
	rec := g.decisions()[0]
	if got.status != "403" || !strings.Contains(string(got.body), requirement) {
		g.t.Errorf("%s: status %s: %.600q; want a refusal by %s", url, got.status, got.body, requirement)
	}
	if rec.Decision.Action == policy.Allow || len(rec.Decision.Reasons) == 0 || !strings.HasPrefix(rec.Decision.Reasons[0], requirement) {
		g.t.Errorf("%s: the log says %s: %q; want a refusal by %s", url, rec.Decision.Action, rec.Decision.Reasons, requirement)
	}
	return got
}

func (g *gateway) passes(url string, body []byte, args ...string) {
	g.t.Helper()
	if got := g.curl(url, args...); got.status != "200" || body != nil && !bytes.Equal(got.body, body) {
		g.t.Errorf("%s: status %s: %.300q", url, got.status, got.body)
	}
}

// vendor makes signed installers.
type vendor struct {
	root   *at.CA
	signer *at.Signer
}

func newVendor(organization string) vendor {
	root := at.NewCA(organization + " Root")
	return vendor{root, root.Issue(at.Leaf{Organization: organization})}
}

func installer(seed uint64, by *vendor) []byte {
	image := at.BuildPE(at.Image{Seed: seed})
	if by == nil {
		return image
	}
	return at.Sign(image, at.Signature{Signer: by.signer})
}

const agePolicy = `version: 1
anchors: {acme: {authenticode: {organization: Acme, roots: acme.pem}}}
channels:
- {name: acme, hosts: [dl.example], paths: ["/**"], version: "acme-{version}.exe", require: [{signed_by: [acme]}, {min_age: 14d}]}
`

// An update that is younger than the policy wants is kept, and goes by itself when its time has come: also if the proxy was not
// running then, and whatever its origin claims.
func TestMinAgeEndToEnd(t *testing.T) {
	acme := newVendor("Acme")
	origin := newFiles()
	first, second := installer(1, &acme), installer(2, &acme)
	origin.put("/acme-1.0.exe", first)
	origin.put("/acme-1.1.exe", second)
	g := newMoved(t, agePolicy, map[string]string{"dl.example": tlsOrigin(t, origin, "dl.example")}, map[string][]byte{"acme.pem": certPEM(acme.root.Certificate)})
	got := g.refused("https://dl.example/acme-1.0.exe", "min_age 14") // Last-Modified says 2023
	rec := g.decisions()[0]
	until := g.r.config.clock().Add(14 * 24 * time.Hour)
	if rec.Decision.Action != policy.Quarantine || rec.Decision.Ripe.Sub(until).Abs() > time.Minute || !strings.Contains(string(got.body), until.UTC().Format("2006-01-02")) {
		t.Errorf("%+v\n%s", rec.Decision, got.body)
	}
	if claims := rec.Facts.History.Claims; len(claims) != 1 || claims[0].Source != "Last-Modified" || claims[0].At.Year() != 2023 {
		t.Errorf("%+v", claims)
	}
	g.ahead.Add(int64(13 * 24 * time.Hour))
	g.refused("https://dl.example/acme-1.1.exe", "min_age 14")
	g.refused("https://dl.example/acme-1.0.exe", "min_age 14")
	g.restart(25 * time.Hour)
	released := func(sum [32]byte) audit.Record {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			for _, rec := range g.decisions() {
				if rec.Decision.Action == policy.Allow && rec.Client == nil && rec.Artifact.SHA256 == sum {
					return rec
				}
			}
			if time.Now().After(end) {
				t.Fatalf("it was not released within a minute: %+v", g.decisions())
			}
		}
	}
	if rec := released(sha256.Sum256(first)); rec.Channel != "acme" || rec.Decides == "" {
		t.Errorf("%+v", rec)
	}
	out, _, _ := g.sallyport("quarantine", "list", "--json")
	for end := time.Now().Add(time.Minute); strings.Contains(out, fmt.Sprintf("%x", sha256.Sum256(first))) && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		out, _, _ = g.sallyport("quarantine", "list", "--json") // the record comes before the vault is settled by it
	}
	if strings.Contains(out, fmt.Sprintf("%x", sha256.Sum256(first))) || !strings.Contains(out, fmt.Sprintf("%x", sha256.Sum256(second))) {
		t.Errorf("quarantine: %s", out)
	}
	g.passes("https://dl.example/acme-1.0.exe", first)
	if got := g.curl("https://dl.example/acme-1.0.exe", "-r", "100-199"); got.status != "206" || !bytes.Equal(got.body, first[100:200]) {
		t.Errorf("a range: status %s, %d bytes", got.status, len(got.body))
	}
	if got := g.curl("https://dl.example/acme-1.0.exe", "-I"); got.status != "200" {
		t.Errorf("HEAD: status %s", got.status)
	}
	g.refused("https://dl.example/acme-1.1.exe", "min_age 14")
	g.ahead.Add(int64(14 * 24 * time.Hour))
	released(sha256.Sum256(second))
	g.passes("https://dl.example/acme-1.1.exe", second)

	file := filepath.Join(t.TempDir(), "acme-1.1.exe")
	os.WriteFile(file, second, 0o600)
	out, errs, code := g.sallyport("verify", "--config", filepath.Join(g.dir, "sallyport.yaml"), "--channel", "acme", "--at", g.r.config.clock().UTC().Format(time.RFC3339), file)
	if code != 0 || !strings.Contains(out, "allow") {
		t.Errorf("verify: exit %d: %s%s", code, out, errs)
	}
	out, errs, code = g.sallyport("verify", "--config", filepath.Join(g.dir, "sallyport.yaml"), "--channel", "acme", file)
	if code != 1 || !strings.Contains(out, "min_age 14") {
		t.Errorf("verify, as of today: exit %d: %s%s", code, out, errs)
	}
}

const pastPolicy = `version: 1
anchors:
  acme: {authenticode: {organization: Acme}}
  bolt: {authenticode: {organization: Bolt}}
channels:
- {name: older, hosts: [dl.example], paths: ["/older/**"], version: "app-{version}.exe", require: [{no_downgrade: true}]}
- {name: signer, hosts: [dl.example], paths: ["/signer/**"], version: "app-{version}.exe", require: [{signed_by: [acme, bolt]}, {same_publisher: true}]}
- {name: weaker, hosts: [dl.example], paths: ["/weaker/**"], version: "app-{version}.exe", require: [{never_weaker: true}]}
- {name: view, hosts: [dl.example], paths: ["/view/**"], version: "app-{version}.exe", require: [{one_view: true}]}
- {name: look, hosts: [dl.example], paths: ["/look/**"], version: "app-{version}.exe", require: [{one_view: {second_look: true}}]}
`

// byAgent serves other files to some, and to whoever asks first.
type byAgent struct {
	*files
	others map[string]*files // by User-Agent
	once   *sync.Map         // bytes by path, for the first request
}

// ServeHTTP implements http.Handler.
func (b byAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if b.once != nil {
		if body, ok := b.once.LoadAndDelete(r.URL.Path); ok {
			w.Write(body.([]byte))
			return
		}
	}
	if f := b.others[r.UserAgent()]; f != nil {
		f.ServeHTTP(w, r)
		return
	}
	b.files.ServeHTTP(w, r)
}

// What differs from what was let through before is refused by the requirement that it breaks, also after a crash.
func TestPastReleasesEndToEnd(t *testing.T) {
	acme := newVendor("Acme")
	bolt := vendor{acme.root, acme.root.Issue(at.Leaf{Organization: "Bolt"})}
	origin, other, once := newFiles(), newFiles(), new(sync.Map)
	g := newGateway(t, pastPolicy, map[string]string{"dl.example": tlsOrigin(t, byAgent{origin, map[string]*files{"victim": other}, once}, "dl.example")})
	g.write("public.pem", string(certPEM(acme.root.Certificate)))
	g.config = "trust: {code_signing: public.pem, timestamping: public.pem}\n"
	g.start()
	seed := uint64(0)
	offer := func(path string, by *vendor) (string, []byte) {
		seed++
		body := installer(seed, by)
		origin.put(path, body)
		return "https://dl.example" + path, body
	}
	pass := func(path string, by *vendor) {
		t.Helper()
		url, body := offer(path, by)
		g.passes(url, body)
	}
	refuse := func(path string, by *vendor, requirement string) {
		t.Helper()
		url, _ := offer(path, by)
		g.refused(url, requirement+": ")
	}
	pass("/older/app-2.0.exe", nil)
	refuse("/older/app-1.9.exe", nil, "no_downgrade")
	pass("/signer/app-1.0.exe", &acme)
	refuse("/signer/app-1.1.exe", &bolt, "same_publisher")
	pass("/signer/app-1.2.exe", &acme)
	pass("/weaker/app-1.0.exe", &acme)
	refuse("/weaker/app-1.1.exe", nil, "never_weaker")

	url, body := offer("/view/app-1.0.exe", nil)
	g.passes(url, body)
	other.put("/view/app-1.0.exe", installer(100, nil))
	if got := g.refused(url, "one_view: ", "-A", "victim"); !strings.Contains(string(got.body), fmt.Sprintf("%x", sha256.Sum256(body))) {
		t.Errorf("the other bytes are not named: %s", got.body)
	}
	url, body = offer("/look/app-1.0.exe", nil)
	g.passes(url, body, "-H", "Accept-Language: de")
	url, _ = offer("/look/app-2.0.exe", nil)
	once.Store("/look/app-2.0.exe", installer(101, nil))
	if got := g.refused(url, "one_view: "); !strings.Contains(string(got.body), "second look") {
		t.Errorf("%s", got.body)
	}

	g.kill()
	g.run()
	refuse("/older/app-1.8.exe", nil, "no_downgrade")
	refuse("/signer/app-1.3.exe", &bolt, "same_publisher")
	refuse("/weaker/app-1.2.exe", nil, "never_weaker")
	g.stop()

	// `verify` judges by the history as the gate does.
	file := filepath.Join(t.TempDir(), "app-1.7.exe")
	os.WriteFile(file, installer(200, nil), 0o600)
	for channel, requirement := range map[string]string{"older": "no_downgrade: ", "weaker": "never_weaker: "} {
		out, errs, code := g.sallyport("verify", "--config", filepath.Join(g.dir, "sallyport.yaml"), "--channel", channel, "--json", file)
		var rec audit.Record
		if err := json.Unmarshal([]byte(out), &rec); err != nil || code != 1 || !strings.HasPrefix(rec.Decision.Reasons[0], requirement) {
			t.Errorf("verify on %s: exit %d: %s%s", channel, code, out, errs)
		}
	}
	// The history is made from the log, and can be made again.
	for _, name := range []string{"history.db", "history.db-wal", "history.db-shm"} {
		os.Remove(filepath.Join(g.dir, "state", name))
	}
	if out, errs, code := g.sallyport("verify", "--config", filepath.Join(g.dir, "sallyport.yaml"), "--channel", "older", file); code != 1 || !strings.Contains(out, "the history of this gate is not known") {
		t.Errorf("verify without a history: exit %d: %s%s", code, out, errs)
	}
	g.run()
	refuse("/older/app-1.6.exe", nil, "no_downgrade")
}

const unnamedPolicy = `version: 1
anchors: {acme: {authenticode: {organization: Acme, roots: acme.pem}}}
channels:
- {name: weaker, hosts: [dl.example], paths: ["/weaker/**"], version: "app-{version}.exe", require: [{never_weaker: true}]}
- {name: signer, hosts: [dl.example], paths: ["/signer/**"], version: "app-{version}.exe", require: [{same_publisher: true}]}
- {name: sign, hosts: [dl.example], paths: ["/sign/**"], require: [{signed_by: [acme]}]}
`

// Signatures under roots of the policy's own count on channels that name no anchor, too: else none would ever be missed.
func TestSignaturesThatNoRequirementNamesEndToEnd(t *testing.T) {
	acme := newVendor("Acme")
	bolt := vendor{acme.root, acme.root.Issue(at.Leaf{Organization: "Bolt"})}
	origin := newFiles()
	g := newGateway(t, unnamedPolicy, map[string]string{"dl.example": tlsOrigin(t, origin, "dl.example")})
	g.write("acme.pem", string(certPEM(acme.root.Certificate)))
	g.start()
	for i, c := range []struct {
		path    string
		by      *vendor
		refused string
	}{
		{"/weaker/app-1.0.exe", &acme, ""},
		{"/weaker/app-1.1.exe", nil, "never_weaker: "},
		{"/weaker/app-1.2.exe", &acme, ""},
		{"/signer/app-1.0.exe", &acme, ""},
		{"/signer/app-1.1.exe", &bolt, "same_publisher: "},
		{"/signer/app-1.2.exe", &acme, ""},
	} {
		origin.put(c.path, installer(uint64(i), c.by))
		if url := "https://dl.example" + c.path; c.refused == "" {
			g.passes(url, nil)
		} else {
			g.refused(url, c.refused)
		}
	}
}

// An exception lets exactly one digest through, until it ends, and leaves what it let through behind as history.
func TestExceptionEndsEndToEnd(t *testing.T) {
	acme := newVendor("Acme")
	origin := newFiles()
	waived, alike := installer(1, &acme), installer(2, &acme)
	origin.put("/acme-1.0.exe", waived)
	origin.put("/acme-1.1.exe", alike)
	expires := time.Now().Add(48 * time.Hour).UTC().Format("2006-01-02")
	text := agePolicy + fmt.Sprintf("exceptions:\n- {name: INC-1, channel: acme, sha256: [%x], reason: urgent, owner: alice@example.org, expires: %s}\n", sha256.Sum256(waived), expires)
	g := newMoved(t, text, map[string]string{"dl.example": tlsOrigin(t, origin, "dl.example")}, map[string][]byte{"acme.pem": certPEM(acme.root.Certificate)})
	g.passes("https://dl.example/acme-1.0.exe", waived)
	rec := g.decisions()[0]
	if rec.Decision.Rule != "exception INC-1" || !strings.Contains(strings.Join(rec.Decision.Reasons, " "), "INC-1") {
		t.Errorf("%+v", rec.Decision)
	}
	g.refused("https://dl.example/acme-1.1.exe", "min_age 14")
	if past := g.decisions()[0].Facts.History.Past["acme"]; len(past.Releases) != 1 || !past.Releases[0].ByHand {
		t.Errorf("%+v", past)
	}
	g.ahead.Add(int64(73 * time.Hour))
	g.refused("https://dl.example/acme-1.0.exe", "min_age 14")
	g.ahead.Add(int64(14 * 24 * time.Hour))
	g.passes("https://dl.example/acme-1.0.exe", waived)
	if rule := g.decisions()[0].Decision.Rule; rule != "channel acme" {
		t.Errorf("rule %s", rule)
	}
}

// Two clients that race with two different files of one address never both get theirs, and what a client is told is what the log
// says.
func TestRacingViewsEndToEnd(t *testing.T) {
	origin, other := newFiles(), newFiles()
	g := newGateway(t, pastPolicy, map[string]string{"dl.example": tlsOrigin(t, byAgent{files: origin, others: map[string]*files{"victim": other}}, "dl.example")})
	g.start()
	for i := range 5 {
		path := fmt.Sprintf("/view/app-3.%d.exe", i)
		origin.put(path, installer(uint64(300+i), nil))
		other.put(path, installer(uint64(400+i), nil))
		var both sync.WaitGroup
		var got [2]fetched
		for n, agent := range []string{"victim", "other"} {
			both.Go(func() { got[n] = g.curl("https://dl.example"+path, "-A", agent) })
		}
		both.Wait()
		first, second := got[0].status == "200", got[1].status == "200"
		if !first && !second || first && second && !bytes.Equal(got[0].body, got[1].body) { // who comes while the other waits rides along
			t.Errorf("%s: %s and %s", path, got[0].status, got[1].status)
		}
	}
}
