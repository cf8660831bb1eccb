// Package verify establishes facts about an artifact: who signed it, over which bytes, since when, and what that does
// not cover. It judges nothing; package policy does. It stands on the standard library only, so that every format and
// every layer above can share its vocabulary:
//
//	Artifact   one complete download at rest, immutable, with its digests
//	Sidecar    untrusted bytes published beside it: a signature, an InRelease, a bundle
//	Anchor     a key, certificate or identity that the operator trusts, by name
//	Finding    one fact about the artifact
//	Report     every fact about it, and the sidecars that were consulted
//	Verifier   what knows one signature system
//
// A Finding is about them, an error is about us. The zero Status is Inconclusive: whoever forgets to fill in a
// Finding has allowed nothing.
package verify
