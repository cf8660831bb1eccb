package pgp

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Errors of SplitClearsigned.
var (
	// ErrNotClearsigned says that the text is no cleartext signed message at all.
	ErrNotClearsigned = errors.New("not a cleartext signed message")
	// ErrClearsigned is wrapped where the text begins like one and breaks its rules.
	ErrClearsigned = errors.New("malformed cleartext signed message")
)

const (
	beginMessage   = "-----BEGIN PGP SIGNED MESSAGE-----"
	beginSignature = "-----BEGIN PGP SIGNATURE-----"
	endSignature   = "-----END PGP SIGNATURE-----"
)

// SplitClearsigned takes a cleartext signed message (RFC 9580 section 7) apart into the text that is signed, with the
// dash escapes and the white space at the ends of lines removed and lines ended by LF, and the armoured signature.
//
// The whole of data must be one message: a byte before its first line or after its last one (but for line ends) is
// refused, so is a second message, a header other than Hash, a line that begins with an unescaped hyphen, a NUL, a CR
// in the middle of a line, and a control or non-ASCII character in the armour, which gpgv refuses. Programs that read such a file with less care disagree on what was signed.
func SplitClearsigned(data []byte) (text, signature []byte, err error) {
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	if string(trimEnd(first)) != beginMessage {
		return nil, nil, ErrNotClearsigned
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return nil, nil, fmt.Errorf("byte %d is NUL: %w", i, ErrClearsigned)
	}
	rest, err = skipHashHeaders(rest)
	if err != nil {
		return nil, nil, err
	}
	text, rest, err = signedText(rest)
	if err != nil {
		return nil, nil, err
	}
	end := bytes.Index(rest, []byte("\n"+endSignature))
	if end < 0 {
		return nil, nil, fmt.Errorf("the signature does not end: %w", ErrClearsigned)
	}
	stop := end + 1 + len(endSignature)
	if tail := bytes.TrimRight(rest[stop:], " \t\r\n"); len(tail) > 0 {
		return nil, nil, fmt.Errorf("%d bytes follow the signature: %w", len(tail), ErrClearsigned)
	}
	signature = rest[:stop]
	if n := bytes.Count(signature, []byte("-----BEGIN")); n != 1 {
		return nil, nil, fmt.Errorf("there are %d signature blocks: %w", n, ErrClearsigned)
	}
	if i := bytes.IndexFunc(signature, func(r rune) bool { return (r < ' ' || r > '~') && !strings.ContainsRune("\t\r\n", r) }); i >= 0 {
		return nil, nil, fmt.Errorf("byte %d of the signature block is not text: %w", i, ErrClearsigned)
	}
	return text, append(bytes.Clone(signature), '\n'), nil
}

func trimEnd(line []byte) []byte { return bytes.TrimRight(line, " \t\r") }

// skipHashHeaders passes over the armour headers and the empty line that ends them.
func skipHashHeaders(rest []byte) ([]byte, error) {
	for {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		if !found {
			return nil, fmt.Errorf("the headers do not end: %w", ErrClearsigned)
		}
		rest = after
		line = trimEnd(line)
		if len(line) == 0 {
			return rest, nil
		}
		value, ok := strings.CutPrefix(string(line), "Hash: ")
		if !ok || strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-, ") != "" {
			return nil, fmt.Errorf("the header %.40q is none that a signed message may have: %w", line, ErrClearsigned)
		}
	}
}

// signedText returns the text up to the signature's first line, and everything from there on. The line end before the
// signature is not part of the text.
func signedText(rest []byte) (text, after []byte, err error) {
	text = make([]byte, 0, len(rest))
	for n := 0; ; n++ {
		line, next, found := bytes.Cut(rest, []byte("\n"))
		if !found {
			return nil, nil, fmt.Errorf("there is no signature: %w", ErrClearsigned)
		}
		trimmed := trimEnd(line)
		if string(trimmed) == beginSignature {
			return text, rest, nil
		}
		switch {
		case bytes.HasPrefix(trimmed, []byte("- ")):
			trimmed = trimmed[2:]
		case bytes.HasPrefix(trimmed, []byte("-")):
			return nil, nil, fmt.Errorf("the line %.40q begins with an unescaped hyphen: %w", trimmed, ErrClearsigned)
		}
		if bytes.IndexByte(trimmed, '\r') >= 0 {
			return nil, nil, fmt.Errorf("a line has a carriage return inside: %w", ErrClearsigned)
		}
		if n > 0 {
			text = append(text, '\n')
		}
		text = append(text, trimmed...)
		rest = next
	}
}
