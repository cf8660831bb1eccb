package authenticode

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
)

func year(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }

// codes examines an image and returns "status:code" of every finding, and all findings.
func codes(t *testing.T, image []byte, env verify.Env) (string, []verify.Finding) {
	t.Helper()
	found, err := New().Verify(context.Background(), artifactOf(image), env)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range found {
		out = append(out, f.Status.String()+":"+strings.TrimPrefix(f.Code, "authenticode/"))
	}
	return strings.Join(out, " "), found
}

func lists(ders ...[]byte) []*verify.RevocationList {
	var out []*verify.RevocationList
	for i, der := range ders {
		out = append(out, &verify.RevocationList{Name: fmt.Sprint("list ", i), Data: der})
	}
	return out
}

func TestRevocationAndTimeOfSigning(t *testing.T) {
	w := newWorld()
	issuing := w.root.Intermediate("Issuing CA", x509.ExtKeyUsageCodeSigning)
	vendor := issuing.Issue(at.Leaf{Organization: "Vendor"})
	lifetime := issuing.Issue(at.Leaf{UnknownUsage: []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 10, 3, 13}}})
	const keyCompromise, superseded, withdrawn, hold, removed = 1, 4, 9, 6, 8
	for name, c := range map[string]struct {
		signer  *at.Signer
		stamped int // year; 0: not
		entry   at.Revoked
		want    string
	}{
		"not stamped":                                   {vendor, 0, at.Revoked{At: year(2024)}, "invalid:revoked"},
		"stamped before":                                {vendor, 2022, at.Revoked{At: year(2024)}, "valid:valid"},
		"stamped after":                                 {vendor, 2025, at.Revoked{At: year(2024)}, "invalid:revoked"},
		"stamped before, key compromised":               {vendor, 2022, at.Revoked{At: year(2024), Reason: keyCompromise}, "valid:valid"},
		"stamped after the key was bad":                 {vendor, 2022, at.Revoked{At: year(2024), Reason: keyCompromise, Invalid: year(2021)}, "invalid:revoked"},
		"stamped before the key was bad":                {vendor, 2022, at.Revoked{At: year(2024), Reason: keyCompromise, Invalid: year(2023)}, "valid:valid"},
		"bad before, no reason given":                   {vendor, 2022, at.Revoked{At: year(2024), Invalid: year(2021)}, "invalid:revoked"},
		"superseded, invalidity date has no say":        {vendor, 2022, at.Revoked{At: year(2024), Reason: superseded, Invalid: year(2021)}, "valid:valid"},
		"withdrawn, not stamped":                        {vendor, 0, at.Revoked{At: year(2024), Reason: withdrawn}, "invalid:revoked"},
		"invalidity date after the revocation":          {vendor, 2025, at.Revoked{At: year(2024), Reason: keyCompromise, Invalid: year(2026)}, "invalid:revoked"},
		"on hold":                                       {vendor, 0, at.Revoked{At: year(2024), Reason: hold}, "invalid:revoked"},
		"removed from the list":                         {vendor, 0, at.Revoked{At: year(2024), Reason: removed}, "valid:valid"},
		"lifetime signing is not helped by a timestamp": {lifetime, 2022, at.Revoked{At: year(2024)}, "invalid:revoked"},
		"revoked in the future":                         {vendor, 0, at.Revoked{At: year(2030)}, "invalid:revoked"},
	} {
		sig := at.Signature{Signer: c.signer}
		if c.stamped != 0 {
			sig.Timestamp = w.stamp(c.stamped)
		}
		image := at.Sign(at.BuildPE(at.Image{}), sig)
		c.entry.Certificate = c.signer.Certificate
		env := w.env
		env.Trust.Revocation.Lists = lists(issuing.List(at.List{Revoked: []at.Revoked{c.entry}}))
		got, found := codes(t, image, env)
		if got != c.want {
			t.Errorf("%s: %s, want %s (%s)", name, got, c.want, found[0].Detail)
		}
		if c.want == "invalid:revoked" && (found[0].Signer.Organization != c.signer.Certificate.Subject.Organization[0] || !strings.Contains(found[0].Detail, c.entry.At.Format("2006-01-02"))) {
			t.Errorf("%s: the finding does not say who and when: %+v", name, found[0])
		}
		env.Trust.Revocation.Lists = nil
		if got, _ := codes(t, image, env); got != "valid:valid" {
			t.Errorf("%s, without the list: %s", name, got)
		}
	}
}

