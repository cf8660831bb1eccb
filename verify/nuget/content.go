package nuget

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// hashes are the digest algorithms that a package signature may use.
var hashes = map[string]crypto.Hash{
	"2.16.840.1.101.3.4.2.1": crypto.SHA256,
	"2.16.840.1.101.3.4.2.2": crypto.SHA384,
	"2.16.840.1.101.3.4.2.3": crypto.SHA512,
}

// parseContent reads what a primary signature is of: "Version:1", an empty line, the package's digest as
// "<identifier of the algorithm>-Hash:<base64>", an empty line.
func parseContent(d *cms.SignedData) (crypto.Hash, []byte, error) {
	if d.ContentType != cms.OIDData || !d.Octets {
		return 0, nil, errors.New("it is not of a package's digest")
	}
	text := bytes.ReplaceAll(d.Content, []byte("\r\n"), []byte("\n"))
	rest, ok := bytes.CutPrefix(text, []byte("Version:1\n\n"))
	if !ok {
		return 0, nil, errors.New("its content is not of version 1")
	}
	line, rest, _ := bytes.Cut(rest, []byte("\n"))
	if strings.Trim(string(rest), "\n") != "" {
		return 0, nil, errors.New("its content has more than one digest")
	}
	name, value, ok := strings.Cut(string(line), "-Hash:")
	h := hashes[name]
	if !ok || h == 0 {
		return 0, nil, errors.New("its content uses an unknown digest algorithm")
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil || len(sum) != h.Size() {
		return 0, nil, errors.New("its content has no digest of the right length")
	}
	return h, sum, nil
}
