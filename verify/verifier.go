package verify

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"time"
)

// Verifier knows one signature system. It is used by several goroutines at once.
type Verifier interface {
	// Method returns the name that findings, policies and documents use.
	Method() string
	// Match reports whether Verify has anything to say. It reads content at most and asks nobody.
	Match(*Artifact) bool
	// Verify returns facts. An error means that we failed (a disk, a cancelled context), and becomes an
	// Inconclusive finding; anything wrong with the artifact or its sidecars is a Finding.
	Verify(context.Context, *Artifact, Env) ([]Finding, error)
}

// Classifier is a Verifier whose system publishes metadata that clients fetch by itself.
type Classifier interface {
	Verifier
	// IsMetadata reports whether an artifact is, by its name and URL, metadata of this system.
	IsMetadata(*Artifact) bool
}

// Tapper is a Verifier that can do part of its work while the bytes arrive.
type Tapper interface {
	Verifier
	// Tap returns a Tap for an artifact that begins with head (some KiB, or the whole of a smaller one),
	// or nil if the verifier has no use for one. The head is written to the Tap again.
	Tap(head []byte) Tap
}

// Tap sees every byte of an artifact once, in order, from one goroutine. Write never fails and keeps nothing of p.
type Tap interface {
	io.Writer
	// Sum adds what was computed to m (see Digests.Taps). It is called once, after the last byte.
	Sum(m map[string][]byte)
}

// Env is what a Verifier may use besides the artifact.
type Env struct {
	Sidecars Sidecars
	Memory   Memory
	Trust    Trust
	At       time.Time // the time of judgement
	Inside   bool      // containers are opened, and what is in them is examined as well
}

// Sidecars fetches untrusted evidence that is published beside an artifact.
type Sidecars interface {
	// Fetch returns what is at ref, a URL reference relative to the artifact's URL or an absolute URL below Trust.Sources, if it has at most limit bytes.
	// The error is ErrNotExist where the origin says that there is none, ErrTooLarge, or something else where
	// it could not be told. The caller must not change the bytes.
	Fetch(ctx context.Context, ref string, limit int64) ([]byte, error)
}

// Errors of Sidecars.Fetch.
var (
	ErrNotExist   = errors.New("sidecar does not exist")
	ErrTooLarge   = errors.New("sidecar is larger than allowed")
	ErrNoSidecars = errors.New("no sidecars are available here") // nothing is ever fetched here, whatever it is
)

// NoSidecars has nothing and says that it could not be told.
type NoSidecars struct{}

// Fetch implements Sidecars. It returns ErrNoSidecars.
func (NoSidecars) Fetch(context.Context, string, int64) ([]byte, error) { return nil, ErrNoSidecars }

// HasSidecars returns false.
func (NoSidecars) HasSidecars() bool { return false }

// HasSidecars reports whether s may have anything. Where it has not, a verifier that has nothing to say without
// sidecars need not ask.
func HasSidecars(s Sidecars) bool {
	h, ok := s.(interface{ HasSidecars() bool })
	return s != nil && (!ok || h.HasSidecars())
}

// HasSidecars reports whether what the recorder takes note of may have anything.
func (r *recorder) HasSidecars() bool { return HasSidecars(r.from) }

// HasSidecars returns false: nothing is published beside a file inside a container.
func (nothingBeside) HasSidecars() bool { return false }

// Memory keeps what must never go backwards, such as the Date of an apt Release, for each anchor.
// Implementations survive restarts.
type Memory interface {
	// Load returns the remembered value, or nil if there is none.
	Load(anchor, key string) ([]byte, error)
	// Advance replaces old (nil: nothing) by new, or returns ErrConflict if old is no longer what is there.
	// It is called with proven values only, and is durable when it returns.
	Advance(anchor, key string, old, new []byte) error
}

// ErrConflict is returned by Memory.Advance when somebody else advanced first: load again.
var ErrConflict = errors.New("memory changed meanwhile")

// Trust is what the operator trusts, taken from the policy and the configuration.
type Trust struct {
	// Epoch changes whenever anything else in here does; reports made under another Epoch are made again.
	Epoch string
	// CodeSigning and Timestamping are the roots for Authenticode; nil means the set that is built in.
	CodeSigning, Timestamping []*x509.Certificate
	// CodeSigningLimits and TimestampingLimits restrict some of these roots.
	CodeSigningLimits, TimestampingLimits []RootLimit
	// Publishers are the anchors for Authenticode that bring roots of their own, which vouch under these anchors only.
	Publishers []Authority
	// Revocation is what is known about revoked certificates.
	Revocation Revocation
	// Keyrings are the OpenPGP keys by anchor.
	Keyrings []Keyring
	// PublicKeys are the minisign and signify keys by anchor.
	PublicKeys []PublicKey
	// Authorities are the anchors whose roots issue the certificates of detached CMS signatures.
	Authorities []Authority
	// TUF are the repositories of The Update Framework by anchor.
	TUF []TUFAnchor
	// Sigstore are the identities and keys for Sigstore by anchor.
	Sigstore []SigstoreAnchor
	// Pins are the anchors that list a digest, by digest.
	Pins map[Digest][]string
}

// PublicKey is one bare public key of an anchor; an anchor may have several.
type PublicKey struct {
	Anchor string
	System string // whose signatures it makes: "minisign" or "signify"
	Data   []byte // as in a public key file of that system, base64 undone: algorithm, key id, key
}

// Authority is the roots of one anchor, in which the chains of its signers end.
type Authority struct {
	Anchor string
	Roots  []*x509.Certificate
}

// Keyring is the OpenPGP keys of one anchor, and what an apt archive signed by them is allowed to do.
type Keyring struct {
	Anchor string
	Data   []byte        // one or more transferable public keys (RFC 9580 section 10.1), binary or armoured
	Suites []string      // apt: suites to try for a package when none was seen yet, such as "bookworm"; may be empty
	Lag    time.Duration // apt: how much older than the newest seen a Release may be (lagging mirrors); 0 means 24 h
}
