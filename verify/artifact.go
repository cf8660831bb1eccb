package verify

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

// Role says what an artifact is to the client that fetched it.
type Role uint8

const (
	Payload  Role = iota // something that is installed or run
	Metadata             // something that says what to install: an apt index, a TUF role, an update feed
)

// String returns "payload" or "metadata".
func (r Role) String() string {
	if r == Metadata {
		return "metadata"
	}
	return "payload"
}

// Digest is a SHA-256 digest (FIPS 180-4).
type Digest [32]byte

// ParseDigest reads 64 hexadecimal digits, with or without "sha256:" before them.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	h := strings.TrimPrefix(s, "sha256:")
	if len(h) != 2*len(d) {
		return Digest{}, fmt.Errorf("a SHA-256 digest has 64 hexadecimal digits, this has %d", len(h))
	}
	if _, err := hex.Decode(d[:], []byte(h)); err != nil {
		return Digest{}, fmt.Errorf("reading SHA-256 digest: %w", err)
	}
	return d, nil
}

// String returns 64 lower-case hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether d was never set.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText implements encoding.TextMarshaler as String does.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler as ParseDigest does.
func (d *Digest) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDigest(string(b))
	return err
}

// Digests are what was computed over an artifact while it was received.
type Digests struct {
	SHA256 Digest
	// Taps holds what the verifiers' Taps made of the same bytes, by a name each verifier chooses, such as
	// "authenticode/sha256". A verifier computes what is missing here itself.
	Taps map[string][]byte
}

// Artifact is one complete download at rest. It does not change while anybody holds it.
type Artifact struct {
	Name    string      // base name, or the path inside its container; chosen by whoever sent it
	URL     *url.URL    // where it was fetched from; nil for a local file
	Asked   []*url.URL  // what was asked for before redirects led to it, the first request first, without queries; often none
	Role    Role        // payload or metadata
	Inner   bool        // it lies in a container: nothing is published beside it
	Format  Format      // by content first, then by name
	Size    int64       // bytes
	Digests Digests     // of all Size bytes
	Fetched time.Time   // when its last byte arrived
	Content io.ReaderAt // exactly Size bytes; may be read by several goroutines at once
}
