package openpgp

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/beside"
	"github.com/sallyport-project/sallyport/verify/internal/pgp"
)

// judge verifies all signatures of all files over one reading of the artifact.
func judge(ctx context.Context, a *verify.Artifact, env verify.Env, files []beside.Sidecar) ([]verify.Finding, error) {
	if len(files) == 0 {
		return nil, nil
	}
	var keyrings []*pgp.Keyring
	var anchors []string
	for _, k := range env.Trust.Keyrings {
		parsed, err := pgp.ParseKeyring(k.Data)
		if err != nil {
			return nil, fmt.Errorf("anchor %s: %w", k.Anchor, err)
		}
		keyrings, anchors = append(keyrings, parsed), append(anchors, k.Anchor)
	}
	batch, err := pgp.NewBatch(env.At, keyrings...)
	if err != nil {
		return nil, err
	}
	var out []verify.Finding
	var from []beside.Sidecar // by signature
	for _, f := range files {
		n, err := batch.Add(f.Data)
		if err != nil {
			out = append(out, finding(f, verify.Invalid, "malformed", "%s is no signature that can be read: %s.", f.Ref, err))
		}
		for range n {
			from = append(from, f)
		}
	}
	if batch.Pending() {
		if err := beside.Copy(ctx, batch, a); err != nil {
			return nil, err
		}
	}
	for i, by := range batch.Results() {
		out = append(out, verdict(from[i], by, anchors))
	}
	return out, nil
}

func finding(from beside.Sidecar, status verify.Status, code, format string, args ...any) verify.Finding {
	return verify.Finding{
		Method: method, Status: status, Code: method + "/" + code, Detail: fmt.Sprintf(format, args...),
		Evidence: []verify.Reference{from.Reference()},
	}
}

// verdict says what one signature proves, given what the keyring of each anchor says of it.
func verdict(from beside.Sidecar, by []pgp.Signature, anchors []string) verify.Finding {
	best, ok := pgp.Best(by)
	if !ok || best.Outcome != pgp.Good {
		return refusal(from, best)
	}
	f := finding(from, verify.Valid, "valid", "")
	for i, s := range by {
		if s.Outcome != pgp.Good {
			continue
		}
		f.Anchors = append(f.Anchors, anchors[i])
		if !s.KeyEnds.IsZero() && (f.NotAfter.IsZero() || s.KeyEnds.Before(f.NotAfter)) {
			f.NotAfter = s.KeyEnds
		}
	}
	f.Signer = verify.Identity{Name: best.UserID, Fingerprint: best.Fingerprint}
	f.Detail = fmt.Sprintf("%s is a signature over the whole file by key %s of %q; it claims to be of %s.",
		from.Ref, best.KeyID, best.UserID, best.Created.Format(time.RFC3339))
	return f
}

// refusal says why a signature proves nothing. What is Invalid is wrong whoever else signed: the bytes do not fit a key
// that is trusted, or the signature breaks its format's rules. That a key has ended, or that a signature has lost its
// force, says nothing against the file.
func refusal(from beside.Sidecar, s pgp.Signature) verify.Finding {
	who := ""
	if s.KeyID != "" {
		who = " by key " + s.KeyID
	}
	status, code := reason(s)
	f := finding(from, status, code, "The signature%s in %s proves nothing: %s.", who, from.Ref, strings.TrimSuffix(s.Reason, "."))
	if status == verify.Invalid {
		f.Detail = fmt.Sprintf("The signature%s in %s is wrong: %s.", who, from.Ref, strings.TrimSuffix(s.Reason, "."))
	}
	if status == verify.Untrusted && s.Outcome == pgp.Unusable {
		f.Signer = verify.Identity{Name: s.UserID, Fingerprint: s.Fingerprint}
	}
	return f
}

func reason(s pgp.Signature) (verify.Status, string) {
	switch s.Outcome {
	case pgp.Bad:
		return verify.Invalid, "bad-signature"
	case pgp.Unknown:
		return verify.Untrusted, "unknown-key"
	case pgp.Weak:
		return verify.Untrusted, "weak-hash"
	case pgp.Expired:
		return ended(s)
	case pgp.Unusable:
		return verify.Untrusted, unusable(s.Cause)
	}
	switch s.Cause {
	case pgp.Unsupported:
		return verify.Inconclusive, "unsupported"
	case pgp.TooMany:
		return verify.Inconclusive, "too-many-signatures"
	case pgp.OverText:
		return verify.Untrusted, "text-signature"
	case pgp.WrongType:
		return verify.Invalid, "wrong-type"
	case pgp.CriticalNotation:
		return verify.Invalid, "critical-notation"
	}
	return verify.Invalid, "malformed"
}

// ended tells a signature that has ended from one that has not begun: then it may be our clock that is wrong.
func ended(s pgp.Signature) (verify.Status, string) {
	if s.NotBegun {
		return verify.Inconclusive, "future"
	}
	return verify.Untrusted, "expired-signature"
}

func unusable(c pgp.Cause) string {
	switch c {
	case pgp.KeyExpired:
		return "expired-key"
	case pgp.KeyRevoked:
		return "revoked-key"
	case pgp.KeyWeak:
		return "weak-key"
	case pgp.OlderThanKey:
		return "older-than-key"
	case pgp.OtherVersion:
		return "wrong-version"
	}
	return "wrong-usage"
}
