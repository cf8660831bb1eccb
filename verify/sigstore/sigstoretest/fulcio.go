package sigstoretest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
	"net/url"
	"strings"
	"time"
)

// authority is a root and an intermediate below it that issues leaves.
type authority struct {
	root, intermediate *x509.Certificate
	key                *ecdsa.PrivateKey // of the intermediate
}

func newAuthority(name, service string, at time.Time, usage x509.ExtKeyUsage) *authority {
	rootKey, key := newECDSA(), newECDSA()
	root := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{Organization: []string{name}, CommonName: service},
		NotBefore: from(at), NotAfter: until(at), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true,
	}
	root = issue(root, root, rootKey.Public(), rootKey)
	intermediate := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{Organization: []string{name}, CommonName: service + "-intermediate"},
		NotBefore: from(at), NotAfter: until(at), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage: []x509.ExtKeyUsage{usage}, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	return &authority{root, issue(intermediate, root, key.Public(), rootKey), key}
}

func issue(template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) *x509.Certificate {
	der := must(x509.CreateCertificate(rand.Reader, template, parent, public, by))
	return must(x509.ParseCertificate(der))
}

func serial() *big.Int { return must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))) }

// Extensions of Fulcio's certificates: 1.3.6.1.4.1.57264.1 and these numbers.
const (
	extIssuer       = 1 // without any ASN.1
	extIssuerV2     = 8
	extBuildSigner  = 9
	extRunner       = 11
	extSource       = 12
	extSourceDigest = 13
	extSourceRef    = 14
	extTrigger      = 20
	extRun          = 21
)

func fulcioExtension(number int, value []byte) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, number}, Value: value}
}

func extensions(s Signer) []pkix.Extension {
	out := []pkix.Extension{fulcioExtension(extIssuer, []byte(s.Issuer))}
	text := func(number int, value string) {
		if value != "" {
			out = append(out, fulcioExtension(number, must(asn1.MarshalWithParams(value, "utf8"))))
		}
	}
	text(extIssuerV2, s.Issuer)
	text(extBuildSigner, s.Workload.BuildSigner)
	text(extRunner, s.Workload.Runner)
	text(extSource, s.Workload.Source)
	text(extSourceDigest, s.Workload.Commit)
	text(extSourceRef, s.Workload.Ref)
	text(extTrigger, s.Workload.Trigger)
	text(extRun, s.Workload.Run)
	return out
}

// leaf returns a certificate that is valid for ten minutes from at, with the timestamp of the certificate
// transparency log in it unless the signer is to have none.
func (i *Instance) leaf(s Signer, public crypto.PublicKey, at time.Time) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: serial(), NotBefore: at, NotAfter: at.Add(10 * time.Minute), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, ExtraExtensions: extensions(s),
	}
	if strings.Contains(s.Identity, "://") {
		template.URIs = []*url.URL{must(url.Parse(s.Identity))}
	} else {
		template.EmailAddresses = []string{s.Identity}
	}
	plain := issue(template, i.fulcio.intermediate, public, i.fulcio.key)
	if s.NoSCT {
		return plain
	}
	template.ExtraExtensions = append(template.ExtraExtensions, i.certificateTimestamps(plain, at))
	return issue(template, i.fulcio.intermediate, public, i.fulcio.key)
}

var sctListOID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}

// certificateTimestamps returns the extension that shows that a certificate was submitted (RFC 6962 sections 3.2 and 3.3).
func (i *Instance) certificateTimestamps(precertificate *x509.Certificate, at time.Time) pkix.Extension {
	var signed bytes.Buffer
	stamp := uint64(at.UnixMilli())
	issuer := sha256.Sum256(i.fulcio.intermediate.RawSubjectPublicKeyInfo)
	tbs := precertificate.RawTBSCertificate
	signed.Write([]byte{0, 0}) // v1, certificate_timestamp
	binary.Write(&signed, binary.BigEndian, stamp)
	signed.Write([]byte{0, 1}) // precert_entry
	signed.Write(issuer[:])
	signed.Write([]byte{byte(len(tbs) >> 16), byte(len(tbs) >> 8), byte(len(tbs))})
	signed.Write(tbs)
	signed.Write([]byte{0, 0}) // no extensions
	digest := sha256.Sum256(signed.Bytes())
	sig := must(ecdsa.SignASN1(rand.Reader, i.ct, digest[:]))

	var sct bytes.Buffer
	sct.WriteByte(0)
	sct.Write(keyID(i.ct.Public()))
	binary.Write(&sct, binary.BigEndian, stamp)
	sct.Write([]byte{0, 0, 4, 3}) // no extensions; SHA-256, ECDSA
	binary.Write(&sct, binary.BigEndian, uint16(len(sig)))
	sct.Write(sig)

	var list bytes.Buffer
	binary.Write(&list, binary.BigEndian, uint16(sct.Len()+2))
	binary.Write(&list, binary.BigEndian, uint16(sct.Len()))
	list.Write(sct.Bytes())
	return pkix.Extension{Id: sctListOID, Value: must(asn1.Marshal(list.Bytes()))}
}
