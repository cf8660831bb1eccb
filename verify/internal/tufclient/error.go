package tufclient

import "fmt"

// Codes of Error.
const (
	NotListed      = "not-listed"      // no role that is trusted for the path lists it
	DigestMismatch = "digest-mismatch" // length or hash is not what the listing metadata says
	Expired        = "expired"         // metadata that expired: the repository may be frozen
	Rollback       = "rollback"        // an older version than one that was seen
	FastForward    = "fast-forward"    // a version number so high that no later one could follow
	Threshold      = "threshold"       // too few valid signatures of distinct keys
	MixAndMatch    = "mix-and-match"   // a version that does not fit the metadata that names it
	Oversize       = "oversize"        // larger, deeper, longer or more than the limits allow
	Malformed      = "malformed"       // not metadata, or metadata of another role
	Unsupported    = "unsupported"     // another major version of the specification, or hashes that we do not know
	Unavailable    = "unavailable"     // could not be fetched, or nothing was fetched yet
	Clock          = "clock"           // our clock says a time before one at which fresh metadata was proved
	UnknownVersion = "unknown-version" // of Offer: not a version that can be judged
	UnknownRole    = "unknown-role"    // of Offer: no role that is loaded delegates to it
)

// Error is something wrong with the repository, or with what somebody serves in its place. Every other error of this package is
// about ourselves: storage, or a context that ended.
type Error struct {
	Code   string // one of the codes
	Role   string // whose metadata, "" if it is about none
	Detail string // one sentence for a person, with numbers
	Err    error  // the cause, where another error is
}

func (e *Error) Error() string { return e.Code + ": " + e.Detail }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Inconclusive reports whether nothing wrong was seen, but nothing could be told either.
func (e *Error) Inconclusive() bool {
	switch e.Code {
	case Unavailable, Clock, UnknownVersion, UnknownRole:
		return true
	}
	return false
}

func failf(code, role, format string, args ...any) *Error {
	return &Error{Code: code, Role: role, Detail: fmt.Sprintf(format, args...)}
}
