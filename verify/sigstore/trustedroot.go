package sigstore

import core "github.com/sallyport-project/sallyport/verify/internal/sigstore"

// CheckTrustedRoot says why nothing could be verified by a trusted root (a trusted_root.json): it cannot be read, or names nobody.
func CheckTrustedRoot(data []byte) error {
	_, err := core.NewInstance(data)
	return err
}
