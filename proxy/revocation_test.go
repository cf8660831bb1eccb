package proxy

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/authenticode"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/trust"
)

// checkList is what the program uses as RevocationOptions.Check.
func checkList(name string, data, issuer, certificate []byte) (CheckedList, error) {
	l := &verify.RevocationList{Name: name, Data: data}
	info, err := trust.CheckList(l, issuer, certificate)
	return CheckedList{List: l, Issuer: info.Issuer, ThisUpdate: info.ThisUpdate, NextUpdate: info.NextUpdate, Entries: info.Entries, Covers: info.Covers}, err
}

// issuerRig is a gate with real signatures, and a server that publishes an issuer's list.
type issuerRig struct {
	*rig
	ca, issuing *at.CA
	vendor      *at.Signer
	image       []byte
	mu          sync.Mutex
	list        []byte // nil: the server answers 500
	asked       atomic.Int32
	server      *httptest.Server
	dir         string
}

const listURL = "http://crl.example/issuing.crl"

func newIssuerRig(t *testing.T, section string) *issuerRig {
	r := &issuerRig{ca: at.NewCA("Code Root"), dir: filepath.Join(t.TempDir(), "revocation")}
	r.issuing = r.ca.Intermediate("Issuing CA", x509.ExtKeyUsageCodeSigning)
	r.vendor = r.issuing.Issue(at.Leaf{Organization: "Acme", Extensions: []pkix.Extension{at.ListsAt(listURL)}})
	r.image = at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: r.vendor})
	r.rig = newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Etag", `"1"`)
		w.Write(r.image)
	})
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.asked.Add(1)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.list == nil || req.URL.Path != "/issuing.crl" || req.Host != "crl.example" {
			http.Error(w, "out of order", http.StatusInternalServerError)
			return
		}
		w.Write(r.list)
	}))
	t.Cleanup(r.server.Close)
	r.gate.Examiner = &verify.Examiner{Verifiers: []verify.Verifier{authenticode.New()}}
	r.gate.Trust = verify.Trust{CodeSigning: []*x509.Certificate{r.ca.Certificate}, Timestamping: []*x509.Certificate{}}
	r.setSection(section)
	r.gate.Revocations = r.open(toOrigin(r.server))
	return r
}

func (r *issuerRig) setSection(section string) {
	r.t.Helper()
	p, err := policy.Parse("policy.yaml", fstest.MapFS{}, []byte("version: 1\nrevocation: "+section+`
anchors: {acme: {authenticode: {organization: Acme}}}
channels: [{name: dl, hosts: [origin.example], paths: ["/dl/**"], require: [{signed_by: [acme]}]}]
`))
	if err != nil {
		r.t.Fatal(err)
	}
	r.policy.Store(p)
}

func (r *issuerRig) open(upstream http.RoundTripper) *Revocations {
	r.t.Helper()
	kept, err := OpenRevocations(RevocationOptions{
		Dir: r.dir, Check: checkList, Upstream: upstream, Wanted: func() bool { return r.policy.Load().FetchesRevocation() },
		Append: r.gate.Append, Logger: zaptest.NewLogger(r.t), Now: r.gate.Now,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return kept
}

func (r *issuerRig) publish(list []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = list
}

func (r *issuerRig) refresh() { r.gate.Revocations.Refresh(context.Background()) }

func (r *issuerRig) wants(what string, status int) {
	r.t.Helper()
	if got := r.get("http://origin.example/dl/a.exe"); got.status != status || (status == 200) != bytes.Equal(got.body, r.image) {
		r.t.Errorf("%s: status %d, want %d: %.300s", what, got.status, status, got.body)
	}
}

func (r *issuerRig) revoking(at0 time.Time, certs ...*x509.Certificate) []byte {
	l := at.List{ThisUpdate: at0, NextUpdate: at0.Add(7 * 24 * time.Hour)}
	for _, c := range certs {
		l.Revoked = append(l.Revoked, at.Revoked{Certificate: c, At: at0.Add(-time.Hour)})
	}
	return r.issuing.List(l)
}

// A list that is fetched turns an allowed file into a refused one at the next request, and goes on doing so while its
// issuer cannot be reached, and after a restart.
func TestFetchedListRefusesAtTheNextRequest(t *testing.T) {
	r := newIssuerRig(t, "{fetch: true}")
	r.publish(r.revoking(time.Now().Add(-time.Hour)))
	r.wants("before anything is known", 200)
	if r.asked.Load() != 0 {
		t.Fatal("a list was fetched on the way of a verdict")
	}
	r.refresh()
	r.wants("nobody is revoked", 200)
	r.publish(r.revoking(time.Now(), r.vendor.Certificate))
	r.refresh()
	if n := r.asked.Load(); n != 1 {
		t.Errorf("%d fetches, although the list is not due", n)
	}
	r.clock.Store(int64(25 * time.Hour))
	r.refresh()
	r.wants("revoked", 403)
	r.publish(nil)
	r.clock.Store(int64(50 * time.Hour))
	r.refresh()
	r.wants("the issuer cannot be reached", 403)
	asked := r.asked.Load()
	r.refresh()
	if r.asked.Load() != asked {
		t.Error("an issuer that cannot be reached is asked again at once")
	}
	r.gate.Revocations = r.open(roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, errors.New("no network") }))
	r.wants("after a restart", 403)
	learnt := 0
	for _, rec := range r.records() {
		if rec.Kind == audit.KindLearn {
			learnt++
		}
	}
	if learnt != 2 {
		t.Errorf("the log tells of %d lists, want 2", learnt)
	}
}

// Somebody on the way sends an old list, one by another issuer, a changed one, junk, or far too much.
func TestListsThatTakeKnowledgeAwayAreRefused(t *testing.T) {
	r := newIssuerRig(t, "{fetch: true}")
	good := r.revoking(time.Now(), r.vendor.Certificate)
	r.wants("before", 200)
	r.publish(good)
	r.refresh()
	r.wants("revoked", 403)
	changed := bytes.Clone(good)
	changed[len(changed)-1] ^= 1
	for i, list := range [][]byte{
		r.revoking(time.Now().Add(-48 * time.Hour)), at.NewCA("Issuing CA").List(at.List{ThisUpdate: time.Now()}), changed, []byte("<html>"), {},
		r.revoking(time.Now().Add(30 * 24 * time.Hour)),
	} {
		r.publish(list)
		asked := r.asked.Load()
		r.clock.Add(int64(26 * time.Hour))
		r.refresh()
		if r.asked.Load() == asked {
			t.Fatalf("list %d was not fetched", i)
		}
		r.wants("after a list that is refused", 403)
	}
}

// Without fetch nothing is asked of anybody, and what was fetched before does not count.
func TestNothingIsFetchedThatThePolicyDoesNotAskFor(t *testing.T) {
	r := newIssuerRig(t, "{}")
	r.publish(r.revoking(time.Now(), r.vendor.Certificate))
	r.wants("nothing asked for", 200)
	r.refresh()
	if entries, _ := os.ReadDir(r.dir); r.asked.Load() != 0 || len(entries) != 0 {
		t.Fatalf("%d fetches, %d files", r.asked.Load(), len(entries))
	}
	r.setSection("{fetch: true}")
	r.wants("asked for from now on", 200)
	r.refresh()
	r.wants("fetched", 403)
	r.setSection("{}")
	r.wants("no longer", 200)
	asked := r.asked.Load()
	r.clock.Store(int64(48 * time.Hour))
	r.refresh()
	if r.asked.Load() != asked {
		t.Error("fetched although the policy no longer asks for it")
	}
}

// Where unknown is refused, a publisher's first file is let in once its lists are there.
func TestUnknownIsRefusedUntilListsAreThere(t *testing.T) {
	r := newIssuerRig(t, "{fetch: true, unknown: refuse}")
	r.gate.Trust.Revocation.Lists = []*verify.RevocationList{{Name: "root", Data: r.ca.List(at.List{})}}
	r.publish(r.revoking(time.Now()))
	r.wants("not known", 403)
	r.refresh()
	r.wants("known", 200)
	r.clock.Store(int64(8 * 24 * time.Hour))
	r.publish(nil)
	r.refresh()
	r.wants("the list has ended", 403)
}

