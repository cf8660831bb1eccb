package nuget

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

// samplesAt is when the samples are judged: after the last of them was signed.
var samplesAt = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

func TestRealSamples(t *testing.T) {
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real samples are left out; .ci/test fetches them")
	}
	ran := 0
	for _, s := range []struct {
		file, signer   string
		want, believed []verifytest.Want // with the embedded roots, and believing every root that the package brings
	}{
		{"nuget.versioning.5.0.0.nupkg", "Microsoft Corporation", want("valid:author", "valid:repository", "valid:identity"), nil},
		{"ExpiredPrimaryAndTimestamp.nupkg", "NuGet", want("untrusted:untrusted-root", "valid:identity"), want("untrusted:wrong-usage", "valid:identity")},
		{"TimestampInvalidGenTimePackage.nupkg", "", want("untrusted:untrusted-root", "valid:identity"), want("untrusted:expired", "valid:identity")},
		{"Test.RepoCountersigned.1.0.0.nupkg", "Test Repository Signing Cert", want("untrusted:untrusted-root", "valid:identity"), want("valid:repository", "valid:identity")},
	} {
		b, err := os.ReadFile(filepath.Join(dir, "nuget", s.file))
		if err != nil {
			t.Logf("%s is left out: %v", s.file, err)
			continue
		}
		ran++
		s.want[0].Signer = s.signer
		verifytest.Run(t, New(), verifytest.Case{Name: s.file, Data: b, Env: verify.Env{At: samplesAt}, Want: s.want, Flips: -1})
		if s.believed != nil {
			roots := rootsOf(t, b)
			env := verify.Env{At: samplesAt, Trust: verify.Trust{CodeSigning: roots, Timestamping: roots}}
			verifytest.Run(t, New(), verifytest.Case{Name: s.file + ", its roots believed", Data: b, Env: env, Want: s.believed, Flips: -1})
		}
	}
	if ran == 0 {
		t.Skip("none of the samples is there")
	}
}

// rootsOf returns the self-issued certificates that a package's signature and its timestamps bring.
func rootsOf(t *testing.T, b []byte) []*x509.Certificate {
	z, err := zipfile.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	der, err := z.ReadAll(z.Entry(signatureName), maxSignature)
	if err != nil {
		t.Fatal(err)
	}
	d, err := cms.ParseContentInfo(der)
	if err != nil {
		t.Fatal(err)
	}
	certs := d.Certificates
	for _, a := range d.Signers[0].Unsigned {
		if token, err := cms.ParseContentInfo(a.Values[0]); err == nil {
			certs = append(certs, token.Certificates...)
		}
	}
	roots := []*x509.Certificate{}
	for _, c := range certs {
		if parsed, err := x509.ParseCertificate(c.Raw); err == nil && c.SelfIssued() {
			roots = append(roots, parsed)
		}
	}
	return roots
}
