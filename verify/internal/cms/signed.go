package cms

import (
	"crypto/sha256"

	"github.com/sallyport-project/sallyport/verify/internal/lru"
)

// maxSigned is how many signatures of certificates are remembered that fit.
const maxSigned = 4096

// signedPairs remembers which certificates were signed by which, for as long as the process lives: the two thousand
// programs of one installer come with the same few. A pair is known by all bytes of both certificates, and is in it only
// if the signature fits, which no later event changes.
var signedPairs = lru.New[[2][sha256.Size]byte, struct{}](maxSigned)

// signed is c.signedBy(issuer), remembered.
func signed(c, issuer *Certificate) bool {
	pair := [2][sha256.Size]byte{sha256.Sum256(c.Raw), sha256.Sum256(issuer.Raw)}
	if _, known := signedPairs.Get(pair); known {
		return true
	}
	if !c.signedBy(issuer) {
		return false
	}
	signedPairs.Put(pair, struct{}{}, 1)
	return true
}
