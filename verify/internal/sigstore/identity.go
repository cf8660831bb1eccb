package sigstore

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"

	"github.com/sallyport-project/sallyport/verify"
)

// githubIssuer is the OIDC issuer of GitHub Actions.
const githubIssuer = "https://token.actions.githubusercontent.com"

var oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// sanTypes are the kinds of GeneralName (RFC 5280 section 4.2.1.6) that Fulcio issues, by their tag.
var sanTypes = map[int]string{0: "other", 1: "email", 6: "uri"}

// signerOf reads who the certificate says it was issued to. A certificate names exactly one signer: where there are several
// names, one reader takes one of them and another reader another.
func signerOf(leaf *x509.Certificate) (verify.Identity, string, *certificate.Summary, error) {
	names, err := generalNames(leaf)
	if err != nil {
		return verify.Identity{}, "", nil, err
	}
	if len(names) != 1 {
		return verify.Identity{}, "", nil, fail(Identity, "the certificate has %d subject alternative names, it must have one", len(names))
	}
	kind := sanTypes[names[0].Tag]
	if kind == "" {
		return verify.Identity{}, "", nil, fail(Identity, "the certificate's name is no address, URI or other name")
	}
	summary, err := certificate.SummarizeCertificate(leaf)
	if err != nil {
		return verify.Identity{}, "", nil, fail(Identity, "the certificate's name cannot be read: %s", reason(err))
	}
	san := summary.SubjectAlternativeName
	if kind != "other" && san != string(names[0].Bytes) || claim(san) == "" {
		return verify.Identity{}, "", nil, fail(Identity, "the certificate's name %s can be read in several ways", quote(san))
	}
	if err := checkIssuer(leaf, summary.Issuer); err != nil {
		return verify.Identity{}, "", nil, err
	}
	sum := sha256.Sum256(leaf.Raw)
	id := verify.Identity{Name: san, Issuer: summary.Issuer, Fingerprint: hex.EncodeToString(sum[:])}
	return id, kind, &summary, nil
}

func generalNames(leaf *x509.Certificate) ([]asn1.RawValue, error) {
	var names []asn1.RawValue
	for _, e := range leaf.Extensions {
		if !e.Id.Equal(oidSubjectAltName) {
			continue
		}
		if rest, err := asn1.Unmarshal(e.Value, &names); err != nil || len(rest) > 0 {
			return nil, fail(Identity, "the certificate's subject alternative name cannot be read")
		}
	}
	return names, nil
}

// checkIssuer refuses a certificate whose two extensions for the OIDC issuer, the older one raw and the newer one DER, differ.
func checkIssuer(leaf *x509.Certificate, issuer string) error {
	if len(issuer) > maxText || issuer != claim(issuer) {
		return fail(Identity, "the certificate's OIDC issuer is no text of sensible length")
	}
	for _, e := range leaf.Extensions {
		if e.Id.Equal(certificate.OIDIssuer) && string(e.Value) != issuer {
			return fail(Identity, "the certificate names two OIDC issuers, %s and %s", quote(string(e.Value)), quote(issuer))
		}
		if e.Id.Equal(certificate.OIDIssuerV2) {
			var v2 string
			if certificate.ParseDERString(e.Value, &v2) != nil || v2 != issuer {
				return fail(Identity, "the certificate names two OIDC issuers, %s and %s", quote(v2), quote(issuer))
			}
		}
	}
	return nil
}

// workloadOf reads what the certificate says of the run that signed: the extensions 1.3.6.1.4.1.57264.1.9 to .21, or of old
// certificates .2 to .6, which only GitHub had.
func workloadOf(s *certificate.Summary) *verify.Workload {
	w := verify.Workload{
		BuildSigner: claim(s.BuildSignerURI),
		Runner:      claim(s.RunnerEnvironment),
		Source:      claim(s.SourceRepositoryURI),
		Ref:         claim(s.SourceRepositoryRef),
		Commit:      claim(s.SourceRepositoryDigest),
		Trigger:     claim(s.BuildTrigger),
		Run:         claim(s.RunInvocationURI),
	}
	if w.Source == "" && s.GithubWorkflowRepository != "" && s.Issuer == githubIssuer {
		w.Source = claim("https://github.com/" + s.GithubWorkflowRepository)
	}
	for _, old := range []struct {
		to   *string
		from string
	}{{&w.Ref, s.GithubWorkflowRef}, {&w.Commit, s.GithubWorkflowSHA}, {&w.Trigger, s.GithubWorkflowTrigger}} {
		if *old.to == "" {
			*old.to = claim(old.from)
		}
	}
	if w == (verify.Workload{}) {
		return nil
	}
	return &w
}
