package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// askVerifier is a signature system of the tests that fetches: its evidence, the first of refs that is there, says who has
// signed. It remembers all that it came by.
type askVerifier struct {
	mu    sync.Mutex
	refs  []string
	seen  []string       // "REF: BYTES" or "REF: ERROR"
	asked []string       // names of the Sigstore anchors that it was given
	at    []string       // URLs and names of artifacts
	roles map[string]int // of artifacts
}

func (*askVerifier) Method() string              { return "authenticode" }
func (*askVerifier) Match(*verify.Artifact) bool { return true }

func (v *askVerifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = nil
	for _, s := range env.Trust.Sigstore {
		v.asked = append(v.asked, s.Anchor)
	}
	v.at = append(v.at, a.URL.String()+" "+a.Name)
	f := verify.Finding{Method: "authenticode", Status: verify.Absent, Code: "authenticode/unsigned", Detail: "no evidence"}
	for _, ref := range v.refs {
		b, err := env.Sidecars.Fetch(ctx, strings.ReplaceAll(ref, "{name}", baseName(a.URL.Path)), 1000)
		if err != nil {
			v.seen = append(v.seen, ref+": "+err.Error())
			continue
		}
		v.seen = append(v.seen, ref+": "+string(b))
		f.Status, f.Code = verify.Valid, "authenticode/valid"
		f.Signer = verify.Identity{Name: string(b), Organization: string(b)}
		break
	}
	return []verify.Finding{f}, nil
}

func (v *askVerifier) takeSeen() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	defer func() { v.seen = nil }()
	return strings.Join(v.seen, "\n")
}

func (v *askVerifier) last() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.at) == 0 {
		return ""
	}
	return v.at[len(v.at)-1]
}

// askPolicy is about a channel that needs evidence, whose anchors name places.
const askPolicy = `version: 1
defaults: {hosts: inspect, unmatched: quarantine}
hosts: {deny: [denied.example], tunnel: [tunnelled.example]}
anchors:
  acme: {authenticode: {organization: Acme}}
  bundles: {sigstore: {issuer: "https://issuer.example", identity: "*", bundles: ["https://bundles.example/by/{sha256}"]}}
  elsewhere: {sigstore: {issuer: "https://issuer.example", identity: "*", bundles: ["https://elsewhere.example/by/{sha256}"]}}
channels:
- {name: dl, hosts: [origin.example], paths: ["/dl/**"], require: [{any: [{signed_by: [acme]}, {signed_by: [bundles]}]}]}
- {name: other, hosts: [origin.example], paths: ["/other/**"], require: [{any: [{signed_by: [acme]}, {signed_by: [elsewhere]}]}]}
`

func newAskRig(t *testing.T, origin http.HandlerFunc, refs ...string) (*rig, *askVerifier) {
	r := newRig(t, origin)
	r.setPolicy(askPolicy)
	v := &askVerifier{refs: refs}
	r.gate.Examiner = &verify.Examiner{Verifiers: []verify.Verifier{v}}
	return r, v
}

// hosts answers by host and path; other requests get a 404.
type hosts map[string]http.HandlerFunc

func (h hosts) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if f := h[req.Host+req.URL.Path]; f != nil {
		f(w, req)
		return
	}
	http.NotFound(w, req)
}

func redirectTo(u string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", u)
		w.WriteHeader(http.StatusFound)
	}
}

func TestEvidenceIsFetchedWhereTheChannelsAnchorsSay(t *testing.T) {
	var agents sync.Map
	h := hosts{
		"origin.example/dl/setup.exe":    serving(program(5000, "")),
		"origin.example/other/setup.exe": serving(program(6000, "")),
		"bundles.example/by/1": func(w http.ResponseWriter, req *http.Request) {
			agents.Store(req.UserAgent(), true)
			serving([]byte("Acme"))(w, req)
		},
		"elsewhere.example/by/1": serving([]byte("Acme")),
		"origin.example/secret":  serving([]byte("Acme")),
	}
	r, v := newAskRig(t, h.ServeHTTP)
	for _, c := range []struct {
		url, ref string
		fetched  bool
	}{
		{"https://origin.example/dl/setup.exe", "https://bundles.example/by/1", true},
		{"https://origin.example/dl/setup.exe", "https://elsewhere.example/by/1", false}, // another channel's
		{"https://origin.example/other/setup.exe", "https://elsewhere.example/by/1", true},
		{"https://origin.example/other/setup.exe", "https://bundles.example/by/1", false},
		{"https://origin.example/dl/setup.exe", "//bundles.example/by/1", false}, // no absolute URL
		{"https://origin.example/dl/setup.exe", "http://bundles.example/by/1", false},
		{"https://origin.example/dl/setup.exe", "https://bundles.example/other/1", false},
		{"https://origin.example/dl/setup.exe", "https://bundles.example/by/%2e%2e/by/1", false},
		{"https://origin.example/dl/setup.exe", "https://user:pass@bundles.example/by/1", false},
	} {
		v.refs = []string{c.ref}
		got := r.get(c.url, "User-Agent", "somebody/1.0")
		if seen := v.takeSeen(); (got.status == 200) != c.fetched || strings.HasSuffix(seen, ": Acme") != c.fetched {
			t.Errorf("%s: status %d, %s", c.ref, got.status, seen)
		} else if !c.fetched && !strings.Contains(seen, "neither on the update's own origin nor where an anchor of the channel says") {
			t.Errorf("%s: %s", c.ref, seen)
		}
	}
	if _, told := agents.Load("somebody/1.0"); told {
		t.Error("who asks is told to where an anchor leads")
	}
	if _, own := agents.Load(AgentName); !own {
		t.Error("the proxy does not say what it is")
	}
}

