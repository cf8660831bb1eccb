// Package cms reads and checks Cryptographic Message Syntax signatures (RFC 5652, and PKCS #7 1.5, RFC 2315) as signers
// of programs make them: SignedData with its signers, X.509 certificates and their chains, RFC 3161 timestamps and
// PKCS #9 countersignatures, and Microsoft's SpcIndirectDataContent.
//
// All input comes from attackers. The parsers accept DER only, bound sizes, counts and depth, never panic, and leave
// no byte out: every field is either read or refused, so that a caller can say of every byte why it is there.
// The checks are separate functions; parsing proves nothing.
//
// Certificates are parsed leniently where the platform is lenient (crypto/x509 refuses certificates and SHA-1
// signatures that Windows accepts), and judged only where a path leads through them.
package cms

import (
	"errors"
	"fmt"
)

// Limits of what is parsed at all. The largest honest signatures (a driver's with page hashes, a catalogue) stay far
// below them.
const (
	MaxSize         = 64 << 20 // bytes of one SignedData
	MaxCertificates = 128      // in one SignedData
	MaxSigners      = 16       // in one SignedData
	MaxAttributes   = 64       // in one SignerInfo, signed and unsigned each
	MaxValues       = 16       // of one attribute
	maxExtensions   = 64       // in one certificate
	maxName         = 4 << 10  // bytes of a subject or issuer: names are compared often
	maxKeyBits      = 8192     // of an RSA modulus: more costs the verifier, not the attacker
)

// ErrMalformed is wrapped by every error of a parser: the bytes are not what they should be.
var ErrMalformed = errors.New("malformed")

// malformed returns an error that wraps ErrMalformed and says what is wrong.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
