// Package sigstoretest is a Sigstore instance of its own, in process, for tests and drills: a certificate authority as Fulcio
// is one, a certificate transparency log, transparency logs as Rekor version 1 and 2 keep them, and a timestamping
// authority. It signs and attests, and lays bundles out in the ways in which vendors publish them. What it makes is what
// the real services make: bundles are JSON, and its trusted_root.json is one that Sigstore's clients read.
//
// Formats: https://github.com/sigstore/protobuf-specs; certificates: https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md.
package sigstoretest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"time"
)

// Instance is one instance. Its methods are for one goroutine.
type Instance struct {
	Name string    // such as "sigstore.test"
	At   time.Time // when it signs, where a Signer says nothing else

	fulcio *authority
	tsa    *authority
	tsaKey *ecdsa.PrivateKey
	tsaOwn *x509.Certificate
	ct     *ecdsa.PrivateKey
	rekor1 *log
	rekor2 *log
}

// New makes an instance that is valid from a year before at to ten years after it, with new keys.
func New(name string, at time.Time) *Instance {
	at = at.UTC().Truncate(time.Second)
	i := &Instance{Name: name, At: at}
	i.fulcio = newAuthority(name, "fulcio", at, x509.ExtKeyUsageCodeSigning)
	i.tsa = newAuthority(name, "tsa", at, x509.ExtKeyUsageTimeStamping)
	i.tsaOwn, i.tsaKey = i.tsa.timestamper(at)
	i.ct = newECDSA()
	i.rekor1 = newLog("rekor."+name, false)
	i.rekor2 = newLog("log2025.rekor."+name, true)
	return i
}

// from and until bound the validity of everything that an instance at a time is made of.
func from(at time.Time) time.Time  { return at.AddDate(-1, 0, 0) }
func until(at time.Time) time.Time { return at.AddDate(10, 0, 0) }

func newECDSA() *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

// must is for what can only fail if the machine has no random numbers or a template of this package is wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func keyID(public any) []byte {
	sum := sha256.Sum256(must(x509.MarshalPKIXPublicKey(public)))
	return sum[:]
}

type object = map[string]any

// TrustedRoot returns the instance's trusted_root.json.
func (i *Instance) TrustedRoot() []byte {
	start := object{"start": from(i.At).Format(time.RFC3339)}
	publicKey := func(key any, details string) object {
		return object{"rawBytes": must(x509.MarshalPKIXPublicKey(key)), "keyDetails": details, "validFor": start}
	}
	instance := func(host string, id []byte, key any, details string) object {
		return object{"baseUrl": "https://" + host, "hashAlgorithm": "SHA2_256", "publicKey": publicKey(key, details), "logId": object{"keyId": id}}
	}
	chain := func(a *authority, uri string, own ...*x509.Certificate) object {
		var certificates []object
		for _, c := range append(own, a.intermediate, a.root) {
			certificates = append(certificates, object{"rawBytes": c.Raw})
		}
		return object{
			"subject": object{"organization": i.Name, "commonName": a.root.Subject.CommonName}, "uri": uri,
			"certChain": object{"certificates": certificates}, "validFor": start,
		}
	}
	return must(json.MarshalIndent(object{
		"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
		"tlogs": []object{
			instance(i.rekor1.host, i.rekor1.id, i.rekor1.key.Public(), "PKIX_ECDSA_P256_SHA_256"),
			instance(i.rekor2.host, i.rekor2.id, i.rekor2.key.Public(), "PKIX_ED25519"),
		},
		"certificateAuthorities": []object{chain(i.fulcio, "https://fulcio."+i.Name)},
		"ctlogs":                 []object{instance("ctfe."+i.Name, keyID(i.ct.Public()), i.ct.Public(), "PKIX_ECDSA_P256_SHA_256")},
		"timestampAuthorities":   []object{chain(i.tsa, "https://tsa."+i.Name, i.tsaOwn)},
	}, "", "  "))
}
