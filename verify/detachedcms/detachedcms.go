// Package detachedcms verifies CMS signatures (RFC 5652; PKCS #7) whose content is not in them: those that vendors publish
// beside a file (file.p7s, file.p7b, file.p7), and those that stand at the end of Linux kernel modules. The signer's
// certificate must lead to roots that the operator named for the anchor; no public list of roots is meant for this.
//
// Specifications: RFC 5652, RFC 5280, RFC 7468 (PEM); Linux, Documentation/admin-guide/module-signing.rst and
// include/linux/module_signature.h.
package detachedcms

import (
	"context"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/beside"
)

const method = "cms"

// suffixes are the names of signatures, in the order in which they are tried.
var suffixes = []string{".p7s", ".p7b", ".p7"}

const maxFile = 256 << 10 // bytes of one signature file

// Verifier implements verify.Verifier. It may be used concurrently.
type Verifier struct{}

// New returns a Verifier.
func New() *Verifier { return &Verifier{} }

// Method returns "cms".
func (*Verifier) Method() string { return method }

// Match reports whether a is a kernel module with a signature, or a file that can have one beside it.
func (*Verifier) Match(a *verify.Artifact) bool {
	_, ok := beside.Of(a)
	return ok || hasModuleMark(a)
}

// Verify implements verify.Verifier. It asks for signatures only if an anchor has roots for them.
func (*Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	x := newExamination(env)
	if hasModuleMark(a) {
		if err := x.module(ctx, a); err != nil {
			return nil, err
		}
	}
	place, ok := beside.Of(a)
	if !ok || len(x.authorities) == 0 || !verify.HasSidecars(env.Sidecars) {
		return x.findings, nil
	}
	budget := beside.NewBudget(env.Sidecars, len(suffixes), int64(len(suffixes)*maxFile))
	for _, suffix := range suffixes {
		got, found, err := budget.Fetch(ctx, place.Ref(suffix), maxFile)
		if err != nil {
			return nil, err
		}
		if der, ok := encoded(got.Data); found && ok {
			if err := x.sidecar(ctx, a, got, der); err != nil {
				return nil, err
			}
		}
	}
	if budget.None() || slices.ContainsFunc(x.findings, vouches) {
		return x.findings, nil
	}
	if missing := budget.Missing(); len(missing) > 0 {
		x.say(verify.Inconclusive, "unavailable", "It could not be told whether there is a signature, or another: %s.", strings.Join(missing, "; "))
	}
	if len(x.findings) == 0 {
		x.say(verify.Absent, "unsigned", "No CMS signature lies beside the file (%s).", strings.Join(suffixes, ", "))
	}
	return x.findings, nil
}

func vouches(f verify.Finding) bool { return f.Status == verify.Valid }

// encoded returns the DER of a signature file, which may be PEM, and whether it can be one.
func encoded(data []byte) ([]byte, bool) {
	if len(data) > 0 && data[0] == 0x30 {
		return data, true
	}
	block, rest := pem.Decode(data)
	if block == nil || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, false
	}
	switch block.Type {
	case "PKCS7", "CMS", "PKCS #7 SIGNED DATA":
		return block.Bytes, true
	}
	return nil, false
}

// indefinite reports whether data begins with a length that BER allows and DER does not. Some programs write CMS so (openssl
// cms -stream, Bouncy Castle), and nothing is wrong with that.
func indefinite(data []byte) bool { return len(data) > 1 && data[0] == 0x30 && data[1] == 0x80 }

// say adds a finding.
func (x *examination) say(status verify.Status, code, format string, args ...any) *verify.Finding {
	x.findings = append(x.findings, verify.Finding{
		Method: method, Status: status, Code: method + "/" + code, Detail: fmt.Sprintf(format, args...), Evidence: x.evidence,
	})
	return &x.findings[len(x.findings)-1]
}
