package nuget

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Attributes (RFC 5126, NuGet).
var (
	oidCommitment     = cms.NewOID(1, 2, 840, 113549, 1, 9, 16, 2, 16)
	oidProofOfOrigin  = cms.NewOID(1, 2, 840, 113549, 1, 9, 16, 6, 1)
	oidProofOfReceipt = cms.NewOID(1, 2, 840, 113549, 1, 9, 16, 6, 2)
	oidTimestamp      = cms.NewOID(1, 2, 840, 113549, 1, 9, 16, 2, 14)
	oidServiceIndex   = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 84, 2, 1, 1, 1)
	oidOwners         = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 84, 2, 1, 1, 2)
)

// claim is what a signer says of itself in signed attributes.
type claim struct {
	kind   string // "author" or "repository"
	index  string // a repository's service index
	owners []string
}

// sentence tells a person what is claimed.
func (c claim) sentence() string {
	if c.kind == "author" {
		return "It is an author's signature: the signer says that the package is its own."
	}
	s := fmt.Sprintf("It is the signature of the repository %.200q: the signer says that it received the package", c.index)
	if len(c.owners) > 0 {
		s += fmt.Sprintf(" from the owners %.400q", c.owners)
	}
	return s + ", not that it made it."
}

const (
	maxOwners  = 256
	minKeyBits = 2048 // of RSA, the only kind of key that NuGet takes
)

// readClaim reads the signed attributes that NuGet demands, and compares the signing certificate with the one named.
func readClaim(si *cms.SignerInfo, leaf *cms.Certificate) (claim, error) {
	var c claim
	kind, err := commitment(si)
	if err != nil {
		return c, err
	}
	c.kind = kind
	if _, err := si.SignedValue(cms.OIDSigningTime); err != nil {
		return c, err
	}
	if err := signingCertificate(si, leaf); err != nil {
		return c, err
	}
	if key, err := leaf.PublicKey(); err != nil {
		return c, err
	} else if k, ok := key.(*rsa.PublicKey); !ok || k.N.BitLen() < minKeyBits {
		return c, fmt.Errorf("its key is no RSA key of at least %d bits", minKeyBits)
	}
	if leaf.Allows(cms.OIDLifetimeSigning) {
		return c, errors.New("its certificate is for lifetime signing, which NuGet refuses")
	}
	if kind == "repository" {
		err = c.readRepository(si)
	}
	return c, err
}

// commitment reads the commitment-type-indication (RFC 5126 section 5.11.1): origin is what authors claim, receipt what
// repositories do.
func commitment(si *cms.SignerInfo) (string, error) {
	value, err := si.SignedValue(oidCommitment)
	if err != nil {
		return "", err
	}
	var body, kind cryptobyte.String
	if s := cryptobyte.String(value); !s.ReadASN1(&body, asn1.SEQUENCE) || !s.Empty() || !body.ReadASN1(&kind, asn1.OBJECT_IDENTIFIER) {
		return "", errors.New("its type of commitment cannot be read")
	}
	switch cms.OID(kind) {
	case oidProofOfOrigin:
		return "author", nil
	case oidProofOfReceipt:
		return "repository", nil
	}
	return "", fmt.Errorf("it is neither an author's nor a repository's, but %s", cms.OID(kind))
}

// signingCertificate demands the signing-certificate-v2 attribute (RFC 5035), alone, whose first certificate must be the
// signer's, by digest and by issuer and serial number.
func signingCertificate(si *cms.SignerInfo, leaf *cms.Certificate) error {
	for _, a := range si.Signed {
		if a.OID == cms.OIDSigningCert {
			return errors.New("it names its certificate by SHA-1")
		}
	}
	value, err := si.SignedValue(cms.OIDSigningCertV2)
	if err != nil {
		return err
	}
	wrong := errors.New("it names another certificate than its signer's")
	var body, list, id, alg, digest, issuerSerial cryptobyte.String
	s := cryptobyte.String(value)
	if !s.ReadASN1(&body, asn1.SEQUENCE) || !s.Empty() || !body.ReadASN1(&list, asn1.SEQUENCE) || !list.ReadASN1(&id, asn1.SEQUENCE) {
		return wrong
	}
	h := hashes["2.16.840.1.101.3.4.2.1"]
	if id.PeekASN1Tag(asn1.SEQUENCE) {
		var kind cryptobyte.String
		if !id.ReadASN1(&alg, asn1.SEQUENCE) || !alg.ReadASN1(&kind, asn1.OBJECT_IDENTIFIER) {
			return wrong
		}
		if h = hashes[cms.OID(kind).String()]; h == 0 {
			return errors.New("it names its certificate by an unknown digest")
		}
	}
	w := h.New()
	w.Write(leaf.Raw)
	if !id.ReadASN1(&digest, asn1.OCTET_STRING) || !bytes.Equal(digest, w.Sum(nil)) || !id.ReadASN1(&issuerSerial, asn1.SEQUENCE) || !id.Empty() {
		return wrong
	}
	return sameIssuer(issuerSerial, leaf, wrong)
}

// sameIssuer compares an IssuerSerial (RFC 5035 section 5) with a certificate.
func sameIssuer(s cryptobyte.String, leaf *cms.Certificate, wrong error) error {
	var names, name, serial cryptobyte.String
	tag := asn1.Tag(4).Constructed().ContextSpecific()
	if !s.ReadASN1(&names, asn1.SEQUENCE) || !names.ReadASN1(&name, tag) || !names.Empty() || !s.ReadASN1(&serial, asn1.INTEGER) || !s.Empty() ||
		!bytes.Equal(name, leaf.RawIssuer) || !bytes.Equal(serial, leaf.Serial) {
		return wrong
	}
	return nil
}

// readRepository reads what a repository must and may add: the URL of its service index, the package's owners.
func (c *claim) readRepository(si *cms.SignerInfo) error {
	value, err := si.SignedValue(oidServiceIndex)
	if err != nil {
		return err
	}
	var text cryptobyte.String
	if s := cryptobyte.String(value); !s.ReadASN1(&text, asn1.IA5String) || !s.Empty() {
		return errors.New("its service index cannot be read")
	}
	c.index = string(text)
	if u, err := url.Parse(c.index); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return fmt.Errorf("its service index %.120q is no https URL", c.index)
	}
	for _, a := range si.Signed {
		if a.OID == oidOwners {
			return c.readOwners(si)
		}
	}
	return nil
}

func (c *claim) readOwners(si *cms.SignerInfo) error {
	value, err := si.SignedValue(oidOwners)
	if err != nil {
		return err
	}
	var list cryptobyte.String
	if s := cryptobyte.String(value); !s.ReadASN1(&list, asn1.SEQUENCE) || !s.Empty() || list.Empty() {
		return errors.New("its list of owners cannot be read")
	}
	for !list.Empty() {
		var owner cryptobyte.String
		if !list.ReadASN1(&owner, asn1.UTF8String) || strings.TrimSpace(string(owner)) == "" || len(c.owners) == maxOwners {
			return errors.New("its list of owners cannot be read")
		}
		c.owners = append(c.owners, string(owner))
	}
	return nil
}
