package cms

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

type listAuthority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var listCA = sync.OnceValue(func() listAuthority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Lists"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(4e9, 0), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: []byte{1, 2},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return listAuthority{cert, key}
})

// bigList makes a list of n entries with the serial numbers 1<<64 + 7i.
func bigList(n int) []byte {
	ca := listCA()
	template := &x509.RevocationList{Number: big.NewInt(5), ThisUpdate: time.Unix(1e9, 0), NextUpdate: time.Unix(2e9, 0)}
	for i := range n {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: serialAt(i), RevocationTime: time.Unix(9e8+int64(i), 0), ReasonCode: i % 2,
		})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, ca.cert, ca.key)
	if err != nil {
		panic(err)
	}
	return der
}

func serialAt(i int) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), 64)
	return n.Add(n, big.NewInt(int64(i)*7))
}

func TestRevocationListFindsEveryEntry(t *testing.T) {
	const n = 5000
	der := bigList(n)
	l, err := ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := ParseCertificate(listCA().cert.Raw)
	if err != nil {
		t.Fatal(err)
	}
	if l.Len() != n || !l.SignedBy(issuer) || l.ThisUpdate.Unix() != 1e9 || l.NextUpdate.Unix() != 2e9 || !bytes.Equal(l.Number, []byte{5}) || l.Issuer.CommonName != "Lists" {
		t.Fatalf("%+v", l)
	}
	for i := range n {
		got := l.Find(serialAt(i).Bytes())
		want := RevocationReason(i % 2)
		if want == 0 {
			want = NoReason
		}
		if len(got) != 1 || got[0].Date.Unix() != 9e8+int64(i) || got[0].Reason != want {
			t.Fatalf("entry %d: %+v", i, got)
		}
		if got := l.Find(new(big.Int).Add(serialAt(i), big.NewInt(1)).Bytes()); got != nil {
			t.Fatalf("a serial number that is not there is found: %+v", got)
		}
	}
}

// Whatever octet is changed, the list is no longer read or no longer signed.
func TestChangedRevocationListIsNotSigned(t *testing.T) {
	der := bigList(20)
	issuer, err := ParseCertificate(listCA().cert.Raw)
	if err != nil {
		t.Fatal(err)
	}
	for i := range der {
		for _, bit := range []byte{1, 0x80} {
			changed := bytes.Clone(der)
			changed[i] ^= bit
			if l, err := ParseRevocationList(changed); err == nil && l.SignedBy(issuer) {
				t.Fatalf("octet %d", i)
			}
		}
	}
	for _, n := range []int{0, 1, len(der) / 2, len(der) - 1} {
		if _, err := ParseRevocationList(der[:n]); err == nil {
			t.Errorf("the first %d octets are a list", n)
		}
	}
	if _, err := ParseRevocationList(append(bytes.Clone(der), 0)); err == nil {
		t.Error("a list with an octet after it")
	}
}

