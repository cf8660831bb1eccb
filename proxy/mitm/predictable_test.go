package mitm

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elazarl/goproxy"
)

// derivation is the generator from which goproxy v1.9.2 draws the key of a host's leaf: AES in a counter mode of its
// own, keyed with the first 16 bytes of the encoded CA key (which an encoding makes mostly constant), started from the host's name.
type derivation struct {
	block   cipher.Block
	counter [aes.BlockSize]byte
	left    []byte
}

func derive(t *testing.T, caKey []byte, host string) *derivation {
	t.Helper()
	block, err := aes.NewCipher(caKey[:aes.BlockSize])
	if err != nil {
		t.Fatal(err)
	}
	names := []string{host, ":goproxy2", ":" + runtime.Version()}
	slices.Sort(names)
	seed := sha256.Sum256([]byte(strings.Join(names, ",")))
	d := &derivation{block: block}
	copy(d.counter[:], seed[:])
	return d
}

func (d *derivation) Read(p []byte) (int, error) {
	if len(d.left) == 0 {
		d.left = make([]byte, aes.BlockSize)
		d.block.Encrypt(d.left, d.counter[:])
		for i := range d.counter {
			if d.counter[i]++; d.counter[i] != 0 {
				break
			}
		}
	}
	n := copy(p, d.left)
	d.left = d.left[n:]
	return n, nil
}

// The control: with this derivation the key of a leaf that goproxy's signer makes under an Ed25519 CA is recovered from
// the host's name and from bytes that are the same in every PKCS #8 encoding of such a key.
func TestDerivationRecoversGoproxyLeafKeys(t *testing.T) {
	const host = "downloads.vendor.example"
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "control"}, NotBefore: now, NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	ca := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	ctx := &goproxy.ProxyCtx{Proxy: goproxy.NewProxyHttpServer()}
	config, err := goproxy.TLSConfigFromCA(&ca)(host+":443", ctx)
	if err != nil {
		t.Fatal(err)
	}
	theirs := config.Certificates[len(config.Certificates)-1].PrivateKey.(ed25519.PrivateKey)
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(stranger) // any key: the first 16 bytes are all alike
	if err != nil {
		t.Fatal(err)
	}
	guessed, err := readSeed(derive(t, encoded, host))
	if err != nil {
		t.Fatal(err)
	}
	if !theirs.Equal(ed25519.NewKeyFromSeed(guessed)) {
		t.Fatal("goproxy draws leaf keys otherwise than v1.9.2 did: bring derivation up to date, or it shows nothing about ours")
	}
}

func readSeed(d *derivation) ([]byte, error) {
	seed := make([]byte, ed25519.SeedSize)
	for n := 0; n < len(seed); {
		m, err := d.Read(seed[n:])
		if err != nil {
			return nil, err
		}
		n += m
	}
	return seed, nil
}

func TestLeafKeysCannotBeDerived(t *testing.T) {
	const host = "downloads.vendor.example"
	t.Setenv("GODEBUG", "cryptocustomrand=1") // lets key generation draw from the derivation, as before Go 1.26
	dir := t.TempDir()
	a := open(t, dir, Options{})
	cert, err := a.Certificate(host)
	if err != nil {
		t.Fatal(err)
	}
	caKey := a.current.Load().issuer.key.(*ecdsa.PrivateKey)
	sec1, err := x509.MarshalECPrivateKey(caKey)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(caKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, encoded := range map[string][]byte{"SEC 1": sec1, "PKCS #8": pkcs8, "certificate": caOf(a).Raw} {
		for range 8 { // generation may skip one byte or not, so that nobody relies on it
			guess, err := ecdsa.GenerateKey(elliptic.P256(), derive(t, encoded, host))
			if err != nil {
				t.Fatal(err)
			}
			if guess.Equal(cert.PrivateKey.(crypto.PrivateKey)) {
				t.Fatalf("the leaf key is what goproxy's derivation gives from the %s encoding", name)
			}
		}
	}
}

func TestSameCAInTwoProcessesHasDifferentLeafKeys(t *testing.T) {
	dir := t.TempDir()
	seen := make(map[string]bool)
	for range 4 {
		a := open(t, dir, Options{})
		for range 2 {
			leaf := leafOf(t, a, "a.example")
			if seen[string(leaf.RawSubjectPublicKeyInfo)] {
				t.Fatal("a leaf key came twice")
			}
			seen[string(leaf.RawSubjectPublicKeyInfo)] = true
			if err := a.Reload(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
