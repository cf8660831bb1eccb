package tuf

import (
	"encoding/json"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
)

// signedPart returns the canonical form of what the signatures of a metadata file are over.
func signedPart(t testing.TB, body []byte) []byte {
	t.Helper()
	var file struct {
		Signed json.RawMessage `json:"signed"`
	}
	if err := json.Unmarshal(body, &file); err != nil {
		t.Fatal(err)
	}
	var signed any
	if err := json.Unmarshal(file.Signed, &signed); err != nil {
		t.Fatal(err)
	}
	out, err := cjson.EncodeCanonical(signed)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
