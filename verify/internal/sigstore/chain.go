package sigstore

import (
	"crypto/x509"
	"time"
)

// chain is how the signer's certificate leads to an authority of the instance.
type chain struct {
	by     *authority
	chains [][]*x509.Certificate // from the signer's certificate to the root
}

// checkChain looks for one authority that had issued the certificate and was in use at every trusted time (the hybrid model:
// everything up to the root was valid when the signature was made). Without any trusted time, where none is demanded, the time of
// judgement counts.
func (v *verification) checkChain() error {
	times := v.times
	if len(times) == 0 {
		if v.Rekor > 0 || v.Timestamps > 0 || v.at.IsZero() {
			return fail(Timestamp, "nothing that is trusted says when it was signed")
		}
		times = []time.Time{v.at}
	}
	for _, t := range times {
		if !valid(t, v.leaf.NotBefore, v.leaf.NotAfter) {
			return fail(CertificateExpired, "it was signed at %s, and the certificate is valid from %s to %s",
				moment(t), moment(v.leaf.NotBefore), moment(v.leaf.NotAfter))
		}
	}
	if v.leaf.IsCA {
		return fail(CertificateChain, "the signer's certificate is one of an authority")
	}
	var last error
	for _, a := range v.Instance.authorities {
		chains, err := a.issued(v.leaf, times)
		if err == nil {
			v.signed = chain{by: a, chains: chains}
			return nil
		}
		last = err
	}
	if last == nil {
		return fail(CertificateChain, "the instance has no certificate authority")
	}
	return fail(CertificateChain, "none of the instance's %d certificate authorities issued the certificate: %s",
		len(v.Instance.authorities), shorten(last.Error()))
}

// issued returns the chains from leaf to the authority's root, if there is one at each of the times.
func (a *authority) issued(leaf *x509.Certificate, times []time.Time) (chains [][]*x509.Certificate, err error) {
	for _, t := range times {
		if !valid(t, a.ValidityPeriodStart, a.ValidityPeriodEnd) {
			return nil, fail(CertificateChain, "the authority was not in use at %s", moment(t))
		}
		chains, err = leaf.Verify(x509.VerifyOptions{
			Roots:         a.roots,
			Intermediates: a.intermediates,
			CurrentTime:   t,
			KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		})
		if err != nil {
			return nil, err
		}
	}
	return chains, nil
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }
