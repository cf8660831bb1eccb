package sigstore

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
	"google.golang.org/protobuf/encoding/protojson"
)

// bare is the verdict of sigstore-go alone on a bundle with a certificate: any identity, one log entry or timestamp as demanded.
func bare(data, trustedRoot []byte, a Artifact, d Demand) error {
	b := &bundle.Bundle{}
	if err := b.UnmarshalJSON(data); err != nil {
		return err
	}
	var p prototrustroot.TrustedRoot
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(trustedRoot, &p); err != nil {
		return err
	}
	tr, err := root.NewTrustedRootFromProtobuf(&p)
	if err != nil {
		return err
	}
	options := []sgverify.VerifierOption{sgverify.WithObserverTimestamps(1)}
	if d.Rekor > 0 {
		options = append(options, sgverify.WithTransparencyLog(d.Rekor))
	}
	if d.Timestamps > 0 {
		options = append(options, sgverify.WithSignedTimestamps(d.Timestamps))
	}
	if d.SCTs > 0 {
		options = append(options, sgverify.WithSignedCertificateTimestamps(d.SCTs))
	}
	v, err := sgverify.NewVerifier(tr, options...)
	if err != nil {
		return err
	}
	var failed error
	for _, alg := range subjectDigests {
		sum, err := a.digest(alg)
		if err != nil || sum == nil {
			continue
		}
		policy := sgverify.NewPolicy(sgverify.WithArtifactDigest(alg, sum), sgverify.WithoutIdentitiesUnsafe())
		if _, err := v.Verify(b, policy); err == nil {
			return nil
		} else if failed == nil {
			failed = err
		}
	}
	return failed
}

// samplesDir returns the folder of real samples, and skips the test if there is none.
func samplesDir(t testing.TB) string {
	dir := filepath.Join(os.Getenv("SALLYPORT_SAMPLES"), "sigstore")
	if _, err := os.Stat(dir); os.Getenv("SALLYPORT_SAMPLES") == "" || err != nil {
		t.Skip("SALLYPORT_SAMPLES names no folder with sigstore in it: real bundles are left out")
	}
	return dir
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// bundlesIn returns every bundle or envelope in a JSON document or a file of several.
func bundlesIn(data []byte) (out [][]byte) {
	var walk func(raw json.RawMessage)
	walk = func(raw json.RawMessage) {
		var o map[string]json.RawMessage
		var l []json.RawMessage
		switch {
		case json.Unmarshal(raw, &o) == nil:
			if o["mediaType"] != nil || o["payloadType"] != nil {
				out = append(out, raw)
				return
			}
			for _, v := range o {
				walk(v)
			}
		case json.Unmarshal(raw, &l) == nil:
			for _, v := range l {
				walk(v)
			}
		}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return out
		}
		walk(raw)
	}
}

func codeOf(err error) string {
	var e *Error
	switch {
	case err == nil:
		return "verifies"
	case errors.As(err, &e):
		return string(e.Code)
	}
	return "error: " + err.Error()
}

// bareKey is the verdict of sigstore-go alone on a bundle by a key.
func bareKey(data []byte, key crypto.PublicKey, a Artifact) error {
	b := &bundle.Bundle{}
	if err := b.UnmarshalJSON(data); err != nil {
		return err
	}
	tm := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) {
		v, err := signature.LoadDefaultVerifier(key)
		if err != nil {
			return nil, err
		}
		return root.NewExpiringKey(v, time.Time{}, time.Time{}), nil
	})
	v, err := sgverify.NewVerifier(tm, sgverify.WithNoObserverTimestamps())
	if err != nil {
		return err
	}
	_, err = v.Verify(b, sgverify.NewPolicy(sgverify.WithArtifactDigest("sha256", a.SHA256[:]), sgverify.WithKey()))
	return err
}

func hexOf[T ~[64]byte | ~[48]byte | ~[32]byte](sum T) string {
	out := ""
	for i := range len(sum) {
		out += hex.EncodeToString([]byte{sum[i]})
	}
	return out
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
