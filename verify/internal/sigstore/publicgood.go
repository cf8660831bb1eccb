package sigstore

import (
	_ "embed" // for the trusted root
	"slices"
)

// publicGood is the target trusted_root.json of version 14 of the targets of that instance's TUF repository
// (https://tuf-repo-cdn.sigstore.dev), 6,787 bytes with the SHA-256
// 6494e21ea73fa7ee769f85f57d5a3e6a08725eae1e38c755fc3517c9e6bc0b66, as of August 2026. It was verified by the TUF client workflow
// from root 14, which sigstore-go v1.3.0 has, over root 15, timestamp 762 and snapshot 165.
//
//go:embed publicgood.json
var publicGood []byte

// PublicGood returns the trusted root of the public-good instance (fulcio.sigstore.dev) that this program starts with.
func PublicGood() []byte { return slices.Clone(publicGood) }
