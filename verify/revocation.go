package verify

import (
	"sync"
	"time"
)

// Revocation is what is known about revoked X.509 certificates, and what is to be thought where nothing is known.
type Revocation struct {
	Lists []*RevocationList
	// Required makes a signature Untrusted unless lists say of every certificate in its path that it is not revoked.
	Required bool
	// MaxStale is how long a list that should have been replaced still says who is not revoked. Who is on a list stays
	// revoked however old it is.
	MaxStale time.Duration
	// Seen, if not nil, is told of certificates in paths that lead to trusted roots. It returns at once, fetches
	// nothing, and may be called by several goroutines.
	Seen func(Published)
}

// Published says where an issuer publishes its revocation lists.
type Published struct {
	Issuer      []byte   // its certificate, DER; it leads to a trusted root, or is one
	Certificate []byte   // one that it issued, DER
	URLs        []string // http URLs that this certificate names; each should give all that concerns it
}

// RevocationList is one certificate revocation list (RFC 5280 section 5). It must not be copied.
type RevocationList struct {
	Name string // where it is from, for people: a file or a URL
	Data []byte // DER; not to be changed

	once   sync.Once
	parsed any
}

// Parsed returns what parse makes of Data, and calls it the first time only: such lists can be large. Everybody has to
// pass the same function.
func (l *RevocationList) Parsed(parse func([]byte) any) any {
	l.once.Do(func() { l.parsed = parse(l.Data) })
	return l.parsed
}

// RootLimit is for what a root is not trusted although it is one, as Microsoft's list of roots has it.
type RootLimit struct {
	Root         Digest    // SHA-256 of the root's certificate
	SignedBefore time.Time // trusted for what was signed, as a timestamp proves, before this time only; zero: for all
	IssuedBefore time.Time // trusted for signers' certificates that begin before this time only; zero: for all
}
