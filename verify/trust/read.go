package trust

import (
	"bytes"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// ReadCertificates returns the certificates of a file, DER: PEM, one in DER, PKCS #7 without signers (.p7b), in DER or PEM,
// or a serialized store (.sst). They have not been looked into.
func ReadCertificates(data []byte) ([][]byte, error) {
	switch {
	case len(data) > cms.MaxSize:
		return nil, fmt.Errorf("it has more than %d bytes", cms.MaxSize)
	case bytes.HasPrefix(data, storeMagic):
		return readStore(data)
	case bytes.Contains(data, []byte("-----BEGIN ")):
		return readPEM(data)
	}
	if _, err := cms.ParseCertificate(data); err == nil {
		return [][]byte{data}, nil
	}
	certs, err := cms.CertificateSet(data)
	if err != nil {
		return nil, errors.New("it is neither PEM nor a certificate, nor PKCS #7 nor a serialized store")
	}
	return certs, nil
}

func readPEM(data []byte) ([][]byte, error) {
	var out [][]byte
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return out, nil
		}
		switch block.Type {
		case "CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE":
			out = append(out, block.Bytes)
		case "PKCS7", "CMS":
			certs, err := cms.CertificateSet(block.Bytes)
			if err != nil {
				return nil, err
			}
			out = append(out, certs...)
		default:
			return nil, fmt.Errorf("it holds a %.40q; only certificates belong there", block.Type)
		}
		if len(out) > maxRoots {
			return nil, fmt.Errorf("it has more than %d certificates", maxRoots)
		}
	}
}

// storeMagic begins a serialized certificate store: version 0 and "CERT".
var storeMagic = []byte("\x00\x00\x00\x00CERT")

const (
	storeCertificate = 32 // CERT_CERT_PROP_ID
	storeHeader      = 12 // bytes: property, encoding, length, little endian
)

// readStore reads a serialized store: elements with a header each, certificates among them, and an element of zeros.
func readStore(data []byte) ([][]byte, error) {
	var out [][]byte
	for rest := data[len(storeMagic):]; ; {
		if len(rest) < storeHeader {
			return nil, errors.New("the serialized store ends in the middle")
		}
		kind, size := binary.LittleEndian.Uint32(rest), binary.LittleEndian.Uint32(rest[8:])
		if kind == 0 {
			return out, nil
		}
		rest = rest[storeHeader:]
		if uint64(size) > uint64(len(rest)) || len(out) > maxRoots {
			return nil, errors.New("the serialized store ends in the middle")
		}
		if kind == storeCertificate {
			out = append(out, rest[:size])
		}
		rest = rest[size:]
	}
}
