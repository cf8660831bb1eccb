package main

import (
	_ "embed" // for the trusted root of the staging instance
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// staging is the trusted root of the staging instance: target trusted_root.json of version 28 of the targets of its TUF repository
// (SHA-256 44deb991…ace6ed8), which root 14 signs; root 14 follows the root 13 that sigstore-go v1.3.0 has.
//
//go:embed staging.json
var staging []byte

// star stands for itself nowhere in an anchor's identity, and the suite asks for exact names.
const star = "*"

// anchor returns what the command line trusts: a log entry and, for certificates, a certificate timestamp are asked for as the
// suite's reference clients ask for them.
func (q *question) anchor() (*verify.SigstoreAnchor, error) {
	data, err := read(q.bundle)
	if err != nil {
		return nil, err
	}
	if strings.Contains(q.identity+q.issuer, star) {
		return nil, fmt.Errorf("identity and issuer are exact names, without %q", star)
	}
	a := &verify.SigstoreAnchor{
		Anchor:   "conformance",
		Identity: q.identity,
		Issuer:   q.issuer,
		Rekor:    1,
		SCTs:     1,
		Local:    []verify.LocalBundle{{Name: q.bundle, Data: data}},
	}
	if a.TrustedRoot, err = q.trustedRoot(); err != nil {
		return nil, err
	}
	if q.key != "" {
		if a.Keys, err = readKey(q.key); err != nil {
			return nil, err
		}
		a.SCTs = 0
	}
	if !hasLogs(a) {
		a.Rekor = 0
	}
	return a, nil
}

// trustedRoot returns nil for the public-good instance, which the verifier knows.
func (q *question) trustedRoot() ([]byte, error) {
	switch {
	case q.root != "":
		return read(q.root)
	case q.staging:
		return staging, nil
	}
	return nil, nil
}

const maxFile = 64 << 20 // bytes of a bundle, trusted root or key

// read returns a file of sensible size: a device may have no end.
func read(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", name, maxFile)
	}
	return data, err
}

// hasLogs reports whether the anchor's instance has transparency logs.
func hasLogs(a *verify.SigstoreAnchor) bool {
	if a.TrustedRoot == nil {
		return len(a.Keys) == 0
	}
	var root struct {
		Logs []json.RawMessage `json:"tlogs"`
	}
	return json.Unmarshal(a.TrustedRoot, &root) != nil || len(root.Logs) > 0
}

func readKey(name string) ([][]byte, error) {
	data, err := read(name)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, fmt.Errorf("%s holds no public key in PEM", name)
	}
	return [][]byte{block.Bytes}, nil
}
