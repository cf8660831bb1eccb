package tuf

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const (
	base   = "https://updates.example.com/acme/"
	app    = "app/1.0/setup.exe"
	tool   = "tools/x.exe"
	anchor = "acme-tuf"
)

var (
	appBytes  = bytes.Repeat([]byte("MZ the application "), 100)
	toolBytes = []byte("MZ a tool")
)

// clock is the process's clock in tests.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// world is a repository, the operator's trust and what is remembered.
type world struct {
	t      testing.TB
	repo   *tuftest.Repository
	server *tuftest.Server
	clock  *clock
	v      *Verifier
	env    verify.Env
}

// newWorld publishes a repository twice, so that there is something to go back to.
func newWorld(t testing.TB, o tuftest.Options) *world {
	t.Helper()
	o.At = now
	repo, err := tuftest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	repo.Add(repo.Targets, app, appBytes)
	tools, _, err := repo.Delegate(repo.Targets, "tools", "tools/*")
	if err != nil {
		t.Fatal(err)
	}
	repo.Add(tools, tool, toolBytes)
	w := worldOf(t, repo)
	repo.Targets.Change()
	w.publish()
	return w
}

func worldOf(t testing.TB, repo *tuftest.Repository) *world {
	t.Helper()
	w := &world{t: t, repo: repo, server: &tuftest.Server{Prefix: "/acme/"}}
	w.publish()
	w.env = verify.Env{At: now, Memory: newMemory(), Sidecars: w.server}
	w.env.Trust.TUF = []verify.TUFAnchor{{
		Anchor: anchor, Targets: base + "targets/",
		Repositories: []verify.TUFRepository{{Root: repo.TrustedRoot(1), Metadata: []string{base + "metadata/"}}},
	}}
	w.restart()
	return w
}

// restart begins with a new Verifier and the same memory.
func (w *world) restart() {
	w.clock = &clock{at: now}
	w.v = New()
	w.v.now = w.clock.now
}

// later lets time go by, on both clocks.
func (w *world) later(d time.Duration) {
	w.clock.advance(d)
	w.env.At = w.env.At.Add(d)
}

func (w *world) publish() {
	w.t.Helper()
	files, err := w.repo.Publish()
	if err != nil {
		w.t.Fatal(err)
	}
	w.server.Serve(files)
}

func artifact(t testing.TB, ref string, body []byte) *verify.Artifact {
	t.Helper()
	u, err := url.Parse(ref)
	if err != nil {
		t.Fatal(err)
	}
	return &verify.Artifact{
		Name: path.Base(u.Path), URL: u, Format: verify.Sniff(body, path.Base(u.Path)), Size: int64(len(body)),
		Content: bytes.NewReader(body), Digests: verify.Digests{SHA256: sha256.Sum256(body)},
	}
}

// all has the verifier look at body as what is at ref, relative to the repository.
func (w *world) all(ref string, body []byte) []verify.Finding {
	w.t.Helper()
	if !strings.Contains(ref, "://") {
		ref = base + ref
	}
	a := artifact(w.t, ref, body)
	if !w.v.Match(a) {
		w.t.Fatalf("%s does not match", ref)
	}
	found, err := w.v.Verify(context.Background(), a, w.env)
	if err != nil {
		w.t.Fatalf("%s: %v", ref, err)
	}
	return found
}

func (w *world) offer(ref string, body []byte) verify.Finding {
	w.t.Helper()
	found := w.all(ref, body)
	if len(found) == 0 {
		w.t.Fatalf("%s: no finding", ref)
	}
	return found[0]
}

// get offers what the repository has at ref now.
func (w *world) get(ref string) verify.Finding {
	w.t.Helper()
	body, ok := w.server.State().Files[ref]
	if !ok {
		w.t.Fatalf("the repository has no %s", ref)
	}
	return w.offer(ref, body)
}

func (w *world) want(what string, got verify.Finding, status verify.Status, code string) {
	w.t.Helper()
	if got.Status != status || got.Code != code {
		w.t.Errorf("%s: %s %s (%s), want %s %s", what, got.Status, got.Code, got.Detail, status, code)
	}
	if got.Method != method || got.Detail == "" || len(got.Evidence) == 0 {
		w.t.Errorf("%s: a finding without method, detail or evidence: %+v", what, got)
	}
	if status == verify.Valid && (!slices.Equal(got.Anchors, []string{anchor}) || got.Signer.IsZero() || got.NotAfter.IsZero()) {
		w.t.Errorf("%s: valid under %q by %q until %s", what, got.Anchors, got.Signer, got.NotAfter)
	}
}

func (w *world) valid(ref string) verify.Finding {
	w.t.Helper()
	f := w.get(ref)
	code := "tuf/listed"
	if strings.HasPrefix(ref, "metadata/") {
		code = "tuf/metadata"
	}
	w.want(ref, f, verify.Valid, code)
	return f
}

// memory is a verify.Memory in a map.
type memory struct {
	mu     sync.Mutex
	values map[[2]string][]byte
	fail   error
}

func newMemory() *memory { return &memory{values: map[[2]string][]byte{}} }

func (m *memory) Load(anchor, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[[2]string{anchor, key}], m.fail
}

func (m *memory) Advance(anchor, key string, old, new []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if now, ok := m.values[[2]string{anchor, key}]; !bytes.Equal(now, old) || ok != (old != nil) {
		return verify.ErrConflict
	}
	m.values[[2]string{anchor, key}] = bytes.Clone(new)
	return nil
}

func (m *memory) String() string { return fmt.Sprint(len(m.values), " values") }

// byHost is Sidecars that ask another server for each host.
type byHost map[string]verify.Sidecars

func (b byHost) Fetch(ctx context.Context, ref string, limit int64) ([]byte, error) {
	u, err := url.Parse(ref)
	if err != nil {
		return nil, err
	}
	if at := b[u.Host]; at != nil {
		return at.Fetch(ctx, ref, limit)
	}
	return nil, fmt.Errorf("no host %s", u.Host)
}
