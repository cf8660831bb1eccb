package sigstore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/sigstore"
	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

// publisher is a TUF repository with a trusted root in it.
type publisher struct {
	repository *tuftest.Repository
	pin        []byte
	from       *origin
}

const tufURL = "https://tuf.example.com/"

func newPublisher(t *testing.T, trusted []byte) *publisher {
	t.Helper()
	r, err := tuftest.New(tuftest.Options{At: at})
	if err != nil {
		t.Fatal(err)
	}
	p := &publisher{repository: r, from: &origin{base: tufURL}}
	p.publish(t, trusted)
	p.pin = r.TrustedRoot(1)
	return p
}

func (p *publisher) publish(t *testing.T, trusted []byte) {
	t.Helper()
	p.repository.Add(p.repository.Targets, "trusted_root.json", trusted)
	files, err := p.repository.Publish()
	if err != nil {
		t.Fatal(err)
	}
	p.from.files = map[string][]byte{}
	for name, data := range files {
		p.from.files[tufURL+name] = data
	}
}

func (p *publisher) anchor(change ...func(*verify.SigstoreAnchor)) verify.SigstoreAnchor {
	return acme(append(change, func(a *verify.SigstoreAnchor) {
		a.TrustedRoot = nil
		a.RootSource = &verify.TUFAnchor{
			Anchor: "acme", Targets: tufURL + "targets/", Refresh: time.Hour,
			Repositories: []verify.TUFRepository{{Root: p.pin, Metadata: []string{tufURL + "metadata/"}}},
		}
	})...)
}

// refresh calls Refresh and returns what it told this time.
func (p *publisher) refresh(t *testing.T, v *sigstore.Verifier, m verify.Memory, at time.Time) (told []verify.Refreshed, wait time.Duration) {
	t.Helper()
	p.from.asked = nil
	wait = v.Refresh(t.Context(), verify.Env{
		Sidecars: p.from, Memory: m, At: at, Trust: verify.Trust{Sigstore: []verify.SigstoreAnchor{p.anchor()}},
	}, func(r verify.Refreshed) { told = append(told, r) })
	if wait < time.Second {
		t.Errorf("Refresh wants to be called again after %s", wait)
	}
	return told, wait
}

func (p *publisher) look(v *sigstore.Verifier, m verify.Memory, bundle []byte) *look {
	return &look{files: beside(bundle), verifier: v, memory: m, anchors: []verify.SigstoreAnchor{p.anchor()}}
}

func TestRefresh(t *testing.T) {
	p, m, v := newPublisher(t, instance.TrustedRoot()), &memory{}, sigstore.New()
	bundle := instance.Sign(update, signer)
	p.look(v, m, bundle).want(t, "inconclusive no-trusted-root")
	told, _ := p.refresh(t, v, m, at)
	if len(told) != 1 || told[0].Failed || told[0].Anchor != "acme" {
		t.Fatalf("told %+v", told)
	}
	f := p.look(v, m, bundle).want(t, "valid valid")[0]
	if last := f.Evidence[len(f.Evidence)-1]; last.URL != tufURL+"targets/trusted_root.json" || last.SHA256.IsZero() {
		t.Errorf("evidence %+v does not name the trusted root", f.Evidence)
	}

	t.Run("nothing is asked before it is due", func(t *testing.T) {
		if told, _ := p.refresh(t, v, m, at.Add(59*time.Minute)); told != nil || p.from.asked != nil {
			t.Errorf("told %+v, asked %q", told, p.from.asked)
		}
	})
	t.Run("nothing new is no news", func(t *testing.T) {
		told, _ := p.refresh(t, v, m, at.Add(61*time.Minute))
		if told != nil || len(p.from.asked) == 0 {
			t.Errorf("told %+v, asked %q", told, p.from.asked)
		}
		for _, ref := range p.from.asked {
			if strings.Contains(ref, "/targets/") {
				t.Errorf("the same trusted root is fetched again: %s", ref)
			}
		}
	})
	t.Run("an outage leaves the last one in force", func(t *testing.T) {
		files := p.from.files
		p.from.files, p.from.fails = nil, map[string]error{tufURL + "metadata/2.root.json": errDown, tufURL + "metadata/timestamp.json": errDown}
		first, wait := p.refresh(t, v, m, at.Add(3*time.Hour))
		if len(first) != 1 || !first[0].Failed || wait != time.Minute {
			t.Errorf("told %+v, wait %s", first, wait)
		}
		second, longer := p.refresh(t, v, m, at.Add(3*time.Hour+wait))
		if len(second) != 1 || !second[0].Failed || longer <= wait {
			t.Errorf("told %+v, wait %s after %s", second, longer, wait)
		}
		p.look(v, m, bundle).want(t, "valid valid")
		p.look(sigstore.New(), m, bundle).want(t, "valid valid") // after a restart
		p.from.files, p.from.fails = files, nil
		told, _ := p.refresh(t, v, m, at.Add(4*time.Hour))
		if len(told) != 1 || told[0].Failed {
			t.Errorf("when it works again: %+v", told)
		}
	})
	t.Run("a new one replaces it", func(t *testing.T) {
		p.publish(t, other.TrustedRoot())
		if told, _ := p.refresh(t, v, m, at.Add(6*time.Hour)); len(told) != 1 || told[0].Failed {
			t.Fatalf("told %+v", told)
		}
		p.look(v, m, bundle).want(t, "untrusted unknown-instance", "invalid regressed") // it was attested under the old one
		p.look(v, m, other.Sign(update, signer)).want(t, "valid valid")
		p.look(sigstore.New(), m, other.Sign(update, signer)).want(t, "valid valid")
	})
}

