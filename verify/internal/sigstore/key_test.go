package sigstore

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"io"
	"testing"
	"testing/cryptotest"

	"github.com/sallyport-project/sallyport/verify"
)

func publicDER(t *testing.T, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Keys sign by their own digest, old clients by SHA-256 with any key; Ed25519 signs the bytes, or their SHA-512.
func TestKeysOfEveryKind(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	s256, s384, s512 := sha256.Sum256(update), sha512.Sum384(update), sha512.Sum512(update)
	p256 := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	p521 := must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	r2048 := must(rsa.GenerateKey(rand.Reader, 2048))
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		key   crypto.Signer
		input []byte
		opts  crypto.SignerOpts
		bytes bool // it cannot be verified from the SHA-256 alone
	}{
		{"P-256", p256, s256[:], crypto.SHA256, false},
		{"P-384", p384, s384[:], crypto.SHA384, true},
		{"P-384 with SHA-256", p384, s256[:], crypto.SHA256, false},
		{"P-521", p521, s512[:], crypto.SHA512, true},
		{"P-521 with SHA-256", p521, s256[:], crypto.SHA256, false},
		{"RSA", r2048, s256[:], crypto.SHA256, false},
		{"Ed25519", ed, update, crypto.Hash(0), true},
		{"Ed25519ph", ed, s512[:], crypto.SHA512, true},
	} {
		sig := must(tt.key.Sign(rand.Reader, tt.input, tt.opts))
		d := Demand{Keys: [][]byte{publicDER(t, tt.key.Public())}}
		for _, raw := range [][]byte{sig, []byte(base64.StdEncoding.EncodeToString(sig) + "\n")} {
			b, err := NewRaw(raw, nil)
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			if r, err := Verify(b, artifactOf(update), d, now); err != nil || len(r.Signer.Fingerprint) != 64 || r.SANType != "" {
				t.Errorf("%s: %v, signer %+v", tt.name, err, r.Signer)
			}
			if _, err := Verify(b, digestOnly, d, now); (err == nil) == tt.bytes {
				t.Errorf("%s, from the digest: %v", tt.name, err)
			}
			if _, err := Verify(b, artifactOf([]byte("another")), d, now); code(err) != Signature {
				t.Errorf("%s, over another artifact: %v, want %s", tt.name, err, Signature)
			}
		}
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	small := make([]byte, 32)
	small[0] = 1 // the neutral element
	for name, der := range map[string][]byte{
		"Ed25519 of small order": publicDER(t, ed25519.PublicKey(small)),
		"P-224":                  publicDER(t, &must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).PublicKey),
		"nothing":                nil,
	} {
		if CheckKey(der) == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// A signature over no bytes at all is easily had, and a verifier that is given a digest where the scheme needs the bytes verifies
// it over no bytes: sigstore-go v1.3.0 does so for keys.
func TestSignatureOverNothingIsForNothing(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	data := []byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"}},` +
		`"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"` + base64.StdEncoding.EncodeToString(digestOnly.SHA256[:]) +
		`"},"signature":"` + base64.StdEncoding.EncodeToString(ed25519.Sign(private, nil)) + `"}}`)
	b, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	d := Demand{Keys: [][]byte{publicDER(t, public)}}
	if err := bareKey(data, public, digestOnly); err != nil {
		t.Logf("sigstore-go has learned to refuse this: %v", err)
	}
	claimed := NewArtifact(context.Background(), &verify.Artifact{Content: bytes.NewReader(nil), Digests: verify.Digests{SHA256: digestOnly.SHA256}})
	for name, a := range map[string]Artifact{"bytes": artifactOf(update), "digest": digestOnly, "no bytes although the digest says so": claimed} {
		if _, err := Verify(b, a, d, now); err == nil {
			t.Errorf("%s: verifies", name)
		}
	}
}

func TestOtherDigestsAreComputedForGenuineSignersOnly(t *testing.T) {
	w := newWorld(t)
	statement := []byte(`{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://example.com/p","subject":[{"name":"app","digest":{"sha512":"` +
		hexOf(sha512.Sum512(update)) + `"}}]}`)
	data := w.Attest(statement, ci)
	asked := 0
	a := Artifact{SHA256: digestOnly.SHA256, Digest: func(alg string) ([]byte, error) {
		asked++
		sum := sha512.Sum512(update)
		return sum[:], nil
	}}
	if r, err := check(data, a, w.demand); err != nil || r.Subject != "app" || asked != 1 {
		t.Errorf("%v about %q after asking %d times", err, r.Subject, asked)
	}
	if _, err := check(data, a, newWorld(t).demand); err == nil || asked != 1 {
		t.Errorf("for a signer that nobody trusts: %v after asking %d times", err, asked)
	}
	a.Digest = func(string) ([]byte, error) { return nil, io.ErrUnexpectedEOF }
	if _, err := check(data, a, w.demand); err == nil || code(err) != "" {
		t.Errorf("a failure to read is %v", err)
	}
}
