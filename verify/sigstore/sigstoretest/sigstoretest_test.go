package sigstoretest_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	sigstore "github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

var at = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)

// TestTheReferenceAccepts has the library of the Sigstore project read the trusted root and verify bundles of every kind
// with everything that it can ask for.
func TestTheReferenceAccepts(t *testing.T) {
	i := sigstoretest.New("sigstore.test", at)
	artifact := []byte("an update")
	who := sigstoretest.Signer{Identity: "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1", Issuer: "https://token.example.com"}
	email := sigstoretest.Signer{Identity: "alice@example.com", Issuer: "https://accounts.example.com"}
	statement := sigstoretest.Provenance(sigstoretest.Build{Builder: "https://builder.example.com"}, sigstoretest.Of("update", artifact))
	with := func(s sigstoretest.Signer, change func(*sigstoretest.Signer)) sigstoretest.Signer {
		change(&s)
		return s
	}
	older := with(who, func(s *sigstoretest.Signer) { s.Version = "0.1" })
	rekor2 := with(who, func(s *sigstoretest.Signer) { s.Rekor2 = true })
	for name, data := range map[string][]byte{
		"message":              i.Sign(artifact, who),
		"message by mail":      i.Sign(artifact, email),
		"message, v0.1":        i.Sign(artifact, older),
		"message, Rekor 2":     i.Sign(artifact, rekor2),
		"attestation":          i.Attest(statement, who),
		"attestation, v0.1":    i.Attest(statement, older),
		"attestation, Rekor 2": i.Attest(statement, rekor2),
		"attestation, workload": i.Attest(statement, with(who, func(s *sigstoretest.Signer) {
			s.Workload = verify.Workload{Source: "https://github.com/acme/app", Ref: "refs/tags/v1"}
		})),
	} {
		t.Run(name, func(t *testing.T) {
			result, err := reference(t, i.TrustedRoot(), data, artifact)
			if err != nil {
				t.Fatal(err)
			}
			if got := result.Signature.Certificate; got.SubjectAlternativeName != who.Identity && got.SubjectAlternativeName != email.Identity {
				t.Errorf("identity %q", got.SubjectAlternativeName)
			}
			if _, err := reference(t, i.TrustedRoot(), data, []byte("another")); err == nil {
				t.Error("another artifact is accepted")
			}
			if _, err := reference(t, sigstoretest.New("other.test", at).TrustedRoot(), data, artifact); err == nil {
				t.Error("another instance accepts")
			}
		})
	}
	for name, s := range map[string]sigstoretest.Signer{
		"without certificate timestamp": with(who, func(s *sigstoretest.Signer) { s.NoSCT = true }),
		"seen too late":                 with(who, func(s *sigstoretest.Signer) { s.Late = time.Hour }),
		"in no log":                     with(who, func(s *sigstoretest.Signer) { s.NoLog = true }),
		"without timestamp":             with(who, func(s *sigstoretest.Signer) { s.NoTimestamp = true }),
	} {
		if _, err := reference(t, i.TrustedRoot(), i.Sign(artifact, s), artifact); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestTheReferenceAcceptsKeys(t *testing.T) {
	i := sigstoretest.New("sigstore.test", at)
	for name, key := range map[string]*sigstoretest.Key{"ecdsa": sigstoretest.NewKey(), "ed25519": sigstoretest.NewEd25519Key()} {
		statement := sigstoretest.Publish("app", "1.0.0", sigstoretest.OfNPM("pkg:npm/app@1.0.0", []byte("tarball")))
		data := i.Attest(statement, sigstoretest.Signer{Key: key, NoLog: true, NoTimestamp: true})
		b := &bundle.Bundle{}
		if err := b.UnmarshalJSON(data); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		public, err := x509.ParsePKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		v, err := signature.LoadVerifier(public, crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		keys := root.NewTrustedPublicKeyMaterial(func(hint string) (root.TimeConstrainedVerifier, error) {
			if hint != key.Hint {
				return nil, fmt.Errorf("hint %q", hint)
			}
			return root.NewExpiringKey(v, time.Time{}, time.Time{}), nil
		})
		verifier, err := sigstore.NewVerifier(keys, sigstore.WithNoObserverTimestamps())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verifier.Verify(b, sigstore.NewPolicy(sigstore.WithArtifact(strings.NewReader("tarball")), sigstore.WithKey())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func reference(t *testing.T, trusted, data, artifact []byte) (*sigstore.VerificationResult, error) {
	t.Helper()
	material, err := root.NewTrustedRootFromJSON(trusted)
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle.Bundle{}
	if err := b.UnmarshalJSON(data); err != nil {
		return nil, err
	}
	v, err := sigstore.NewVerifier(material, sigstore.WithSignedCertificateTimestamps(1), sigstore.WithTransparencyLog(1), sigstore.WithSignedTimestamps(1))
	if err != nil {
		t.Fatal(err)
	}
	return v.Verify(b, sigstore.NewPolicy(sigstore.WithArtifact(bytes.NewReader(artifact)), sigstore.WithoutIdentitiesUnsafe()))
}
