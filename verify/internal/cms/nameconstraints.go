package cms

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// nameConstraints is the extension of RFC 5280 section 4.2.1.10. Of its kinds of names only directory names are
// compared; a constraint on any other kind matters only to a certificate that has alternative names, and that is refused.
type nameConstraints struct {
	permitted, excluded [][][]byte // directory names as their raw RDNs
	others              bool       // there are constraints on other kinds of names
}

var tagDirectoryName = explicit(4)

// parseNameConstraints returns nil where the extension is malformed.
func parseNameConstraints(s cryptobyte.String) *nameConstraints {
	var body cryptobyte.String
	n := &nameConstraints{}
	if !readSequence(&s, &body) || !s.Empty() {
		return nil
	}
	for i, list := range []*[][][]byte{&n.permitted, &n.excluded} {
		var trees cryptobyte.String
		if !body.PeekASN1Tag(explicit(uint8(i))) {
			continue
		}
		if !body.ReadASN1(&trees, explicit(uint8(i))) {
			return nil
		}
		for !trees.Empty() {
			if !n.readSubtree(&trees, list) {
				return nil
			}
		}
	}
	if !body.Empty() {
		return nil
	}
	return n
}

func (n *nameConstraints) readSubtree(trees *cryptobyte.String, list *[][][]byte) bool {
	var tree, base cryptobyte.String
	var tag asn1.Tag
	if !readSequence(trees, &tree) || !tree.ReadAnyASN1(&base, &tag) {
		return false
	}
	if tag != tagDirectoryName {
		n.others = true
		return true
	}
	rdns, ok := splitName(base)
	*list = append(*list, rdns)
	return ok && len(*list) <= 64
}

// splitName returns the raw RDNs of a name.
func splitName(der []byte) ([][]byte, bool) {
	var body cryptobyte.String
	s := cryptobyte.String(der)
	if !readSequence(&s, &body) || !s.Empty() {
		return nil, false
	}
	var out [][]byte
	for !body.Empty() {
		var rdn []byte
		if !readElement(&body, &rdn) || len(out) == 64 {
			return nil, false
		}
		out = append(out, rdn)
	}
	return out, true
}

// allow reports whether a certificate below the constrained one may have the names it has.
func (n *nameConstraints) allow(c *Certificate) bool {
	for _, e := range c.Extensions {
		if e.OID == oidSubjectAltName && n.others {
			return false
		}
	}
	subject, ok := splitName(c.RawSubject)
	if !ok {
		return false
	}
	for _, base := range n.excluded {
		if hasPrefix(subject, base) {
			return false
		}
	}
	for _, base := range n.permitted {
		if hasPrefix(subject, base) {
			return true
		}
	}
	return len(n.permitted) == 0
}

func hasPrefix(name, base [][]byte) bool {
	if len(name) < len(base) {
		return false
	}
	for i := range base {
		if !bytes.Equal(name[i], base[i]) {
			return false
		}
	}
	return true
}
