package sigstoretest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sallyport-project/sallyport/verify"
)

// Signer says who signs and how. The zero value of everything but Identity or Key is what the public services do.
type Signer struct {
	Identity string          // subject alternative name: a URI, or an e-mail address
	Issuer   string          // OIDC issuer
	Workload verify.Workload // what the certificate says of the run
	Key      *Key            // signs instead of a certificate

	At          time.Time     // when; zero: when the instance does
	Late        time.Duration // how much later the log and the timestamping authority see it
	Version     string        // of the bundle: "0.1", "0.2" or "0.3"; "" is "0.3"
	Rekor2      bool          // the entry is in a log of version 2, which needs a timestamp
	NoLog       bool          // no entry of any log
	NoTimestamp bool          // no RFC 3161 timestamp
	NoSCT       bool          // the certificate is in no certificate transparency log
}

// Key is a key that an operator knows, without any certificate.
type Key struct {
	Hint    string // as bundles name it
	private crypto.Signer
}

// NewKey makes an ECDSA key on P-256. Its hint is a digest of it, as those of npm's keys are.
func NewKey() *Key {
	private := newECDSA()
	return &Key{fingerprint(private.Public()), private}
}

// NewEd25519Key makes an Ed25519 key, likewise.
func NewEd25519Key() *Key {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return &Key{fingerprint(public), private}
}

func fingerprint(public crypto.PublicKey) string {
	return ssh.FingerprintSHA256(must(ssh.NewPublicKey(public)))
}

// Public returns the public key (SubjectPublicKeyInfo, DER).
func (k *Key) Public() []byte { return must(x509.MarshalPKIXPublicKey(k.private.Public())) }

// signing is one signature in the making.
type signing struct {
	Signer
	at      time.Time
	key     crypto.Signer
	by      material
	version string
}

func (i *Instance) begin(s Signer) *signing {
	out := &signing{Signer: s, at: s.At.UTC(), version: s.Version}
	if s.At.IsZero() {
		out.at = i.At
	}
	if out.version == "" {
		out.version = "0.3"
	}
	if s.Key != nil {
		out.key = s.Key.private
		out.by = material{der: s.Key.Public(), details: "PKIX_ECDSA_P256_SHA_256"}
		if _, ok := out.key.(ed25519.PrivateKey); ok {
			out.by.details = "PKIX_ED25519"
		}
		return out
	}
	key := newECDSA()
	out.key = key
	out.by = material{certificate: true, der: i.leaf(s, key.Public(), out.at).Raw, details: "PKIX_ECDSA_P256_SHA_256"}
	return out
}

func (s *signing) sign(message []byte) []byte {
	if k, ok := s.key.(ed25519.PrivateKey); ok {
		return ed25519.Sign(k, message)
	}
	digest := sha256.Sum256(message)
	return must(ecdsa.SignASN1(rand.Reader, s.key.(*ecdsa.PrivateKey), digest[:]))
}

// seen is when the log and the timestamping authority see the signature: within the certificate's ten minutes.
func (s *signing) seen() time.Time { return s.at.Add(time.Minute + s.Late) }

func (s *signing) mediaType() string {
	if s.version == "0.3" {
		return "application/vnd.dev.sigstore.bundle.v0.3+json"
	}
	return "application/vnd.dev.sigstore.bundle+json;version=" + s.version
}

// material returns a bundle's verificationMaterial.
func (i *Instance) material(s *signing, sig []byte, entry func(*log) object) object {
	m := object{}
	switch {
	case s.Key != nil:
		m["publicKey"] = object{"hint": s.Key.Hint}
	case s.version == "0.3":
		m["certificate"] = object{"rawBytes": s.by.der}
	default:
		m["x509CertificateChain"] = object{"certificates": []object{{"rawBytes": s.by.der}}}
	}
	if !s.NoLog {
		l := i.rekor1
		if s.Rekor2 {
			l = i.rekor2
		}
		m["tlogEntries"] = []object{entry(l)}
	}
	if !s.NoTimestamp {
		m["timestampVerificationData"] = object{"rfc3161Timestamps": []object{{"signedTimestamp": i.timestamp(sig, s.seen())}}}
	}
	return m
}

// Sign returns a bundle with a message signature over the artifact.
func (i *Instance) Sign(artifact []byte, by Signer) []byte {
	s := i.begin(by)
	digest := sha256.Sum256(artifact)
	sig := s.sign(artifact)
	return must(json.Marshal(object{
		"mediaType": s.mediaType(),
		"verificationMaterial": i.material(s, sig, func(l *log) object {
			version, body := l.hashed(digest[:], sig, s.by)
			return l.append("hashedrekord", version, body, s.seen())
		}),
		"messageSignature": object{"messageDigest": object{"algorithm": "SHA2_256", "digest": digest[:]}, "signature": sig},
	}))
}

const statementType = "application/vnd.in-toto+json"

// PAE is what a DSSE signature is made over (https://github.com/secure-systems-lab/dsse/blob/master/protocol.md).
func PAE(payloadType string, payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
}

// Attest returns a bundle with an envelope (DSSE) around a statement.
func (i *Instance) Attest(statement []byte, by Signer) []byte {
	s := i.begin(by)
	pae := PAE(statementType, statement)
	sig := s.sign(pae)
	keyid := ""
	if s.Key != nil {
		keyid = fingerprint(s.Key.private.Public())
	}
	envelope := object{
		"payload": statement, "payloadType": statementType,
		"signatures": []object{{"sig": base64.StdEncoding.EncodeToString(sig), "keyid": keyid}},
	}
	return must(json.Marshal(object{
		"mediaType": s.mediaType(),
		"verificationMaterial": i.material(s, sig, func(l *log) object {
			if l.tiled {
				digest := sha256.Sum256(pae)
				version, body := l.hashed(digest[:], sig, s.by)
				return l.append("hashedrekord", version, body, s.seen())
			}
			body := enveloped(must(json.Marshal(envelope)), statement, sig, s.by)
			return l.append("dsse", "0.0.1", body, s.seen())
		}),
		"dsseEnvelope": envelope,
	}))
}
