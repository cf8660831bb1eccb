package proxy

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// releases is a site that keeps its files in an object store, as release pages do.
const releasesPolicy = `version: 1
defaults: {hosts: inspect, unmatched: quarantine}
anchors:
  acme: {authenticode: {organization: Acme}}
  mini: {minisign: {key: "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"}}
  work: {sigstore: {issuer: "https://issuer.example", identity: "*"}}
channels:
- {name: page, hosts: [releases.example], paths: ["/acme/**"], require: [{any: [{signed_by: [acme]}, {signed_by: [mini]}]}]}
- {name: signed, hosts: [releases.example], paths: ["/work/**"], require: [{any: [{signed_by: [acme]}, {signed_by: [work]}]}]}
`

func TestAnUpdateIsKnownByTheAddressThatNamesIt(t *testing.T) {
	body := program(5000, "")
	sidecar := serving([]byte("Acme"))
	h := hosts{
		"releases.example/acme/v1/app.tar.gz":     redirectTo("https://store.example/0b5e?sig=1"),
		"releases.example/acme/v1/app.tar.gz.sig": redirectTo("https://store.example/77aa?sig=2"),
		"releases.example/acme/latest/app.tar.gz": redirectTo("/acme/v1/app.tar.gz"),
		"releases.example/acme/get":               redirectTo("https://cdn.example/files/app-1.exe"),
		"releases.example/acme/mirrored.exe":      redirectTo("https://cdn.example/files/mirrored.exe"),
		"releases.example/acme/mirrored.exe.sig":  sidecar,
		"releases.example/acme/twice":             redirectTo("https://cdn.example/hop"),
		"releases.example/work/app.exe":           redirectTo("https://cdn.example/files/other-name.exe"),
		"releases.example/work/app.exe.sig":       sidecar,
		"releases.example/work/get":               redirectTo("https://cdn.example/files/named.exe"),
		"store.example/0b5e":                      serving(body),
		"store.example/77aa":                      sidecar,
		"cdn.example/files/app-1.exe":             serving(body),
		"cdn.example/files/app-1.exe.sig":         sidecar,
		"cdn.example/files/mirrored.exe":          serving(body),
		"cdn.example/hop":                         redirectTo("https://store.example/0b5e?sig=3"),
		"cdn.example/files/other-name.exe":        serving(body),
		"cdn.example/files/named.exe":             serving(body),
		"cdn.example/files/named.exe.sig":         sidecar,
		"cdn.example/files/disposed":              serving(body, "Content-Disposition", `attachment; filename="given.msi"`),
		"releases.example/work/disposed.exe":      redirectTo("https://cdn.example/files/disposed"),
		"releases.example/work/disposed.exe.sig":  sidecar,
	}
	for _, c := range []struct{ path, at, seen string }{
		// An object store's address names nothing.
		{"/acme/v1/app.tar.gz", "https://releases.example/acme/v1/app.tar.gz app.tar.gz", "Acme"},
		// Of several addresses of the channel's it is the last.
		{"/acme/latest/app.tar.gz", "https://releases.example/acme/v1/app.tar.gz app.tar.gz", "Acme"},
		// The file has a name of its own where it lies.
		{"/acme/get", "https://cdn.example/files/app-1.exe app-1.exe", "Acme"},
		// What is not beside it there, is beside where it was asked for.
		{"/acme/mirrored.exe", "https://cdn.example/files/mirrored.exe mirrored.exe", "Acme"},
		// With no name anywhere, it is where it lies.
		{"/acme/twice", "https://store.example/0b5e?sig=3 0b5e", verifyNotExist},
		// What signs paths asks for the channel's own, and for what is beside the file where nothing is there.
		{"/work/app.exe", "https://releases.example/work/app.exe other-name.exe", "Acme"},
		{"/work/get", "https://releases.example/work/get named.exe", "Acme"},
		{"/work/disposed.exe", "https://releases.example/work/disposed.exe given.msi", "Acme"},
	} {
		r, v := newAskRig(t, h.ServeHTTP, "./{name}.sig")
		r.setPolicy(releasesPolicy)
		got := follow(r, "https://releases.example"+c.path)
		if want := map[bool]int{true: 200, false: 403}[c.seen == "Acme"]; got.status != want {
			t.Errorf("%s: status %d, %.300s", c.path, got.status, got.body)
		}
		if at, seen := v.last(), v.takeSeen(); at != c.at || !strings.HasSuffix(seen, c.seen) {
			t.Errorf("%s: examined as %q, %q", c.path, at, seen)
		}
	}
}

const verifyNotExist = "sidecar does not exist"

// follow fetches as a client that follows redirects by itself.
func follow(r *rig, target string) answerOf {
	r.t.Helper()
	got := r.get(target)
	for got.status == http.StatusFound {
		u := mustURL(r.t, target)
		next, err := u.Parse(got.header.Get("Location"))
		if err != nil {
			r.t.Fatal(err)
		}
		target = next.String()
		got = r.get(target)
	}
	return got
}

// Two addresses that lead to one object are two questions: neither has the other's answer.
func TestWhatIsKnownByTwoAddressesIsJudgedTwice(t *testing.T) {
	h := hosts{
		"releases.example/work/good.exe":     redirectTo("https://store.example/object"),
		"releases.example/work/good.exe.sig": serving([]byte("Acme")),
		"releases.example/work/bad.exe":      redirectTo("https://store.example/object"),
		"releases.example/work/bad.exe.sig":  serving([]byte("Mallory")),
		"store.example/object":               serving(program(5000, ""), "Cache-Control", "max-age=600", "Etag", `"1"`),
	}
	r, _ := newAskRig(t, h.ServeHTTP, "./{name}.sig")
	r.setPolicy(releasesPolicy)
	for range 2 {
		if got := follow(r, "https://releases.example/work/good.exe"); got.status != 200 {
			t.Errorf("good: %d %.300s", got.status, got.body)
		}
		if got := follow(r, "https://releases.example/work/bad.exe"); got.status != 403 {
			t.Errorf("bad: %d", got.status)
		}
	}
}

