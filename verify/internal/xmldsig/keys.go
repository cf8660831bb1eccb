package xmldsig

import (
	"crypto/rsa"
	"math/big"
)

// ReadRSA reads a ds:KeyValue with an RSAKeyValue (section 4.5.2.2). The key has 1024 to 8192 bits.
func ReadRSA(e *Element) (*rsa.PublicKey, error) {
	if !e.Is(NS, "KeyValue") || len(e.Attributes) > 0 {
		return nil, malformed("no KeyValue")
	}
	outer, err := e.Structure()
	if err != nil || len(outer) != 1 || !outer[0].Is(NS, "RSAKeyValue") || len(outer[0].Attributes) > 0 {
		return nil, unsupported("a key that is none for RSA")
	}
	parts, err := outer[0].Structure()
	if err != nil || len(parts) != 2 || !parts[0].Is(NS, "Modulus") || !parts[1].Is(NS, "Exponent") || len(parts[0].Attributes)+len(parts[1].Attributes) > 0 {
		return nil, malformed("RSA key")
	}
	n, err := Base64(parts[0])
	if err != nil {
		return nil, err
	}
	exponent, err := Base64(parts[1])
	if err != nil {
		return nil, err
	}
	k := &rsa.PublicKey{N: new(big.Int).SetBytes(n)}
	x := new(big.Int).SetBytes(exponent)
	if bits := k.N.BitLen(); len(n) > 1100 || bits < 1024 || bits > 8192 || x.BitLen() > 31 || x.Int64() < 3 || x.Bit(0) == 0 {
		return nil, unsupported("an RSA key of an unsafe size")
	}
	k.E = int(x.Int64())
	return k, nil
}
