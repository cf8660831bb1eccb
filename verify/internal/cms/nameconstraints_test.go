package cms

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

func rawName(t *testing.T, organization, common string) []byte {
	t.Helper()
	der, err := asn1.Marshal(pkix.Name{Organization: []string{organization}, CommonName: common}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// constraintsOn encodes one subtree in the permitted or excluded list.
func constraintsOn(list uint8, tag casn1.Tag, base []byte) cryptobyte.String {
	var b cryptobyte.Builder
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit(list), func(b *cryptobyte.Builder) {
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(base) })
			})
		})
	})
	return b.BytesOrPanic()
}

func TestNameConstraints(t *testing.T) {
	var base []byte // the first RDN of a name, as a name of its own
	rdns, ok := splitName(rawName(t, "Acme Ltd", "x"))
	if !ok {
		t.Fatal("the name cannot be split")
	}
	var b cryptobyte.Builder
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(rdns[0]) })
	base = b.BytesOrPanic()
	inside := &Certificate{RawSubject: rawName(t, "Acme Ltd", "Signer")}
	outside := &Certificate{RawSubject: rawName(t, "Evil Ltd", "Signer")}
	named := &Certificate{RawSubject: inside.RawSubject, Extensions: []Extension{{OID: oidSubjectAltName}}}
	dns := casn1.Tag(2).ContextSpecific()
	for name, c := range map[string]struct {
		constraints cryptobyte.String
		cert        *Certificate
		want        bool
	}{
		"permitted":                            {constraintsOn(0, tagDirectoryName, base), inside, true},
		"not permitted":                        {constraintsOn(0, tagDirectoryName, base), outside, false},
		"excluded":                             {constraintsOn(1, tagDirectoryName, base), inside, false},
		"not excluded":                         {constraintsOn(1, tagDirectoryName, base), outside, true},
		"host names, certificate has none":     {constraintsOn(0, dns, []byte("acme.example")), inside, true},
		"host names, certificate may have one": {constraintsOn(0, dns, []byte("acme.example")), named, false},
	} {
		n := parseNameConstraints(c.constraints)
		if n == nil {
			t.Errorf("%s: not parsed", name)
			continue
		}
		if got := n.allow(c.cert); got != c.want {
			t.Errorf("%s: allowed = %v", name, got)
		}
	}
	if parseNameConstraints(cryptobyte.String{5, 0}) != nil {
		t.Error("took NULL for name constraints")
	}
}
