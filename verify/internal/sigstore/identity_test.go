package sigstore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
)

func leafWith(t *testing.T, template x509.Certificate) *x509.Certificate {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), now, now.Add(10*time.Minute)
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key))))
}

func TestCertificateNamesOneSigner(t *testing.T) {
	uri := must(url.Parse(ci.Identity))
	oldIssuer := pkix.Extension{Id: certificate.OIDIssuer, Value: []byte(githubIssuer)}
	newIssuer := func(s string) pkix.Extension {
		return pkix.Extension{Id: certificate.OIDIssuerV2, Value: must(asn1.MarshalWithParams(s, "utf8"))}
	}
	for _, tt := range []struct {
		name     string
		template x509.Certificate
		want     Code
	}{
		{"a URI", x509.Certificate{URIs: []*url.URL{uri}, ExtraExtensions: []pkix.Extension{oldIssuer, newIssuer(githubIssuer)}}, ""},
		{"an address", x509.Certificate{EmailAddresses: []string{"alice@example.com"}, ExtraExtensions: []pkix.Extension{oldIssuer}}, ""},
		{"nobody", x509.Certificate{}, Identity},
		{"a host", x509.Certificate{DNSNames: []string{"example.com"}}, Identity},
		{"a URI and an address", x509.Certificate{URIs: []*url.URL{uri}, EmailAddresses: []string{"alice@example.com"}}, Identity},
		{"two URIs", x509.Certificate{URIs: []*url.URL{uri, uri}}, Identity},
		{"two issuers", x509.Certificate{URIs: []*url.URL{uri}, ExtraExtensions: []pkix.Extension{oldIssuer, newIssuer("https://accounts.example.com")}}, Identity},
		{"two issuers, the other way round", x509.Certificate{URIs: []*url.URL{uri}, ExtraExtensions: []pkix.Extension{newIssuer("https://accounts.example.com"), oldIssuer}}, Identity},
	} {
		if _, _, _, err := signerOf(leafWith(t, tt.template)); code(err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// Old certificates have the claims of GitHub as raw text.
func TestOldClaims(t *testing.T) {
	raw := func(id asn1.ObjectIdentifier, s string) pkix.Extension {
		return pkix.Extension{Id: id, Value: []byte(s)}
	}
	_, _, summary, err := signerOf(leafWith(t, x509.Certificate{URIs: []*url.URL{must(url.Parse(ci.Identity))}, ExtraExtensions: []pkix.Extension{
		raw(certificate.OIDIssuer, githubIssuer), raw(certificate.OIDGitHubWorkflowTrigger, "push"), raw(certificate.OIDGitHubWorkflowSHA, workload.Commit),
		raw(certificate.OIDGitHubWorkflowRepository, "acme/app"), raw(certificate.OIDGitHubWorkflowRef, workload.Ref),
	}}))
	if err != nil {
		t.Fatal(err)
	}
	w := workloadOf(summary)
	if w == nil || w.Source != workload.Source || w.Ref != workload.Ref || w.Commit != workload.Commit || w.Trigger != "push" {
		t.Errorf("%+v", w)
	}
}

// A log that is trusted vouches for the time, not for who issued the certificate.
func TestCertificateOfAnotherAuthority(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	var foreign map[string]any
	if err := json.Unmarshal(other.TrustedRoot(), &foreign); err != nil {
		t.Fatal(err)
	}
	root := edit(t, w.TrustedRoot(), func(o map[string]any) { o["certificateAuthorities"] = foreign["certificateAuthorities"] })
	d := Demand{Instance: must(NewInstance(root)), Rekor: 1}
	if _, err := check(w.Sign(update, ci), digestOnly, d); code(err) != CertificateChain {
		t.Errorf("%v, want %s", err, CertificateChain)
	}
	ended := edit(t, w.TrustedRoot(), func(o map[string]any) {
		objectAt(o, "certificateAuthorities", 0, "validFor")["end"] = now.Add(-time.Hour).Format(time.RFC3339)
	})
	if _, err := check(w.Sign(update, ci), digestOnly, Demand{Instance: must(NewInstance(ended)), Rekor: 1}); code(err) != CertificateChain {
		t.Errorf("an authority that had ended: %v, want %s", err, CertificateChain)
	}
}
