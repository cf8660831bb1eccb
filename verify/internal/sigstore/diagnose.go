package sigstore

import (
	"net/url"

	"github.com/sigstore/rekor-tiles/v2/pkg/note"
	rekorverify "github.com/sigstore/rekor-tiles/v2/pkg/verify"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// diagnose says which step of an entry's verification failed, after sigstore-go has said that one did. It changes the code of the
// refusal and nothing else.
func (v *verification) diagnose(cause error) error {
	known := 0
	for _, e := range v.entries {
		l := v.material.logs[logID(e)]
		if l == nil {
			continue
		}
		known++
		if err := v.diagnoseEntry(e, l); err != nil {
			return err
		}
	}
	if known < v.Rekor {
		return fail(Threshold, "%d of its entries are of logs in use, %d are asked for", known, v.Rekor)
	}
	if h := byName[v.digestAlg]; v.envelope != nil && v.checkEnvelope() != nil || h != 0 && !v.key.signsDigest(v.signature, h, v.digest) {
		return fail(Signature, "the signature does not verify, and the log's entry is about another: %s", shorten(cause.Error()))
	}
	return fail(LogEntry, "the log's entry does not fit: %s", shorten(cause.Error()))
}

func (v *verification) diagnoseEntry(e *tlog.Entry, l *root.TransparencyLog) error {
	if err := tlog.ValidateEntry(e); err != nil {
		return fail(LogEntry, "the log's entry is not complete: %s", reason(err))
	}
	if !e.HasInclusionProof() && (e.IsRekorV2() || !e.HasInclusionPromise()) {
		return fail(InclusionProof, "the log's entry has no proof of inclusion")
	}
	if e.HasInclusionPromise() {
		if err := tlog.VerifySET(e, v.material.logs); err != nil {
			return fail(LogEntry, "the log's promise to include the entry does not verify: %s", reason(err))
		}
	}
	if e.HasInclusionProof() {
		if err := diagnoseProof(e, l); err != nil {
			return err
		}
	}
	if t := e.IntegratedTime(); v.leaf != nil && !t.IsZero() && !valid(t, v.leaf.NotBefore, v.leaf.NotAfter) {
		return fail(CertificateExpired, "the log took the entry at %s, and the certificate is valid from %s to %s",
			moment(t), moment(v.leaf.NotBefore), moment(v.leaf.NotAfter))
	}
	return nil
}

// diagnoseProof tells a proof that does not lead to the tree's head (RFC 6962 section 2.1.1) from a head that the log did not sign.
func diagnoseProof(e *tlog.Entry, l *root.TransparencyLog) error {
	verifier, err := signature.LoadVerifier(l.PublicKey, l.SignatureHashFunc)
	if err != nil {
		return nil
	}
	if headOfV1(e) {
		return diagnoseV1(e, verifier)
	}
	u, err := url.Parse(l.BaseURL)
	if err != nil {
		return nil
	}
	v, err := note.NewNoteVerifier(u.Hostname(), verifier)
	if err != nil {
		return nil
	}
	entry := e.TransparencyLogEntry()
	head, err := rekorverify.VerifyCheckpoint(entry.GetInclusionProof().GetCheckpoint().GetEnvelope(), v)
	if err != nil {
		return fail(Checkpoint, "the head of the log's tree does not verify: %s", reason(err))
	}
	if err := rekorverify.VerifyInclusionProof(entry, head); err != nil {
		return fail(InclusionProof, "the proof of inclusion does not verify: %s", reason(err))
	}
	return nil
}

func diagnoseV1(e *tlog.Entry, verifier signature.Verifier) error {
	p := e.TransparencyLogEntry().GetInclusionProof()
	leaf := rfc6962.DefaultHasher.HashLeaf(e.TransparencyLogEntry().GetCanonicalizedBody())
	index, size := p.GetLogIndex(), p.GetTreeSize()
	if index < 0 || size < 0 {
		return fail(InclusionProof, "the proof of inclusion has a negative index or size")
	}
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(index), uint64(size), leaf, p.GetHashes(), p.GetRootHash()); err != nil {
		return fail(InclusionProof, "the proof of inclusion does not verify: %s", reason(err))
	}
	if err := tlog.VerifyInclusion(e, verifier); err != nil {
		return fail(Checkpoint, "the head of the log's tree does not verify: %s", reason(err))
	}
	return nil
}
