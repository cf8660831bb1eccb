// Package xmldsig checks XML signatures (W3C XML Signature 1.1) as Windows packages carry them: in OPC packages
// (ECMA-376 part 2) and in ClickOnce manifests.
//
// It reads XML 1.0 with namespaces itself, because canonicalisation needs what ordinary parsers throw away: UTF-8 only,
// no document type declarations and so no entities but the five predefined ones, and bounds on everything. Only the
// algorithms that are listed here exist.
//
// Signature wrapping has no room: nothing is looked up by an identifier alone. The caller names the signature element, and
// for each reference the element or the octets that it must be of; what CheckElement and CheckOctets accept is then
// exactly what was signed, and the caller goes on with that same element.
package xmldsig

import (
	"errors"
	"fmt"
)

// Limits of what is read at all.
const (
	MaxSize       = 16 << 20 // bytes of one document
	MaxReferences = 65536    // in one SignedInfo or Manifest
	maxDepth      = 96       // elements inside each other
	maxNodes      = 400_000  // elements, texts, comments and processing instructions, and attributes
	maxAttributes = 256      // of one element, namespace declarations included
	maxTransforms = 4        // of one reference
)

// Errors of this package. Every error of Parse and ParseSignature wraps one of the first two.
var (
	// ErrMalformed says that the document is not what it should be.
	ErrMalformed = errors.New("malformed XML")
	// ErrUnsupported says that the document uses what is not known here: an encoding, an algorithm, a transform.
	ErrUnsupported = errors.New("unsupported")
	// ErrDigest says that what a reference is of has another digest.
	ErrDigest = errors.New("the digest does not fit")
	// ErrSignature says that the signature value does not fit. It does not say why: nobody could tell.
	ErrSignature = errors.New("the signature value does not fit")
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, args...))
}
