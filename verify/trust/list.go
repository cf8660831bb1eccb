package trust

import (
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	core "github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// List is what a certificate revocation list says of itself.
type List struct {
	Issuer                 string // name, for people
	ThisUpdate, NextUpdate time.Time
	Entries                int
	Unusable               string // why nothing can be learnt from it; "" if something can
	Covers                 bool   // CheckList only: the certificate would be on it, were it revoked
}

// ReadList reads all of a revocation list, once: whoever verifies with it need not do so again.
func ReadList(l *verify.RevocationList) (List, error) {
	parsed, err := core.ParsedList(l)
	if err != nil {
		return List{}, err
	}
	name := parsed.Issuer.CommonName
	if name == "" {
		name = parsed.Issuer.Best()
	}
	return List{Issuer: name, ThisUpdate: parsed.ThisUpdate, NextUpdate: parsed.NextUpdate, Entries: parsed.Len(), Unusable: parsed.Scope.Unusable}, nil
}

// CheckList is ReadList, and demands that the list is signed by the certificate issuer (DER) and can be used. Its Covers is
// about certificate (DER), which issuer has issued: an issuer may have several lists, each for some of its certificates.
func CheckList(l *verify.RevocationList, issuer, certificate []byte) (List, error) {
	info, err := ReadList(l)
	if err != nil {
		return List{}, err
	}
	by, err := cms.ParseCertificate(issuer)
	if err != nil {
		return List{}, fmt.Errorf("reading the issuer's certificate: %w", err)
	}
	parsed, err := core.ParsedList(l)
	switch {
	case err != nil:
		return List{}, err
	case !parsed.SignedBy(by):
		return List{}, errors.New("it is not signed by the issuer of the certificate that names it")
	case info.Unusable != "":
		return List{}, errors.New(info.Unusable)
	}
	if c, err := cms.ParseCertificate(certificate); err == nil {
		info.Covers = parsed.Scope.Covers(c) == ""
	}
	return info, nil
}

// SplitLists returns the lists of a file, DER: one in DER, or those of PEM.
func SplitLists(data []byte) ([][]byte, error) { return cms.SplitRevocationLists(data) }
