package signify

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Limits of a signature file, in bytes.
const (
	MaxFile     = 64 << 10 // of a signature alone
	MaxEmbedded = 1 << 20  // of a signature with what it signs
	maxComment  = 8 << 10
)

// ErrOther says that the bytes are no signature of this kind at all.
var ErrOther = errors.New("no signature of minisign or signify")

// Signature is what a signature file says. Nothing of it is proven.
type Signature struct {
	ID        KeyID
	Prehashed bool // over the BLAKE2b-512 digest (ED), else over the bytes (Ed)
	Value     [64]byte

	Minisign bool   // it has a trusted comment
	Comment  string // the trusted comment, without its label
	Global   [64]byte

	Message []byte // what an embedded signature is followed by; nil if nothing follows
}

var (
	untrustedLabel = []byte("untrusted comment: ")
	trustedLabel   = []byte("trusted comment: ")
)

// Parse reads a signature file. It is ErrOther where the first line is not that of one. What follows the signature
// is a trusted comment with its signature, and then nothing; or else it is the message of an embedded signature.
func Parse(data []byte) (*Signature, error) {
	first, rest, found := bytes.Cut(data, []byte("\n"))
	if !bytes.HasPrefix(first, untrustedLabel) || !found {
		return nil, ErrOther
	}
	if len(data) > MaxEmbedded || len(first) > maxComment {
		return nil, fmt.Errorf("a signature file of %d bytes, the first line with %d", len(data), len(first))
	}
	line, rest, _ := bytes.Cut(rest, []byte("\n"))
	raw, err := decodeLine(line, signatureSize)
	if err != nil {
		return nil, err
	}
	s := &Signature{}
	switch string(raw[:2]) {
	case "Ed":
	case "ED":
		s.Prehashed = true
	default:
		return nil, fmt.Errorf("the signature algorithm %q is not known", raw[:2])
	}
	copy(s.ID[:], raw[2:10])
	copy(s.Value[:], raw[10:])
	if bytes.HasPrefix(rest, trustedLabel) {
		return s, s.readTrusted(rest[len(trustedLabel):])
	}
	if len(rest) > 0 {
		s.Message = rest
	}
	return s, nil
}

func (s *Signature) readTrusted(rest []byte) error {
	s.Minisign = true
	comment, rest, _ := bytes.Cut(rest, []byte("\n"))
	comment = bytes.TrimSuffix(comment, []byte("\r"))
	if len(comment) > maxComment || !utf8.Valid(comment) || bytes.ContainsAny(comment, "\x00\r") {
		return errors.New("the trusted comment is no line of text")
	}
	s.Comment = string(comment)
	line, rest, _ := bytes.Cut(rest, []byte("\n"))
	raw, err := decodeLine(line, len(s.Global))
	if err != nil {
		return fmt.Errorf("the signature of the trusted comment: %w", err)
	}
	copy(s.Global[:], raw)
	if tail := bytes.Trim(rest, "\r\n"); len(tail) > 0 {
		return fmt.Errorf("%d bytes follow the signature of the trusted comment", len(tail))
	}
	return nil
}
