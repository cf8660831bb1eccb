package policy

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

const (
	maxPublicKeys = 64   // in one file
	minRSA        = 2048 // bits
)

// publicKeys reads one value of key or keys: the PEM text of public keys, or a file of it.
func (b *builder) publicKeys(n node) [][]byte {
	text := n.text()
	if text == "" {
		return nil
	}
	what, data := "the key", []byte(text)
	if !strings.Contains(text, "-----BEGIN") {
		var ok bool
		if data, ok = b.named(n, "key file"); !ok {
			return nil
		}
		what = "the key file " + quote(text)
	}
	keys, err := parsePublicKeys(data)
	if err != nil {
		b.add(n, "", "%s cannot be used: %v", what, err)
	}
	return keys
}

// parsePublicKeys reads the PUBLIC KEY blocks of PEM data (RFC 7468 section 13) and returns each SubjectPublicKeyInfo in
// DER. There must be at least one.
func parsePublicKeys(data []byte) ([][]byte, error) {
	var out [][]byte
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		der, err := publicKey(block)
		if err != nil {
			return nil, err
		}
		if out = append(out, der); len(out) > maxPublicKeys {
			return nil, fmt.Errorf("it has more than %d keys", maxPublicKeys)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("it has no public key in PEM in it")
	}
	return out, nil
}

func publicKey(block *pem.Block) ([]byte, error) {
	var key any
	var err error
	switch {
	case strings.Contains(block.Type, "PRIVATE KEY"):
		return nil, errors.New("it holds a private key: what a policy names is public")
	case block.Type == "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, fmt.Errorf("it holds a %s, not a PUBLIC KEY", quote(block.Type))
	}
	if err != nil {
		return nil, fmt.Errorf("a key in it cannot be parsed: %w", err)
	}
	if err := strong(key); err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(key)
}

// strong says why nobody should rely on a key.
func strong(key any) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return fmt.Errorf("it has an RSA key of %d bits, the least is %d", k.N.BitLen(), minRSA)
		}
	case *ecdsa.PublicKey:
		if k.Curve.Params().BitSize < 256 {
			return fmt.Errorf("it has a key on %s, which is too small", k.Curve.Params().Name)
		}
	case ed25519.PublicKey:
	default:
		return errors.New("it has a key of a kind that signs nothing for Sigstore")
	}
	return nil
}
