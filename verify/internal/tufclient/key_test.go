package tufclient

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"testing"
	"testing/cryptotest"
)

// pemKey returns a signer of a key that TUF gives in PEM.
func pemKey(t *testing.T, keytype, scheme string, private crypto.Signer, hash crypto.Hash) signer {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	public := object{"keytype": keytype, "scheme": scheme, "keyval": object{"public": text}}
	return signer{keyID(public), public, func(data []byte) []byte {
		h := hash.New()
		h.Write(data)
		var opts crypto.SignerOpts = hash
		if _, ok := private.(*rsa.PrivateKey); ok {
			opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
		}
		sig, err := private.Sign(rand.Reader, h.Sum(nil), opts)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}}
}

func TestKindsOfKeys(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	ec := func(c elliptic.Curve) crypto.Signer {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	rs := func(bits int) crypto.Signer {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	p256, p384, r2048 := ec(elliptic.P256()), ec(elliptic.P384()), rs(2048)
	for _, k := range []struct {
		name, keytype, scheme string
		private               crypto.Signer
		hash                  crypto.Hash
		want                  string
	}{
		{"P-256", "ecdsa", "ecdsa-sha2-nistp256", p256, crypto.SHA256, "good"},
		{"P-256 of the old name", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", p256, crypto.SHA256, "good"},
		{"P-384", "ecdsa", "ecdsa-sha2-nistp384", p384, crypto.SHA384, "good"},
		{"RSA", "rsa", "rsassa-pss-sha256", r2048, crypto.SHA256, "good"},
		{"RSA of 1024 bits", "rsa", "rsassa-pss-sha256", rs(1024), crypto.SHA256, Threshold},
		{"P-384 under the scheme of P-256", "ecdsa", "ecdsa-sha2-nistp256", p384, crypto.SHA256, Threshold},
		{"P-256 under the scheme of P-384", "ecdsa", "ecdsa-sha2-nistp384", p256, crypto.SHA384, Threshold},
		{"RSA under another scheme", "rsa", "rsassa-pkcs1v15-sha256", r2048, crypto.SHA256, Threshold},
		{"RSA as ECDSA", "ecdsa", "ecdsa-sha2-nistp256", r2048, crypto.SHA256, Threshold},
		{"unknown", "sphincs", "sphincs", p256, crypto.SHA256, Threshold},
	} {
		t.Run(k.name, func(t *testing.T) {
			w := newWorld(t)
			w.parts["snapshot"].signers = []signer{pemKey(t, k.keytype, k.scheme, k.private, k.hash)}
			w.publish("root", "snapshot", "timestamp")
			w.refresh(w.client(), noon, k.want)
		})
	}
}

func TestKeysThatAreUnknownDoNotKeepOthersFromCounting(t *testing.T) {
	w := newWorld(t)
	p := w.parts["snapshot"]
	odd := newKeyPair()
	odd.public = object{"keytype": "sigstore-oidc", "scheme": "Fulcio", "keyval": object{"identity": "a", "issuer": "b"}}
	short := newKeyPair()
	short.public = object{"keytype": "ed25519", "scheme": "ed25519", "keyval": object{"public": "00ff"}}
	p.granted = []signer{odd, short, p.signers[0], newKeyPair()}
	junk := newKeyPair()
	junk.sign = func([]byte) []byte { return []byte("no signature") }
	p.signers = append([]signer{odd, short, junk}, p.signers...)
	w.publish("root", "snapshot", "timestamp")
	w.refresh(w.client(), noon, "good")
	p.threshold = 2
	w.publish("root", "snapshot", "timestamp")
	w.refresh(w.client(), noon, Threshold)
}

func TestAThresholdCountsKeys(t *testing.T) {
	for signed, want := range []string{Threshold, Threshold, Threshold, "good", "good"} {
		w := newWorld(t)
		p := w.parts["targets"]
		p.signers = []signer{newKeyPair(), newKeyPair(), newKeyPair(), newKeyPair(), newKeyPair()}
		p.granted, p.threshold = p.signers, 3
		p.signers = p.signers[:signed]
		w.publishAll()
		c := w.client()
		w.refresh(c, noon, want)
		if want == "good" {
			if got := w.look(c, noon, "app.msi", "good").Chain[3].Keys; len(got) != 3 {
				t.Errorf("%d keys vouch", len(got))
			}
		}
	}
}

// Ids are what the delegator calls keys, and the order of signatures is anybody's: neither makes two signers of one.
func TestAKeyIsKnownByItselfAndNotByItsName(t *testing.T) {
	known := map[[32]byte]bool{}
	a, b := newKeyPair(), newKeyPair()
	for n := range 4 {
		w := newWorld(t)
		first, second := a, b
		if n%2 == 1 {
			first, second = b, a
		}
		first.id, second.id = fmt.Sprintf("%064x", n+1), fmt.Sprintf("%064x", 9-n)
		w.delegate("targets", "A", nil, "a/*").files["a/one"] = []byte("1")
		w.parts["A"].signers = []signer{first, second}
		w.parts["targets"].signers = []signer{second, first}
		w.publish("root")
		w.everything()
		c := w.client()
		w.refresh(c, noon, "good")
		known[w.look(c, noon, "a/one", "good").Key] = true
		known[w.look(c, noon, "app.msi", "good").Key] = true
	}
	if len(known) != 1 || known[[32]byte{}] {
		t.Errorf("two keys under many names are %v", known)
	}
}
