package pgp

import (
	"bytes"
	"crypto"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

var (
	now  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	born = now.AddDate(-1, 0, 0)
)

func at(t time.Time) *packet.Config {
	return &packet.Config{Time: func() time.Time { return t }, DefaultHash: crypto.SHA256, Algorithm: packet.PubKeyAlgoEdDSA}
}

// newKey makes a key born a year ago; change varies how.
func newKey(t testing.TB, change ...func(*packet.Config)) *openpgp.Entity {
	t.Helper()
	c := at(born)
	for _, f := range change {
		f(c)
	}
	e, err := openpgp.NewEntity("Archive Key", "", "key@example.org", c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func public(t testing.TB, entities ...*openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, e := range entities {
		if err := e.Serialize(&b); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func armoured(t testing.TB, kind string, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, kind, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

func keyring(t testing.TB, entities ...*openpgp.Entity) *Keyring {
	t.Helper()
	k, err := ParseKeyring(public(t, entities...))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sign makes one signature packet with a key of e, past the library's own rules about what to sign with.
func sign(t testing.TB, key *packet.PrivateKey, message []byte, when time.Time, change ...func(*packet.Signature)) []byte {
	t.Helper()
	sig := &packet.Signature{
		Version: 4, SigType: packet.SigTypeBinary, PubKeyAlgo: key.PubKeyAlgo, Hash: crypto.SHA256, CreationTime: when,
		IssuerKeyId: &key.KeyId, IssuerFingerprint: key.Fingerprint,
	}
	for _, f := range change {
		f(sig)
	}
	h := sig.Hash.New()
	h.Write(message)
	if err := sig.Sign(h, key, at(when)); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := sig.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func clearsigned(t testing.TB, text string, keys ...*packet.PrivateKey) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := clearsign.EncodeMulti(&b, keys, at(now))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	return b.Bytes()
}