func TestRevokedAuthorities(t *testing.T) {
	w := newWorld()
	issuing := w.root.Intermediate("Issuing CA")
	vendor := issuing.Issue(at.Leaf{Organization: "Vendor", NotAfter: year(2024)})
	stampCA := w.stampRoot.Intermediate("Stamp CA")
	tsa := stampCA.TSA("TSA")
	image := at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: vendor, Timestamp: &at.Timestamp{Authority: tsa, Time: year(2022)}})
	for name, c := range map[string]struct {
		list []byte
		want string
	}{
		"nobody":                       {w.root.List(at.List{}), "valid:valid"},
		"the intermediate, before":     {w.root.List(at.List{Revoked: []at.Revoked{{Certificate: issuing.Certificate, At: year(2021)}}}), "invalid:revoked"},
		"the intermediate, after":      {w.root.List(at.List{Revoked: []at.Revoked{{Certificate: issuing.Certificate, At: year(2023)}}}), "valid:valid"},
		"the TSA, key compromised":     {stampCA.List(at.List{Revoked: []at.Revoked{{Certificate: tsa.Certificate, At: year(2025), Reason: 1}}}), "untrusted:expired"},
		"the TSA, no reason":           {stampCA.List(at.List{Revoked: []at.Revoked{{Certificate: tsa.Certificate, At: year(2025)}}}), "untrusted:expired"},
		"the TSA, superseded after":    {stampCA.List(at.List{Revoked: []at.Revoked{{Certificate: tsa.Certificate, At: year(2023), Reason: 4}}}), "valid:valid"},
		"the TSA, superseded before":   {stampCA.List(at.List{Revoked: []at.Revoked{{Certificate: tsa.Certificate, At: year(2021), Reason: 4}}}), "untrusted:expired"},
		"the TSA's CA":                 {w.stampRoot.List(at.List{Revoked: []at.Revoked{{Certificate: stampCA.Certificate, At: year(2025), Reason: 2}}}), "untrusted:expired"},
		"the root by itself":           {w.root.List(at.List{Revoked: []at.Revoked{{Certificate: w.root.Certificate, At: year(2021)}}}), "valid:valid"},
		"by a stranger":                {w.other.List(at.List{Revoked: []at.Revoked{{Certificate: vendor.Certificate, At: year(2021)}}}), "valid:valid"},
		"by a stranger of that name":   {at.NewCA("Issuing CA").List(at.List{Revoked: []at.Revoked{{Certificate: vendor.Certificate, At: year(2021)}}}), "valid:valid"},
		"by an authority for somebody": {issuing.List(at.List{Revoked: []at.Revoked{{Certificate: tsa.Certificate, At: year(2021)}}}), "valid:valid"},
	} {
		env := w.env
		env.Trust.Revocation.Lists = lists(c.list)
		if got, found := codes(t, image, env); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s (%s)", name, got, c.want, found[0].Detail)
		}
	}
}

