package cms_test

import (
	"bytes"
	"crypto/x509"
	"testing"

	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// TestWhatIsRememberedOfACertificateIsOfAllItsBytes: that one certificate was signed says nothing of one that differs in
// its signature, nor of one by an issuer of the same name.
func TestWhatIsRememberedOfACertificateIsOfAllItsBytes(t *testing.T) {
	root := at.NewCA("Root")
	inter := root.Intermediate("Intermediate")
	leaf := inter.Issue(at.Leaf{}).Certificate.Raw
	forged := bytes.Clone(leaf)
	forged[len(forged)-1] ^= 1
	twin := root.Intermediate("Intermediate")
	find := func(leaf, issuer []byte, checks int) error {
		p := cms.NewPool([]*cms.Certificate{parse(t, issuer)}, cms.NewRoots([]*x509.Certificate{root.Certificate}), cms.NewChecks(checks))
		_, err := p.Path(parse(t, leaf), cms.OIDCodeSigning, now)
		return err
	}
	for range 2 { // before and after it is remembered
		if err := find(leaf, inter.Certificate.Raw, 2); err != nil {
			t.Error(err)
		}
		if find(forged, inter.Certificate.Raw, 2) == nil {
			t.Error("another signature is taken for the one that was checked")
		}
		if find(leaf, twin.Certificate.Raw, 2) == nil {
			t.Error("another issuer is taken for the one that was checked")
		}
		if find(leaf, inter.Certificate.Raw, 1) == nil {
			t.Error("what is remembered does not count")
		}
	}
}
