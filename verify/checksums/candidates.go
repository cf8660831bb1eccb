package checksums

import (
	"github.com/sallyport-project/sallyport/verify/internal/beside"
)

// ownLists are the endings of lists that are about one file.
var ownLists = []string{".sha256", ".sha512"}

// directoryLists are the names of lists that are about a whole directory, the most usual first.
var directoryLists = []string{
	"SHA256SUMS", "SHA512SUMS", "SHA256SUMS.txt", "sha256sum.txt", "sha256sums.txt", "SHASUMS256.txt", "sha256sums.asc",
	"CHECKSUM", "CHECKSUMS", "checksums.txt", "SHA256",
}

// place is a list that may exist, and what it is called in a minisign comment.
type place struct{ ref, name string }

// places returns where lists may lie, in the order in which they are asked for.
func places(p beside.Place, embedded bool) []place {
	var out []place
	for _, suffix := range ownLists {
		out = append(out, place{p.Ref(suffix), p.Name + suffix})
	}
	for _, name := range directoryLists {
		if name != p.Name {
			out = append(out, place{p.Sibling(name), name})
		}
	}
	if embedded {
		out = append(out, place{p.Sibling("SHA256.sig"), "SHA256.sig"})
	}
	return out
}

// suffixes returns the endings under which a list's signature may lie, given the kinds of key there are.
func (k *keys) suffixes() []string {
	var out []string
	if len(k.keyrings) > 0 {
		out = append(out, ".asc", ".gpg", ".sig", ".sign")
	} else if len(k.signify) > 0 {
		out = append(out, ".sig")
	}
	if len(k.minisign) > 0 {
		out = append(out, ".minisig")
	}
	return out
}
