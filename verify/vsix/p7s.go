package vsix

import (
	"crypto"

	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

var oidTimestamp = cms.NewOID(1, 2, 840, 113549, 1, 9, 16, 2, 14) // id-aa-timeStampToken, RFC 3161 appendix A

// maxCounters bounds the countersignatures of one signature.
const maxCounters = 4

// readP7S reads and checks the detached CMS signature over the manifest (RFC 5652 section 5), and the repository's
// countersignatures of it (section 11.4).
func readP7S(arc *archive) ([]authenticode.Raw, error) {
	d, err := cms.ParseContentInfo(arc.p7s)
	if err != nil {
		return nil, err
	}
	if d.ContentType != cms.OIDData || d.Content != nil || len(d.Signers) != 1 {
		return nil, broken("it is no detached signature by one signer")
	}
	if len(d.CRLs)+len(d.Attributes)+len(d.Unparsable) > 0 {
		return nil, broken("it carries more than certificates")
	}
	signer := d.Signers[0]
	leaf := cms.FindSigner(signer, d.Certificates)
	if leaf == nil {
		return nil, broken("it does not contain its signer's certificate")
	}
	if err := signer.Verify(leaf, cms.OIDData, arc.manifest); err != nil {
		return nil, err
	}
	raw := authenticode.Raw{Label: "signature in the archive", Leaf: leaf}
	counters, err := complete(&raw, signer)
	if err != nil {
		return nil, err
	}
	out := []authenticode.Raw{raw}
	for _, der := range counters {
		counter, err := readCounter(der, signer.Signature, d)
		if err != nil {
			return nil, err
		}
		out = append(out, counter)
	}
	return apportion(out, d.Certificates), nil
}

// readCounter reads and checks one countersignature over a signature value.
func readCounter(der, value []byte, d *cms.SignedData) (raw authenticode.Raw, err error) {
	signer, err := cms.ParseSignerInfo(der)
	if err != nil {
		return raw, err
	}
	leaf := cms.FindSigner(signer, d.Certificates)
	if leaf == nil {
		return raw, broken("the certificate of a countersignature is missing")
	}
	if err := signer.VerifyCountersignature(leaf, value); err != nil {
		return raw, err
	}
	raw = authenticode.Raw{Label: "countersignature in the archive", Leaf: leaf}
	more, err := complete(&raw, signer)
	if err == nil && len(more) > 0 {
		err = broken("a countersignature is countersigned")
	}
	return raw, err
}

// complete takes the value and timestamps of a signer, and returns the countersignatures.
func complete(raw *authenticode.Raw, signer *cms.SignerInfo) (counters [][]byte, err error) {
	raw.Hash, raw.Value = signer.Hash(), signer.Signature
	switch raw.Hash {
	case crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512:
	default:
		return nil, broken("it relies on %s", cms.HashName(raw.Hash))
	}
	for _, a := range signer.Unsigned {
		switch a.OID {
		case oidTimestamp:
			raw.Timestamps = append(raw.Timestamps, a.Values...)
		case cms.OIDCountersignature:
			counters = append(counters, a.Values...)
		default:
			return nil, broken("it has an unsigned attribute of %d bytes that has no place there (%s)", a.Size, a.OID)
		}
	}
	if len(counters) > maxCounters {
		return nil, broken("it has %d countersignatures", len(counters))
	}
	return counters, nil
}

// apportion gives each signature the certificates above its signer, and the first one also those above none.
func apportion(all []authenticode.Raw, certs []*cms.Certificate) []authenticode.Raw {
	pool := cms.NewPool(certs, cms.NewRoots(nil), cms.NewChecks(256))
	above := make([]map[*cms.Certificate]bool, len(all))
	for i, r := range all {
		above[i] = pool.Above(r.Leaf)
	}
	for _, c := range certs {
		owned := false
		for i := range all {
			if above[i][c] {
				all[i].Certificates, owned = append(all[i].Certificates, c), true
			}
		}
		if !owned {
			all[0].Certificates = append(all[0].Certificates, c)
		}
	}
	return all
}
