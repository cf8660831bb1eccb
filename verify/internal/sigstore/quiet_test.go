package sigstore

import (
	"errors"
	"net/http"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

type refusing struct{ t *testing.T }

// RoundTrip implements http.RoundTripper.
func (r refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	r.t.Errorf("%s was asked for", req.URL)
	return nil, errors.New("there is no network")
}

// Many verifications at once, sharing bundle and instance, ask nobody, leave nothing running and write nothing.
func TestVerificationIsQuiet(t *testing.T) {
	transport, client, stderr := http.DefaultTransport, http.DefaultClient, os.Stderr
	quiet := refusing{t}
	http.DefaultTransport = quiet
	silent, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	os.Stderr = silent
	defer func() { http.DefaultTransport, os.Stderr = transport, stderr }()
	w := newWorld(t)
	b, err := Parse(w.Attest(sigstoretest.Provenance(build, sigstoretest.Of("app.bin", update)), ci))
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for range 3 {
				if _, err := Verify(b, digestOnly, w.demand, now.Add(time.Hour)); err != nil {
					t.Error(err)
				}
				if _, err := Verify(b, digestOnly, Demand{Instance: must(NewInstance(PublicGood())), Rekor: 1}, now); err == nil {
					t.Error("verifies for another instance")
				}
			}
		})
	}
	all.Wait()
	for range 1000 { // those that are done may need a moment to end
		if runtime.NumGoroutine() <= before {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines were left running", n-before)
	}
	if http.DefaultTransport != http.RoundTripper(quiet) || http.DefaultClient != client {
		t.Error("the client of everybody was changed")
	}
	if info, err := silent.Stat(); err != nil || info.Size() > 0 {
		t.Error("something was written to standard error")
	}
}

func TestPublicGoodInstance(t *testing.T) {
	i, err := NewInstance(PublicGood())
	if err != nil {
		t.Fatal(err)
	}
	if again := must(NewInstance(PublicGood())); again != i {
		t.Error("the same trusted root was read twice")
	}
	if !i.HasLogs() || !i.HasTimestamps() || !i.HasSCTs() || len(i.Skipped()) > 0 || i.authorities[0].name != "sigstore.dev" {
		t.Errorf("logs %v, timestamps %v, SCTs %v, left out %q", i.HasLogs(), i.HasTimestamps(), i.HasSCTs(), i.Skipped())
	}
}

func TestPartsOfATrustedRootThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	data := w.Sign(update, ci)
	root := edit(t, w.TrustedRoot(), func(o map[string]any) {
		objectAt(o, "tlogs", 1, "publicKey")["keyDetails"] = "ML_DSA_65"
		o["somethingNew"] = true
	})
	i, err := NewInstance(root)
	if err != nil || len(i.Skipped()) != 1 {
		t.Fatalf("%v, left out %q", err, i.Skipped())
	}
	if _, err := check(data, digestOnly, Demand{Instance: i, Rekor: 1, SCTs: 1}); err != nil {
		t.Errorf("what does not rest on the new log: %v", err)
	}
	for name, data := range map[string]string{
		"nothing": "", "an object": "{}", "another type": `{"mediaType":"application/json"}`,
		"nobody": `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`,
	} {
		if _, err := NewInstance([]byte(data)); err == nil {
			t.Errorf("%s was taken for a trusted root", name)
		}
	}
}

func TestIssued(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	b := must(Parse(w.Sign(update, ci)))
	if !w.demand.Instance.Issued(b) || other.demand.Instance.Issued(b) {
		t.Error("a certificate is of the instance that issued it, and of no other")
	}
	if w.demand.Instance.Issued(must(Parse(w.Sign(update, sigstoretest.Signer{Key: sigstoretest.NewKey()})))) {
		t.Error("a key was issued by nobody")
	}
}
