package authenticodetest

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"
)

// List says what a revocation list should look like. The zero List is of LeafStart and names nobody.
type List struct {
	ThisUpdate time.Time // default: LeafStart
	NextUpdate time.Time // default: LeafEnd
	Revoked    []Revoked
	Extensions []pkix.Extension // of the list
}

// Revoked is an entry of a List.
type Revoked struct {
	Certificate *x509.Certificate
	At          time.Time
	Reason      int       // RFC 5280 section 5.3.1; 0 means that none is given
	Invalid     time.Time // invalidity date; zero means that none is given
	Extensions  []pkix.Extension
}

// List makes a revocation list by ca, DER.
func (ca *CA) List(l List) []byte {
	template := &x509.RevocationList{
		Number: big.NewInt(time.Now().UnixNano()), ThisUpdate: either(l.ThisUpdate, LeafStart), NextUpdate: either(l.NextUpdate, LeafEnd),
		ExtraExtensions: l.Extensions,
	}
	for _, r := range l.Revoked {
		entry := x509.RevocationListEntry{SerialNumber: r.Certificate.SerialNumber, RevocationTime: r.At, ReasonCode: r.Reason, ExtraExtensions: r.Extensions}
		if !r.Invalid.IsZero() {
			value, err := asn1.MarshalWithParams(r.Invalid.UTC(), "generalized")
			check(err)
			entry.ExtraExtensions = append(entry.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 24}, Value: value})
		}
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, entry)
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, ca.Certificate, ca.key)
	check(err)
	return der
}

// ListsAt is the extension by which a certificate says at which URLs its issuer publishes revocation lists.
func ListsAt(urls ...string) pkix.Extension {
	type name struct {
		FullName []asn1.RawValue `asn1:"optional,tag:0"`
	}
	type point struct {
		Name name `asn1:"optional,tag:0"`
	}
	var points []point
	for _, u := range urls {
		points = append(points, point{name{[]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(u)}}}})
	}
	value, err := asn1.Marshal(points)
	check(err)
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 31}, Value: value}
}

// IssuingPoint is the critical extension by which a list says for what it is: a distribution point, and [1] to [5] of
// RFC 5280 section 5.2.5 that are true.
func IssuingPoint(url string, flags ...int) pkix.Extension {
	var body []byte
	if url != "" {
		full, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(url)})
		check(err)
		for range 2 { // fullName [0], distributionPoint [0]
			full, err = asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: full})
			check(err)
		}
		body = full
	}
	for _, n := range flags {
		value := []byte{0xff}
		if n == 3 {
			value = []byte{1, 0x40} // onlySomeReasons, keyCompromise
		}
		flag, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: n, Bytes: value})
		check(err)
		body = append(body, flag...)
	}
	der, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSequence, IsCompound: true, Bytes: body})
	check(err)
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: der}
}

// CrossSigned returns an authority with the name and key of other that ca has issued.
func (ca *CA) CrossSigned(other *CA) *CA {
	template := caTemplate(other.Certificate.Subject.CommonName)
	cert := create(template, ca, other.key, ca.key)
	return &CA{Certificate: cert, Chain: append([][]byte{cert.Raw}, ca.Chain...), key: other.key}
}
