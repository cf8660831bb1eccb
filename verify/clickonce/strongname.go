package clickonce

import (
	"crypto/rsa"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// checkStrongName checks the strong-name signature: its value with its own key, that the key is the one of the manifest's
// identity, and that it covers the whole manifest.
func (m *manifest) checkStrongName() error {
	if token := m.identity.Value("publicKeyToken"); !strings.EqualFold(token, publicKeyToken(m.keys.Key)) {
		return fmt.Errorf("%w: the manifest is of the public key token %.40q, the signature of %q", errIdentity, token, publicKeyToken(m.keys.Key))
	}
	if err := m.signature.Verify(m.keys.Key); err != nil {
		return err
	}
	covered := false
	for _, r := range m.signature.References {
		switch r.URI {
		case "":
			if covered {
				return broken("it refers to the manifest twice")
			}
			if err := m.signature.CheckDocument(r); err != nil {
				return fmt.Errorf("the manifest is not what was signed: %w", err)
			}
			covered = true
		default: // .NET can cover the KeyInfo as well
			if err := m.signature.CheckElement(r, m.signature.KeyInfo); err != nil {
				return fmt.Errorf("the KeyInfo: %w", err)
			}
		}
	}
	if !covered {
		return broken("it does not cover the manifest")
	}
	return nil
}

// publicKeyToken returns the short form of a strong-name key: the last eight bytes, in reverse order, of the SHA-1 digest
// of the public key as a CryptoAPI blob with the header that strong names have (ECMA-335 section II.6.3).
func publicKeyToken(k *rsa.PublicKey) string {
	const rsaSign, sha1ID, publicBlob = 0x2400, 0x8004, 0x0206
	modulus := k.N.Bytes()
	slices.Reverse(modulus)
	le := binary.LittleEndian
	var b []byte
	b = le.AppendUint32(b, rsaSign)
	b = le.AppendUint32(b, sha1ID)
	b = le.AppendUint32(b, uint32(20+len(modulus)))
	b = le.AppendUint32(b, publicBlob)
	b = le.AppendUint32(b, rsaSign)
	b = append(b, "RSA1"...)
	b = le.AppendUint32(b, uint32(8*len(modulus)))
	b = le.AppendUint32(b, uint32(k.E))
	sum := sha1.Sum(append(b, modulus...))
	token := sum[12:]
	slices.Reverse(token)
	return hex.EncodeToString(token)
}
