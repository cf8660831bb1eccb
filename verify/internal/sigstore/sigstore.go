// Package sigstore verifies one Sigstore bundle against one instance of Sigstore (its trusted root) or against keys, from the
// digest of an artifact. It is the core that the format verify/sigstore, the conformance client and tests share.
//
// The vocabulary is that of the Sigstore client specification: a bundle holds a signature (over the artifact, or over a statement
// in a DSSE envelope), verification material (a Fulcio certificate or the hint of a key), entries of transparency logs (Rekor) and
// RFC 3161 timestamps. A trusted root names the certificate authorities, logs and timestamping authorities of an instance.
//
// The checks themselves are those of github.com/sigstore/sigstore-go, run one after another so that a refusal names the step that
// failed. Nothing here touches the network, starts a goroutine or writes anywhere.
//
// References: https://docs.sigstore.dev/about/bundle/, https://github.com/sigstore/architecture-docs/blob/main/client-spec.md,
// https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md, https://github.com/in-toto/attestation/tree/main/spec.
package sigstore

import (
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Demand is what a bundle is verified against.
//
// With Keys, the bundle has to be signed by one of them; Instance may be nil then, and Rekor and Timestamps have to be 0. Without
// Keys, it has to be signed with a certificate that Instance issued. At least one trusted time has to fit the certificate, from a
// log that promises one or from a timestamping authority. With Rekor and Timestamps both 0 a bundle without any such time is
// judged by the time of judgement, which suits instances that issue long-lived certificates.
type Demand struct {
	Instance   *Instance // nil only with Keys
	Keys       [][]byte  // SubjectPublicKeyInfo, DER; any of them may have signed
	Rekor      int       // how many logs have to have an entry, each counted once
	Timestamps int       // how many timestamping authorities have to have stamped the signature, each counted once
	SCTs       int       // how many certificate transparency logs have to vouch for the certificate, each counted once; not with Keys
}

// Result is what a bundle that verifies says.
type Result struct {
	// Signer has the subject alternative name as Name, the OIDC issuer as Issuer, the organization (or name, or URI) of the
	// certificate authority as Root with the SHA-256 of its certificate, and the SHA-256 of the signer's certificate as
	// Fingerprint. For a key only Fingerprint is set, to the SHA-256 of its SubjectPublicKeyInfo.
	Signer      verify.Identity
	SANType     string              // "email", "uri" or "other"; "" for a key
	SignedAt    time.Time           // the earliest trusted time; zero if there is none
	Workload    *verify.Workload    // nil where the certificate says nothing
	Attestation *verify.Attestation // nil for a signature over the artifact itself
	Subject     string              // name that the statement gives the artifact; "" for a signature over the artifact itself
	Logs        int                 // transparency logs of the instance whose entries verified
	Timestamps  int                 // timestamping authorities whose timestamps verified
}

// Error says that a bundle does not verify, and which step failed. Every such error is about the bundle; errors of any other
// type are about us (reading the artifact, a Demand that asks for the impossible).
type Error struct {
	Code   Code
	Detail string // one sentence without full stop, for a person; may hold text from the bundle, shortened
}

// Error returns "code: detail".
func (e *Error) Error() string { return string(e.Code) + ": " + e.Detail }

// Code names the step of the verification that failed. It is the part of a finding's code after "sigstore/".
type Code string

// The steps, in the order in which they are run; TooLarge, Unsupported and Key are found where they matter. SubjectMismatch,
// ClaimsDisagree and Threshold say that everything before them is in order.
const (
	TooLarge           Code = "too-large"           // more than the limits on size, depth or count allow
	Malformed          Code = "malformed"           // no bundle, statement or key that can be read
	Unsupported        Code = "unsupported"         // a media type, version, algorithm or type of entry that is not known
	Key                Code = "key"                 // a certificate where a key is asked for, or the reverse, or a key that cannot be used
	LogEntry           Code = "log-entry"           // a log's entry does not fit the bundle, or its promise (SET) does not verify
	InclusionProof     Code = "inclusion-proof"     // the entry is not in the tree, or a proof is missing
	Checkpoint         Code = "checkpoint"          // the tree head is not signed by the log, or is of another tree
	Timestamp          Code = "timestamp"           // no trusted time, a timestamp that does not verify, or one in the future
	CertificateExpired Code = "certificate-expired" // a trusted time is outside the validity of the certificate
	CertificateChain   Code = "certificate-chain"   // the certificate was not issued by an authority of the instance
	Identity           Code = "identity"            // the certificate names no signer, or several
	SCT                Code = "sct"                 // the certificate is not in enough certificate transparency logs
	Signature          Code = "signature"           // the signature is not by the certificate or key
	DigestMismatch     Code = "digest-mismatch"     // the signature is over another artifact
	SubjectMismatch    Code = "subject-mismatch"    // a statement that verifies is about other artifacts
	ClaimsDisagree     Code = "claims-disagree"     // certificate and statement name different sources or revisions
	Threshold          Code = "threshold"           // it verifies, but fewer logs or timestamping authorities vouch for it than asked for
)

// fail returns an *Error.
func fail(code Code, format string, args ...any) error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}
