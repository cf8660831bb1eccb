package sigstore_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/sigstore"
	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

// TestStrangersDoNotHideARegression: who has taken over an account can publish with it a bundle of their own.
func TestStrangersDoNotHideARegression(t *testing.T) {
	evil := signer
	evil.Identity = strings.Replace(workflow, "acme", "evil", 1)
	data := []byte("by whoever took over the account")
	for name, bundle := range map[string][]byte{
		"untrusted unknown-signer":   instance.Sign(data, evil),
		"untrusted unknown-instance": other.Sign(data, signer),
		"untrusted unknown-key":      instance.Sign(data, sigstoretest.Signer{Key: sigstoretest.NewKey(), NoLog: true, NoTimestamp: true}),
	} {
		m := &memory{}
		old, next := fileRelease("1.2.3"), fileRelease("1.2.4")
		old.attested(t, m, signer, "valid valid")
		l := look{url: next.dir + next.name, data: data, memory: m, files: map[string][]byte{next.name + ".sigstore.json": bundle}}
		l.want(t, name, "invalid regressed")
		l.files[next.name+".bundle"] = instance.Sign(data, signer)
		l.want(t, name, "valid valid")
	}
}

// TestPythonFileKeepsItsName: how a statement is wrapped is up to whoever serves it, so that what it has to name cannot hang on that.
func TestPythonFileKeepsItsName(t *testing.T) {
	old := strings.Replace(wheelName, "1.2.3", "1.0.0", 1)
	beside := func(subject, predicate string) map[string][]byte {
		return map[string][]byte{wheelName + ".sigstore.json": instance.Attest(sigstoretest.Statement(predicate, nil, sigstoretest.Of(subject, update)), signer)}
	}
	for _, c := range []struct{ subject, predicate, want string }{
		{wheelName, sigstoretest.PyPI, "valid valid"},
		{old, sigstoretest.PyPI, "invalid wrong-package"},
		{"app", sigstoretest.PyPI, "invalid wrong-package"},
		{"dist/" + wheelName, sigstoretest.SLSA1, "valid valid"},
		{"dist/" + old, sigstoretest.SLSA1, "invalid wrong-package"},
		{"acme_app-1.0.0.tar.gz", sigstoretest.SLSA1, "invalid wrong-package"},
		{"the build", sigstoretest.SLSA1, "valid valid"},
	} {
		(&look{url: wheelURL, files: beside(c.subject, c.predicate)}).want(t, c.want)
	}
}

// TestRegistryAttestsPackages: a signature over the file alone would let any version take the place of any other one.
func TestRegistryAttestsPackages(t *testing.T) {
	l := look{url: npmURL, files: map[string][]byte{npmDoc: sigstoretest.NPM(instance.Sign(update, signer))}}
	l.want(t, "invalid wrong-package")
}

// TestWhatIsBrokenIsBounded: one document may hold thousands of bundles, and findings go into logs.
func TestWhatIsBrokenIsBounded(t *testing.T) {
	var lines bytes.Buffer
	for i := range 2000 {
		fmt.Fprintf(&lines, `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","x":%d}`+"\n", i)
	}
	found := (&look{files: beside(lines.Bytes())}).run(t)
	if n := len(found); n != 33 || found[32].Code != "sigstore/too-many" {
		t.Errorf("%d findings", n)
	}
}

// counted is content that counts how much of it is read.
type counted struct {
	*bytes.Reader
	read *atomic.Int64
}

func (c counted) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.Reader.ReadAt(p, off)
	c.read.Add(int64(n))
	return n, err
}

// TestPureSignaturesAreBounded: each needs all bytes of the file, for every key.
func TestPureSignaturesAreBounded(t *testing.T) {
	key := sigstoretest.NewEd25519Key()
	genuine := instance.Sign(update, sigstoretest.Signer{Key: key, NoLog: true, NoTimestamp: true})
	var lines [][]byte
	for i := range 32 {
		var b map[string]any
		if err := json.Unmarshal(genuine, &b); err != nil {
			t.Fatal(err)
		}
		b["messageSignature"].(map[string]any)["signature"] = append([]byte{byte(i)}, make([]byte, 63)...)
		line, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	a := artifactAt(t, defaultURL, update)
	var read atomic.Int64
	a.Content = counted{bytes.NewReader(update), &read}
	o := &origin{base: defaultURL, files: map[string][]byte{defaultURL + ".sigstore.json": sigstoretest.Lines(lines...)}}
	anchor := keyAnchor("key", key, sigstoretest.NewEd25519Key(), sigstoretest.NewEd25519Key())
	found, err := sigstore.New().Verify(t.Context(), a, verify.Env{Sidecars: o, Trust: verify.Trust{Sigstore: []verify.SigstoreAnchor{anchor}}, At: at})
	if err != nil {
		t.Fatal(err)
	}
	if most := int64(10 * len(update)); read.Load() > most || read.Load() == 0 {
		t.Errorf("%d bytes were read for 32 signatures, at most %d should be", read.Load(), most)
	}
	for _, f := range found {
		if f.Status == verify.Valid {
			t.Errorf("%+v", f)
		}
	}
	if last := found[len(found)-1]; last.Code != "sigstore/too-large" {
		t.Errorf("the last one is %s", last.Code)
	}
}

var _ io.ReaderAt = counted{}

// TestPlacesOfThePolicyAreAsked: neither what is beside the update nor how many anchors there are keeps a template from being asked.
func TestPlacesOfThePolicyAreAsked(t *testing.T) {
	var anchors []verify.SigstoreAnchor
	for i := range 6 {
		anchors = append(anchors, acme(func(a *verify.SigstoreAnchor) {
			a.Anchor = fmt.Sprint("acme", i)
			a.Bundles = []string{fmt.Sprintf("https://b%d.example.org/{name}.json", i)}
		}))
	}
	o := &origin{base: wheelURL, files: map[string][]byte{
		wheelURL + ".sig": []byte("MEUCIQDKa0worfSARTwf4L3pWpg3Rgmi51rrL0TTQNIKql5hngIhAJjD/oKmKm7TJDM2gXF5x/qm9tr2wSp6Pkh3qpdYsWvr"),
		"https://b5.example.org/" + wheelName + ".json": instance.Sign(update, signer),
	}}
	found, err := sigstore.New().Verify(t.Context(), artifactAt(t, wheelURL, update), verify.Env{Sidecars: o, Trust: verify.Trust{Sigstore: anchors}, At: at})
	if err != nil || len(found) != 1 || found[0].Status != verify.Valid {
		t.Errorf("%+v, %v", found, err)
	}
}
