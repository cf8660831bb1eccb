package apt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/apt/apttest"
)

const root = "http://deb.example.org/debian/"

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// world is an archive, a client's proxy and its memory.
type world struct {
	t       *testing.T
	archive *apttest.Archive
	key     *apttest.Key
	v       *Verifier
	memory  *memory
	env     verify.Env
	broken  func(ref string) error // makes the origin fail
	slow    chan struct{}          // where not nil, fetches wait for it
	asked   struct {
		sync.Mutex
		refs []string
	}
}

func newKey(t testing.TB, name string) *apttest.Key {
	t.Helper()
	k, err := apttest.NewKey(name, now.AddDate(-1, 0, 0), 0)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func keyringOf(t testing.TB, anchor string, keys ...*apttest.Key) verify.Keyring {
	t.Helper()
	k := verify.Keyring{Anchor: anchor}
	for _, key := range keys {
		b, err := key.Public()
		if err != nil {
			t.Fatal(err)
		}
		k.Data = append(k.Data, b...)
	}
	return k
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, archive: apttest.NewArchive("/debian"), key: newKey(t, "Archive Key"), v: New(), memory: newMemory()}
	w.env = verify.Env{
		Sidecars: w, Memory: w.memory, At: now,
		Trust: verify.Trust{Keyrings: []verify.Keyring{keyringOf(t, "debian", w.key)}},
	}
	return w
}

// Fetch implements verify.Sidecars by the archive, which is the only host there is.
func (w *world) Fetch(ctx context.Context, ref string, limit int64) ([]byte, error) {
	w.asked.Lock()
	w.asked.refs = append(w.asked.refs, ref)
	w.asked.Unlock()
	if w.slow != nil {
		select {
		case <-w.slow:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if w.broken != nil {
		if err := w.broken(ref); err != nil {
			return nil, err
		}
	}
	u, err := url.Parse(ref)
	if err != nil || u.Host != "deb.example.org" {
		w.t.Errorf("a sidecar of another origin was asked for: %s", ref)
		return nil, errors.New("no such host")
	}
	rec := httptest.NewRecorder()
	w.archive.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, ref, nil))
	switch {
	case rec.Code == http.StatusNotFound:
		return nil, verify.ErrNotExist
	case int64(rec.Body.Len()) > limit:
		return nil, verify.ErrTooLarge
	}
	return rec.Body.Bytes(), nil
}

func (w *world) fetches(part string) (n int) {
	w.asked.Lock()
	defer w.asked.Unlock()
	for _, ref := range w.asked.refs {
		if strings.Contains(ref, part) {
			n++
		}
	}
	return n
}

func (w *world) publish(s apttest.Suite) {
	w.t.Helper()
	if err := w.archive.Publish(s); err != nil {
		w.t.Fatal(err)
	}
}

// artifact is a file as a client fetched it.
func artifact(ref string, body []byte) *verify.Artifact {
	u, err := url.Parse(ref)
	if err != nil {
		panic(err)
	}
	return &verify.Artifact{
		Name: path.Base(u.Path), URL: u, Format: verify.Sniff(body, path.Base(u.Path)), Size: int64(len(body)),
		Digests: verify.Digests{SHA256: sha256.Sum256(body)}, Content: bytes.NewReader(body),
	}
}

// get verifies a file of the archive as it is now.
func (w *world) get(name string) verify.Finding {
	w.t.Helper()
	body := w.archive.Get(name)
	if body == nil {
		w.t.Fatalf("the archive has no %s", name)
	}
	return w.verify(artifact(root+name, body))
}

func (w *world) verify(a *verify.Artifact) verify.Finding {
	w.t.Helper()
	if !w.v.Match(a) {
		w.t.Fatalf("%s is not matched", a.URL)
	}
	list, err := w.v.Verify(context.Background(), a, w.env)
	if err != nil {
		w.t.Fatalf("%s: %v", a.URL, err)
	}
	if len(list) != 1 {
		w.t.Fatalf("%s: %d findings, want one: %+v", a.URL, len(list), list)
	}
	f := list[0]
	if (f.Status == verify.Valid) != (len(f.Anchors) > 0) {
		w.t.Errorf("%s: status %v under anchors %v", a.URL, f.Status, f.Anchors)
	}
	return f
}

func (w *world) want(f verify.Finding, status verify.Status, code string) verify.Finding {
	w.t.Helper()
	if f.Status != status || f.Code != "apt/"+code {
		w.t.Errorf("%v %s, want %v apt/%s (%s)", f.Status, f.Code, status, code, f.Detail)
	}
	return f
}

func deb(t testing.TB, name, version, arch string) apttest.Package {
	t.Helper()
	p, err := apttest.Deb(name, version, arch, "a note")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// bookworm is a suite with one package, as the tests vary it.
func (w *world) bookworm(more ...func(*apttest.Suite)) apttest.Suite {
	s := apttest.Suite{
		Path: "bookworm", Origin: "Debian", Label: "Debian", Suite: "oldstable", Codename: "bookworm", ByHash: true,
		Date: now.Add(-2 * time.Hour), Signers: []*apttest.Key{w.key}, Packages: []apttest.Package{deb(w.t, "hello", "2.10-3", "amd64")},
	}
	for _, change := range more {
		change(&s)
	}
	return s
}

const (
	hello    = "pool/main/h/hello/hello_2.10-3_amd64.deb"
	inRel    = "dists/bookworm/InRelease"
	packages = "dists/bookworm/main/binary-amd64/Packages"
)

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
	return slices.Clone(m.values[[2]string{anchor, key}]), m.fail
}

func (m *memory) Advance(anchor, key string, old, new []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if !bytes.Equal(m.values[[2]string{anchor, key}], old) {
		return verify.ErrConflict
	}
	m.values[[2]string{anchor, key}] = slices.Clone(new)
	return nil
}
