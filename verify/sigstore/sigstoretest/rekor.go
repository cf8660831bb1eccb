package sigstoretest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/bits"
	"strconv"
	"time"
)

// log is a transparency log: a Merkle tree (RFC 6962 section 2.1) whose head it signs.
type log struct {
	host   string
	tiled  bool // version 2: no promises and no times, an Ed25519 key
	key    crypto.Signer
	id     []byte
	leaves [][32]byte
}

func newLog(host string, tiled bool) *log {
	if !tiled {
		key := newECDSA()
		return &log{host: host, key: key, id: keyID(key.Public())}
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(append([]byte(host+"\n\x01"), public...)) // C2SP signed-note, "Signature types"
	return &log{host: host, tiled: true, key: key, id: sum[:]}
}

func (l *log) sign(message []byte) []byte {
	if k, ok := l.key.(ed25519.PrivateKey); ok {
		return ed25519.Sign(k, message)
	}
	digest := sha256.Sum256(message)
	return must(ecdsa.SignASN1(rand.Reader, l.key.(*ecdsa.PrivateKey), digest[:]))
}

// append puts an entry into the log and returns it as a bundle holds it (TransparencyLogEntry).
func (l *log) append(kind, version string, body []byte, at time.Time) object {
	index := len(l.leaves)
	l.leaves = append(l.leaves, sha256.Sum256(append([]byte{0}, body...)))
	root := head(l.leaves)
	var path [][]byte
	for _, h := range proof(index, l.leaves) {
		path = append(path, h[:])
	}
	entry := object{
		"logIndex": strconv.Itoa(index), "logId": object{"keyId": l.id}, "kindVersion": object{"kind": kind, "version": version},
		"inclusionProof": object{
			"logIndex": strconv.Itoa(index), "rootHash": root[:], "treeSize": strconv.Itoa(len(l.leaves)), "hashes": path,
			"checkpoint": object{"envelope": l.checkpoint(root)},
		},
		"canonicalizedBody": body,
	}
	if !l.tiled {
		entry["integratedTime"] = strconv.FormatInt(at.Unix(), 10)
		entry["inclusionPromise"] = object{"signedEntryTimestamp": l.promise(index, body, at)}
	}
	return entry
}

// promise signs the canonical JSON (RFC 8785) of an entry: its keys are in order, and nothing in it needs escapes.
func (l *log) promise(index int, body []byte, at time.Time) []byte {
	return l.sign(must(json.Marshal(struct {
		Body           []byte `json:"body"`
		IntegratedTime int64  `json:"integratedTime"`
		LogID          string `json:"logID"`
		LogIndex       int    `json:"logIndex"`
	}{body, at.Unix(), hex.EncodeToString(l.id), index})))
}

func (l *log) checkpoint(root [32]byte) string {
	origin := l.host
	if !l.tiled {
		origin += " - 1193050959916656506"
	}
	text := fmt.Sprintf("%s\n%d\n%s\n", origin, len(l.leaves), base64.StdEncoding.EncodeToString(root[:]))
	sig := append(append([]byte(nil), l.id[:4]...), l.sign([]byte(text))...)
	return fmt.Sprintf("%s\n\u2014 %s %s\n", text, l.host, base64.StdEncoding.EncodeToString(sig))
}

// split returns the largest power of two below n.
func split(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }

func head(leaves [][32]byte) [32]byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := split(len(leaves))
	left, right := head(leaves[:k]), head(leaves[k:])
	return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
}

func proof(index int, leaves [][32]byte) [][32]byte {
	if len(leaves) == 1 {
		return nil
	}
	k := split(len(leaves))
	if index < k {
		return append(proof(index, leaves[:k]), head(leaves[k:]))
	}
	return append(proof(index-k, leaves[k:]), head(leaves[:k]))
}

// material is whoever signed, as an entry names them: a certificate or a public key, in DER.
type material struct {
	certificate bool
	der         []byte
	details     string // PublicKeyDetails of protobuf-specs
}

func (m material) pem() []byte {
	kind := "PUBLIC KEY"
	if m.certificate {
		kind = "CERTIFICATE"
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: m.der})
}

// hashed returns the body of an entry of kind hashedrekord.
func (l *log) hashed(digest, sig []byte, by material) (version string, body []byte) {
	if !l.tiled {
		return "0.0.1", must(json.Marshal(object{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": object{
			"data":      object{"hash": object{"algorithm": "sha256", "value": hex.EncodeToString(digest)}},
			"signature": object{"content": sig, "publicKey": object{"content": by.pem()}},
		}}))
	}
	verifier := object{"keyDetails": by.details}
	if by.certificate {
		verifier["x509Certificate"] = object{"rawBytes": by.der}
	} else {
		verifier["publicKey"] = object{"rawBytes": by.der}
	}
	return "0.0.2", must(json.Marshal(object{"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": object{"hashedRekordV002": object{
		"data":      object{"algorithm": "SHA2_256", "digest": digest},
		"signature": object{"content": sig, "verifier": verifier},
	}}}))
}

// enveloped returns the body of an entry of kind dsse.
func enveloped(envelope, payload, sig []byte, by material) []byte {
	hash := func(b []byte) object {
		sum := sha256.Sum256(b)
		return object{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}
	}
	return must(json.Marshal(object{"apiVersion": "0.0.1", "kind": "dsse", "spec": object{
		"envelopeHash": hash(envelope), "payloadHash": hash(payload),
		"signatures": []object{{"signature": base64.StdEncoding.EncodeToString(sig), "verifier": by.pem()}},
	}}))
}