func TestUnknownRevocation(t *testing.T) {
	w := newWorld()
	point := at.ListsAt("http://crl.example/1.crl")
	issuing := w.root.Intermediate("Issuing CA")
	vendor := issuing.Issue(at.Leaf{Organization: "Vendor", Extensions: []pkix.Extension{point}})
	image := at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: vendor})
	rootList := w.root.List(at.List{})
	ext := func(e ...pkix.Extension) at.List { return at.List{Extensions: e} }
	delta := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}
	foreign := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}
	for name, c := range map[string]struct {
		lists  [][]byte
		stale  time.Duration
		known  bool
		detail string
	}{
		"no list":                      {nil, 0, false, `there is no revocation list by "Issuing CA"`},
		"all":                          {[][]byte{rootList, issuing.List(at.List{})}, 0, true, ""},
		"one of two":                   {[][]byte{issuing.List(at.List{})}, 0, false, `there is no revocation list by "Test Code Root"`},
		"ended":                        {[][]byte{rootList, issuing.List(at.List{NextUpdate: now.AddDate(0, 0, -3)})}, 0, false, "ended at"},
		"ended, but not too stale":     {[][]byte{rootList, issuing.List(at.List{NextUpdate: now.AddDate(0, 0, -3)})}, 7 * 24 * time.Hour, true, ""},
		"ended, too stale":             {[][]byte{rootList, issuing.List(at.List{NextUpdate: now.AddDate(0, 0, -8)})}, 7 * 24 * time.Hour, false, "ended at"},
		"of the future":                {[][]byte{rootList, issuing.List(at.List{ThisUpdate: now.AddDate(0, 0, 3)})}, 0, false, "has not come yet"},
		"delta":                        {[][]byte{rootList, issuing.List(ext(delta))}, 0, false, "delta"},
		"indirect":                     {[][]byte{rootList, issuing.List(ext(at.IssuingPoint("", 4)))}, 0, false, "indirect"},
		"some reasons":                 {[][]byte{rootList, issuing.List(ext(at.IssuingPoint("", 3)))}, 0, false, "some reasons"},
		"authorities only":             {[][]byte{rootList, issuing.List(ext(at.IssuingPoint("", 2)))}, 0, false, "authorities only"},
		"end entities only":            {[][]byte{rootList, issuing.List(ext(at.IssuingPoint("", 1)))}, 0, true, ""},
		"attribute certificates only":  {[][]byte{rootList, issuing.List(ext(at.IssuingPoint("", 5)))}, 0, false, "attribute"},
		"its distribution point":       {[][]byte{rootList, issuing.List(ext(at.IssuingPoint("http://crl.example/1.crl")))}, 0, true, ""},
		"another distribution point":   {[][]byte{rootList, issuing.List(ext(at.IssuingPoint("http://crl.example/2.crl")))}, 0, false, "another distribution point"},
		"unknown critical extension":   {[][]byte{rootList, issuing.List(ext(foreign))}, 0, false, "1.2.3"},
		"a bad one beside a good one":  {[][]byte{rootList, issuing.List(ext(delta)), issuing.List(at.List{}), issuing.List(ext(foreign))}, 0, true, ""},
		"a list of entries of others":  {[][]byte{rootList, issuing.List(at.List{Revoked: []at.Revoked{{Certificate: w.tsa.Certificate, At: year(2020), Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: []byte{0x30, 0}}}}}})}, 0, false, "2.5.29.29"},
		"something that is not a list": {[][]byte{rootList, []byte("junk"), nil}, 0, false, "no revocation list"},
	} {
		env := w.env
		env.Trust.Revocation = verify.Revocation{Lists: lists(c.lists...), MaxStale: c.stale}
		got, found := codes(t, image, env)
		if got != "valid:valid" || !strings.Contains(found[0].Detail, c.detail) || strings.Contains(found[0].Detail, "is not known") == c.known {
			t.Errorf("%s, where unknown is allowed: %s: %s", name, got, found[0].Detail)
		}
		env.Trust.Revocation.Required = true
		want := "untrusted:revocation-unknown"
		if c.known {
			want = "valid:valid"
		}
		if got, found := codes(t, image, env); got != want || !strings.Contains(found[0].Detail, c.detail) {
			t.Errorf("%s, where unknown is refused: %s: %s", name, got, found[0].Detail)
		} else if end := now.AddDate(0, 0, -3).Add(c.stale); c.stale != 0 && c.known && !found[0].NotAfter.Equal(end) {
			t.Errorf("%s: ends at %s, want %s", name, found[0].NotAfter, end)
		}
	}
}

// A list that covers too little, or has ended, revokes all the same; but being on hold ends with a newer list.
func TestOldAndPartialListsRevoke(t *testing.T) {
	w := newWorld()
	vendor := w.root.Issue(at.Leaf{Organization: "Vendor"})
	image := at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: vendor})
	revoked := []at.Revoked{{Certificate: vendor.Certificate, At: year(2020)}}
	held := []at.Revoked{{Certificate: vendor.Certificate, At: year(2020), Reason: 6}}
	delta := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}
	newer := w.root.List(at.List{ThisUpdate: year(2026)})
	for name, c := range map[string]struct {
		lists [][]byte
		want  string
	}{
		"ended":                   {[][]byte{w.root.List(at.List{Revoked: revoked, NextUpdate: year(2021)})}, "invalid:revoked"},
		"ended, a newer lacks it": {[][]byte{w.root.List(at.List{Revoked: revoked, NextUpdate: year(2021)}), newer}, "invalid:revoked"},
		"delta":                   {[][]byte{w.root.List(at.List{Revoked: revoked, Extensions: []pkix.Extension{delta}}), newer}, "invalid:revoked"},
		"hold":                    {[][]byte{w.root.List(at.List{Revoked: held})}, "invalid:revoked"},
		"hold, a newer lacks it":  {[][]byte{w.root.List(at.List{Revoked: held}), newer}, "valid:valid"},
		"hold, an older lacks it": {[][]byte{w.root.List(at.List{}), w.root.List(at.List{ThisUpdate: year(2026), Revoked: held})}, "invalid:revoked"},
		"indirect lists do not":   {[][]byte{w.root.List(at.List{Revoked: revoked, Extensions: []pkix.Extension{at.IssuingPoint("", 4)}})}, "valid:valid"},
	} {
		for range 2 {
			env := w.env
			env.Trust.Revocation.Lists = lists(c.lists...)
			if got, found := codes(t, image, env); got != c.want {
				t.Errorf("%s: %s, want %s (%s)", name, got, c.want, found[0].Detail)
			}
			slices.Reverse(c.lists)
		}
	}
}

