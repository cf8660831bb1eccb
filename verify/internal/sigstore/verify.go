package sigstore

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"
)

// Verify verifies b as d demands, as a signature of a, judged at the time at (zero: no timestamp is too new).
//
// The error is an *Error for everything that is wrong with the bundle. With the codes SubjectMismatch, ClaimsDisagree and Threshold
// what was looked at before is in order, and Result names the signer: whether a statement is about the artifact is looked at last,
// so that an altered statement is a wrong signature and never somebody else's. Other errors are about reading the artifact or
// about d.
func Verify(b *Bundle, a Artifact, d Demand, at time.Time) (r Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			r, err = Result{}, fail(Malformed, "verifying it broke off: %s", quote(panicText(v)))
		}
	}()
	if err := d.check(); err != nil {
		return Result{}, err
	}
	if d.Instance == nil {
		d.Instance = &Instance{}
	}
	v := &verification{Bundle: b, artifact: a, Demand: d, at: at, entity: newEntity(b), material: material{Instance: d.Instance}}
	steps := []func() error{v.checkSigner, v.checkLogs, v.checkTimes, v.checkChain, v.checkSCTs, v.checkSignature}
	if len(d.Keys) > 0 {
		steps = []func() error{v.findKey, v.checkLogs, v.checkTimes}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return Result{}, err
		}
	}
	if err := v.checkArtifact(); err != nil && code(err) != SubjectMismatch {
		return Result{}, err
	} else if err != nil {
		return v.result(), err
	}
	r = v.result()
	return r, cmp.Or(checkClaims(r.Signer.Name, r.Workload, r.Attestation), v.short)
}

// verification is one bundle on its way through the steps.
type verification struct {
	*Bundle
	Demand
	artifact Artifact
	at       time.Time
	entity   entity
	material material

	key       *publicKey           // that signed, or is to have signed
	summary   *certificate.Summary // of the certificate
	stamps    stamps
	stampsErr error
	times     []time.Time // that logs and timestamping authorities vouch for
	signed    chain
	short     error // fewer logs or timestamping authorities than asked for
	out       Result
}

// check refuses demands that nothing could meet.
func (d *Demand) check() error {
	if d.Rekor < 0 || d.Timestamps < 0 || d.SCTs < 0 {
		return errors.New("a demand cannot be negative")
	}
	if len(d.Keys) > maxKeys {
		return fmt.Errorf("a demand has at most %d keys, this has %d", maxKeys, len(d.Keys))
	}
	if len(d.Keys) > 0 && d.SCTs > 0 {
		return errors.New("certificate transparency is demanded of a key")
	}
	if d.Instance == nil && (len(d.Keys) == 0 || d.Rekor > 0 || d.Timestamps > 0) {
		return errors.New("the demand has no instance of Sigstore")
	}
	if d.Rekor > 0 && !d.Instance.HasLogs() || d.Timestamps > 0 && !d.Instance.HasTimestamps() || d.SCTs > 0 && !d.Instance.HasSCTs() {
		return errors.New("the demand's instance of Sigstore has none of the logs or timestamping authorities that are demanded")
	}
	return nil
}

// checkSigner takes the certificate. Nothing that it says counts before the chain was checked.
func (v *verification) checkSigner() (err error) {
	if v.leaf == nil {
		return fail(Key, "it is signed with a key, %s, and a certificate is asked for", quote(v.hint))
	}
	if v.key, err = newKey(v.leaf.PublicKey); err != nil {
		return fail(Unsupported, "the certificate's key cannot be used: %s", reason(err))
	}
	v.out.Signer, v.out.SANType, v.summary, err = signerOf(v.leaf)
	return err
}

// result puts together what may be said once the signature is verified.
func (v *verification) result() Result {
	r := v.out
	if len(v.times) > 0 {
		r.SignedAt = slices.MinFunc(v.times, time.Time.Compare).UTC()
	}
	if v.summary != nil {
		r.Workload = workloadOf(v.summary)
		r.Signer.Root, r.Signer.RootFingerprint = v.signed.by.name, v.signed.by.fingerprint
	}
	if v.statement != nil {
		r.Attestation = v.statement.attestation()
	}
	return r
}

// checkSCTs counts the certificate transparency logs that vouch for the certificate (RFC 6962 section 3.3).
func (v *verification) checkSCTs() error {
	if v.SCTs == 0 {
		return nil
	}
	if err := sgverify.VerifySignedCertificateTimestamp(v.signed.chains, v.SCTs, v.material); err != nil {
		return fail(SCT, "the certificate is not vouched for by certificate transparency: %s", reason(err))
	}
	return nil
}
