package sigstore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/sigstore"
	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

var at = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)

// origin is verify.Sidecars over a map from URLs to files, as seen from one update.
type origin struct {
	base  string // the update's URL
	files map[string][]byte
	fails map[string]error

	mu    sync.Mutex
	asked []string
}

var errDown = errors.New("the origin answered 502")

func (o *origin) Fetch(_ context.Context, ref string, limit int64) ([]byte, error) {
	base, err := url.Parse(o.base)
	if err != nil {
		return nil, err
	}
	u, err := base.Parse(ref)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	o.asked = append(o.asked, u.String())
	o.mu.Unlock()
	if err := o.fails[u.String()]; err != nil {
		return nil, err
	}
	data, ok := o.files[u.String()]
	switch {
	case !ok:
		return nil, verify.ErrNotExist
	case int64(len(data)) > limit:
		return nil, verify.ErrTooLarge
	}
	return data, nil
}

// memory is a verify.Memory that lasts for a test.
type memory struct {
	mu sync.Mutex
	by map[string][]byte
}

func (m *memory) Load(anchor, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.by[anchor+"\x00"+key], nil
}

func (m *memory) Advance(anchor, key string, old, new []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, ok := m.by[anchor+"\x00"+key]
	if (old == nil) == ok || !bytes.Equal(now, old) {
		return verify.ErrConflict
	}
	if m.by == nil {
		m.by = map[string][]byte{}
	}
	m.by[anchor+"\x00"+key] = bytes.Clone(new)
	return nil
}

const (
	issuer   = "https://token.example.com"
	workflow = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3"
)

var (
	instance = sigstoretest.New("sigstore.test", at)
	other    = sigstoretest.New("other.test", at)
	update   = []byte("an update, such as it is")
	signer   = sigstoretest.Signer{Identity: workflow, Issuer: issuer, Workload: verify.Workload{Source: "https://github.com/acme/app", Ref: "refs/tags/v1.2.3"}}
	build    = sigstoretest.Build{Builder: "https://github.com/actions/runner", Type: "https://actions.github.io/buildtypes/workflow/v1", Source: "https://github.com/acme/app", Ref: "refs/tags/v1.2.3", Commit: "0123456789abcdef0123456789abcdef01234567"}
)

// acme is the anchor that the signer fits.
func acme(change ...func(*verify.SigstoreAnchor)) verify.SigstoreAnchor {
	a := verify.SigstoreAnchor{
		Anchor: "acme", Issuer: issuer, Identity: "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*",
		TrustedRoot: instance.TrustedRoot(), Rekor: 1, SCTs: 1,
	}
	for _, f := range change {
		f(&a)
	}
	return a
}

func keyAnchor(name string, keys ...*sigstoretest.Key) verify.SigstoreAnchor {
	a := verify.SigstoreAnchor{Anchor: name}
	for _, k := range keys {
		a.Keys = append(a.Keys, k.Public())
	}
	return a
}

// artifactAt is an update as the gate has it, fetched from a URL; without one it is a local file.
func artifactAt(t testing.TB, from string, data []byte) *verify.Artifact {
	t.Helper()
	a := &verify.Artifact{Size: int64(len(data)), Digests: verify.Digests{SHA256: sha256.Sum256(data)}, Content: bytes.NewReader(data), Fetched: at}
	if !strings.Contains(from, "://") {
		a.Name = from
		return a
	}
	u, err := url.Parse(from)
	if err != nil {
		t.Fatal(err)
	}
	a.URL, a.Name = u, from[strings.LastIndexByte(from, '/')+1:]
	return a
}

// look is one examination of an update: what is at its origin, and who is trusted.
type look struct {
	url      string
	data     []byte
	files    map[string][]byte // by URL or by reference relative to url
	fails    []string
	anchors  []verify.SigstoreAnchor
	memory   verify.Memory
	verifier *sigstore.Verifier
	at       time.Time
	before   []string // URLs that redirects have led from
	asked    []string // filled in
}

const defaultURL = "https://dl.example.com/app/v1.2.3/app-1.2.3.tar.gz"

func (l *look) run(t testing.TB) []verify.Finding {
	t.Helper()
	if l.url == "" {
		l.url = defaultURL
	}
	if l.data == nil {
		l.data = update
	}
	if l.verifier == nil {
		l.verifier = sigstore.New()
	}
	if l.at.IsZero() {
		l.at = at.Add(time.Hour)
	}
	if l.anchors == nil {
		l.anchors = []verify.SigstoreAnchor{acme()}
	}
	o := &origin{base: l.url, files: map[string][]byte{}, fails: map[string]error{}}
	base, err := url.Parse(l.url)
	if err != nil {
		t.Fatal(err)
	}
	for ref, data := range l.files {
		u, err := base.Parse(ref)
		if err != nil {
			t.Fatal(err)
		}
		o.files[u.String()] = data
	}
	for _, ref := range l.fails {
		u, err := base.Parse(ref)
		if err != nil {
			t.Fatal(err)
		}
		o.fails[u.String()] = errDown
	}
	a := artifactAt(t, l.url, l.data)
	for _, before := range l.before {
		u, err := url.Parse(before)
		if err != nil {
			t.Fatal(err)
		}
		a.Asked = append(a.Asked, u)
	}
	if !l.verifier.Match(a) {
		t.Fatalf("Match refuses %s", l.url)
	}
	found, err := l.verifier.Verify(t.Context(), a, verify.Env{
		Sidecars: o, Memory: l.memory, Trust: verify.Trust{Sigstore: l.anchors}, At: l.at,
	})
	if err != nil {
		t.Fatal(err)
	}
	l.asked = o.asked
	if len(o.asked) > 12 {
		t.Errorf("%d requests were made: %q", len(o.asked), o.asked)
	}
	check(t, found)
	return found
}

// check holds what is so of every finding.
func check(t testing.TB, found []verify.Finding) {
	t.Helper()
	for _, f := range found {
		if f.Method != "sigstore" || !strings.HasPrefix(f.Code, "sigstore/") || f.Detail == "" || !strings.HasSuffix(f.Detail, ".") {
			t.Errorf("finding %+v", f)
		}
		if (f.Status == verify.Valid) != (len(f.Anchors) > 0) {
			t.Errorf("finding with status %s and anchors %q: %s", f.Status, f.Anchors, f.Detail)
		}
		if f.Status == verify.Valid && (f.Signer.IsZero() || len(f.Evidence) == 0) {
			t.Errorf("valid without signer or evidence: %+v", f)
		}
	}
}

// codes returns findings as "status code".
func codes(found []verify.Finding) []string {
	var out []string
	for _, f := range found {
		out = append(out, f.Status.String()+" "+strings.TrimPrefix(f.Code, "sigstore/"))
	}
	return out
}

func (l *look) want(t *testing.T, want ...string) []verify.Finding {
	t.Helper()
	found := l.run(t)
	if got := codes(found); !slices.Equal(got, want) {
		var details []string
		for _, f := range found {
			details = append(details, f.Detail)
		}
		t.Errorf("findings %q, want %q\n%s", got, want, strings.Join(details, "\n"))
	}
	return found
}

func pemOf(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// quiet is Sidecars with one file beside the default update, which keeps no list of what was asked for.
type quiet struct {
	url  string
	data []byte
}

func (q *quiet) Fetch(_ context.Context, ref string, _ int64) ([]byte, error) {
	if base, err := url.Parse(defaultURL); err == nil {
		if u, err := base.Parse(ref); err == nil && u.String() == q.url {
			return q.data, nil
		}
	}
	return nil, verify.ErrNotExist
}
