package sigstore

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

// largeRSA is a public key of so many bits in PEM. Nobody knows its private key, and verifying with it takes its time.
func largeRSA(t *testing.T, bits int) []byte {
	t.Helper()
	n := make([]byte, bits/8)
	if _, err := rand.Read(n); err != nil {
		t.Fatal(err)
	}
	n[0] |= 0x80
	n[len(n)-1] |= 1
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 1<<31 - 1})
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// withBody returns a bundle whose log entry has another body.
func withBody(t *testing.T, bundle []byte, body any) []byte {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return edit(t, bundle, func(o map[string]any) {
		objectAt(o, "verificationMaterial", "tlogEntries", 0)["canonicalizedBody"] = text
	})
}

// TestKeysInLogBodies: Rekor's parsers verify the signature in a body while they read it, with the key in it.
func TestKeysInLogBodies(t *testing.T) {
	w := newWorld(t)
	bundle := w.Sign(update, ci)
	key := base64.StdEncoding.EncodeToString(largeRSA(t, 2*maxRSABits))
	after := base64.StdEncoding.EncodeToString(append([]byte("-----BEGIN NOTHING-----\nAA==\n-----END NOTHING-----\n"), largeRSA(t, 2*maxRSABits)...))
	sig := base64.StdEncoding.EncodeToString(make([]byte, 2*maxRSABits/8))
	type o = map[string]any
	for name, body := range map[string]o{
		"hashedrekord": {"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": o{
			"data":      o{"hash": o{"algorithm": "sha256", "value": strings.Repeat("00", 32)}},
			"signature": o{"content": sig, "publicKey": o{"content": key}}}},
		"behind another block": {"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": o{
			"data":      o{"hash": o{"algorithm": "sha256", "value": strings.Repeat("00", 32)}},
			"signature": o{"content": sig, "publicKey": o{"content": after}}}},
		"dsse":   {"apiVersion": "0.0.1", "kind": "dsse", "spec": o{"proposedContent": o{"envelope": "{}", "verifiers": []any{key}}}},
		"intoto": {"apiVersion": "0.0.2", "kind": "intoto", "spec": o{"content": o{"envelope": o{"payloadType": "x", "payload": "eA==", "signatures": []any{o{"sig": sig, "publicKey": key}}}}}},
	} {
		if _, err := Parse(withBody(t, bundle, body)); code(err) != TooLarge {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Old kinds of entries are nobody's fault, and say nothing about the bundle.
func TestKindsOfEntriesThatAreNotKnown(t *testing.T) {
	bundle := newWorld(t).Sign(update, ci)
	for _, kind := range []map[string]any{
		{"kind": "rekord", "apiVersion": "0.0.1", "spec": map[string]any{}},
		{"kind": "intoto", "apiVersion": "0.0.1", "spec": map[string]any{}},
		{"kind": "dsse", "apiVersion": "0.0.2", "spec": map[string]any{}},
		{},
	} {
		if _, err := Parse(withBody(t, bundle, kind)); code(err) != Unsupported {
			t.Errorf("%v: %v", kind, err)
		}
	}
}

// TestTimestampsOfStrangers: vendors have timestamping authorities of their own besides the instance's.
func TestTimestampsOfStrangers(t *testing.T) {
	w := newWorld(t)
	stamps := func(bundle []byte) any {
		var o map[string]any
		if err := json.Unmarshal(bundle, &o); err != nil {
			t.Fatal(err)
		}
		return objectAt(o, "verificationMaterial", "timestampVerificationData")
	}
	strange := stamps(sigstoretest.New("stranger.test", now).Sign(update, ci))
	foreign := edit(t, w.Sign(update, ci), func(o map[string]any) { objectAt(o, "verificationMaterial")["timestampVerificationData"] = strange })
	anothers := edit(t, w.Sign(update, ci), func(o map[string]any) {
		objectAt(o, "verificationMaterial")["timestampVerificationData"] = stamps(w.Sign(update, ci))
	})
	alone := ci
	alone.NoLog = true
	unlogged := edit(t, w.Sign(update, alone), func(o map[string]any) { objectAt(o, "verificationMaterial")["timestampVerificationData"] = strange })
	for name, c := range map[string]struct {
		data              []byte
		rekor, timestamps int
		want              string
	}{
		"beside a log's promise":             {foreign, 1, 0, "verifies"},
		"where one is asked for":             {foreign, 1, 1, "threshold"},
		"with nothing else":                  {unlogged, 0, 1, "timestamp"},
		"of our authority, over another one": {anothers, 1, 0, "timestamp"},
	} {
		d := w.demand
		d.Rekor, d.Timestamps = c.rekor, c.timestamps
		if r, err := check(c.data, digestOnly, d); codeOf(err) != c.want || r.Timestamps != 0 {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// TestRetiredLogBesideAPromise: a proof by a retired log does not count because another log promises an entry.
func TestRetiredLogBesideAPromise(t *testing.T) {
	w := newWorld(t)
	by := ci
	by.NoTimestamp = true
	id := base64.StdEncoding.EncodeToString(make([]byte, 32))
	twice := edit(t, w.Sign(update, by), func(o map[string]any) {
		second := maps.Clone(objectAt(o, "verificationMaterial", "tlogEntries", 0))
		delete(second, "inclusionPromise")
		delete(second, "integratedTime")
		second["logId"] = map[string]any{"keyId": id}
		m := objectAt(o, "verificationMaterial")
		m["tlogEntries"] = append(m["tlogEntries"].([]any), second)
	})
	for end, want := range map[time.Time]string{now.Add(-time.Hour): "threshold", now.Add(time.Hour): "verifies"} {
		root := edit(t, w.TrustedRoot(), func(o map[string]any) {
			first := objectAt(o, "tlogs", 0)
			key := maps.Clone(objectAt(first, "publicKey"))
			key["validFor"] = map[string]any{"start": now.AddDate(-1, 0, 0).Format(time.RFC3339), "end": end.Format(time.RFC3339)}
			second := maps.Clone(first)
			second["publicKey"], second["logId"] = key, map[string]any{"keyId": id}
			o["tlogs"] = append(o["tlogs"].([]any), second)
		})
		i, err := NewInstance(root)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := check(twice, digestOnly, Demand{Instance: i, Rekor: 2}); codeOf(err) != want {
			t.Errorf("log in use until %s: %v, want %s", end, err, want)
		}
	}
}
