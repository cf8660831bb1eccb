package cab

import (
	"io"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cab"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// examination is one run of Verify over one cabinet.
type examination struct {
	*authenticode.Examination
	cabinet *cab.Cabinet
	place   cab.Span
}

// collect reads the signature and accounts for every byte in, before and after it.
func (x examination) collect(r io.ReaderAt) error {
	b := make([]byte, x.place.Len())
	if n, err := r.ReadAt(b, x.place.From); n < len(b) {
		return err
	}
	der, after, err := cms.ReadElement(b)
	if err != nil {
		x.Verdict(verify.Finding{Status: verify.Invalid, Code: "malformed", Detail: authenticode.Unreadable("signature", err)})
	} else {
		x.Collect(der, "signature", cabinets)
		x.padding(after, x.place.From+int64(len(der)))
	}
	for _, s := range x.cabinet.Trailing() {
		if s.From < x.place.From {
			x.Remark(verify.Valid, "unowned-data", "%d bytes at byte %d lie between the cabinet and its signature, which covers them; no program unpacks them.", s.Len(), s.From)
			continue
		}
		x.Remark(verify.Invalid, "trailing-data", "%d bytes follow the signature, from byte %d to the end of the file; no signature covers them.", s.Len(), s.From)
	}
	return nil
}

// padding reports bytes between the end of the signature and what the header says is its end, but for alignment.
func (x examination) padding(b []byte, offset int64) {
	if len(b) < authenticode.Alignment && authenticode.AllZero(b) {
		return
	}
	x.Remark(verify.Invalid, "padding-data", "%d bytes at byte %d of the file follow the signature within its declared size, where only up to %d zero bytes belong; no signature covers them; they are %s.",
		len(b), offset, authenticode.Alignment-1, authenticode.Texture(b))
}
