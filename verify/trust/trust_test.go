package trust

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

func mustRoot(t *testing.T, der []byte) Root {
	t.Helper()
	r, err := NewRoot(der)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestEmbeddedSets(t *testing.T) {
	signing, stamping, origin, err := Embedded()
	if err != nil || len(signing.Roots) != 307 || len(stamping.Roots) != 326 || !strings.Contains(origin, "taken") {
		t.Fatalf("%d and %d roots, %v", len(signing.Roots), len(stamping.Roots), err)
	}
	certs, limits := signing.Trusted()
	if len(certs) != 307 || limits != nil {
		t.Errorf("%d certificates, %d limits", len(certs), len(limits))
	}
	again, err := ParseSet(signing.Marshal("one\ntwo"))
	if added, removed, changed := signing.Diff(again); err != nil || len(added)+len(removed)+len(changed) != 0 {
		t.Errorf("written and read again: %d added, %d removed, %d changed, %v", len(added), len(removed), len(changed), err)
	}
}

func TestLimitsSurviveWriting(t *testing.T) {
	a, b := mustRoot(t, at.NewCA("A -----BEGIN CERTIFICATE-----").Certificate.Raw), mustRoot(t, at.NewCA("B\n# limit: signed-before x").Certificate.Raw)
	day := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	a.Limit.SignedBefore, a.Limit.IssuedBefore = day, day.AddDate(1, 0, 0)
	var s, plain Set
	s.Add(a, b, a)
	plain.Add(b)
	got, err := ParseSet(s.Marshal("head"))
	if err != nil || len(got.Roots) != 2 || got.Roots[0].Limit != a.Limit || got.Roots[1].Limit != b.Limit {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, limits := got.Trusted(); len(limits) != 1 || limits[0].Root != a.SHA256 {
		t.Errorf("limits %+v", limits)
	}
	a.Limit.SignedBefore = time.Time{}
	var other Set
	other.Add(a)
	added, removed, changed := s.Diff(other)
	if len(added) != 0 || len(removed) != 1 || removed[0].SHA256 != b.SHA256 || len(changed) != 1 {
		t.Errorf("%d added, %d removed, %d changed", len(added), len(removed), len(changed))
	}
}

func TestBadSets(t *testing.T) {
	root := pemOf("CERTIFICATE", at.NewCA("A").Certificate.Raw)
	for name, c := range map[string]struct{ data, want string }{
		"empty":              {"", "no certificate"},
		"a key":              {string(pemOf("PRIVATE KEY", []byte{1})), "PRIVATE KEY"},
		"twice":              {string(root) + string(root), "twice"},
		"junk inside":        {string(pemOf("CERTIFICATE", []byte{1})), "malformed"},
		"a limit of nothing": {string(root) + "# limit: signed-before 2020-01-01T00:00:00Z\n", "after the last"},
		"no time":            {"# limit: signed-before tomorrow\n" + string(root), "no time"},
		"unknown limit":      {"# limit: signed-after 2020-01-01T00:00:00Z\n" + string(root), "unknown"},
	} {
		if _, err := ParseSet([]byte(c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFormsOfCertificates(t *testing.T) {
	a, b := at.NewCA("A").Certificate.Raw, at.NewCA("B").Certificate.Raw
	store := append([]byte{}, storeMagic...)
	element := func(kind uint32, data []byte) {
		store = binary.LittleEndian.AppendUint32(store, kind)
		store = binary.LittleEndian.AppendUint32(store, 1)
		store = binary.LittleEndian.AppendUint32(store, uint32(len(data)))
		store = append(store, data...)
	}
	element(3, make([]byte, 20))
	element(storeCertificate, a)
	element(storeCertificate, b)
	element(0, nil)
	both := append(pemOf("CERTIFICATE", a), pemOf("CERTIFICATE", b)...)
	forms := map[string][]byte{"PEM": both, "serialized store": store}
	if tool, err := exec.LookPath("openssl"); err == nil {
		dir := t.TempDir()
		file := filepath.Join(dir, "both.pem")
		if err := os.WriteFile(file, both, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{"DER", "PEM"} {
			out, err := exec.Command(tool, "crl2pkcs7", "-nocrl", "-certfile", file, "-outform", form).Output()
			if err != nil {
				t.Fatal(err)
			}
			forms["PKCS #7 "+form] = out
		}
	} else {
		t.Log("openssl is not installed: PKCS #7 files that it makes are left out")
	}
	for name, data := range forms {
		got, err := ReadCertificates(data)
		if err != nil || len(got) != 2 || !bytes.Equal(got[0], a) || !bytes.Equal(got[1], b) {
			t.Errorf("%s: %d certificates, %v", name, len(got), err)
		}
	}
	if got, err := ReadCertificates(a); err != nil || len(got) != 1 {
		t.Errorf("DER: %d, %v", len(got), err)
	}
	for name, data := range map[string][]byte{"junk": []byte("junk"), "cut store": store[:60], "a key": pemOf("PRIVATE KEY", a)} {
		if got, err := ReadCertificates(data); err == nil {
			t.Errorf("%s: %d certificates", name, len(got))
		}
	}
}

func marshal(t *testing.T, v any, params string) []byte {
	t.Helper()
	b, err := asn1.MarshalWithParams(v, params)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type property struct {
	ID     asn1.ObjectIdentifier
	Values [][]byte `asn1:"set"`
}

func prop(n int, value []byte) property {
	return property{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 10, 11, n}, [][]byte{value}}
}

type subject struct {
	ID         []byte
	Properties []property `asn1:"set"`
}

var (
	codeSigning  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 3}
	timeStamping = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
	serverAuth   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	listSigner   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 10, 3, 9}
)

func fileTime(t time.Time) []byte {
	return binary.LittleEndian.AppendUint64(nil, uint64(t.Unix())*1e7+116444736000000000)
}

// sign signs a SEQUENCE as content of a type.
func sign(signer *at.Signer, kind cms.OID, content []byte) []byte {
	var body asn1.RawValue
	if _, err := asn1.Unmarshal(content, &body); err != nil {
		panic(err)
	}
	return at.SignContent(kind, body.Bytes, at.Signature{Signer: signer}, nil)
}

func TestAuthroot(t *testing.T) {
	day := time.Date(2021, 4, 15, 0, 0, 0, 0, time.UTC)
	cas := map[string]*at.CA{}
	var subjects []subject
	var certs [][]byte
	usages := func(o ...asn1.ObjectIdentifier) []byte { return marshal(t, o, "") }
	add := func(name string, properties ...property) {
		ca := at.NewCA(name)
		cas[name] = ca
		sum, sum256 := sha1.Sum(ca.Certificate.Raw), sha256.Sum256(ca.Certificate.Raw)
		subjects = append(subjects, subject{sum[:], append(properties, prop(98, sum256[:]))})
		certs = append(certs, ca.Certificate.Raw)
	}
	add("everything")
	add("servers only", prop(9, usages(serverAuth)))
	add("code and time", prop(9, usages(codeSigning, timeStamping)))
	add("code until a day", prop(104, fileTime(day)))
	add("code not any more", prop(122, usages(codeSigning)))
	add("code until a day, time for ever", prop(104, fileTime(day)), prop(122, usages(codeSigning)))
	add("issued until a day", prop(126, fileTime(day)), prop(127, usages(codeSigning)))
	content := marshal(t, struct {
		Usage      []asn1.ObjectIdentifier
		Identifier []byte
		Sequence   int
		ThisUpdate time.Time `asn1:"utc"`
		Algorithm  struct{ ID asn1.ObjectIdentifier }
		Subjects   []subject
	}{
		[]asn1.ObjectIdentifier{listSigner}, []byte{1}, 7, day, struct{ ID asn1.ObjectIdentifier }{asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}}, subjects,
	}, "")
	lists := at.NewCA("List Root")
	signer := lists.Issue(at.Leaf{Organization: "List Publisher", Usage: []x509.ExtKeyUsage{}, UnknownUsage: []asn1.ObjectIdentifier{listSigner}})
	stl := sign(signer, cms.OIDTrustList, content)
	var roots, strangers Set
	roots.Add(mustRoot(t, lists.Certificate.Raw))
	strangers.Add(mustRoot(t, at.NewCA("List Root").Certificate.Raw))
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	list, err := ReadAuthroot(stl, roots, now)
	if err != nil {
		t.Fatal(err)
	}
	if list.Signer != "List Publisher" || !list.Made.Equal(day) {
		t.Errorf("%+v", list)
	}
	for purpose, want := range map[Purpose]string{
		CodeSigning:  "code and time | code until a day <2021 | code until a day, time for ever <2021 | everything | issued until a day issued<2021",
		Timestamping: "code and time | code not any more | code until a day <2021 | code until a day, time for ever | everything | issued until a day",
	} {
		set, missing, err := list.Select(certs, purpose)
		if err != nil || len(missing) != 0 {
			t.Fatalf("%q, %v", missing, err)
		}
		var got []string
		for _, r := range set.Roots {
			s := r.Name
			if !r.Limit.SignedBefore.IsZero() {
				s += r.Limit.SignedBefore.Format(" <2006")
			}
			if !r.Limit.IssuedBefore.IsZero() {
				s += r.Limit.IssuedBefore.Format(" issued<2006")
			}
			got = append(got, s)
		}
		if g := strings.Join(got, " | "); g != want {
			t.Errorf("purpose %d: %s\nwant %s", purpose, g, want)
		}
	}
	if _, missing, _ := list.Select(certs[1:], CodeSigning); len(missing) != 1 {
		t.Errorf("missing %q", missing)
	}
	changed := bytes.Clone(stl)
	changed[bytes.Index(changed, fileTime(day))+7] ^= 1
	plain := lists.Issue(at.Leaf{Organization: "Vendor"})
	for name, c := range map[string]struct {
		data  []byte
		roots Set
	}{
		"by a stranger":      {stl, strangers},
		"changed":            {changed, roots},
		"by a code signer":   {sign(plain, cms.OIDTrustList, content), roots},
		"of something else":  {sign(signer, cms.NewOID(1, 2, 3), content), roots},
		"with nothing in it": {sign(signer, cms.OIDTrustList, []byte{0x30, 0}), roots},
		"cut":                {stl[:len(stl)/2], roots},
	} {
		if _, err := ReadAuthroot(c.data, c.roots, now); err == nil {
			t.Errorf("a list %s is taken", name)
		}
	}
}

// FuzzReadCertificates: whatever is read are elements of the input, or of its PEM.
func FuzzReadCertificates(f *testing.F) {
	der := at.NewCA("A").Certificate.Raw
	f.Add(der)
	f.Add(pemOf("CERTIFICATE", der))
	f.Add(append(append(append([]byte{}, storeMagic...), 32, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 2), make([]byte, 12)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		certs, err := ReadCertificates(data)
		if err != nil {
			return
		}
		for _, c := range certs {
			if !bytes.Contains(data, []byte("-----BEGIN ")) && !bytes.Contains(data, c) {
				t.Fatal("a certificate that is not in the file")
			}
		}
		if s, err := ParseSet(data); err == nil {
			if again, err := ParseSet(s.Marshal("")); err != nil || len(again.Roots) != len(s.Roots) {
				t.Fatalf("a set that cannot be read again: %v", err)
			}
		}
	})
}
