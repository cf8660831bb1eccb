package pgp

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// signV3 makes an RSA signature of version 3 (RFC 4880 section 5.2.2).
func signV3(t testing.TB, e *openpgp.Entity, message []byte, change func(body []byte)) []byte {
	t.Helper()
	trailer := binary.BigEndian.AppendUint32([]byte{0}, uint32(now.Unix()))
	h := crypto.SHA256.New()
	h.Write(append(bytes.Clone(message), trailer...))
	sum := h.Sum(nil)
	value, err := rsa.SignPKCS1v15(rand.Reader, e.PrivateKey.PrivateKey.(*rsa.PrivateKey), crypto.SHA256, sum)
	if err != nil {
		t.Fatal(err)
	}
	value = bytes.TrimLeft(value, "\x00")
	bits := 8 * len(value)
	for b := value[0]; b < 0x80; b <<= 1 {
		bits--
	}
	body := append([]byte{3, 5}, trailer...)
	body = append(binary.BigEndian.AppendUint64(body, e.PrimaryKey.KeyId), 1, 8, sum[0], sum[1])
	body = append(binary.BigEndian.AppendUint16(body, uint16(bits)), value...)
	if change != nil {
		change(body)
	}
	return append(binary.BigEndian.AppendUint16([]byte{0x89}, uint16(len(body))), body...)
}

func TestPendingVersion3(t *testing.T) {
	e := newKey(t, func(c *packet.Config) { c.Algorithm, c.RSABits = packet.PubKeyAlgoRSA, 2048 })
	other := newKey(t)
	message := []byte("a header")
	judge := func(k *Keyring, raw, message []byte) Signature {
		t.Helper()
		p := ReadSignature(raw)
		p.Write(message[:3])
		p.Write(message[3:])
		got, err := k.Judge(p, now)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	mine := keyring(t, e)
	good := signV3(t, e, message, nil)
	if got := judge(mine, good, message); got.Outcome != Good || got.Fingerprint == "" || !got.Created.Equal(now) {
		t.Errorf("good: %+v", got)
	}
	if got := judge(keyring(t, other), good, message); got.Outcome != Unknown || got.KeyID == "" {
		t.Errorf("by a stranger: %+v", got)
	}
	if got := judge(mine, good, []byte("another header")); got.Outcome != Bad {
		t.Errorf("another message: %+v", got)
	}
	// No bit of it is free.
	for at := 3; at < len(good); at++ {
		b := bytes.Clone(good)
		b[at] ^= 1
		if got := judge(mine, b, message); got.Outcome == Good {
			t.Errorf("byte %d of the packet changed, and it is good", at)
		}
	}
	for name, c := range map[string]struct {
		change func([]byte)
		want   Outcome
	}{
		"text":           {func(b []byte) { b[2] = 1 }, Malformed},
		"SHA-1":          {func(b []byte) { b[16] = 2 }, Weak},
		"MD5":            {func(b []byte) { b[16] = 1 }, Weak},
		"unknown hash":   {func(b []byte) { b[16] = 99 }, Malformed},
		"DSA":            {func(b []byte) { b[15] = 17 }, Malformed},
		"length field":   {func(b []byte) { b[1] = 6 }, Malformed},
		"future":         {func(b []byte) { b[3] = 0xff }, Expired},
		"before the key": {func(b []byte) { b[3] = 0 }, Unusable},
	} {
		if got := judge(mine, signV3(t, e, message, c.change), message); got.Outcome != c.want {
			t.Errorf("%s: %+v, want %d", name, got, c.want)
		}
	}
	if p := ReadSignature(signV3(t, e, message, func(b []byte) { b[15] = 99 })); !p.Unsupported() || p.Needs() {
		t.Error("an unknown algorithm is not told from nonsense")
	}
	if got := judge(mine, append(bytes.Clone(good), good...), message); got.Outcome != Malformed {
		t.Errorf("two packets: %+v", got)
	}
}

// A Pending of version 4 says what Keyring.Verify says.
func TestPendingSaysWhatVerifySays(t *testing.T) {
	e, other := newKey(t), newKey(t)
	k := keyring(t, e, other)
	message := []byte("message")
	for name, raw := range map[string][]byte{
		"good":   sign(t, e.PrivateKey, message, now),
		"bad":    sign(t, e.PrivateKey, []byte("other"), now),
		"future": sign(t, e.PrivateKey, message, now.AddDate(0, 0, 3)),
		"early":  sign(t, e.PrivateKey, message, born.AddDate(0, 0, -3)),
	} {
		p := ReadSignature(raw)
		p.Write(message)
		got, err := k.Judge(p, now)
		if err != nil {
			t.Fatal(err)
		}
		want, err := k.Verify(message, raw, now)
		if err != nil || len(want) != 1 || want[0].Outcome != got.Outcome || want[0].KeyEnds != got.KeyEnds {
			t.Errorf("%s: %+v, want %+v (%v)", name, got, want, err)
		}
	}
}

func FuzzReadSignature(f *testing.F) {
	e := newKey(f, func(c *packet.Config) { c.Algorithm, c.RSABits = packet.PubKeyAlgoRSA, 2048 })
	k := keyring(f, e)
	message := []byte("message")
	f.Add(signV3(f, e, message, nil))
	f.Add(sign(f, e.PrivateKey, message, now))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p := ReadSignature(raw)
		p.Write([]byte("another message"))
		got, err := k.Judge(p, now)
		if err != nil {
			t.Fatal(err)
		}
		if got.Outcome == Good {
			t.Error("a signature over another message is good")
		}
	})
}
