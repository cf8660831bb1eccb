package sigstore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/sigstore"
	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

// release is one version at the address that versions of a product have.
type release struct{ dir, name, purl string }

func npmRelease(version string) release {
	return release{"https://registry.example.com/axios/-/", "axios-" + version + ".tgz", "pkg:npm/axios@" + version}
}

func fileRelease(version string) release {
	return release{"https://dl.example.com/app/v" + version + "/", "app-" + version + "-linux-amd64.tar.gz", ""}
}

// attested has a version looked at that has a bundle.
func (r release) attested(t *testing.T, m verify.Memory, by sigstoretest.Signer, want ...string) {
	t.Helper()
	l := look{url: r.dir + r.name, memory: m}
	if r.purl == "" {
		l.files = map[string][]byte{r.name + ".sigstore.json": instance.Sign(update, by)}
	} else {
		doc := "/-/npm/v1/attestations/" + strings.TrimPrefix(r.purl, "pkg:npm/")
		l.files = map[string][]byte{doc: sigstoretest.NPM(provenance(by, sigstoretest.OfNPM(r.purl, update)))}
	}
	l.want(t, want...)
}

// without has a version looked at that has none.
func (r release) without(t *testing.T, m verify.Memory, want ...string) []verify.Finding {
	t.Helper()
	return (&look{url: r.dir + r.name, memory: m, data: []byte("by whoever took over the account")}).want(t, want...)
}

func TestRegressed(t *testing.T) {
	for name, of := range map[string]func(string) release{"npm": npmRelease, "files": fileRelease} {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			of("1.14.1").without(t, m, "absent no-bundle")
			of("1.13.0").attested(t, m, signer, "valid valid")
			of("1.14.0").attested(t, m, signer, "valid valid")
			found := of("1.14.1").without(t, m, "invalid regressed")
			for _, part := range []string{"1.14.1", "1.14.0", "2025-06-01", workflow} {
				if !strings.Contains(found[0].Detail, part) {
					t.Errorf("%q does not name %s", found[0].Detail, part)
				}
			}
			of("1.12.9").without(t, m, "absent no-bundle")
			of("1.13.5").without(t, m, "invalid regressed")
			of("1.14.0-rc.1").without(t, m, "invalid regressed")
			of("1.13.0-rc.1").without(t, m, "absent no-bundle")
			of("0.30.4").without(t, m, "absent no-bundle")
			of("0.30.3").attested(t, m, signer, "valid valid")
			of("0.30.4").without(t, m, "invalid regressed")
			of("1.14.1").attested(t, m, signer, "valid valid")
		})
	}
}

func TestRegressedNeedsProof(t *testing.T) {
	m := &memory{}
	stranger := signer
	stranger.Identity = "https://github.com/evil/app/.github/workflows/release.yml@refs/tags/v1"
	fileRelease("1.0.0").attested(t, m, stranger, "untrusted unknown-signer")
	fileRelease("1.1.0").without(t, m, "absent no-bundle")
	fileRelease("1.0.0").attested(t, m, signer, "valid valid")
	r := fileRelease("1.1.0")
	(&look{url: r.dir + r.name, memory: m, fails: []string{r.name + ".sigstore.json"}}).want(t, "inconclusive unavailable")
	(&look{url: r.dir + r.name, memory: m, anchors: []verify.SigstoreAnchor{acme(func(a *verify.SigstoreAnchor) { a.Anchor = "another" })}}).want(t, "absent no-bundle")
	(&look{url: "https://dl.example.com/app/v1.1.0/tool-1.1.0-linux-amd64.tar.gz", memory: m}).want(t, "absent no-bundle")
	(&look{url: "https://elsewhere.example.com/app/v1.1.0/app-1.1.0-linux-amd64.tar.gz", memory: m}).want(t, "absent no-bundle")
	(&look{url: "https://dl.example.com/app/latest/app.tar.gz", memory: m}).want(t, "absent no-bundle")
	r.without(t, m, "invalid regressed")
	// Memory is all that has to survive a restart.
	(&look{url: r.dir + r.name, memory: m, verifier: sigstore.New()}).want(t, "invalid regressed")
}

func TestAttestedIsBounded(t *testing.T) {
	m := &memory{}
	for i := range 100 {
		fileRelease(fmt.Sprintf("1.%d.0", i)).attested(t, m, signer, "valid valid")
	}
	for key, value := range m.by {
		if len(value) > 8192 {
			t.Errorf("%d bytes are kept under %q", len(value), key)
		}
	}
	if len(m.by) != 1 {
		t.Errorf("%d values are kept for one line of products", len(m.by))
	}
	fileRelease("1.0.1").without(t, m, "invalid regressed")
	fileRelease("1.100.0").without(t, m, "invalid regressed")
	fileRelease("0.9.0").without(t, m, "absent no-bundle")
}
