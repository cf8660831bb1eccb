package mitm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a clock that tests set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func newClock() *clock { return &clock{t: time.Now()} }

func open(t *testing.T, dir string, o Options) *Authority {
	t.Helper()
	a, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func leafOf(t *testing.T, a *Authority, host string) *x509.Certificate {
	t.Helper()
	c, err := a.Certificate(host)
	if err != nil {
		t.Fatalf("Certificate(%q): %v", host, err)
	}
	return c.Leaf
}

func caOf(a *Authority) *x509.Certificate { return a.current.Load().issuer.cert }

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

func TestFirstUseMakesACA(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "ca")
	a := open(t, dir, Options{})
	ca := caOf(a)
	pub, ok := ca.PublicKey.(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		t.Errorf("key is %T, want ECDSA P-256", ca.PublicKey)
	}
	if !ca.IsCA || !ca.BasicConstraintsValid || ca.MaxPathLen != 0 || !ca.MaxPathLenZero {
		t.Errorf("basic constraints: CA=%v pathlen=%d", ca.IsCA, ca.MaxPathLen)
	}
	if ca.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Errorf("key usage %b", ca.KeyUsage)
	}
	if len(ca.SubjectKeyId) != 20 || !strings.HasPrefix(ca.Subject.CommonName, "Sallyport interception CA ") {
		t.Errorf("SKI %x, CN %q", ca.SubjectKeyId, ca.Subject.CommonName)
	}
	if err := ca.CheckSignatureFrom(ca); err != nil {
		t.Errorf("not signed by itself: %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, caFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v; want mode 0600", info.Mode(), err)
	}
	if again := open(t, dir, Options{}); again.Fingerprint() != a.Fingerprint() {
		t.Error("the second Open made another CA")
	}
}

func TestSimultaneousFirstUseYieldsOneCA(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	var wg sync.WaitGroup
	got := make([]string, 8)
	for i := range got {
		wg.Go(func() {
			if a, err := Open(dir, Options{}); err != nil {
				t.Error(err)
			} else {
				got[i] = a.Fingerprint()
			}
		})
	}
	wg.Wait()
	if len(slices.Compact(slices.Clone(got))) != 1 {
		t.Errorf("different CAs: %q", got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("drafts with keys left behind: %v, %v", entries, err)
	}
}

func TestKeyOpenToOthersIsRefused(t *testing.T) {
	for _, mode := range []fs.FileMode{0o604, 0o640, 0o660, 0o644, 0o666} {
		dir := t.TempDir()
		open(t, dir, Options{})
		if err := os.Chmod(filepath.Join(dir, caFile), mode); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir, Options{})
		if err == nil || !strings.Contains(hintOf(err), "chmod 600") {
			t.Errorf("mode %04o: err %v, hint %q", mode, err, hintOf(err))
		}
	}
}

func TestDamagedFileIsAnErrorNotANewCA(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	path := filepath.Join(dir, caFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	open(t, other, Options{})
	foreign, err := os.ReadFile(filepath.Join(other, caFile))
	if err != nil {
		t.Fatal(err)
	}
	cert := bytes.Index(whole, []byte("-----BEGIN CERTIFICATE"))
	for name, data := range map[string][]byte{
		"empty":            nil,
		"cut in the key":   whole[:100],
		"key only":         whole[:cert],
		"certificate only": whole[cert:],
		"another's key":    append(slices.Clone(foreign[:bytes.Index(foreign, []byte("-----BEGIN CERTIFICATE"))]), whole[cert:]...),
		"huge":             append(slices.Clone(whole), make([]byte, maxPEM)...),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir, Options{}); err == nil {
				t.Error("it was opened")
			}
		})
	}
}

func TestInitRefusesWhereThereIsACA(t *testing.T) {
	dir := t.TempDir()
	a, err := Init(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Init(dir, Options{}); !errors.Is(err, fs.ErrExist) || !strings.Contains(hintOf(err), "ca rotate") {
		t.Errorf("second Init: %v (%s)", err, hintOf(err))
	}
	if open(t, dir, Options{}).Fingerprint() != a.Fingerprint() {
		t.Error("the CA was replaced")
	}
}

func TestRotate(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	if _, err := Rotate(dir, Options{}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(hintOf(err), "ca init") {
		t.Errorf("without a CA: %v (%s)", err, hintOf(err))
	}
	running := open(t, dir, Options{Now: c.now})
	first := caOf(running)
	oldKey := running.current.Load().issuer.key.(*ecdsa.PrivateKey)
	c.add(time.Hour)
	rotated, err := Rotate(dir, Options{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	second := caOf(rotated)
	if second.Equal(first) || oldKey.Equal(rotated.current.Load().issuer.key) || bytes.Equal(first.RawSubject, second.RawSubject) {
		t.Error("certificate, key or name stayed the same")
	}
	if err := leafOf(t, running, "a.example").CheckSignatureFrom(first); err != nil {
		t.Errorf("the running authority changed before Reload: %v", err)
	}
	if err := running.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := leafOf(t, running, "a.example").CheckSignatureFrom(second); err != nil {
		t.Errorf("after Reload: %v", err)
	}
	exported, err := parseCerts(running.PEM())
	if err != nil || len(exported) != 2 || !exported[0].Equal(second) || !exported[1].Equal(first) {
		t.Errorf("the bundle has %d certificates (%v), want the new one and the old one", len(exported), err)
	}
	if p := running.Info().Previous; len(p) != 1 || p[0].Fingerprint != fingerprint(first) {
		t.Errorf("Info.Previous = %v", p)
	}
	previous, err := filepath.Glob(filepath.Join(dir, "ca-previous-*.pem"))
	if err != nil || len(previous) != 1 {
		t.Fatalf("previous: %v, %v", previous, err)
	}
	if data, err := os.ReadFile(previous[0]); err != nil || bytes.Contains(data, []byte("PRIVATE")) {
		t.Errorf("the old key is kept (%v)", err)
	}
	c.add(rollOver + time.Hour)
	if exported, _ := parseCerts(running.PEM()); len(exported) != 1 {
		t.Errorf("%d certificates exported after the roll-over, want the current one", len(exported))
	}
}

func TestCrashBetweenTheWritesOfRotate(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, Options{})
	// What replace has done before its last step.
	if err := os.WriteFile(filepath.Join(dir, previousPrefix+"x.pem"), encodeCerts(caOf(a)), 0o644); err != nil {
		t.Fatal(err)
	}
	if exported, _ := parseCerts(open(t, dir, Options{}).PEM()); len(exported) != 1 {
		t.Errorf("the CA in use is exported %d times", len(exported))
	}
}

func TestFailedReloadKeepsTheCAInUse(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, Options{})
	before := a.Fingerprint()
	if err := os.WriteFile(filepath.Join(dir, caFile), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.Reload(); err == nil {
		t.Error("no error")
	}
	if a.Fingerprint() != before {
		t.Error("the CA changed")
	}
	leafOf(t, a, "a.example")
}
