package cabtest

import (
	"bytes"
	"crypto"

	"github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// OID of what a signature of a cabinet says that it is of (SPC_CAB_DATA_OBJID).
var oidCabinet = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 2, 1, 25)

// signedHeader is how long CFHEADER is with the reserve of a signature.
const signedHeader = 60

// Reserve is the header's reserve of a cabinet that is going to be signed.
func Reserve() []byte {
	b := make([]byte, 20)
	le.PutUint32(b, 0x00100000)
	return b
}

// Sign signs a cabinet that was built with Reserve, and that may be signed already: the old signature is left away.
func Sign(cabinet []byte, s authenticodetest.Signature) []byte {
	return WithSignature(cabinet, SignedData(cabinet, s))
}

// SignedData returns a signature of a cabinet built with Reserve, DER.
func SignedData(cabinet []byte, s authenticodetest.Signature) []byte {
	if s.Kind == "" {
		s.Kind = oidCabinet
	}
	if s.Hash == 0 {
		s.Hash = crypto.SHA256
	}
	if s.Digest == nil {
		s.Digest = Digest(cabinet, s.Hash)
	}
	for i, n := range s.Nested {
		if n.Kind == "" {
			s.Nested[i].Kind = oidCabinet
		}
		if n.Hash == 0 {
			n.Hash = crypto.SHA256
		}
		if n.Digest == nil {
			s.Nested[i].Digest = Digest(cabinet, n.Hash)
		}
	}
	return authenticodetest.SignedData(nil, s)
}

// Digest returns the Authenticode digest of a cabinet built with Reserve: of all bytes up to the signature, without
// reserved1, iCabinet, the sizes of the reserves and the header's reserve but for its last four bytes.
func Digest(cabinet []byte, h crypto.Hash) []byte {
	w := h.New()
	w.Write(cabinet[:4])
	w.Write(cabinet[8:34])
	w.Write(cabinet[56:le.Uint32(cabinet[8:])])
	return w.Sum(nil)
}

// WithSignature returns a cabinet built with Reserve with der, filled up with zeros to a multiple of 8, as its signature.
func WithSignature(cabinet, der []byte) []byte {
	if len(cabinet) < signedHeader || le.Uint32(cabinet[36:]) != 20 {
		panic("cabtest: the cabinet has no reserve for a signature")
	}
	size := int(le.Uint32(cabinet[8:]))
	out := append(bytes.Clone(cabinet[:size]), der...)
	for (len(out)-size)%8 != 0 {
		out = append(out, 0)
	}
	le.PutUint32(out[44:], uint32(size))
	le.PutUint32(out[48:], uint32(len(out)-size))
	return out
}
