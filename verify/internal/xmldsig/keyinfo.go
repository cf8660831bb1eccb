package xmldsig

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"

	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// maxCertificates bounds how many certificates may come with one signature.
const maxCertificates = 32

// KeyInfo is what a signature says of its key (section 4.5). None of it is proven by the signature.
type KeyInfo struct {
	Key          *rsa.PublicKey // of the KeyValue; nil if there is none
	Certificates []*cms.Certificate
	Others       []*Element // children of other kinds, for the caller to account for
}

// ReadKeyInfo reads a KeyInfo. Of X509Data only certificates are taken, and names, which mean nothing beside them.
func ReadKeyInfo(e *Element) (*KeyInfo, error) {
	k := &KeyInfo{}
	parts, err := e.Structure()
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		switch {
		case p.Is(NS, "KeyValue"):
			if k.Key != nil {
				return nil, malformed("two keys in KeyInfo")
			}
			if k.Key, err = ReadRSA(p); err != nil {
				return nil, err
			}
		case p.Is(NS, "X509Data"):
			if err := k.readX509(p); err != nil {
				return nil, err
			}
		default:
			k.Others = append(k.Others, p)
		}
	}
	return k, nil
}

func (k *KeyInfo) readX509(e *Element) error {
	parts, err := e.Structure()
	if err != nil {
		return err
	}
	if err := e.AttributesOnly(); err != nil {
		return err
	}
	for _, p := range parts {
		if !p.Is(NS, "X509Certificate") {
			return unsupported("element %s in X509Data", p.Local)
		}
		if err := p.AttributesOnly(); err != nil {
			return err
		}
		der, err := Base64(p)
		if err != nil {
			return err
		}
		if err := k.Add(der); err != nil {
			return err
		}
	}
	return nil
}

// Add adds a certificate, unless it is there already.
func (k *KeyInfo) Add(der []byte) error {
	c, err := cms.ParseCertificate(der)
	if err != nil {
		return err
	}
	for _, o := range k.Certificates {
		if o.Equal(c) {
			return nil
		}
	}
	if len(k.Certificates) == maxCertificates {
		return unsupported("more than %d certificates", maxCertificates)
	}
	k.Certificates = append(k.Certificates, c)
	return nil
}

// ErrNoSigner says that none of the certificates has the key that made the signature.
var ErrNoSigner = errors.New("it was made with the key of none of the certificates that came along")

// Signer checks the signature value with the keys of the certificates and returns the one that made it. Where there is a
// Key it must be that certificate's. The error is ErrNoSigner, or says why the signer's key cannot be used.
func (s *Signature) Signer(k *KeyInfo) (*cms.Certificate, error) {
	var unusable error
	tried := map[string]bool{}
	for _, c := range k.Certificates {
		key, err := c.PublicKey()
		if err != nil {
			unusable = err
			continue
		}
		if k.Key != nil && !k.Key.Equal(key) {
			continue
		}
		if id := keyID(key); !tried[id] {
			if tried[id] = true; s.Verify(key) == nil {
				return c, nil
			}
		}
	}
	if unusable != nil {
		return nil, unusable
	}
	if len(tried) > 0 {
		return nil, ErrSignature
	}
	return nil, ErrNoSigner
}

// keyID is the same for equal keys.
func keyID(key crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return ""
	}
	return string(der)
}
