package pgp

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

var message = []byte("Origin: Debian\nSuite: stable\n")

func TestOutcomes(t *testing.T) {
	key, stranger := newKey(t), newKey(t)
	short := newKey(t, func(c *packet.Config) { c.KeyLifetimeSecs = uint32((360 * 24 * time.Hour) / time.Second) })
	revoked := newKey(t)
	if err := revoked.Revoke(packet.KeySuperseded, "", at(now.Add(-time.Hour))); err != nil {
		t.Fatal(err)
	}
	sub := newKey(t)
	if err := sub.AddSigningSubkey(at(born)); err != nil {
		t.Fatal(err)
	}
	subkey := sub.Subkeys[len(sub.Subkeys)-1].PrivateKey
	lostSub := newKey(t)
	if err := lostSub.AddSigningSubkey(at(born)); err != nil {
		t.Fatal(err)
	}
	last := &lostSub.Subkeys[len(lostSub.Subkeys)-1]
	lostKey := last.PrivateKey
	if err := last.Revoke(packet.KeyCompromised, "", at(now.Add(-time.Hour))); err != nil {
		t.Fatal(err)
	}
	encryption := key.Subkeys[0].PrivateKey
	lifetime := uint32(3600)

	tests := []struct {
		name string
		in   *openpgp.Entity
		sig  []byte
		want Outcome
	}{
		{"good", key, sign(t, key.PrivateKey, message, now), Good},
		{"good, by a subkey", sub, sign(t, subkey, message, now), Good},
		{"good, over text", key, sign(t, key.PrivateKey, bytes.ReplaceAll(message, []byte("\n"), []byte("\r\n")), now,
			func(s *packet.Signature) { s.SigType = packet.SigTypeText }), Good},
		{"by nobody known", key, sign(t, stranger.PrivateKey, message, now), Unknown},
		{"of another message", key, sign(t, key.PrivateKey, []byte("x"), now), Bad},
		{"by a stranger in the name of a key", key, inTheNameOf(&key.PrivateKey.PublicKey, &stranger.PrivateKey.PublicKey,
			sign(t, stranger.PrivateKey, message, now)), Bad},
		{"SHA-1", key, restingOn(2, sign(t, key.PrivateKey, message, now)), Weak},
		{"MD5", key, restingOn(1, sign(t, key.PrivateKey, message, now)), Malformed},
		{"RIPEMD-160", key, restingOn(3, sign(t, key.PrivateKey, message, now)), Malformed},
		{"key expired since", short, sign(t, short.PrivateKey, message, now.AddDate(0, -1, 0)), Unusable},
		{"key expired before", short, sign(t, short.PrivateKey, message, now), Unusable},
		{"key revoked", revoked, sign(t, revoked.PrivateKey, message, now.AddDate(0, -1, 0)), Unusable},
		{"subkey revoked", lostSub, sign(t, lostKey, message, now.AddDate(0, -1, 0)), Unusable},
		{"primary key beside a revoked subkey", lostSub, sign(t, lostSub.PrivateKey, message, now), Good},
		{"older than its key", key, sign(t, key.PrivateKey, message, born.Add(-time.Hour)), Unusable},
		{"from the future", key, sign(t, key.PrivateKey, message, now.Add(time.Hour)), Expired},
		{"signature expired", key, sign(t, key.PrivateKey, message, now.Add(-2*time.Hour), func(s *packet.Signature) { s.SigLifetimeSecs = &lifetime }), Expired},
		{"signature not expired", key, sign(t, key.PrivateKey, message, now, func(s *packet.Signature) { s.SigLifetimeSecs = &lifetime }), Good},
		{"of a key, not of a document", key, sign(t, key.PrivateKey, message, now, func(s *packet.Signature) { s.SigType = packet.SigTypeGenericCert }), Malformed},
		{"broken", key, []byte{0xc2, 0x05, 4, 0, 22, 8, 0}, Malformed},
		{"no packets", key, []byte("hello"), Malformed},
		{"names an encryption key", key, inTheNameOf(&encryption.PublicKey, &key.PrivateKey.PublicKey,
			sign(t, key.PrivateKey, message, now)), Unusable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, sig := range [][]byte{tt.sig, armoured(t, openpgp.SignatureType, tt.sig)} {
				list, err := keyring(t, stranger2(t), tt.in).Verify(message, sig, now)
				if err != nil {
					t.Fatal(err)
				}
				got, ok := Best(list)
				if !ok || len(list) != 1 {
					t.Fatalf("%d signatures: %+v", len(list), list)
				}
				if got.Outcome != tt.want {
					t.Errorf("outcome %d, want %d (%s)", got.Outcome, tt.want, got.Reason)
				}
				if got.Outcome == Good && (got.Fingerprint != fingerprint(tt.in.PrimaryKey) || got.UserID != "Archive Key <key@example.org>" || got.Reason != "") ||
					got.Outcome != Good && got.Reason == "" {
					t.Errorf("%+v", got)
				}
			}
		})
	}
}

// restingOn replaces the hash algorithm (RFC 9580 section 9.5) that a signature packet names. The library signs with no
// broken one; reference_test.go has gpg do that.
func restingOn(algorithm byte, sig []byte) []byte {
	body := 2 // after the tag and a length of one octet
	if sig[1] >= 192 {
		body = 3
	}
	sig[body+3] = algorithm
	return sig
}

