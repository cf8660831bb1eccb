package sigstore

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

// seeds are made bundles of every kind, those in sigstore-go's module, and those of the samples.
func seeds(t testing.TB, w *world) [][]byte {
	out := [][]byte{
		w.Sign(update, ci),
		w.Attest(sigstoretest.Provenance(build, sigstoretest.Of("app.bin", update)), ci),
		w.Sign(update, sigstoretest.Signer{Key: sigstoretest.NewKey()}),
	}
	for _, version := range []string{"0.1", "0.2"} {
		by := ci
		by.Version = version
		out = append(out, w.Sign(update, by))
	}
	tiled := ci
	tiled.Rekor2 = true
	out = append(out, w.Sign(update, tiled))
	_, _, old := sigstoretest.Cosign(out[0])
	out = append(out, old)
	dirs := []string{filepath.Join(moduleData(t), "pkg/testing/data/bundles"), filepath.Join(moduleData(t), "examples")}
	if root := os.Getenv("SALLYPORT_SAMPLES"); root != "" {
		more, _ := filepath.Glob(filepath.Join(root, "sigstore", "*"))
		dirs = append(dirs, more...)
	}
	for _, dir := range dirs {
		files, _ := filepath.Glob(filepath.Join(dir, "*.json*"))
		for _, f := range files {
			if data, err := os.ReadFile(f); err == nil && len(data) < 1<<20 {
				out = append(out, bundlesIn(data)...)
			}
		}
	}
	return out
}

// refused fails the test where err is none that a bundle may cause.
func refused(t *testing.T, err error) {
	t.Helper()
	if err != nil && (code(err) == "" || strings.Contains(err.Error(), "broke off")) {
		t.Fatalf("not an *Error, or a panic: %v", err)
	}
}

// FuzzParse: a protobuf bundle that is read here is one that sigstore-go reads.
func FuzzParse(f *testing.F) {
	for _, s := range seeds(f, newWorld(f)) {
		f.Add(s)
	}
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Parse(data)
		refused(t, err)
		if err != nil || b.version == "" || strings.Contains(string(data), "base64Signature") {
			return
		}
		if err := new(bundle.Bundle).UnmarshalJSON(data); err != nil {
			t.Fatalf("read, and sigstore-go refuses it: %v", err)
		}
	})
}

// FuzzVerify changes bytes of a bundle that verifies: whatever still verifies is for the same update by the same signer at no
// earlier time, and sigstore-go alone accepts it too.
func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	originals := seeds(f, w)
	for i := range originals {
		f.Add(uint8(i), uint16(0), byte(0))
		f.Add(uint8(i), uint16(1500), byte(0xff))
	}
	public := Demand{Instance: must(NewInstance(PublicGood())), Rekor: 1}
	f.Fuzz(func(t *testing.T, which uint8, position uint16, mask byte) {
		original := originals[int(which)%len(originals)]
		data := append([]byte(nil), original...)
		data[int(position)*len(data)/65536] ^= mask
		for root, d := range map[string]Demand{string(w.TrustedRoot()): w.demand, string(PublicGood()): public} {
			r, err := check(data, digestOnly, d)
			refused(t, err)
			if code(err) == SubjectMismatch || code(err) == ClaimsDisagree || err == nil {
				if before, _ := check(original, digestOnly, d); before.Signer != r.Signer {
					t.Fatalf("signed by %+v, which was signed by %+v", r.Signer, before.Signer)
				}
			}
			if err != nil {
				continue
			}
			if string(root) == string(PublicGood()) {
				t.Fatal("a bundle of another instance or about another update verifies")
			}
			if strings.Contains(string(data), "base64Signature") || strings.Contains(string(data), "keyid") {
				continue // sigstore-go reads no old layout, and takes the key's id for more than a hint
			}
			if err := bare(data, []byte(root), digestOnly, d); err != nil {
				t.Fatalf("verifies, and sigstore-go alone refuses it: %v", err)
			}
			if _, err := check(data, artifactOf([]byte("another")), d); err == nil {
				t.Fatal("verifies for another update")
			}
		}
	})
}

// FuzzStatement: a statement names an update only by a digest that is written in it.
func FuzzStatement(f *testing.F) {
	f.Add(sigstoretest.Provenance(build, sigstoretest.Of("app.bin", update)))
	f.Add(sigstoretest.Provenance02(build, sigstoretest.Of("app.bin", update)))
	f.Add(sigstoretest.Publish("app", "1.0.0", sigstoretest.OfNPM("pkg:npm/app@1.0.0", update)))
	for _, s := range seeds(f, newWorld(f)) {
		if b, err := Parse(s); err == nil && b.payload != nil {
			f.Add(b.payload)
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		s, err := parseStatement(payload)
		refused(t, err)
		if err != nil {
			return
		}
		a := s.attestation()
		for _, text := range []string{a.PredicateType, a.Builder, a.BuildType, a.Source, a.Ref, a.Commit, a.Levels, a.Result, a.Package} {
			if len(text) > maxText {
				t.Fatalf("a claim of %d bytes was passed on", len(text))
			}
		}
		if err := checkClaims(ci.Identity, &workload, a); err != nil {
			refused(t, err)
		}
		_, ok, err := s.Names(digestOnly)
		if err != nil {
			t.Fatal(err)
		}
		if ok && !strings.Contains(strings.ToLower(string(payload)), digestOnly.SHA256.String()) && !strings.Contains(string(payload), `\`) {
			t.Fatal("names an update whose digest is not in it")
		}
	})
}

// FuzzLegacyBundle: what verifies is for the same update by the same signer, whatever the rest says.
func FuzzLegacyBundle(f *testing.F) {
	w := newWorld(f)
	signature, certificate, old := sigstoretest.Cosign(w.Sign(update, ci))
	f.Add(old, signature, certificate)
	f.Add([]byte(`{"base64Signature":"AAAA","cert":"","rekorBundle":{"SignedEntryTimestamp":"AAAA","Payload":{"body":"e30=","integratedTime":1,"logIndex":1,"logID":"00"}}}`), []byte{0}, []byte{0})
	f.Add([]byte(`{"base64Signature":"`+base64.StdEncoding.EncodeToString([]byte(`{"payloadType":"x"}`))+`"}`), []byte(`{"payloadType":"x"}`), []byte("-----BEGIN PUBLIC KEY-----"))
	f.Fuzz(func(t *testing.T, data, signature, certificate []byte) {
		r, err := check(data, digestOnly, w.demand)
		refused(t, err)
		if err == nil && r.Signer.Name != ci.Identity {
			t.Fatalf("verifies for %+v", r.Signer)
		}
		b, err := NewRaw(signature, certificate)
		refused(t, err)
		if err != nil {
			return
		}
		if r, err := Verify(b, digestOnly, Demand{Instance: w.demand.Instance, SCTs: 1}, now); err == nil && r.Signer.Name != ci.Identity {
			t.Fatalf("a bare signature verifies for %+v", r.Signer)
		}
		if _, err := Verify(b, digestOnly, w.demand, now); err == nil {
			t.Fatal("a bare signature verifies although a log is demanded")
		}
	})
}
