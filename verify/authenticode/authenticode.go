// Package authenticode judges Microsoft Authenticode signatures in PE files ("Windows Authenticode Portable Executable
// Signature Format", March 2008; RFC 2315; RFC 3161): who signed, over which bytes, since when, and what lies in the
// file that no signature covers.
//
// The yardstick is what Windows would say with strict padding checks on (MS13-098); FORMATS.md says where the verdict
// here is stricter. Each signature in a file, nested ones included, is judged by itself and leaves a finding of its
// own. Every byte of the certificate table is accounted for: it belongs to a signature, is alignment, is a known
// vendor's known tag, or is a finding.
package authenticode

import (
	"context"
	"crypto"
	"errors"
	"fmt"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/pe"
)

const method = "authenticode"

// Verifier implements verify.Verifier and verify.Tapper.
type Verifier struct{}

// New returns a Verifier. The embedded roots apply where verify.Trust names none.
func New() *Verifier { return &Verifier{} }

// Method returns "authenticode".
func (*Verifier) Method() string { return method }

// Match reports whether the content begins as a Windows or DOS program does.
func (*Verifier) Match(a *verify.Artifact) bool {
	var magic [2]byte
	if a.Size < int64(len(magic)) {
		return false
	}
	if n, err := a.Content.ReadAt(magic[:], 0); n < len(magic) {
		return err != nil && a.Format == "pe"
	}
	return string(magic[:]) == "MZ" || string(magic[:]) == "ZM"
}

// Verify implements verify.Verifier. The first findings are about the signatures, in the order in which they are
// found; those about anything else in the certificate table follow.
func (*Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	layout, err := pe.Parse(a.Content, a.Size)
	switch {
	case errors.Is(err, pe.ErrNotPE):
		return one(verify.Absent, "unsigned", "This is a DOS program, not a Windows image: it cannot carry a signature."), nil
	case errors.Is(err, pe.ErrMalformed):
		return one(verify.Invalid, "malformed", authenticode.Unreadable("Windows headers", err)), nil
	case err != nil:
		return nil, fmt.Errorf("reading the headers: %w", err)
	case !layout.Signed():
		return one(verify.Absent, "unsigned", "The file carries no Authenticode signature."), nil
	}
	entries, rest, err := pe.ReadTable(a.Content, layout)
	if errors.Is(err, pe.ErrMalformed) {
		return one(verify.Invalid, "malformed", authenticode.Unreadable("certificate table", err)), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the certificate table: %w", err)
	}
	x := examination{Examination: authenticode.New(method, "program", env), seen: new([]imageData)}
	x.table(layout, entries, rest)
	return x.judge(ctx, a, layout)
}

// judge has the signatures judged, and what they say about the image checked.
func (x examination) judge(ctx context.Context, a *verify.Artifact, l pe.Layout) ([]verify.Finding, error) {
	sums, err := digests(ctx, a, l, x.Hashes())
	if err != nil {
		return nil, fmt.Errorf("hashing the image: %w", err)
	}
	x.Judge(sums)
	err = x.imageData(ctx, a, l, sums)
	return x.Findings(), err
}

// one returns a single finding without a signer.
func one(status verify.Status, code, detail string) []verify.Finding {
	return []verify.Finding{{Method: method, Status: status, Code: method + "/" + code, Detail: detail}}
}

// digests returns the image's digests, computing only those that the Tap has not.
func digests(ctx context.Context, a *verify.Artifact, l pe.Layout, functions []crypto.Hash) (map[crypto.Hash][]byte, error) {
	tapped := a.Digests.Taps[tapName]
	usable := len(tapped) == crypto.SHA256.Size() && l.Overlay() == 0
	var missing []crypto.Hash
	for _, f := range functions {
		if f != crypto.SHA256 || !usable {
			missing = append(missing, f)
		}
	}
	if len(missing) == 0 && usable {
		return map[crypto.Hash][]byte{crypto.SHA256: tapped}, nil
	}
	sums, err := pe.Digest(ctx, a.Content, l, missing...)
	if err == nil && usable {
		sums[crypto.SHA256] = tapped
	}
	return sums, err
}