// TestRefreshRefuses has repositories serve what they must not.
func TestRefreshRefuses(t *testing.T) {
	evil := other.TrustedRoot()
	for name, change := range map[string]func(t *testing.T, p *publisher){
		"a swapped trusted root": func(_ *testing.T, p *publisher) {
			for ref := range p.from.files {
				if strings.Contains(ref, "trusted_root.json") {
					p.from.files[ref] = evil
				}
			}
		},
		"a repository under other keys": func(t *testing.T, p *publisher) {
			r, err := tuftest.New(tuftest.Options{At: at, Seed: "other"})
			if err != nil {
				t.Fatal(err)
			}
			p.repository = r
			p.publish(t, evil)
		},
		"something that is no trusted root": func(t *testing.T, p *publisher) { p.publish(t, []byte(`{"mediaType":"text/plain"}`)) },
		"one that is too large":             func(t *testing.T, p *publisher) { p.publish(t, bytes.Repeat([]byte(" "), 5<<20)) },
	} {
		t.Run(name, func(t *testing.T) {
			p, m, v := newPublisher(t, instance.TrustedRoot()), &memory{}, sigstore.New()
			p.refresh(t, v, m, at)
			if change(t, p); name == "a swapped trusted root" {
				v, m = sigstore.New(), &memory{}
			}
			told, _ := p.refresh(t, v, m, at.Add(2*time.Hour))
			if len(told) != 1 || !told[0].Failed || told[0].Code == "" {
				t.Errorf("told %+v", told)
			}
			if found := p.look(v, m, other.Sign(update, signer)).run(t); found[0].Status == verify.Valid {
				t.Errorf("the trusted root of another instance is in force: %s", found[0].Detail)
			}
		})
	}
}

// TestPublicGood: the anchors of the public-good instance need nothing that was fetched, and Refresh asks for newer trusted roots where
// the project publishes them, of which the policy has told the gate.
func TestPublicGood(t *testing.T) {
	v, m, from := sigstore.New(), &memory{}, &origin{base: defaultURL, fails: map[string]error{}}
	trust := verify.Trust{Sigstore: []verify.SigstoreAnchor{{Anchor: "good", Issuer: issuer, Identity: "*", Rekor: 1, SCTs: 1}, acme(), {Anchor: "good too", Issuer: issuer, Identity: "a", Rekor: 1}}}
	var told []verify.Refreshed
	v.Refresh(context.Background(), verify.Env{Sidecars: from, Memory: m, Trust: trust, At: at}, func(r verify.Refreshed) { told = append(told, r) })
	if len(told) != 1 || !told[0].Failed || len(from.asked) == 0 {
		t.Errorf("told %+v, asked %q", told, from.asked)
	}
	for _, ref := range from.asked {
		if !strings.HasPrefix(ref, verify.PublicGoodTUF) {
			t.Errorf("%s is asked for, which is not below %s", ref, verify.PublicGoodTUF)
		}
	}
	if n := len(from.asked); n > 4 {
		t.Errorf("%d requests: %q", n, from.asked)
	}
}

// TestRefreshNeedsNoMoreThanItSays: what Verify asks for stays on the update's origin or below the anchors' sources.
func TestOnlySourcesAreAsked(t *testing.T) {
	a := acme(func(a *verify.SigstoreAnchor) {
		a.Bundles = []string{"https://b.example.org/x/{package}/{version}/{name}", "https://c.example.org/?d={sha512}&n={name}"}
	})
	trust := verify.Trust{Sigstore: []verify.SigstoreAnchor{a}}
	for _, from := range []string{
		defaultURL, npmURL, wheelURL, "https://dl.example.com//evil.example.net/app/-/app-1.0.0.tgz", "https://dl.example.com/a/%2e%2e%2f-1.0.0.tgz",
		"https://dl.example.com/a/..%2F..%2Fx-1.0.0.zip", "https://dl.example.com/a/%3fq=1&x=2#-1.0.0.zip", "https://dl.example.com/%2e%2e/x/-/x-1.0.0.tgz",
	} {
		l := look{url: from, anchors: []verify.SigstoreAnchor{a}}
		if !sigstore.New().Match(artifactAt(t, from, update)) {
			continue
		}
		l.run(t)
		for _, ref := range l.asked {
			if !strings.HasPrefix(ref, from[:strings.Index(from[8:], "/")+9]) && !hasPrefixOf(ref, trust.Sources()) {
				t.Errorf("%s: %s is asked for", from, ref)
			}
		}
	}
}

func hasPrefixOf(ref string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(ref, p) {
			return true
		}
	}
	return false
}

func TestTrustedRootsAreJSON(t *testing.T) {
	for _, i := range []*sigstoretest.Instance{instance, other} {
		if !json.Valid(i.TrustedRoot()) {
			t.Error("a trusted root is no JSON")
		}
	}
}
