// Package nuget judges the signatures of NuGet packages (.nupkg): https://github.com/NuGet/Home/wiki/Package-Signatures-Technical-Details.
//
// A signed package is a zip file with one more entry, .signature.p7s: a CAdES signature (RFC 5126) of a digest of the
// package as it was before. It is an author's (who wrote it) or a repository's (who published it); a repository can also
// countersign an author's. All three can have timestamps (RFC 3161).
package nuget

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
)

const (
	method        = "nuget"
	signatureName = ".signature.p7s"
	maxSignature  = 4 << 20 // bytes
)

// Verifier implements verify.Verifier.
type Verifier struct{}

// New returns a Verifier. The embedded code-signing and timestamping roots apply where verify.Trust names none.
func New() *Verifier { return &Verifier{} }

// Method returns "nuget".
func (*Verifier) Method() string { return method }

// Match reports whether the artifact is called a package, or is a zip file with a package's signature and specification.
func (*Verifier) Match(a *verify.Artifact) bool {
	return a.Format == "nupkg" || zipfile.Mentions(a.Content, a.Size, signatureName, ".nuspec")
}

// inspection is one run over one package.
type inspection struct {
	zip      *zipfile.File
	env      verify.Env
	verdicts []verify.Finding
	remarks  []verify.Finding
}

func (x *inspection) verdict(status verify.Status, code, format string, args ...any) {
	x.verdicts = append(x.verdicts, verify.Finding{Method: method, Status: status, Code: method + "/" + code, Detail: fmt.Sprintf(format, args...)})
}

func (x *inspection) remark(status verify.Status, code, format string, args ...any) {
	x.remarks = append(x.remarks, verify.Finding{Method: method, Status: status, Code: method + "/" + code, Detail: fmt.Sprintf(format, args...)})
}

// Verify implements verify.Verifier. The first finding is about the primary signature, the next about the repository's
// countersignature, if there is one; what else is to be said follows.
func (*Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	x := &inspection{env: env}
	var err error
	x.zip, err = zipfile.Open(a.Content, a.Size)
	switch {
	case errors.Is(err, zipfile.ErrNotZip), errors.Is(err, zipfile.ErrMalformed):
		x.verdict(verify.Invalid, "malformed", "%s", authenticode.Unreadable("package", err))
		return x.verdicts, nil
	case err != nil:
		return nil, fmt.Errorf("reading the package's directory: %w", err)
	}
	der, err := x.signature()
	if err != nil {
		return nil, err
	}
	if der != nil {
		if err := x.judge(ctx, der); err != nil {
			return nil, err
		}
	}
	if err := x.identity(); err != nil {
		return nil, err
	}
	return append(x.verdicts, x.remarks...), nil
}

// tolerated are what the zip reader notices that leaves no doubt about what the package holds.
var tolerated = map[string]bool{"extra-data": true, "backslash": true, "duplicate-folder": true, "no-descriptor": true}

// signature checks the signature's entry and returns its content; nil if it is not there or not as it must be.
func (x *inspection) signature() ([]byte, error) {
	e := x.zip.Entry(signatureName)
	if e == nil {
		x.verdict(verify.Absent, "unsigned", "The package carries no signature.")
		return nil, nil
	}
	x.layout()
	switch {
	case x.zip.Zip64 != nil:
		x.verdict(verify.Invalid, "malformed", "The package is signed, but in the Zip64 format, for which NuGet's signatures are not defined.")
	case e.Method != zipfile.Stored || e.Flags != 0 || e.External != 0 || len(e.Extra) > 0 || len(e.Comment) > 0 || e.Data-e.Local != int64(30+len(e.Name)):
		x.verdict(verify.Invalid, "malformed", "The signature's entry must be stored, without flags, attributes, extra fields and comment.")
	default:
		b, err := x.zip.ReadAll(e, maxSignature)
		if errors.Is(err, verify.ErrBroken) {
			x.verdict(verify.Invalid, "malformed", "%s", authenticode.Unreadable("signature", err))
			return nil, nil
		}
		return b, err
	}
	return nil, nil
}

// layout reports what makes the zip file ambiguous: it is wrong with the package, whichever entry it is about. Of an
// unsigned package that is said by whoever opens it.
func (x *inspection) layout() {
	for _, p := range x.zip.Problems {
		if !tolerated[p.Code] || p.Status != verify.Valid {
			x.remarks = append(x.remarks, verify.Finding{Method: method, Status: verify.Invalid, Code: method + "/layout", Detail: about(p)})
		}
	}
}

// about names the entry that a problem is about.
func about(p zipfile.Problem) string {
	if p.Entry == "" {
		return p.Detail
	}
	return fmt.Sprintf("The entry %.120q: %s", p.Entry, p.Detail)
}
