package authenticode

import (
	"fmt"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/internal/pe"
)

// examination is one run of Verify over one program.
type examination struct {
	*authenticode.Examination
	seen *[]imageData // what the signatures say about the image
}

// table collects the signatures of a certificate table and accounts for every other byte in and after it.
func (x examination) table(l pe.Layout, entries []pe.Entry, rest []byte) {
	for i, e := range entries {
		label := "signature"
		if i > 0 {
			label = fmt.Sprintf("signature in entry %d of the certificate table", i+1)
		}
		x.entry(e, label)
	}
	if len(entries) == 0 {
		x.Verdict(verify.Finding{Status: verify.Invalid, Code: "malformed",
			Detail: fmt.Sprintf("The certificate table of %d bytes has no room for a signature.", l.TableSize)})
	}
	if len(rest) > 0 {
		x.padding(rest, l.Table+l.TableSize-int64(len(rest)))
	}
	if n := l.Overlay(); n > 0 {
		x.Remark(verify.Invalid, "overlay", "%d bytes follow the certificate table, from byte %d to the end of the file; no signature covers them.",
			n, l.Table+l.TableSize)
	}
}

// entry looks at one WIN_CERTIFICATE.
func (x examination) entry(e pe.Entry, label string) {
	if e.Type != pe.TypePKCS7 || e.Revision != pe.Revision1 && e.Revision != pe.Revision2 {
		x.Remark(verify.Invalid, "hidden-data", "%d bytes at byte %d of the file stand in the certificate table as an entry of type %d, revision %#x, which is no signature.",
			e.Length, e.Offset, e.Type, e.Revision)
		return
	}
	der, after, err := cms.ReadElement(e.Content)
	if err != nil {
		x.Verdict(verify.Finding{Status: verify.Invalid, Code: "malformed", Detail: authenticode.Unreadable(label, err)})
		return
	}
	x.Collect(der, label, programs(x.seen))
	if len(after) == 0 && authenticode.AllZero(e.Padding) {
		return // Length is the exact length
	}
	if len(e.Padding) == 0 && len(after) < authenticode.Alignment && authenticode.AllZero(after) {
		return // Length includes the alignment
	}
	tail := append(append([]byte{}, after...), e.Padding...)
	x.padding(tail, e.Offset+entryHeader+int64(len(der)))
}

const entryHeader = 8 // bytes before the content of a WIN_CERTIFICATE

// padding reports bytes beside a signature that are more than alignment. Tags of known vendors are named.
func (x examination) padding(b []byte, offset int64) {
	// A tag begins where the aligned signature ended, or right after it.
	for skip := 0; skip < authenticode.Alignment && skip < len(b) && (skip == 0 || b[skip-1] == 0); skip++ {
		if x.KnownTag(b[skip:], fmt.Sprintf("at byte %d, after the signature", offset+int64(skip))) {
			return
		}
	}
	x.Remark(verify.Invalid, "padding-data", "%d bytes at byte %d of the file follow the signature inside the certificate table, where only up to %d zero bytes belong; no signature covers them (CVE-2013-3900); they are %s.",
		len(b), offset, authenticode.Alignment-1, authenticode.Texture(b))
}