// A million entries cost an index, not an object each.
func TestLargeRevocationListCostsLittle(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the large list is left out")
	}
	der := bigList(200_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	l, err := ParseRevocationList(der)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if objects := after.Mallocs - before.Mallocs; objects > 2000 {
		t.Errorf("%d objects for %d entries", objects, l.Len())
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 3*uint64(len(der)) {
		t.Errorf("%d bytes for a list of %d", grown, len(der))
	}
}

func TestRevocationListsMadeByOpenSSL(t *testing.T) {
	tool, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed: lists that it makes are left out")
	}
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(tool, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %q: %v\n%s", args, err, out)
		}
	}
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("index.txt", "R\t300101000000Z\t240102030405Z,keyTime,20230102030405Z\t0A0B\tunknown\t/CN=leaf\n"+
		"R\t300101000000Z\t250102030405Z,superseded\t77\tunknown\t/CN=other\n"+
		"R\t300101000000Z\t250102030405Z\tFEDCBA9876543210\tunknown\t/CN=third\n")
	put("number", "01\n")
	put("ca.cnf", "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=7\ncrl_extensions=x\n[x]\nauthorityKeyIdentifier=keyid\n"+
		"[i]\nissuingDistributionPoint=critical,@p\n[p]\nfullname=URI:http://crl.example/a.crl\nonlyuser=TRUE\n")
	run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "ca.pem", "-subj", "/CN=OpenSSL CA", "-days", "30")
	run("x509", "-in", "ca.pem", "-outform", "der", "-out", "ca.der")
	issuerDER, err := os.ReadFile(filepath.Join(dir, "ca.der"))
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := ParseCertificate(issuerDER)
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"SHA-256": nil, "SHA-1": {"-md", "sha1"}, "SHA-512": {"-md", "sha512"}, "MD5": {"-md", "md5"}, "with a scope": {"-crlexts", "i"},
		"PSS": {"-sigopt", "rsa_padding_mode:pss"},
	} {
		run(append([]string{"ca", "-config", "ca.cnf", "-gencrl", "-keyfile", "key.pem", "-cert", "ca.pem", "-out", "crl.pem"}, args...)...)
		data, err := os.ReadFile(filepath.Join(dir, "crl.pem"))
		if err != nil {
			t.Fatal(err)
		}
		ders, err := SplitRevocationLists(data)
		if err != nil || len(ders) != 1 {
			t.Fatalf("%s: %d lists, %v", name, len(ders), err)
		}
		l, err := ParseRevocationList(ders[0])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, want := l.SignedBy(issuer), name != "MD5"; got != want {
			t.Errorf("%s: signed %t, want %t", name, got, want)
		}
		first := l.Find([]byte{0x0a, 0x0b})
		if len(first) != 1 || first[0].Reason != KeyCompromise || !first[0].Date.Equal(time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)) || !first[0].Invalid.Equal(time.Date(2023, 1, 2, 3, 4, 5, 0, time.UTC)) {
			t.Errorf("%s: %+v", name, first)
		}
		if got := l.Find([]byte{0x77}); len(got) != 1 || got[0].Reason != Superseded {
			t.Errorf("%s: %+v", name, got)
		}
		if got := l.Find([]byte{0, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10}); len(got) != 1 || got[0].Reason != NoReason {
			t.Errorf("%s: %+v", name, got)
		}
		if got := fmt.Sprint(l.Scope.userOnly, len(l.Scope.points)); (got == "true 1") != (name == "with a scope") {
			t.Errorf("%s: scope %s", name, got)
		}
	}
}

// FuzzRevocationList: what is read agrees with crypto/x509 wherever that reads it too, and only the original is signed.
func FuzzRevocationList(f *testing.F) {
	original := bigList(3)
	f.Add(original)
	f.Add(bigList(0))
	issuer, err := ParseCertificate(listCA().cert.Raw)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		ders, err := SplitRevocationLists(der)
		if err != nil || len(ders) == 0 {
			return
		}
		l, err := ParseRevocationList(ders[0])
		if err != nil {
			return
		}
		std, err := x509.ParseRevocationList(ders[0])
		if err == nil && std.CheckSignatureFrom(listCA().cert) == nil != l.SignedBy(issuer) && std.SignatureAlgorithm == x509.ECDSAWithSHA256 {
			t.Fatalf("signed: %t", l.SignedBy(issuer))
		}
		if err != nil {
			return
		}
		if len(std.RevokedCertificateEntries) != l.Len() || !std.ThisUpdate.Equal(l.ThisUpdate) {
			t.Fatalf("%d entries, crypto/x509 finds %d", l.Len(), len(std.RevokedCertificateEntries))
		}
		for _, e := range std.RevokedCertificateEntries {
			if e.SerialNumber.Sign() <= 0 {
				continue
			}
			serial := e.SerialNumber.Bytes()
			if serial[0] >= 0x80 {
				serial = append([]byte{0}, serial...)
			}
			if len(l.Find(serial)) == 0 {
				t.Fatalf("%x is not found", serial)
			}
		}
	})
}

func BenchmarkRevocationList(b *testing.B) {
	der := bigList(200_000)
	b.Run("parse", func(b *testing.B) {
		b.SetBytes(int64(len(der)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseRevocationList(der); err != nil {
				b.Fatal(err)
			}
		}
	})
	l, err := ParseRevocationList(der)
	if err != nil {
		b.Fatal(err)
	}
	serial := serialAt(12345).Bytes()
	b.Run("find", func(b *testing.B) {
		for b.Loop() {
			if len(l.Find(serial)) != 1 {
				b.Fatal("not found")
			}
		}
	})
}
