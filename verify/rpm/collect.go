package rpm

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/pgp"
	"github.com/sallyport-project/sallyport/verify/internal/rpmfile"
)

// examination is one call of Verify.
type examination struct {
	v       *Verifier
	env     verify.Env
	pkg     *rpmfile.Package
	name    string // name, epoch, version, release and architecture
	digests []*digest
	signed  []*signature
	remarks []verify.Finding // about what the signature header holds besides
	sizes   []int64          // bytes of header and payload, as declared
}

// signature is one OpenPGP signature and what it covers.
type signature struct {
	*pgp.Pending
	payload bool // header and payload; else the header alone
}

// maxSignatures bounds how often the header is hashed: each signature may need a hash of its own.
const maxSignatures = 16

// collect finds every signature and digest. An error says what is malformed.
func (x *examination) collect() error {
	if n := x.pkg.Signature.Gaps(); n > 0 {
		return fmt.Errorf("%d bytes of the signature header belong to no tag and are not zero", n)
	}
	for _, e := range x.pkg.Signature.Entries {
		if err := x.entry(e); err != nil {
			return fmt.Errorf("tag %d of the signature header: %w", e.Tag, err)
		}
	}
	return x.payloadDigests()
}

// entry takes one entry of the signature header.
func (x *examination) entry(e rpmfile.Entry) error {
	h, b := x.pkg.Signature, x.pkg.Signature.Data(e)
	switch e.Tag {
	case rpmfile.SigRSA, rpmfile.SigDSA:
		return x.sign(e, false)
	case rpmfile.SigPGP, rpmfile.SigGPG:
		return x.sign(e, true)
	case rpmfile.SigOpenPGP:
		return x.openPGP()
	case rpmfile.SigSHA1:
		return x.headerDigest(e.Tag, "SHA-1")
	case rpmfile.SigSHA256:
		return x.headerDigest(e.Tag, "SHA-256")
	case rpmfile.SigSHA3:
		return x.headerDigest(e.Tag, "SHA3-256")
	case rpmfile.SigMD5:
		return x.md5(e)
	case rpmfile.SigSize, rpmfile.SigLongSize:
		return x.size(e.Tag)
	case rpmfile.SigReserved, rpmfile.SigReservedSpace:
		if slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) {
			return errors.New("the room kept for signatures is not zero")
		}
	case rpmfile.SigFileSignatures, rpmfile.SigFileSigLength, rpmfile.SigVerity, rpmfile.SigVerityAlgorithm:
		x.remark("file-signatures", fmt.Sprintf("%d bytes of signatures over single files (tag %d) stand in the signature header; they are not looked at, and nothing covers them", len(b), e.Tag))
	case rpmfile.SigPayloadSize, rpmfile.SigLongArchiveSize:
		if len(b) > 8 || e.Count != 1 {
			return errors.New("it is no number")
		}
	default:
		return x.unknown(h, e)
	}
	return nil
}

// maxUnknown is how many bytes may stand in the signature header under tags that nobody knows.
const maxUnknown = 4096

func (x *examination) unknown(h *rpmfile.Header, e rpmfile.Entry) error {
	if e.Len() > maxUnknown {
		return fmt.Errorf("%d bytes that nothing covers stand under a tag that is not known", e.Len())
	}
	x.remark("unsigned-data", fmt.Sprintf("%d bytes that nothing covers stand under the unknown tag %d of the signature header", e.Len(), e.Tag))
	return nil
}

func (x *examination) remark(code, detail string) {
	x.remarks = append(x.remarks, finding(verify.Valid, code, detail))
}

func (x *examination) sign(e rpmfile.Entry, payload bool) error {
	raw, err := x.pkg.Signature.Bin(e.Tag)
	if err != nil {
		return errors.New("it is of the wrong type")
	}
	return x.add(raw, payload)
}

func (x *examination) add(raw []byte, payload bool) error {
	if !payload && !x.pkg.Header.Region {
		return errors.New("a signature over a header that has no region")
	}
	if len(x.signed) == maxSignatures {
		return fmt.Errorf("there are more than %d signatures", maxSignatures)
	}
	s := &signature{Pending: pgp.ReadSignature(raw), payload: payload}
	x.signed = append(x.signed, s)
	if s.Needs() {
		s.Write(x.pkg.Header.Raw())
	}
	return nil
}

// openPGP takes the signatures of format 6.
func (x *examination) openPGP() error {
	list, err := x.pkg.Signature.Array(rpmfile.SigOpenPGP)
	if err != nil {
		return err
	}
	for i, s := range list {
		raw, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil {
			return fmt.Errorf("signature %d is not base64: %w", i+1, err)
		}
		if err := x.add(raw, false); err != nil {
			return err
		}
	}
	return nil
}

// size takes the declared number of bytes of header and payload.
func (x *examination) size(tag uint32) error {
	h := x.pkg.Signature
	if small, err := h.Uint32s(tag); err == nil && len(small) == 1 {
		x.sizes = append(x.sizes, int64(small[0]))
		return nil
	}
	large, err := h.Uint64s(tag)
	if err != nil || len(large) != 1 || large[0] > 1<<62 {
		return errors.New("it is no size")
	}
	x.sizes = append(x.sizes, int64(large[0]))
	return nil
}
