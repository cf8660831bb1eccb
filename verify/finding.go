package verify

import (
	"fmt"
	"time"
)

// Status is the outcome of one check. The order has no meaning.
type Status uint8

const (
	Inconclusive Status = iota // could not tell: our failure, a missing sidecar, an unreadable structure we do not know
	Absent                     // there is no signature of this kind
	Untrusted                  // it verifies, but by nobody whom the roots or anchors vouch for
	Invalid                    // it is there and it is wrong: the bytes, the structure or the time do not fit
	Valid                      // it verifies, by Signer or under Anchors; with neither of them it vouches for nobody
)

var statusNames = [...]string{"inconclusive", "absent", "untrusted", "invalid", "valid"}

// String returns the status as the audit record spells it, such as "valid".
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "inconclusive"
}

// MarshalText implements encoding.TextMarshaler as String does.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Status) UnmarshalText(b []byte) error {
	for i, name := range statusNames {
		if name == string(b) {
			*s = Status(i)
			return nil
		}
	}
	return fmt.Errorf("unknown status %q", b)
}

// Identity is somebody whom a signature names.
type Identity struct {
	Name         string `json:"name,omitempty"`         // what a person would call the signer: organization, common name, user id, or subject alternative name
	Organization string `json:"organization,omitempty"` // X.509 subject O
	CommonName   string `json:"common_name,omitempty"`  // X.509 subject CN
	Country      string `json:"country,omitempty"`      // X.509 subject C
	Issuer       string `json:"issuer,omitempty"`       // common name of the certificate that issued the signer's; Sigstore: the OIDC issuer
	Root         string `json:"root,omitempty"`         // common name of the trusted root the chain ends in; empty if it ends in none
	// RootFingerprint is the SHA-256 of that root, hexadecimal.
	RootFingerprint string `json:"root_fingerprint,omitempty"`
	// PrivateRoot says that the root is trusted by those anchors only that list it among their own roots.
	PrivateRoot bool   `json:"private_root,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"` // hexadecimal: SHA-256 of the certificate, or the OpenPGP fingerprint
}

// IsZero reports whether nobody is named.
func (id Identity) IsZero() bool { return id == Identity{} }

// String returns Name, or the fingerprint where there is none.
func (id Identity) String() string {
	if id.Name != "" {
		return id.Name
	}
	return id.Fingerprint
}

// Finding is one fact about an artifact.
//
// A Finding with Status Valid that names neither Signer nor Anchors states something harmless that a reader should
// know (a vendor's known tag inside a signature, say); it vouches for nothing.
type Finding struct {
	Subject  string      `json:"subject"`            // "" = the artifact itself, else the inner path: "disk1.cab/ffmpeg.dll"
	Method   string      `json:"method"`             // the signature system: authenticode, apt, digest, ...
	Status   Status      `json:"status"`             // the outcome
	Code     string      `json:"code"`               // stable, documented in FORMATS.md: "authenticode/padding-data"
	Signer   Identity    `json:"signer,omitzero"`    // who vouches; zero unless Valid or Untrusted
	SignedAt time.Time   `json:"signed_at,omitzero"` // from a trusted timestamp only; zero if there is none
	NotAfter time.Time   `json:"not_after,omitzero"` // when this fact stops being one; zero if never
	Anchors  []string    `json:"anchors,omitempty"`  // the anchors under which it is Valid, for systems that need the key to verify
	Detail   string      `json:"detail,omitempty"`   // one sentence for a person, with numbers
	Evidence []Reference `json:"evidence,omitempty"` // sidecars that this fact rests on
	// Attestation is what the signed statement says that this fact is about; nil where there is none. It is the signer's word.
	Attestation *Attestation `json:"attestation,omitempty"`
	// Workload is what the signer's certificate says of the run that signed; nil where it says nothing. It is the issuer's word.
	Workload *Workload `json:"workload,omitempty"`
}

// Reference names a sidecar that was consulted.
type Reference struct {
	URL    string `json:"url"`              // as asked for; relative ones are relative to the artifact's URL
	SHA256 Digest `json:"sha256,omitzero"`  // of what was received; zero if there was nothing
	Result string `json:"result,omitempty"` // why there was nothing
}

// Report is every fact about an artifact.
type Report struct {
	// Product is what the artifact's own bytes say that it is, with what tells builds apart that are made side by side (the
	// architecture), and without what changes from release to release. Version is which release of it. Both are empty where they
	// cannot be told.
	Product string `json:"product,omitempty"`
	Version string `json:"version,omitempty"`
	// System is whose rules order Version, in the words that internal/versions knows: "pe", "msi", "deb", "rpm", "npm", "pypi",
	// "nuget", "semver". Empty where Version is.
	System string `json:"system,omitempty"`
	Size   int64  `json:"size,omitempty"` // of the artifact, bytes
	// Facts are what reviewers know of the artifact itself, as Inner.Facts are of a file inside.
	Facts    map[string]string `json:"facts,omitempty"`
	Findings []Finding         `json:"findings"`
	Evidence []Reference       `json:"evidence,omitempty"` // every sidecar consulted, in order, each once
	Contents *Contents         `json:"contents,omitempty"` // what is inside; nil if nothing was opened
}

// NotAfter returns the moment when the first of the report's facts stops being one; zero if never.
func (r Report) NotAfter() time.Time {
	var first time.Time
	for _, f := range r.Findings {
		if !f.NotAfter.IsZero() && (first.IsZero() || f.NotAfter.Before(first)) {
			first = f.NotAfter
		}
	}
	return first
}
