package sigstore

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"slices"

	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
)

// entryKinds are the kinds of log entries that are read, by the versions of their bodies
// (https://github.com/sigstore/rekor/tree/main/pkg/types, https://github.com/sigstore/rekor-tiles).
var entryKinds = map[string][]string{
	"hashedrekord": {"0.0.1", "0.0.2"},
	"dsse":         {"0.0.1"},
	"intoto":       {"0.0.2"},
}

// checkBody looks at the body of a log's entry before Rekor's parsers do: these verify the signature in it while they read it, with
// whatever key comes with it, long before it is known whether any log has signed the body.
func checkBody(e *protorekor.TransparencyLogEntry) error {
	body := e.GetCanonicalizedBody()
	if err := checkJSON(body, maxBundleDepth, maxBundleValues); err != nil {
		return err
	}
	o, ok := readObject(body)
	if !ok {
		return fail(Malformed, "the body of the log's entry is no JSON object")
	}
	if !slices.Contains(entryKinds[o.text("kind")], o.text("apiVersion")) {
		return fail(Unsupported, "log entries of kind %s, version %s are not known", quote(o.text("kind")), quote(o.text("apiVersion")))
	}
	var all any
	if err := json.Unmarshal(body, &all); err != nil {
		return fail(Malformed, "the body of the log's entry cannot be read")
	}
	return checkBodyKeys(all)
}

// checkBodyKeys refuses keys that are expensive to verify with, wherever in a body they are: PEM in base64.
func checkBodyKeys(v any) error {
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			if err := checkBodyKeys(member); err != nil {
				return err
			}
		}
	case []any:
		for _, member := range v {
			if err := checkBodyKeys(member); err != nil {
				return err
			}
		}
	case string:
		if text, err := base64.StdEncoding.DecodeString(v); err == nil && bytes.Contains(text, []byte("-----BEGIN")) {
			return checkPEM(text)
		}
	}
	return nil
}

func checkPEM(text []byte) error {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if c, certErr := x509.ParseCertificate(block.Bytes); certErr == nil {
			key, err = c.PublicKey, nil
		}
		if k, ok := key.(*rsa.PublicKey); err == nil && ok && k.N.BitLen() > maxRSABits {
			return fail(TooLarge, "a log entry has an RSA key of more than %d bits", maxRSABits)
		}
	}
}