func TestDamagedKeptListsAreFetchedAgain(t *testing.T) {
	r := newIssuerRig(t, "{fetch: true}")
	r.publish(r.revoking(time.Now(), r.vendor.Certificate))
	r.wants("before", 200)
	r.refresh()
	files, err := filepath.Glob(filepath.Join(r.dir, "*.crl"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-3] ^= 1
	if err := os.WriteFile(files[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "0123.crl"), []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.gate.Revocations = r.open(toOrigin(r.server))
	r.wants("damaged", 200)
	r.refresh()
	r.wants("fetched again", 403)
}

// The guard of the way to the origins holds for lists too: a certificate cannot have us ask a machine inside.
func TestListsAreFetchedThroughTheGuard(t *testing.T) {
	r := newIssuerRig(t, "{fetch: true}")
	inside := r.issuing.Issue(at.Leaf{Organization: "Acme", Extensions: []pkix.Extension{at.ListsAt(r.server.URL + "/issuing.crl")}})
	r.image = at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: inside})
	upstream, err := NewUpstream(UpstreamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer upstream.CloseIdle()
	r.gate.Revocations = r.open(upstream)
	r.publish(r.revoking(time.Now(), inside.Certificate))
	r.wants("before", 200)
	r.refresh()
	if r.asked.Load() != 0 {
		t.Fatal("a certificate had us ask a private address")
	}
	r.wants("a private address is not asked", 200)
}

// Run works by itself: somebody sees a certificate, and soon its list counts.
func TestRunFetchesWhatWasSeen(t *testing.T) {
	r := newIssuerRig(t, "{fetch: true}")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { r.gate.Revocations.Run(ctx); close(done) }()
	r.publish(r.revoking(time.Now(), r.vendor.Certificate))
	r.get("http://origin.example/dl/a.exe")
	r.until("the list", func() bool { return r.get("http://origin.example/dl/a.exe").status == 403 })
	cancel()
	<-done
}

// An issuer signs several lists: for parts of its certificates, and of changes only. Somebody on the way who sends another
// one than that which was asked for, newer and with a good signature, must not make a revocation forgotten.
func TestAnotherListOfTheSameIssuerTakesNoPlace(t *testing.T) {
	list := func(r *issuerRig, age time.Duration, extensions []pkix.Extension, revoked ...at.Revoked) []byte {
		made := time.Now().Add(-age)
		return r.issuing.List(at.List{ThisUpdate: made, NextUpdate: made.Add(90 * 24 * time.Hour), Extensions: extensions, Revoked: revoked})
	}
	delta := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}
	right := []pkix.Extension{at.IssuingPoint(listURL)}
	for name, extensions := range map[string][]pkix.Extension{
		"for another distribution point": {at.IssuingPoint("http://crl.example/2.crl")},
		"for authorities":                {at.IssuingPoint("", 2)},
		"for some reasons":               {at.IssuingPoint(listURL, 3)},
		"of changes":                     {delta},
	} {
		r := newIssuerRig(t, "{fetch: true}")
		revoked := at.Revoked{Certificate: r.vendor.Certificate, At: time.Now().Add(-time.Hour)}
		again := func() {
			r.clock.Add(int64(26 * time.Hour))
			r.refresh()
		}
		r.wants("before", 200)
		r.publish(list(r, 0, extensions)) // the first that comes, even, does not keep out the right one
		r.refresh()
		r.publish(list(r, time.Hour, right, revoked))
		again()
		r.wants(name+": the right list is there", 403)
		r.publish(list(r, 0, extensions))
		asked := r.asked.Load()
		again()
		if r.asked.Load() == asked {
			t.Fatal("the list was not fetched")
		}
		r.wants(name, 403)
		r.gate.Revocations = r.open(toOrigin(r.server))
		again()
		r.wants(name+", after a restart", 403)
	}
}
