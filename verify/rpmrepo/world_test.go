package rpmrepo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"net/url"
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/rpm/rpmtest"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const (
	root  = "/fedora/42/x86_64"
	hello = "Packages/h/hello-1.0-1.noarch.rpm"
)

// world is a repository, the operator's trust and what is remembered.
type world struct {
	t    testing.TB
	repo *rpmtest.Repository
	key  *rpmtest.Key
	v    *Verifier
	env  verify.Env
	fail error // of every fetch
}

func newKey(t testing.TB, name string) *rpmtest.Key {
	t.Helper()
	k, err := rpmtest.NewKey(name, now.AddDate(-1, 0, 0), 0)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, repo: rpmtest.NewRepository(root), key: newKey(t, "Repository"), v: New()}
	public, err := w.key.Public()
	if err != nil {
		t.Fatal(err)
	}
	w.env = verify.Env{At: now, Memory: newMemory(), Sidecars: w}
	w.env.Trust.Keyrings = []verify.Keyring{{Anchor: "fedora", Data: public}}
	return w
}

// Fetch implements verify.Sidecars from the repository's files.
func (w *world) Fetch(_ context.Context, ref string, limit int64) ([]byte, error) {
	if w.fail != nil {
		return nil, w.fail
	}
	u, err := url.Parse(ref)
	if err != nil {
		return nil, err
	}
	switch b := w.repo.At(u.Path); {
	case b == nil:
		return nil, verify.ErrNotExist
	case int64(len(b)) > limit:
		return nil, verify.ErrTooLarge
	default:
		return b, nil
	}
}

func (w *world) publish(change ...func(*rpmtest.Metadata)) {
	w.t.Helper()
	m := rpmtest.Metadata{Date: now.Add(-time.Hour), Signers: []*rpmtest.Key{w.key}, Packages: map[string][]byte{hello: pkg(w.t, "1.0")}}
	for _, f := range change {
		f(&m)
	}
	if err := w.repo.Publish(m); err != nil {
		w.t.Fatal(err)
	}
}

func pkg(t testing.TB, version string) []byte {
	t.Helper()
	b, err := rpmtest.Package{Version: version}.Build()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// offer has the verifier look at body as what is at a path relative to the root.
func (w *world) offer(name string, body []byte) verify.Finding {
	w.t.Helper()
	a := &verify.Artifact{
		Name: path.Base(name), URL: &url.URL{Scheme: "https", Host: "mirror.example.com", Path: path.Join(root, name)},
		Format: verify.Sniff(body, name), Size: int64(len(body)), Content: bytes.NewReader(body), Digests: verify.Digests{SHA256: sha256.Sum256(body)},
	}
	if !w.v.Match(a) {
		w.t.Fatalf("%s does not match", name)
	}
	fs, err := w.v.Verify(context.Background(), a, w.env)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(fs) != 1 {
		w.t.Fatalf("%s: %d findings: %+v", name, len(fs), fs)
	}
	return fs[0]
}

// get offers what the repository has at a path.
func (w *world) get(name string) verify.Finding {
	w.t.Helper()
	return w.offer(name, w.repo.Get(name))
}

func (w *world) want(name string, got verify.Finding, status verify.Status, code string) {
	w.t.Helper()
	if got.Status != status || got.Code != code {
		w.t.Errorf("%s: %s %s (%s), want %s %s", name, got.Status, got.Code, got.Detail, status, code)
	}
	if status == verify.Valid && (len(got.Anchors) != 1 || got.Anchors[0] != "fedora" || len(got.Evidence) == 0) {
		w.t.Errorf("%s: valid under %q with evidence %v", name, got.Anchors, got.Evidence)
	}
}

// primary returns the path of the repository's list of packages.
func (w *world) primary() string {
	w.t.Helper()
	m, err := parseRepomd(w.repo.Get(repomd))
	if err != nil {
		w.t.Fatal(err)
	}
	f, ok := m.primary()
	if !ok {
		w.t.Fatal("no primary")
	}
	return f.Name
}

// memory is a verify.Memory in a map.
type memory struct {
	mu     sync.Mutex
	values map[[2]string][]byte
}

func newMemory() *memory { return &memory{values: map[[2]string][]byte{}} }

func (m *memory) Load(anchor, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.values[[2]string{anchor, key}]), nil
}

func (m *memory) Advance(anchor, key string, old, new []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !bytes.Equal(m.values[[2]string{anchor, key}], old) {
		return verify.ErrConflict
	}
	m.values[[2]string{anchor, key}] = slices.Clone(new)
	return nil
}
