package sigstore

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// What is read at most. A bundle over a limit is refused with TooLarge, whatever is in it.
const (
	MaxBundle = 16 << 20 // bytes of JSON; GitHub stores attestations up to this size
	MaxRoot   = 4 << 20  // bytes of a trusted root; the public-good instance's has 7 thousand

	maxBundleDepth    = 32      // objects and arrays in one another; a bundle needs 6
	maxBundleValues   = 20_000  // values in a bundle's JSON; the statement is one of them
	maxStatementDepth = 128     // bills of materials nest deeply
	maxStatement      = 500_000 // values in a statement's JSON; a large bill of materials has some 100,000

	maxEntries      = 32        // entries of logs, as in sigstore-go
	maxEntryBody    = 256 << 10 // bytes of a canonicalized entry
	maxProofHashes  = 64        // a proof in a tree of 2^63 leaves has 63
	maxCheckpoint   = 64 << 10  // bytes of a signed tree head
	maxTimestamps   = 32        // RFC 3161 timestamps, as in sigstore-go
	maxTimestamp    = 32 << 10  // bytes of one; with certificates they have 6 thousand
	maxTSACerts     = 8         // certificates in a timestamp
	maxRSABits      = 8192      // of keys that come with a bundle
	maxCertificates = 16        // in a chain
	maxCertificate  = 64 << 10  // bytes, DER
	maxSignature    = 64 << 10  // bytes
	maxSubjects     = 1024      // in a statement, as in sigstore-go
	maxDigests      = 32        // of a subject, as in sigstore-go
	maxKeys         = 64        // in a Demand
	maxText         = 2048      // bytes of a claim that is passed on

	// MaxStreamed is the largest artifact, in bytes, that is read for a signature over the bytes themselves (pure Ed25519).
	MaxStreamed = 4 << 30

	maxReread  = 2 * MaxStreamed // bytes of one artifact that are read for all such signatures together
	maxRereads = 8               // and how often
)

// claim returns s if it can be passed on: text of a sensible length. Longer text is dropped, not cut, since the beginning of a
// claim is another claim.
func claim(s string) string {
	if len(s) > maxText || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return ""
	}
	return s
}

// shorten returns what of s a person should be shown.
func shorten(s string) string {
	const most = 120
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// reason returns what an error says on one line, shortened.
func reason(err error) string { return shorten(strings.Join(strings.Fields(err.Error()), " ")) }

// quote returns s shortened and with everything that is not printable escaped.
func quote(s string) string { return fmt.Sprintf("%q", shorten(s)) }