func TestWhatAnAnchorNamesIsAskedForAnew(t *testing.T) {
	n := 0
	h := hosts{
		"origin.example/dl/setup.exe": serving(program(5000, "")),
		"bundles.example/by/1": func(w http.ResponseWriter, req *http.Request) {
			n++
			w.Header().Set("Etag", `"same"`)
			w.Header().Set("Cache-Control", "max-age=3600")
			if req.Header.Get("If-None-Match") != "" {
				t.Error("the origin is asked whether it still is what nobody has kept")
			}
			fmt.Fprintf(w, "Signer %d", n)
		},
	}
	r, v := newAskRig(t, h.ServeHTTP, "https://bundles.example/by/1")
	for i := range 3 {
		r.get("https://origin.example/dl/setup.exe")
		if seen := v.takeSeen(); !strings.HasSuffix(seen, fmt.Sprintf(": Signer %d", i+1)) {
			t.Errorf("%s", seen)
		}
	}
}

func TestRedirectsOfEvidence(t *testing.T) {
	hop := func(n int) string { return fmt.Sprintf("https://store.example/hop/%d", n) }
	h := hosts{
		"origin.example/dl/setup.exe":           serving(program(5000, "")),
		"store.example/object":                  serving([]byte("Acme"), "Etag", `"1"`),
		"origin.example/dl/object":              serving([]byte("Acme")),
		"bundles.example/by/1":                  redirectTo("https://store.example/object"),
		"bundles.example/by/2":                  redirectTo("/elsewhere/on/the/host"),
		"bundles.example/elsewhere/on/the/host": serving([]byte("Acme")),
		"origin.example/dl/away":                redirectTo("https://store.example/object"),
		"origin.example/dl/own":                 redirectTo("object"),
		"origin.example/dl/denied":              redirectTo("https://denied.example/object"),
		"origin.example/dl/tunnelled":           redirectTo("https://tunnelled.example/object"),
		"origin.example/dl/plain":               redirectTo("http://store.example/object"),
		"origin.example/dl/port":                redirectTo("https://store.example:8081/object"),
		"origin.example/dl/user":                redirectTo("https://me@store.example/object"),
		"origin.example/dl/file":                redirectTo("file:///etc/passwd"),
		"origin.example/dl/gone":                redirectTo("https://store.example/gone"),
		"origin.example/dl/two": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Location"] = []string{"/a", "/b"}
			w.WriteHeader(302)
		},
		"origin.example/dl/none":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(302) },
		"origin.example/dl/three":   redirectTo(hop(2)),
		"origin.example/dl/four":    redirectTo(hop(1)),
		"origin.example/dl/loop":    redirectTo("https://origin.example/dl/loop"),
		"store.example/hop/1":       redirectTo(hop(2)),
		"store.example/hop/2":       redirectTo(hop(3)),
		"store.example/hop/3":       redirectTo("https://store.example/object"),
		"denied.example/object":     serving([]byte("Acme")),
		"tunnelled.example/object":  serving([]byte("Acme")),
		"store.example:8081/object": serving([]byte("Acme")),
	}
	r, v := newAskRig(t, h.ServeHTTP)
	for ref, want := range map[string]string{
		"https://bundles.example/by/1": "Acme",
		"https://bundles.example/by/2": "Acme",
		"./away":                       "Acme",
		"./own":                        "Acme",
		"./three":                      "Acme",
		"./four":                       "more than 3 redirects",
		"./loop":                       "more than 3 redirects",
		"./denied":                     "denied.example is refused by denied.example in hosts.deny",
		"./tunnelled":                  "hosts.tunnel",
		"./plain":                      "would leave TLS",
		"./port":                       "the policy lets nobody ask for port 8081 there",
		"./user":                       "no web address",
		"./file":                       "no web address",
		"./gone":                       verify.ErrNotExist.Error(),
		"./two":                        "names 2 places",
		"./none":                       "names 0 places",
	} {
		v.refs = []string{ref}
		got := r.get("https://origin.example/dl/setup.exe")
		if seen := v.takeSeen(); !strings.Contains(seen, want) || (got.status == 200) != (want == "Acme") {
			t.Errorf("%s: status %d, %s", ref, got.status, seen)
		}
	}
}

