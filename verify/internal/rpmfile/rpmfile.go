// Package rpmfile reads the structure of rpm packages of format 3, 4 and 6: the lead, the signature header, the header
// and where the payload begins. It verifies nothing.
//
// The format is described at https://rpm.org/docs/latest/manual/ (format_lead, format_header, format_v3, format_v4,
// format_v6); the limits are those of rpm's lib/header.cc but where a comment says otherwise.
package rpmfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrFormat is wrapped by every error that is about the package rather than about reading it.
var ErrFormat = errors.New("malformed rpm package")

// LeadSize is the number of bytes of the lead, which nothing signs and rpm no longer reads.
const LeadSize = 96

const leadMagic = "\xed\xab\xee\xdb"

// Package is where the parts of a package lie.
type Package struct {
	Lead      Lead
	Signature *Header // signatures and digests of what follows
	Header    *Header // everything about the package; what is signed
	HeaderAt  int64   // offset of the header in bytes; the signature header ends there, with its padding
	Payload   int64   // offset of the payload in bytes; it reaches to the end of the file
	Size      int64   // bytes of the file
}

// Lead is what is read of the lead.
type Lead struct {
	Major, Minor byte
	Source       bool // a source package, by the lead's word
}

// headerSignature is the only kind of signature that a lead may announce: one in a header of its own.
const headerSignature = 5

// Read reads everything before the payload of the package in the first size bytes of r. An error that does not match
// ErrFormat comes from r.
func Read(r io.ReaderAt, size int64) (*Package, error) {
	p := &Package{Size: size}
	var lead [LeadSize]byte
	if err := readAt(r, lead[:], 0, size, "the lead"); err != nil {
		return nil, err
	}
	switch signature := binary.BigEndian.Uint16(lead[78:]); {
	case string(lead[:4]) != leadMagic:
		return nil, fmt.Errorf("it does not begin like a package: %w", ErrFormat)
	case lead[4] != 3 && lead[4] != 4:
		return nil, fmt.Errorf("the lead is of version %d: %w", lead[4], ErrFormat)
	case signature != headerSignature:
		return nil, fmt.Errorf("the lead announces signatures of type %d, not %d: %w", signature, headerSignature, ErrFormat)
	}
	p.Lead = Lead{Major: lead[4], Minor: lead[5], Source: binary.BigEndian.Uint16(lead[6:]) == 1}
	var err error
	if p.Signature, err = readHeader(r, LeadSize, size, signatureLimits); err != nil {
		return nil, fmt.Errorf("signature header: %w", err)
	}
	p.HeaderAt = LeadSize + int64(len(p.Signature.raw))
	if err := p.skipPadding(r); err != nil {
		return nil, err
	}
	if p.Header, err = readHeader(r, p.HeaderAt, size, headerLimits); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	p.Payload = p.HeaderAt + int64(len(p.Header.raw))
	return p, nil
}

// skipPadding moves the header's offset behind the zero bytes that fill the signature header up to a multiple of eight.
func (p *Package) skipPadding(r io.ReaderAt) error {
	var padding [8]byte
	n := (8 - p.HeaderAt%8) % 8
	if err := readAt(r, padding[:n], p.HeaderAt, p.Size, "the padding"); err != nil {
		return err
	}
	if padding != [8]byte{} {
		return fmt.Errorf("the padding behind the signature header is not zero: %w", ErrFormat)
	}
	p.HeaderAt += n
	return nil
}

// Format returns the format's version: 3 for a header without a region, 6 for one that says so, else 4.
func (p *Package) Format() int {
	if !p.Header.Region {
		return 3
	}
	if v, err := p.Header.Uint32s(TagRPMFormat); err == nil && len(v) > 0 {
		return int(v[0])
	}
	return 4
}

// readAt fills b from offset at, where the file has size bytes.
func readAt(r io.ReaderAt, b []byte, at, size int64, what string) error {
	if at+int64(len(b)) > size {
		return fmt.Errorf("%s ends behind the end of the file, at byte %d of %d: %w", what, at+int64(len(b)), size, ErrFormat)
	}
	if _, err := io.ReadFull(io.NewSectionReader(r, at, int64(len(b))), b); err != nil {
		return fmt.Errorf("reading %s: %w", what, err)
	}
	return nil
}