// wayVerifier notes by which way what it sees was come to.
type wayVerifier struct {
	*askVerifier
	ways []string
}

func (v *wayVerifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	var way []string
	for _, u := range a.Asked {
		way = append(way, u.String())
	}
	v.mu.Lock()
	v.ways = append(v.ways, strings.Join(append(way, a.URL.String()), " > "))
	v.mu.Unlock()
	return v.askVerifier.Verify(ctx, a, env)
}

// Where paths and packages are signed it counts what was asked for, also where a channel redirects to another place of its own.
func TestWhatWasAskedForIsKnownAfterRedirects(t *testing.T) {
	h := hosts{
		"releases.example/work/new.exe":  redirectTo("/work/hop?token=1"),
		"releases.example/work/hop":      redirectTo("/work/old.exe"),
		"releases.example/work/old.exe":  serving(program(5000, ""), "Cache-Control", "max-age=600"),
		"releases.example/work/far.exe":  redirectTo("https://store.example/x"),
		"store.example/x":                serving(program(5000, "")),
		"releases.example/acme/new.exe":  redirectTo("/acme/old.exe"),
		"releases.example/acme/old.exe":  serving(program(5000, "")),
		"releases.example/work/also.sig": redirectTo("/work/old.exe"),
	}
	r, ask := newAskRig(t, h.ServeHTTP)
	r.setPolicy(releasesPolicy)
	v := &wayVerifier{askVerifier: ask}
	r.gate.Examiner = &verify.Examiner{Verifiers: []verify.Verifier{v}}
	const old = "https://releases.example/work/old.exe"
	for _, c := range []struct{ path, want string }{
		{"/work/old.exe", old},
		{"/work/new.exe", "https://releases.example/work/new.exe > https://releases.example/work/hop > " + old},
		// Whoever has another request lead to the same place does not make the first one forgotten.
		{"/work/also.sig", "https://releases.example/work/new.exe > https://releases.example/work/hop > https://releases.example/work/also.sig > " + old},
		{"/work/far.exe", "https://releases.example/work/far.exe > https://releases.example/work/far.exe"},
		{"/acme/new.exe", "https://releases.example/acme/old.exe"}, // nobody signs paths there
	} {
		v.ways = nil
		follow(r, "https://releases.example"+c.path)
		if len(v.ways) != 1 || v.ways[0] != c.want {
			t.Errorf("%s: %q, want %q", c.path, v.ways, c.want)
		}
	}
}

func TestWhereARedirectBeganIsKeptWithoutSecrets(t *testing.T) {
	r := newRedirects(time.Now)
	c := policy.Client{Addr: mustAddr("192.0.2.1")}
	from, to := mustURL(t, "https://me:secret@releases.example/acme/a?token=1#part"), mustURL(t, "https://store.example/x")
	if why := r.carry(c, from, to, "page", from); why != "" {
		t.Fatal(why)
	}
	if got, _ := r.cameFrom(c, to); got == nil || got.String() != "https://releases.example/acme/a?token=1" {
		t.Errorf("%v", got)
	}
	if got, _ := r.cameFrom(policy.Client{Addr: mustAddr("192.0.2.2")}, to); got != nil {
		t.Errorf("another client's redirect: %v", got)
	}
	long := mustURL(t, "https://releases.example/acme/"+strings.Repeat("a", redirectOrigin))
	r.carry(c, long, to, "page", long)
	if got, _ := r.cameFrom(c, to); got != nil {
		t.Errorf("%d bytes were kept", len(got.String()))
	}
	if len(r.carriedTo(c, to)) != 1 {
		t.Error("the channel was not carried")
	}
}

func TestFilesOfARepositoryAreHeldWhateverTheirType(t *testing.T) {
	page := serving([]byte(`{"signed":{}}`), "Content-Type", "application/json")
	h := hosts{
		"tuf.example/metadata/timestamp.json": page, "tuf.example/targets/feed.json": page, "tuf.example/other/page.json": page,
		"tuf.example/metadata/page.html": serving([]byte("<p>"), "Content-Type", "text/html"),
	}
	r, v := newAskRig(t, h.ServeHTTP)
	r.setPolicy(releasesPolicy)
	with := func(anchors string) *policy.Policy {
		p, err := policyOf(`version: 1
defaults: {hosts: inspect}
anchors: {acme: {authenticode: {organization: Acme}}, repo: {authenticode: {organization: Repo}}}
channels: [{name: all, hosts: [tuf.example], require: [{signed_by: ` + anchors + `}]}]
`)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	r.gate.Trust.TUF = []verify.TUFAnchor{{
		Anchor: "repo", Targets: "https://tuf.example/targets/", Repositories: []verify.TUFRepository{{Metadata: []string{"https://tuf.example/metadata/"}}},
	}}
	for _, c := range []struct {
		anchors, path string
		held          bool
	}{
		{"[repo]", "/metadata/timestamp.json", true}, {"[repo]", "/targets/feed.json", true}, {"[repo]", "/metadata/page.html", true},
		{"[repo]", "/other/page.json", false}, {"[acme]", "/metadata/timestamp.json", false},
	} {
		r.policy.Store(with(c.anchors))
		v.at = nil
		got := r.get("https://tuf.example" + c.path)
		if held := v.last() != ""; held != c.held || (got.status == 403) != c.held {
			t.Errorf("%s for %s: held %v, status %d", c.path, c.anchors, held, got.status)
		}
	}
}
