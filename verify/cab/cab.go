// Package cab judges Microsoft Authenticode signatures of cabinets ([MS-CAB]; "Windows Authenticode Portable Executable
// Signature Format", March 2008, for the signature itself). The signature stands after the cabinet; a reserve of 20 bytes
// in the header says where.
//
// The digest leaves out the reserve and some fields of the header beside it. What they may hold is checked instead, so
// that nothing about the files inside can be changed there.
package cab

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cab"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

const method = "authenticode"

// cabinets is what a signature of a cabinet is of: SPC_CAB_DATA_OBJID, or SPC_LINK_OBJID, which Microsoft's own
// cabinets have.
var cabinets = authenticode.Indirect(cms.NewOID(1, 3, 6, 1, 4, 1, 311, 2, 1, 25), cms.NewOID(1, 3, 6, 1, 4, 1, 311, 2, 1, 28))

// Verifier implements verify.Verifier.
type Verifier struct{}

// New returns a Verifier. The embedded roots apply where verify.Trust names none.
func New() *Verifier { return &Verifier{} }

// Method returns "authenticode".
func (*Verifier) Method() string { return method }

// Match reports whether the content begins as a cabinet does.
func (*Verifier) Match(a *verify.Artifact) bool {
	var magic [4]byte
	if n, _ := a.Content.ReadAt(magic[:min(int64(len(magic)), a.Size)], 0); n < len(magic) {
		return false
	}
	return string(magic[:]) == "MSCF"
}

// Verify implements verify.Verifier. The first findings are about the signatures; those about anything beside them
// follow.
func (*Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	c, err := cab.Parse(a.Content, a.Size)
	switch {
	case errors.Is(err, cab.ErrMalformed):
		return one(verify.Invalid, "malformed", authenticode.Unreadable("cabinet", err)), nil
	case err != nil:
		return nil, fmt.Errorf("reading the cabinet: %w", err)
	}
	place, signed := c.Signature()
	if !signed {
		return one(verify.Absent, "unsigned", "The cabinet carries no Authenticode signature."), nil
	}
	if why := misplaced(c, place); why != "" {
		return one(verify.Invalid, "malformed", why), nil
	}
	x := examination{authenticode.New(method, "cabinet", env), c, place}
	if err := x.collect(a.Content); err != nil {
		return nil, fmt.Errorf("reading the signature: %w", err)
	}
	sums, err := digest(ctx, a.Content, place.From, x.Hashes())
	if err != nil {
		return nil, fmt.Errorf("hashing the cabinet: %w", err)
	}
	x.Judge(sums)
	return x.Findings(), nil
}

// one returns a single finding without a signer.
func one(status verify.Status, code, detail string) []verify.Finding {
	return []verify.Finding{{Method: method, Status: status, Code: method + "/" + code, Detail: detail}}
}