// A redirect to an address that nobody may be led to fails where it is dialled, whatever the policy says of names.
func TestRedirectsOfEvidenceAreGuarded(t *testing.T) {
	guarded, err := NewUpstream(UpstreamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	h := hosts{"origin.example/a": redirectTo("http://169.254.169.254/latest/meta-data"), "origin.example/b": redirectTo("http://127.0.0.1/x")}
	r, _ := newAskRig(t, h.ServeHTTP)
	origin := toOrigin(r.origin)
	up := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		if req.URL.Host == "origin.example" {
			return origin.RoundTrip(req)
		}
		return guarded.RoundTrip(req)
	})
	for _, name := range []string{"a", "b"} {
		u := mustURL(t, "http://origin.example/"+name)
		e := Evidence{Upstream: up, Follow: FollowUnder(r.policy.Load(), u, nil)}
		_, err := e.Get(context.Background(), u, 100, EvidenceAnswer{})
		if up, ok := errors.AsType[*UpstreamError](err); !ok || up.Kind != upstreamProhibited {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Where nobody says what may be followed, nothing is.
	if _, err := (Evidence{Upstream: origin}).Get(context.Background(), mustURL(t, "http://origin.example/a"), 100, EvidenceAnswer{}); err == nil || !strings.Contains(err.Error(), "answered 302") {
		t.Error(err)
	}
}

func TestEvidenceThatCameByARedirectIsNotRevalidated(t *testing.T) {
	h := hosts{
		"origin.example/a.sig": redirectTo("http://store.example/object"),
		"store.example/object": serving([]byte("x"), "Etag", `"1"`, "Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT"),
	}
	r, _ := newAskRig(t, h.ServeHTTP)
	u := mustURL(t, "http://origin.example/a.sig")
	e := Evidence{Upstream: toOrigin(r.origin), Follow: FollowUnder(r.policy.Load(), u, nil)}
	got, err := e.Get(context.Background(), u, 100, EvidenceAnswer{})
	if err != nil || string(got.Body) != "x" || got.ETag != "" || got.Modified != "" {
		t.Errorf("%+v %v", got, err)
	}
}

func TestFollowingNeedsNoInspectionOfTheSourceItself(t *testing.T) {
	p, err := policyOf("version: 1\ndefaults: {hosts: deny}\n")
	if err != nil {
		t.Fatal(err)
	}
	follow := FollowUnder(p, mustURL(t, "https://a.example/x/1"), NewSources([]string{"https://b.example/y/"}))
	for u, want := range map[string]bool{
		"https://a.example/anything": true, "https://b.example/y/z": true, "https://b.example/other": false, "https://c.example/": false,
	} {
		if err := follow(mustURL(t, u)); (err == nil) != want {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func policyOf(text string) (*policy.Policy, error) {
	return policy.Parse("policy.yaml", nil, []byte(text))
}

// Some servers pack what was asked for unpacked. A body that is cut short is noticed by its packing, one that unpacks to too much by
// the limit.
func TestEvidenceThatIsPacked(t *testing.T) {
	packed := func(body []byte, coding string, cut int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			data := gzipped(t, body)
			w.Header().Set("Content-Encoding", coding)
			w.Header().Set("Content-Length", fmt.Sprint(len(data)-cut))
			w.Write(data[:len(data)-cut])
		}
	}
	h := hosts{
		"origin.example/dl/setup.exe": serving(program(5000, "")),
		"origin.example/dl/good":      packed([]byte("Acme"), "gzip", 0),
		"origin.example/dl/x":         packed([]byte("Acme"), "x-gzip", 0),
		"origin.example/dl/cut":       packed([]byte("Acme"), "gzip", 4),
		"origin.example/dl/bomb":      packed(make([]byte, 10<<20), "gzip", 0),
		"origin.example/dl/twice":     packed([]byte("Acme"), "gzip, gzip", 0),
		"origin.example/dl/other":     packed([]byte("Acme"), "br", 0),
	}
	r, v := newAskRig(t, h.ServeHTTP)
	for ref, want := range map[string]string{
		"./good": "Acme", "./x": "Acme", "./cut": "unexpected EOF", "./bomb": verify.ErrTooLarge.Error(), "./twice": "cannot be looked into", "./other": "cannot be looked into",
	} {
		v.refs = []string{ref}
		got := r.get("https://origin.example/dl/setup.exe")
		if seen := v.takeSeen(); !strings.Contains(seen, want) || (got.status == 200) != (want == "Acme") {
			t.Errorf("%s: status %d, %s", ref, got.status, seen)
		}
	}
}
