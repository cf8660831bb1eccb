package policy

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"

	"github.com/sallyport-project/sallyport/verify"
)

const maxRoots = 256 // certificates in one file

// authority reads the roots of a cms anchor.
func (b *builder) authority(a *anchor, n node) verify.Authority {
	out := verify.Authority{Anchor: a.name}
	name := n.get("roots")
	data, ok := b.named(name, "file of roots")
	if !ok {
		return out
	}
	var err error
	if out.Roots, err = parseCertificates(data); err != nil {
		b.add(name, "", "the file of roots %s cannot be parsed: %v", quote(name.text()), err)
	}
	return out
}

// parseCertificates reads the CERTIFICATE blocks of PEM data (RFC 7468). There must be at least one.
func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("a block of it is a %s", quote(block.Type))
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if out = append(out, c); len(out) > maxRoots {
			return nil, fmt.Errorf("it has more than %d certificates", maxRoots)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("it has no certificate in it")
	}
	return out, nil
}

// named returns the bytes of a file that an anchor names. That it cannot be read is an error of the policy; what says
// what the file is.
func (b *builder) named(n node, what string) ([]byte, bool) {
	if n.text() == "" {
		return nil, false
	}
	data, err := b.open(n.text())
	if err != nil {
		hint := ""
		if errors.Is(err, fs.ErrNotExist) {
			hint = "file names are relative to the policy file"
		}
		b.add(n, hint, "the %s %s cannot be read: %v", what, quote(n.text()), err)
		return nil, false
	}
	return data, true
}