// inTheNameOf replaces the issuer that a signature packet names.
func inTheNameOf(other, signer *packet.PublicKey, sig []byte) []byte {
	sig = bytes.ReplaceAll(sig, signer.Fingerprint, other.Fingerprint)
	old, name := binary.BigEndian.AppendUint64(nil, signer.KeyId), binary.BigEndian.AppendUint64(nil, other.KeyId)
	return bytes.ReplaceAll(sig, old, name)
}

// stranger2 is one more key in the ring, so that the right one must be found.
func stranger2(t testing.TB) *openpgp.Entity { return newKey(t) }

func TestOneGoodSignatureAmongOthersIsFound(t *testing.T) {
	key, stranger := newKey(t), newKey(t)
	var sigs []byte
	sigs = append(sigs, 0xc2, 0x05, 4, 0, 22, 8, 0) // broken
	sigs = append(sigs, sign(t, stranger.PrivateKey, message, now)...)
	sigs = append(sigs, sign(t, key.PrivateKey, []byte("other"), now)...)
	sigs = append(sigs, sign(t, key.PrivateKey, message, now)...)
	list, err := keyring(t, key).Verify(message, sigs, now)
	if err != nil {
		t.Fatal(err)
	}
	var got []Outcome
	for _, s := range list {
		got = append(got, s.Outcome)
	}
	if want := []Outcome{Malformed, Unknown, Bad, Good}; !bytes.Equal(toBytes(got), toBytes(want)) {
		t.Errorf("outcomes %v, want %v", got, want)
	}
	if best, _ := Best(list); best.Outcome != Good {
		t.Errorf("best is %+v", best)
	}
}

func toBytes(list []Outcome) (b []byte) {
	for _, o := range list {
		b = append(b, byte(o))
	}
	return b
}

func TestOutdatedCopyOfAKeyDoesNotHideTheCurrentOne(t *testing.T) {
	key := newKey(t, func(c *packet.Config) { c.KeyLifetimeSecs = 3600 })
	old := public(t, key)
	for _, id := range key.Identities { // prolonged since
		id.SelfCertifications[0].Packet.KeyLifetimeSecs = nil
		if err := id.ReSign(at(born)); err != nil {
			t.Fatal(err)
		}
	}
	k, err := ParseKeyring(append(old, public(t, key)...))
	if err != nil {
		t.Fatal(err)
	}
	list, err := k.Verify(message, sign(t, key.PrivateKey, message, now), now)
	if err != nil {
		t.Fatal(err)
	}
	if best, _ := Best(list); best.Outcome != Good {
		t.Errorf("%+v", best)
	}
}

func TestKeyThatWasProlongedAfterItSignedStaysGood(t *testing.T) {
	key := newKey(t)
	for _, id := range key.Identities { // published with its new self-signature only
		if err := id.ReSign(at(now)); err != nil {
			t.Fatal(err)
		}
		id.SelfCertifications = id.SelfCertifications[len(id.SelfCertifications)-1:]
	}
	list, err := keyring(t, key).Verify(message, sign(t, key.PrivateKey, message, now.AddDate(0, -1, 0)), now)
	if best, _ := Best(list); err != nil || best.Outcome != Good {
		t.Errorf("%+v, %v", best, err)
	}
}

func TestEndOfTheKeyIsTold(t *testing.T) {
	key := newKey(t, func(c *packet.Config) { c.KeyLifetimeSecs = uint32((400 * 24 * time.Hour) / time.Second) })
	list, err := keyring(t, key).Verify(message, sign(t, key.PrivateKey, message, now), now)
	if err != nil {
		t.Fatal(err)
	}
	if best, _ := Best(list); !best.KeyEnds.Equal(born.Add(400 * 24 * time.Hour)) {
		t.Errorf("%+v", best)
	}
}

func TestTooManySignaturesAreRefused(t *testing.T) {
	key := newKey(t)
	sigs := bytes.Repeat(sign(t, key.PrivateKey, message, now), MaxSignatures+1)
	list, err := keyring(t, key).Verify(message, sigs, now)
	if best, _ := Best(list); err != nil || best.Outcome != Malformed {
		t.Errorf("%+v, %v", best, err)
	}
}

func TestKeyrings(t *testing.T) {
	a, b := newKey(t), newKey(t)
	block := func(e *openpgp.Entity) []byte { return armoured(t, openpgp.PublicKeyType, public(t, e)) }
	tests := []struct {
		name string
		data []byte
		keys int // 0: refused
	}{
		{"binary", public(t, a, b), 2},
		{"armoured", armoured(t, openpgp.PublicKeyType, public(t, a, b)), 2},
		{"two armoured blocks", append(block(a), block(b)...), 2},
		{"text around the blocks", append(append([]byte("# the key of a\n"), block(a)...), append([]byte("\nand of b\n"), block(b)...)...), 2},
		{"empty", nil, 0},
		{"no key", []byte("hello"), 0},
		{"a signature", armoured(t, openpgp.SignatureType, sign(t, a.PrivateKey, message, now)), 0},
		{"broken armour", block(a)[:200], 0},
		{"too long", make([]byte, MaxKeyring+1), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := ParseKeyring(tt.data)
			if tt.keys == 0 {
				if err == nil {
					t.Fatalf("read %d keys", k.Len())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			prints, err := k.Fingerprints()
			if err != nil || k.Len() != tt.keys || len(prints) != tt.keys {
				t.Errorf("%d keys, %v, %v", k.Len(), prints, err)
			}
		})
	}
}
