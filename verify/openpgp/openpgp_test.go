package openpgp

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/beside/besidetest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

var (
	now     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	born    = now.AddDate(-1, 0, 0)
	content = []byte(strings.Repeat("\x1f\x8b\x08 not really a tarball\r\n\n", 200))
)

func at(t time.Time, change ...func(*packet.Config)) *packet.Config {
	c := &packet.Config{Time: func() time.Time { return t }, DefaultHash: crypto.SHA256, Algorithm: packet.PubKeyAlgoEdDSA}
	for _, f := range change {
		f(c)
	}
	return c
}

func newKey(t testing.TB, name string, change ...func(*packet.Config)) *pgp.Entity {
	t.Helper()
	e, err := pgp.NewEntity(name, "", "key@example.org", at(born, change...))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func v6(c *packet.Config) {
	c.V6Keys = true
	c.Algorithm = packet.PubKeyAlgoEd25519
}

func keyring(t testing.TB, anchor string, keys ...*pgp.Entity) verify.Keyring {
	t.Helper()
	var b bytes.Buffer
	for _, e := range keys {
		if err := e.Serialize(&b); err != nil {
			t.Fatal(err)
		}
	}
	return verify.Keyring{Anchor: anchor, Data: b.Bytes()}
}

// sign makes one signature packet, past the library's own rules about what to sign with.
func sign(t testing.TB, key *packet.PrivateKey, message []byte, when time.Time, change ...func(*packet.Signature)) []byte {
	t.Helper()
	sig := &packet.Signature{
		Version: key.Version, SigType: packet.SigTypeBinary, PubKeyAlgo: key.PubKeyAlgo, Hash: crypto.SHA256, CreationTime: when,
		IssuerFingerprint: key.Fingerprint,
	}
	if key.Version < 6 {
		sig.IssuerKeyId = &key.KeyId
	}
	for _, f := range change {
		f(sig)
	}
	h, err := sig.PrepareSign(at(when))
	if err != nil {
		t.Fatal(err)
	}
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

func armoured(t testing.TB, kind string, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, kind, nil)
	if err == nil {
		_, err = w.Write(raw)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), '\n')
}

