package detachedcms

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/beside/besidetest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

var (
	now     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	content = bytes.Repeat([]byte("firmware \x00\x01\x02\r\n"), 200)
	elf     = append([]byte("\x7fELF"), content...)
)

// pair is a certificate with its key, in memory and on disk.
type pair struct {
	cert      *x509.Certificate
	key       crypto.Signer
	certFile  string
	keyFile   string
	directory string
}

// issue makes a certificate that issuer signs, or that signs itself.
func issue(t testing.TB, name string, issuer *pair, change func(*x509.Certificate)) *pair {
	t.Helper()
	var key crypto.Signer
	var err error
	if strings.HasPrefix(name, "RSA") {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name, Organization: []string{"Acme Ltd"}},
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, BasicConstraintsValid: true, SubjectKeyId: []byte(name),
	}
	change(c)
	parent, signer := c, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{key: key, directory: t.TempDir()}
	if p.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p.certFile = p.write(t, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	p.keyFile = p.write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	return p
}

func (p *pair) write(t testing.TB, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(p.directory, name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func asCA(c *x509.Certificate) {
	c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
}

func openssl(t testing.TB, args ...string) ([]byte, error) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed: CMS signatures that it makes are left out")
	}
	cmd := exec.Command("openssl", args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil {
		t.Logf("openssl %s: %v %s", strings.Join(args, " "), err, errs.String())
	}
	return out.Bytes(), err
}

// sign makes a detached signature with openssl cms.
func (p *pair) sign(t testing.TB, data []byte, args ...string) []byte {
	t.Helper()
	out, err := openssl(t, append([]string{"cms", "-sign", "-binary", "-outform", "DER", "-signer", p.certFile, "-inkey", p.keyFile,
		"-in", p.write(t, "data", data)}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func roots(anchor string, certs ...*pair) verify.Authority {
	a := verify.Authority{Anchor: anchor}
	for _, p := range certs {
		a.Roots = append(a.Roots, p.cert)
	}
	return a
}

func env(files map[string][]byte, anchors ...verify.Authority) verify.Env {
	return verify.Env{Sidecars: besidetest.NewFolder(files), At: now, Trust: verify.Trust{Authorities: anchors}}
}

func TestSidecars(t *testing.T) {
	ca, foreign := issue(t, "Acme CA", nil, asCA), issue(t, "Foreign CA", nil, asCA)
	plain := func(*x509.Certificate) {}
	leaf, rsaLeaf := issue(t, "Release", ca, plain), issue(t, "RSA Release", ca, plain)
	mail := issue(t, "Mail", ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} })
	anything := issue(t, "Anything", ca, func(c *x509.Certificate) { c.ExtKeyUsage = nil })
	expired := issue(t, "Expired", ca, func(c *x509.Certificate) { c.NotAfter = now.AddDate(0, -1, 0) })
	stranger := issue(t, "Stranger", foreign, plain)
	good := leaf.sign(t, content)
	for _, c := range []struct {
		name string
		sig  []byte
		want string
	}{
		{"ECDSA", good, "valid:cms/valid"},
		{"RSA", rsaLeaf.sign(t, content), "valid:cms/valid"},
		{"RSA-PSS", rsaLeaf.sign(t, content, "-keyopt", "rsa_padding_mode:pss", "-md", "sha512"), "valid:cms/valid"},
		{"PEM", leaf.sign(t, content, "-outform", "PEM"), "valid:cms/valid"},
		{"without attributes", leaf.sign(t, content, "-noattr"), "valid:cms/valid"},
		{"by key identifier", leaf.sign(t, content, "-keyid"), "valid:cms/valid"},
		{"two signers", leaf.sign(t, content, "-signer", stranger.certFile, "-inkey", stranger.keyFile), ""},
		{"of another file", leaf.sign(t, content[1:]), "invalid:cms/digest-mismatch"},
		{"of another file, without attributes", leaf.sign(t, content[1:], "-noattr"), "invalid:cms/bad-signature"},
		{"by a stranger", stranger.sign(t, content), "untrusted:cms/untrusted-root"},
		{"for mail", mail.sign(t, content), "untrusted:cms/wrong-usage"},
		{"for anything", anything.sign(t, content), "untrusted:cms/wrong-usage"},
		{"expired", expired.sign(t, content), "untrusted:cms/expired"},
		{"with SHA-1", rsaLeaf.sign(t, content, "-md", "sha1"), "untrusted:cms/weak-digest"},
		{"without the signer's certificate", leaf.sign(t, content, "-nocerts"), "untrusted:cms/unknown-signer"},
		{"of itself", leaf.sign(t, content, "-nodetach"), "untrusted:cms/not-detached"},
		{"in BER", leaf.sign(t, content, "-stream"), "inconclusive:cms/unsupported"},
		{"cut short", good[:len(good)-3], "invalid:cms/malformed"},
		{"with something after it", append(bytes.Clone(good), 0), "invalid:cms/malformed"},
		{"a page", []byte("<html>"), "absent:cms/unsigned"},
		{"none", nil, "absent:cms/unsigned"},
	} {
		found, err := New().Verify(context.Background(), besidetest.Artifact("fw.bin", content), env(map[string][]byte{"fw.bin.p7s": c.sig}, roots("acme", ca)))
		got := besidetest.Codes(found)
		if c.want == "" {
			if err != nil || strings.Count(got, "valid:cms/valid") != 1 || strings.Count(got, "untrusted:cms/untrusted-root") != 1 {
				t.Errorf("%s: %v %s", c.name, err, got)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %v %s, want %s: %v", c.name, err, got, c.want, found)
		}
	}
	found, err := New().Verify(context.Background(), besidetest.Artifact("fw.bin", content),
		env(map[string][]byte{"fw.bin.p7b": good}, roots("other", foreign), roots("acme", ca), roots("pinned", leaf)))
	if err != nil || len(found) != 1 || strings.Join(found[0].Anchors, "+") != "acme+pinned" || found[0].Signer.Organization != "Acme Ltd" ||
		!found[0].NotAfter.Equal(now.AddDate(1, 0, 0)) {
		t.Errorf("%v %+v", err, found)
	}
	if found, _ := New().Verify(context.Background(), besidetest.Artifact("fw.bin", content), env(map[string][]byte{"fw.bin.p7s": anything.sign(t, content, "-nocerts")}, roots("pinned", anything))); besidetest.Codes(found) != "valid:cms/valid" {
		t.Errorf("a certificate without usages that is itself listed: %v", found)
	}
	// openssl agrees about the good one and the changed one.
	for i, want := range []bool{true, false} {
		data := bytes.Clone(content)
		data[9] ^= byte(i)
		_, err := openssl(t, "cms", "-verify", "-binary", "-inform", "DER", "-in", leaf.write(t, "sig", good), "-content", leaf.write(t, "data", data),
			"-CAfile", ca.certFile, "-purpose", "any", "-no_check_time", "-out", os.DevNull)
		if (err == nil) != want {
			t.Errorf("openssl accepts file %d: %v", i, err == nil)
		}
	}
}

// A signature value over attributes must not pass for one over a file that consists of these attributes.
func TestAttributesAreNoFile(t *testing.T) {
	ca := issue(t, "Acme CA", nil, asCA)
	leaf := issue(t, "Release", ca, func(*x509.Certificate) {})
	set := append([]byte{0x31, 0x82, 0x04, 0x00}, make([]byte, 1024)...)
	found, err := New().Verify(context.Background(), besidetest.Artifact("fw.bin", set), env(map[string][]byte{"fw.bin.p7s": leaf.sign(t, set, "-noattr")}, roots("acme", ca)))
	if got := besidetest.Codes(found); err != nil || got != "invalid:cms/malformed" {
		t.Errorf("%v %s", err, got)
	}
}

// module appends a signature as Linux' scripts/sign-file does.
func module(body, sig []byte) []byte {
	trailer := make([]byte, moduleTrailer)
	trailer[2] = modulePKCS7
	binary.BigEndian.PutUint32(trailer[8:], uint32(len(sig)))
	return bytes.Join([][]byte{body, sig, trailer, []byte(moduleMark)}, nil)
}

func TestKernelModules(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	key := issue(t, "RSA build key", nil, func(c *x509.Certificate) { c.ExtKeyUsage = nil })
	stranger := issue(t, "RSA stranger", nil, func(c *x509.Certificate) { c.ExtKeyUsage = nil })
	asLinux := []string{"-noattr", "-nocerts", "-md", "sha512"}
	sig := key.sign(t, elf, asLinux...)
	good := module(elf, sig)
	changed, badTrailer, tooLong := bytes.Clone(good), bytes.Clone(good), bytes.Clone(good)
	changed[100] ^= 1
	badTrailer[len(badTrailer)-len(moduleMark)-moduleTrailer] = 1
	binary.BigEndian.PutUint32(tooLong[len(tooLong)-len(moduleMark)-4:], 1<<30)
	valid := verifytest.Want{Status: verify.Valid, Code: "cms/valid", Anchor: "kernel", Signer: "Acme Ltd"}
	want := func(status verify.Status, code string) verifytest.Want {
		return verifytest.Want{Status: status, Code: "cms/" + code}
	}
	of := func(name string, data []byte, all ...verifytest.Want) verifytest.Case {
		e := env(nil, roots("kernel", key))
		e.Sidecars = verify.NoSidecars{}
		return verifytest.Case{Name: name, Data: data, Artifact: verify.Artifact{Name: "drivers/dummy.ko"}, Env: e, Want: all, Flips: 200}
	}
	verifytest.Run(t, New(),
		of("signed", good, valid),
		of("changed", changed, want(verify.Invalid, "bad-signature")),
		of("by a stranger", module(elf, stranger.sign(t, elf, asLinux...)), want(verify.Untrusted, "unknown-signer")),
		of("with certificates that nothing needs", module(elf, key.sign(t, elf, "-noattr", "-md", "sha512", "-certfile", stranger.certFile)), want(verify.Invalid, "hidden-data")),
		of("trailer of another kind", badTrailer, want(verify.Invalid, "malformed")),
		of("longer than the file", tooLong, want(verify.Invalid, "malformed")),
		of("no signature", module(elf, []byte{1, 2, 3}), want(verify.Invalid, "malformed")),
		of("plain ELF", elf),
	)
}

// A real firmware image with its signature, as of a time when its signer's certificate was valid.
func TestRealFirmware(t *testing.T) {
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real signatures are left out")
	}
	dir = filepath.Join(dir, "openpgp", "lvfs")
	data, err := os.ReadFile(filepath.Join(dir, "firmware.bin"))
	if err != nil {
		t.Skipf("%v: the real signature is left out", err)
	}
	sig, err := os.ReadFile(filepath.Join(dir, "firmware.bin.p7b"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, "keys", "LVFS-CA.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(ca)
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for year, want := range map[int]string{2018: "valid:cms/valid", 2026: "untrusted:cms/expired"} {
		e := env(map[string][]byte{"firmware.bin.p7b": sig}, verify.Authority{Anchor: "lvfs", Roots: []*x509.Certificate{root}})
		e.At = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		found, err := New().Verify(context.Background(), besidetest.Artifact("firmware.bin", data), e)
		if got := besidetest.Codes(found); err != nil || got != want {
			t.Errorf("in %d: %v %s, want %s: %v", year, err, got, want, found)
		}
	}
}

func FuzzModule(f *testing.F) {
	key := issue(f, "build key", nil, func(c *x509.Certificate) { c.ExtKeyUsage = nil })
	good := module(elf, key.sign(f, elf, "-noattr", "-nocerts"))
	f.Add(good)
	f.Add([]byte(moduleMark))
	f.Add(module(elf, nil))
	e := env(nil, roots("kernel", key))
	e.Sidecars = verify.NoSidecars{}
	f.Fuzz(func(t *testing.T, data []byte) {
		a := besidetest.Artifact("x.ko", data)
		a.Format = "elf"
		if !New().Match(a) {
			return
		}
		found, err := New().Verify(context.Background(), a, e)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range found {
			if one.Status == verify.Valid && !bytes.HasPrefix(data, elf) {
				t.Fatalf("%+v", one)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	ca := issue(b, "Acme CA", nil, asCA)
	leaf := issue(b, "RSA Release", ca, func(*x509.Certificate) {})
	data := make([]byte, 64<<20)
	e := env(map[string][]byte{"fw.bin.p7s": leaf.sign(b, data)}, roots("acme", ca))
	a := besidetest.Artifact("fw.bin", data)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if found, err := New().Verify(context.Background(), a, e); err != nil || besidetest.Codes(found) != "valid:cms/valid" {
			b.Fatal(err, found)
		}
	}
}

// Whoever has any certificate can have the key identifier of another one put into it. A signature by it must not count
// for the anchor that trusts that other certificate; nor is it wrong because that certificate did not make it.
func TestCopiedKeyIdentifier(t *testing.T) {
	ca := issue(t, "Everybody's CA", nil, asCA)
	pinned := issue(t, "Release", nil, func(*x509.Certificate) {})
	copied := issue(t, "Stranger", ca, func(c *x509.Certificate) { c.SubjectKeyId = pinned.cert.SubjectKeyId })
	sig := copied.sign(t, content, "-keyid")
	for _, anchors := range [][]verify.Authority{
		{roots("everybody", ca), roots("vendor", pinned)}, {roots("vendor", pinned), roots("everybody", ca)},
	} {
		found, err := New().Verify(context.Background(), besidetest.Artifact("fw.bin", content), env(map[string][]byte{"fw.bin.p7s": sig}, anchors...))
		if err != nil || len(found) != 1 || found[0].Status != verify.Valid || strings.Join(found[0].Anchors, "+") != "everybody" ||
			found[0].Signer.CommonName != "Stranger" {
			t.Errorf("%v %+v", err, found)
		}
	}
	found, err := New().Verify(context.Background(), besidetest.Artifact("fw.bin", content), env(map[string][]byte{"fw.bin.p7s": sig}, roots("vendor", pinned)))
	if got := besidetest.Codes(found); err != nil || got != "invalid:cms/bad-signature" {
		t.Errorf("the vendor alone: %v %s", err, got)
	}
}

// Two anchors have certificates of one authority that end at different times: what rests on both ends with the first.
func TestAnchorsEndWithTheFirstOfTheirChains(t *testing.T) {
	ca := issue(t, "Acme CA", nil, asCA)
	brief := *ca.cert
	brief.NotAfter = now.AddDate(0, 1, 0)
	der, err := x509.CreateCertificate(rand.Reader, &brief, &brief, ca.key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	older, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	leaf := issue(t, "Release", ca, func(*x509.Certificate) {})
	found, err := New().Verify(context.Background(), besidetest.Artifact("fw.bin", content),
		env(map[string][]byte{"fw.bin.p7s": leaf.sign(t, content)}, roots("acme", ca), roots("older", &pair{cert: older})))
	if err != nil || len(found) != 1 || strings.Join(found[0].Anchors, "+") != "acme+older" || !found[0].NotAfter.Equal(brief.NotAfter) {
		t.Errorf("%v %+v", err, found)
	}
}

// Revocation lists that the policy names, or that were fetched, are about signers under an anchor's own roots as well.
func TestRevocation(t *testing.T) {
	signs := func(c *x509.Certificate) { asCA(c); c.KeyUsage |= x509.KeyUsageCRLSign }
	ca := issue(t, "Acme CA", nil, signs)
	leaf := issue(t, "Release", ca, func(*x509.Certificate) {})
	list := func(revoked ...*pair) *verify.RevocationList {
		l := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(24 * time.Hour)}
		for _, p := range revoked {
			l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: p.cert.SerialNumber, RevocationTime: now.Add(-2 * time.Hour)})
		}
		der, err := x509.CreateRevocationList(rand.Reader, l, ca.cert, ca.key)
		if err != nil {
			t.Fatal(err)
		}
		return &verify.RevocationList{Name: "acme.crl", Data: der}
	}
	lists := func(l ...*verify.RevocationList) []*verify.RevocationList { return l }
	files := map[string][]byte{"fw.bin.p7s": leaf.sign(t, content)}
	for _, c := range []struct {
		name  string
		lists []*verify.RevocationList
		must  bool
		root  *pair
		want  string
	}{
		{"no list", nil, false, ca, "valid:cms/valid"},
		{"no list, and that is refused", nil, true, ca, "untrusted:cms/revocation-unknown"},
		{"not revoked", lists(list()), true, ca, "valid:cms/valid"},
		{"revoked", lists(list(), list(leaf)), false, ca, "invalid:cms/revoked"},
		{"listed itself", nil, true, leaf, "valid:cms/valid"},
	} {
		e := env(files, roots("acme", c.root))
		e.Trust.Revocation = verify.Revocation{Lists: c.lists, Required: c.must}
		found, err := New().Verify(context.Background(), besidetest.Artifact("fw.bin", content), e)
		if got := besidetest.Codes(found); err != nil || got != c.want {
			t.Errorf("%s: %v %s, want %s: %v", c.name, err, got, c.want, found)
		}
		if c.must && len(c.lists) > 0 && !found[0].NotAfter.Equal(now.Add(24*time.Hour)) {
			t.Errorf("%s: ends at %s, later than what it rests on", c.name, found[0].NotAfter)
		}
	}
}
