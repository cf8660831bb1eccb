package clickonce

import (
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/xmldsig"
)

// license is the signed statement of the publisher, in msrel:RelData/r:license.
type license struct {
	element     *xmldsig.Element
	information *xmldsig.Element // as:ManifestInformation
	publisher   string           // as:X509SubjectName
	signature   *xmldsig.Signature
}

// checkLicense checks the publisher's signature over the license, and that the license is of this manifest.
func (m *manifest) checkLicense() (*authenticode.Raw, error) {
	l, err := m.readLicense()
	if err != nil {
		return nil, err
	}
	s := l.signature
	if s.KeyInfo == nil {
		return nil, broken("it has no certificate")
	}
	if err := s.KeyInfo.AttributesOnly(); err != nil {
		return nil, err
	}
	keys, err := xmldsig.ReadKeyInfo(s.KeyInfo)
	if err != nil {
		return nil, err
	}
	if len(keys.Others) > 0 {
		return nil, broken("element %s in its KeyInfo", keys.Others[0].Local)
	}
	leaf, err := s.Signer(keys)
	if err != nil {
		if !errors.Is(err, xmldsig.ErrSignature) && !errors.Is(err, xmldsig.ErrNoSigner) {
			err = broken("the signer's key cannot be used: %s", err)
		}
		return nil, err
	}
	if len(s.References) != 1 {
		return nil, broken("it is of %d things, not of the license alone", len(s.References))
	}
	if err := s.CheckEnvelope(s.References[0], l.element); err != nil {
		return nil, fmt.Errorf("the license is not what was signed: %w", err)
	}
	h, err := m.checkInformation(l)
	if err != nil {
		return nil, err
	}
	raw := &authenticode.Raw{Label: "publisher's signature", Hash: weakest(h, s.Hash(), m.signature.Hash()), Value: s.Value, Leaf: leaf, Certificates: keys.Certificates}
	raw.Timestamps, err = timestamps(s.Objects)
	return raw, err
}

// weakest returns the weakest of some hash functions, SHA-1 or SHA-2.
func weakest(all ...crypto.Hash) crypto.Hash {
	return slices.MinFunc(all, func(a, b crypto.Hash) int { return a.Size() - b.Size() })
}

// readLicense finds the parts of the license. There is nothing else in it than what belongs there.
func (m *manifest) readLicense() (*license, error) {
	data := m.keys.Others[0]
	if !data.Is(nsRelData, "RelData") || len(data.Attributes) > 0 {
		return nil, broken("the KeyInfo of the strong-name signature has an element %s", data.Local)
	}
	list, err := data.Structure()
	if err != nil || len(list) != 1 || !list[0].Is(nsLicense, "license") {
		return nil, broken("there is no license in it")
	}
	l := &license{element: list[0]}
	if list, err = l.element.Structure(); err != nil || len(list) != 2 || !list[0].Is(nsLicense, "grant") || !list[1].Is(nsLicense, "issuer") {
		return nil, broken("the license is not one grant by one issuer")
	}
	grant, issuer := list[0], list[1]
	if list, err = issuer.Structure(); err != nil || len(list) != 1 {
		return nil, broken("the license has not one signature")
	}
	if l.signature, err = m.doc.ParseSignature(list[0]); err != nil {
		return nil, err
	}
	if l.signature.Element.Value("Id") != "AuthenticodeSignature" {
		return nil, broken("the signature of the license is no Authenticode signature")
	}
	if l.information, err = grant.Only(nsAuthent, "ManifestInformation"); err != nil {
		return nil, err
	}
	publisher, err := grant.Only(nsAuthent, "AuthenticodePublisher")
	if err != nil {
		return nil, err
	}
	name, err := publisher.Only(nsAuthent, "X509SubjectName")
	if err != nil {
		return nil, err
	}
	l.publisher, err = name.Text()
	return l, err
}

// checkInformation compares what the license says of the manifest, and returns with which digest it does.
func (m *manifest) checkInformation(l *license) (crypto.Hash, error) {
	h, err := m.checkHash(l.information.Value("Hash"))
	if err != nil {
		return 0, err
	}
	identity, err := l.information.Only(nsAuthent, "assemblyIdentity")
	if err != nil {
		return 0, err
	}
	if !sameAttributes(identity, m.identity) {
		return 0, fmt.Errorf("%w: the license is of an assembly with another identity", errIdentity)
	}
	publisher, err := m.root.Only(nsV2, "publisherIdentity")
	if err != nil {
		return 0, err
	}
	if publisher.Value("name") != l.publisher {
		return 0, fmt.Errorf("%w: the manifest is of the publisher %.200q, the license of %.200q", errIdentity, publisher.Value("name"), l.publisher)
	}
	return h, nil
}

// checkHash compares the license's digest of the manifest, which is without its signature and canonical, and written in
// hexadecimal with its bytes in reverse order.
func (m *manifest) checkHash(s string) (crypto.Hash, error) {
	want, err := hex.DecodeString(s)
	if err != nil {
		return 0, broken("the digest in the license is none")
	}
	var h crypto.Hash
	switch len(want) {
	case crypto.SHA1.Size():
		h = crypto.SHA1
	case crypto.SHA256.Size():
		h = crypto.SHA256
	case crypto.SHA384.Size():
		h = crypto.SHA384
	case crypto.SHA512.Size():
		h = crypto.SHA512
	default:
		return 0, broken("the digest in the license has %d bytes", len(want))
	}
	slices.Reverse(want)
	w := h.New()
	w.Write(m.doc.Canonical(xmldsig.Method{Exclusive: true}, m.signature.Element))
	if sum := w.Sum(nil); !slices.Equal(sum, want) {
		return 0, fmt.Errorf("the license is of another manifest: %w: it is %x, %x is signed", xmldsig.ErrDigest, sum, want)
	}
	return h, nil
}

// sameAttributes reports whether two elements have the same attributes, namespaces aside.
func sameAttributes(a, b *xmldsig.Element) bool {
	values := map[string]string{}
	for _, at := range a.Attributes {
		values[at.Local] = at.Value
	}
	for _, at := range b.Attributes {
		if v, ok := values[at.Local]; !ok || v != at.Value {
			return false
		}
	}
	return len(a.Attributes) == len(b.Attributes) && len(values) == len(a.Attributes)
}

// timestamps reads the Objects of the Authenticode signature, in which timestamps may be and nothing else.
func timestamps(objects []*xmldsig.Element) ([][]byte, error) {
	var out [][]byte
	for _, o := range objects {
		list, err := o.Structure()
		if err != nil || len(o.Attributes) > 0 || len(list) != 1 || !list[0].Is(nsAuthent, "Timestamp") || len(list[0].Attributes) > 0 {
			return nil, broken("it has an object that it does not cover and that is no timestamp")
		}
		text, err := list[0].Text()
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(text) == "" {
			return nil, broken("its timestamp is empty")
		}
		der, err := xmldsig.Base64(list[0])
		if err != nil {
			return nil, err
		}
		out = append(out, der)
	}
	return out, nil
}