func examine(t testing.TB, dir *besidetest.Folder, keyrings ...verify.Keyring) []verify.Finding {
	t.Helper()
	found, err := New().Verify(context.Background(), besidetest.Artifact("tool.tar.gz", content), env(dir, keyrings...))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func env(dir verify.Sidecars, keyrings ...verify.Keyring) verify.Env {
	return verify.Env{Sidecars: dir, Trust: verify.Trust{Keyrings: keyrings}, At: now}
}

func TestSuite(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	four, six := newKey(t, "Four"), newKey(t, "Six", v6)
	both := append(sign(t, four.PrivateKey, content, now), sign(t, six.PrivateKey, content, now)...)
	valid := verifytest.Want{Status: verify.Valid, Code: "openpgp/valid", Anchor: "acme"}
	of := func(name string, sig []byte, want ...verifytest.Want) verifytest.Case {
		return verifytest.Case{
			Name: name, Data: content, Artifact: *besidetest.Artifact("tool.tar.gz", content), Want: want, Flips: 60,
			Env: env(besidetest.NewFolder(map[string][]byte{"tool.tar.gz.asc": sig}), keyring(t, "acme", four, six)),
		}
	}
	verifytest.Run(t, New(),
		of("version 4", sign(t, four.PrivateKey, content, now), valid),
		of("version 6", sign(t, six.PrivateKey, content, now), valid),
		of("armoured", armoured(t, pgp.SignatureType, sign(t, four.PrivateKey, content, now)), valid),
		of("two signatures in one file", armoured(t, pgp.SignatureType, both), valid, valid),
		of("of another file", sign(t, four.PrivateKey, content[1:], now), verifytest.Want{Status: verify.Invalid, Code: "openpgp/bad-signature"}),
		of("none", nil, verifytest.Want{Status: verify.Absent, Code: "openpgp/unsigned"}),
		verifytest.Case{Name: "metadata is not asked about", Data: content, Artifact: verify.Artifact{Name: "Release", Role: verify.Metadata}},
	)
}

func TestEverySignatureIsJudged(t *testing.T) {
	key, stranger := newKey(t, "Acme"), newKey(t, "Stranger")
	good := sign(t, key.PrivateKey, content, now)
	bad := sign(t, key.PrivateKey, []byte("something else"), now)
	foreign := sign(t, stranger.PrivateKey, content, now)
	critical := sign(t, key.PrivateKey, content, now, func(s *packet.Signature) {
		s.Notations = []*packet.Notation{{Name: "x@example.org", Value: []byte("y"), IsCritical: true}}
	})
	text := sign(t, key.PrivateKey, content, now, func(s *packet.Signature) { s.SigType = packet.SigTypeText })
	certification := sign(t, key.PrivateKey, content, now, func(s *packet.Signature) { s.SigType = packet.SigTypeGenericCert })
	lifetime := uint32(60)
	ended := sign(t, key.PrivateKey, content, now.Add(-time.Hour), func(s *packet.Signature) { s.SigLifetimeSecs = &lifetime })
	page := []byte("<!DOCTYPE html><html><title>Not found</title>")
	for _, c := range []struct {
		name  string
		files map[string][]byte
		want  string
	}{
		{"binary .sig", map[string][]byte{".sig": good}, "valid:openpgp/valid"},
		{"by content and not by name", map[string][]byte{".asc": good, ".gpg": armoured(t, pgp.SignatureType, good)}, "valid:openpgp/valid valid:openpgp/valid"},
		{"good and bad in two files", map[string][]byte{".asc": good, ".sign": bad}, "valid:openpgp/valid invalid:openpgp/bad-signature"},
		{"good and foreign in one", map[string][]byte{".asc": append(bytes.Clone(foreign), good...)}, "untrusted:openpgp/unknown-key valid:openpgp/valid"},
		{"foreign", map[string][]byte{".asc": foreign}, "untrusted:openpgp/unknown-key"},
		{"critical notation", map[string][]byte{".asc": critical}, "invalid:openpgp/critical-notation"},
		{"over text", map[string][]byte{".asc": text}, "untrusted:openpgp/text-signature"},
		{"a certification", map[string][]byte{".asc": certification}, "invalid:openpgp/wrong-type"},
		{"ended", map[string][]byte{".asc": ended}, "untrusted:openpgp/expired-signature"},
		{"a little in the future", map[string][]byte{".asc": sign(t, key.PrivateKey, content, now.Add(10*time.Minute))}, "valid:openpgp/valid"},
		{"in the future", map[string][]byte{".asc": sign(t, key.PrivateKey, content, now.AddDate(0, 0, 2))}, "inconclusive:openpgp/future"},
		{"older than the key", map[string][]byte{".asc": sign(t, key.PrivateKey, content, born.AddDate(0, 0, -2))}, "untrusted:openpgp/older-than-key"},
		{"a page instead", map[string][]byte{".asc": page}, "absent:openpgp/unsigned"},
		{"a page and a signature", map[string][]byte{".asc": page, ".sig": good}, "valid:openpgp/valid"},
		{"a key instead", map[string][]byte{".asc": armoured(t, pgp.PublicKeyType, keyring(t, "", key).Data)}, "absent:openpgp/unsigned"},
		{"signify instead", map[string][]byte{".sig": []byte("untrusted comment: x\nRWQ=\n")}, "absent:openpgp/unsigned"},
		{"broken armour", map[string][]byte{".asc": []byte("-----BEGIN PGP SIGNATURE-----\n\nAAAA\n")}, "invalid:openpgp/malformed"},
		{"cut short", map[string][]byte{".asc": good[:len(good)-9]}, "invalid:openpgp/malformed"},
		{"nothing", nil, "absent:openpgp/unsigned"},
	} {
		dir := besidetest.NewFolder(nil)
		dir.Files = map[string][]byte{}
		for suffix, data := range c.files {
			dir.Files["tool.tar.gz"+suffix] = data
		}
		if got := besidetest.Codes(examine(t, dir, keyring(t, "acme", key))); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if len(dir.Asked()) > 4 {
			t.Errorf("%s: %d fetches", c.name, len(dir.Asked()))
		}
	}
}

func TestKeysThatMayNotSign(t *testing.T) {
	short := newKey(t, "Short", func(c *packet.Config) { c.KeyLifetimeSecs = uint32((300 * 24 * time.Hour) / time.Second) })
	retired, stolen := newKey(t, "Retired"), newKey(t, "Stolen")
	for e, reason := range map[*pgp.Entity]packet.ReasonForRevocation{retired: packet.KeyRetired, stolen: packet.KeyCompromised} {
		if err := e.Revoke(reason, "", at(now.AddDate(0, -1, 0))); err != nil {
			t.Fatal(err)
		}
	}
	logins := newKey(t, "Logins")
	if err := logins.AddSigningSubkey(at(born)); err != nil {
		t.Fatal(err)
	}
	login := &logins.Subkeys[len(logins.Subkeys)-1]
	login.Bindings[0].Packet.FlagSign, login.Bindings[0].Packet.FlagAuthenticate = false, true
	if err := login.Bindings[0].Packet.SignKey(login.PublicKey, logins.PrivateKey, at(born)); err != nil {
		t.Fatal(err)
	}
	small := newKey(t, "Small", func(c *packet.Config) { c.Algorithm, c.RSABits = packet.PubKeyAlgoRSA, 2048 })
	uncrossed := newKey(t, "Uncrossed")
	if err := uncrossed.AddSigningSubkey(at(born)); err != nil {
		t.Fatal(err)
	}
	last := &uncrossed.Subkeys[len(uncrossed.Subkeys)-1]
	last.Bindings[0].Packet.EmbeddedSignature = nil
	if err := last.Bindings[0].Packet.SignKey(last.PublicKey, uncrossed.PrivateKey, at(born)); err != nil {
		t.Fatal(err)
	}
	before := now.AddDate(0, -6, 0)
	for _, c := range []struct {
		name   string
		key    *pgp.Entity
		sig    []byte
		want   string
		detail string
	}{
		{"expired since", short, sign(t, short.PrivateKey, content, before), "untrusted:openpgp/expired-key", "expired"},
		{"retired since", retired, sign(t, retired.PrivateKey, content, before), "untrusted:openpgp/revoked-key", "retired"},
		{"compromised since", stolen, sign(t, stolen.PrivateKey, content, before), "untrusted:openpgp/revoked-key", "compromised"},
		{"for authentication only", logins, sign(t, login.PrivateKey, content, before), "untrusted:openpgp/wrong-usage", ""},
		{"the primary key beside it", logins, sign(t, logins.PrivateKey, content, before), "valid:openpgp/valid", ""},
		{"a good RSA key", small, sign(t, small.PrivateKey, content, before), "valid:openpgp/valid", ""},
		{"a subkey that did not sign the primary key", uncrossed, sign(t, last.PrivateKey, content, before), "untrusted:openpgp/wrong-usage", ""},
	} {
		found := examine(t, besidetest.NewFolder(map[string][]byte{"tool.tar.gz.asc": c.sig}), keyring(t, "acme", c.key))
		if got := besidetest.Codes(found); got != c.want || !strings.Contains(found[0].Detail, c.detail) {
			t.Errorf("%s: %s (%s)", c.name, got, found[0].Detail)
		}
	}
}

func TestWhoVouches(t *testing.T) {
	key, other := newKey(t, "Acme Release"), newKey(t, "Other")
	dir := besidetest.NewFolder(map[string][]byte{"tool.tar.gz.asc": sign(t, key.PrivateKey, content, now)})
	f := examine(t, dir, keyring(t, "one", key), keyring(t, "two", other), keyring(t, "three", other, key))[0]
	if fmt.Sprint(f.Anchors) != "[one three]" || !strings.Contains(f.Signer.Name, "Acme Release") ||
		!strings.EqualFold(f.Signer.Fingerprint, fmt.Sprintf("%X", key.PrimaryKey.Fingerprint)) || !f.SignedAt.IsZero() || len(f.Evidence) != 1 {
		t.Errorf("%+v", f)
	}
	ending := newKey(t, "Ending", func(c *packet.Config) { c.KeyLifetimeSecs = uint32((400 * 24 * time.Hour) / time.Second) })
	dir = besidetest.NewFolder(map[string][]byte{"tool.tar.gz.asc": sign(t, ending.PrivateKey, content, now)})
	if f := examine(t, dir, keyring(t, "one", ending))[0]; !f.NotAfter.Equal(born.AddDate(0, 0, 400)) {
		t.Errorf("valid until %s", f.NotAfter)
	}
}

// Whoever serves the file can put many signatures beside it, each of which wants a hash of its own.
func TestSignaturesOfVersion6AreBounded(t *testing.T) {
	key := newKey(t, "Six", v6)
	var many []byte
	for range 20 {
		many = append(many, sign(t, key.PrivateKey, content, now)...)
	}
	found := examine(t, besidetest.NewFolder(map[string][]byte{"tool.tar.gz.sig": many}), keyring(t, "acme", key))
	got := besidetest.Codes(found)
	if strings.Count(got, "openpgp/valid") != 8 || strings.Count(got, "openpgp/too-many-signatures") != 12 {
		t.Error(got)
	}
}

func TestNothingIsFetchedInVain(t *testing.T) {
	dir := besidetest.NewFolder(nil)
	if found := examine(t, dir); found != nil || len(dir.Asked()) > 0 {
		t.Errorf("without keyrings: %v after asking for %v", found, dir.Asked())
	}
	key := newKey(t, "Acme")
	report := (&verify.Examiner{Verifiers: []verify.Verifier{New()}}).Examine(context.Background(), besidetest.Artifact("a.exe", content), env(verify.NoSidecars{}, keyring(t, "acme", key)))
	if besidetest.Codes(report.Findings) != "absent:verify/no-method" || len(report.Evidence) > 0 {
		t.Errorf("without sidecars: %+v", report)
	}
	broken := besidetest.NewFolder(nil)
	broken.Broken = map[string]bool{"tool.tar.gz.sig": true}
	if got := besidetest.Codes(examine(t, broken, keyring(t, "acme", key))); got != "inconclusive:openpgp/unavailable" {
		t.Errorf("where it could not be told: %s", got)
	}
	huge := besidetest.NewFolder(map[string][]byte{"tool.tar.gz.asc": make([]byte, 2<<20)})
	if got := besidetest.Codes(examine(t, huge, keyring(t, "acme", key))); got != "inconclusive:openpgp/unavailable" {
		t.Errorf("a huge sidecar: %s", got)
	}
}

func TestCancelledWhileHashing(t *testing.T) {
	key := newKey(t, "Acme")
	ctx, cancel := context.WithCancel(context.Background())
	dir := cancelling{besidetest.NewFolder(map[string][]byte{"tool.tar.gz.sign": sign(t, key.PrivateKey, content, now)}), cancel}
	if _, err := New().Verify(ctx, besidetest.Artifact("tool.tar.gz", content), env(dir, keyring(t, "acme", key))); err != context.Canceled {
		t.Errorf("error %v", err)
	}
}

type cancelling struct {
	*besidetest.Folder
	cancel func()
}

func (c cancelling) Fetch(ctx context.Context, ref string, limit int64) ([]byte, error) {
	b, err := c.Folder.Fetch(ctx, ref, limit)
	if err == nil {
		c.cancel()
	}
	return b, err
}