// With unknown revocation refused, that of a timestamp's authority counts too.
func TestUnknownRevocationOfTheTimestamp(t *testing.T) {
	w := newWorld()
	vendor := w.root.Issue(at.Leaf{Organization: "Vendor", NotAfter: year(2024)})
	image := at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: vendor, Timestamp: w.stamp(2022)})
	env := w.env
	env.Trust.Revocation = verify.Revocation{Required: true, Lists: lists(w.root.List(at.List{}))}
	if got, found := codes(t, image, env); !strings.HasPrefix(got, "untrusted:") || !strings.Contains(found[0].Detail, "Test TSA") {
		t.Errorf("%s: %s", got, found[0].Detail)
	}
	env.Trust.Revocation.Lists = lists(w.root.List(at.List{}), w.stampRoot.List(at.List{}))
	if got, _ := codes(t, image, env); got != "valid:valid" {
		t.Error(got)
	}
}

func TestOnlyTrustedChainsSayWhereListsAre(t *testing.T) {
	w := newWorld()
	said := map[string]int{}
	w.env.Trust.Revocation.Seen = func(p verify.Published) {
		for _, u := range p.URLs {
			c, err := x509.ParseCertificate(p.Issuer)
			if err != nil {
				t.Fatal(err)
			}
			said[c.Subject.CommonName+" "+u]++
		}
	}
	ext := func(urls ...string) []pkix.Extension { return []pkix.Extension{at.ListsAt(urls...)} }
	good := w.root.Issue(at.Leaf{Extensions: ext("http://crl.example/a.crl", "ldap://crl.example/b", "https://crl.example/c.crl", "http://user@crl.example/d", "file:///etc/passwd")})
	bad := w.other.Issue(at.Leaf{Extensions: ext("http://attacker.example/x.crl")})
	codes(t, at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: bad}), w.env)
	codes(t, at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: good, Breaks: true}), w.env)
	if len(said) != 0 {
		t.Fatalf("untrusted or broken signatures have lists fetched: %v", said)
	}
	codes(t, at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: good}), w.env)
	if len(said) != 1 || said["Test Code Root http://crl.example/a.crl"] == 0 {
		t.Errorf("said %v", said)
	}
}

// osslsigncode, given the same list, says the same of a revoked signer, but for one who signed before the revocation.
func TestAgreesWithOsslsigncodeAboutRevocation(t *testing.T) {
	tool, err := exec.LookPath("osslsigncode")
	if err != nil {
		t.Skip("osslsigncode is not installed: the comparison with it is left out")
	}
	w := newWorld()
	issuing := w.root.Intermediate("Issuing CA", x509.ExtKeyUsageCodeSigning)
	vendor := issuing.Issue(at.Leaf{Organization: "Vendor", RSA: true})
	other := issuing.Issue(at.Leaf{Organization: "Other", RSA: true})
	tsa := w.stampRoot.Issue(at.Leaf{Organization: "TSA", RSA: true, Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}})
	crls := [][]byte{
		w.root.List(at.List{ThisUpdate: time.Now().AddDate(0, -1, 0)}),
		issuing.List(at.List{ThisUpdate: time.Now().AddDate(0, -1, 0), Revoked: []at.Revoked{{Certificate: vendor.Certificate, At: year(2023), Reason: 1}}}),
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca := write("ca.pem", pemOf("CERTIFICATE", w.root.Certificate.Raw))
	tsaCA := write("tsa.pem", pemOf("CERTIFICATE", w.stampRoot.Certificate.Raw))
	crl := write("crl.pem", append(pemOf("X509 CRL", crls[0]), pemOf("X509 CRL", crls[1])...))
	env := w.env
	env.Trust.Revocation.Lists = lists(crls...)
	env.At = time.Now()
	for name, c := range map[string]struct {
		signer *at.Signer
		stamp  *at.Timestamp
		good   bool
	}{
		"revoked, not stamped":   {vendor, nil, false},
		"revoked, stamped after": {vendor, &at.Timestamp{Authority: tsa, Time: year(2024)}, false},
		"not revoked":            {other, nil, true},
		"not revoked, stamped":   {other, &at.Timestamp{Authority: tsa, Time: year(2024)}, true},
		"stamped before":         {vendor, &at.Timestamp{Authority: tsa, Time: year(2022)}, true},
	} {
		image := at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: c.signer, Timestamp: c.stamp})
		out, err := exec.Command(tool, "verify", "-CAfile", ca, "-TSA-CAfile", tsaCA, "-CRLfile", crl, "-ignore-cdp", write("x.exe", image)).CombinedOutput()
		got, found := codes(t, image, env)
		if (got == "valid:valid") != c.good {
			t.Errorf("%s: %s (%s)", name, got, found[0].Detail)
		}
		// OpenSSL does not look at the date of a revocation, Windows and this package do.
		if want := c.good && name != "stamped before"; (err == nil) != want {
			t.Errorf("%s: osslsigncode: %v\n%s", name, err, out)
		}
	}
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
