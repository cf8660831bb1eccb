// Package vsix judges the signatures of extensions for Visual Studio and Visual Studio Code (.vsix). There are two, which
// have nothing in common:
//
//   - The signature inside: a digital signature of the Open Packaging Conventions (ECMA-376 part 2, section 13; W3C XML
//     Signature), as VSIXSignTool and sign make it. It lists the digest of every part.
//   - The signature beside: a signature archive (.sigzip) of the Marketplace for Visual Studio Code, a zip file with a
//     JSON manifest of digests and a detached CMS signature over it. It covers the .vsix byte for byte.
//
// Both are judged by the roots of Authenticode. The vocabulary is that of OPC: a package is the zip file, a part is one
// file in it with a content type, a relationship names one part from another.
package vsix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
)

const method = "vsix"

// Verifier implements verify.Verifier.
type Verifier struct{}

// New returns a Verifier. The embedded code-signing roots apply where verify.Trust names none.
func New() *Verifier { return &Verifier{} }

// Method returns "vsix".
func (*Verifier) Method() string { return method }

// Match reports whether the artifact is a zip file that, by its name or content, is an extension or a signature archive.
func (*Verifier) Match(a *verify.Artifact) bool {
	if a.Size < 4 || !isZip(a) {
		return false
	}
	return isArchive(a) || a.Format == "vsix" || strings.EqualFold(path.Ext(a.Name), ".vsix") || hasManifest(a)
}

// isZip reports whether the content begins as a zip file, or is named as an extension.
func isZip(a *verify.Artifact) bool {
	var magic [4]byte
	if n, _ := a.Content.ReadAt(magic[:], 0); n < len(magic) {
		return false
	}
	return string(magic[:2]) == "PK" || a.Format == "vsix" || strings.EqualFold(path.Ext(a.Name), ".sigzip")
}

// lookedThrough is how many bytes at the end of a zip file of another name are searched for an extension's manifest.
const lookedThrough = 256 << 10

// hasManifest reports whether the end of the file, where a zip file has its directory, names an extension's manifest.
// The Marketplace serves extensions under names without an ending.
func hasManifest(a *verify.Artifact) bool {
	if a.Format != "zip" && a.Format != "" {
		return false
	}
	tail := make([]byte, min(a.Size, lookedThrough))
	n, _ := a.Content.ReadAt(tail, a.Size-int64(len(tail)))
	return bytes.Contains(tail[:n], []byte(manifestName))
}

// manifestName is the part that makes a package an extension.
const manifestName = "extension.vsixmanifest"

// Verify implements verify.Verifier. Of an extension without a signature inside, the signature archive beside it is
// looked for.
func (*Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	zip, err := zipfile.Open(a.Content, a.Size)
	if errors.Is(err, zipfile.ErrNotZip) || errors.Is(err, zipfile.ErrMalformed) {
		return one(verify.Invalid, "malformed", "The zip file cannot be read: "+err.Error()+"."), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the zip file: %w", err)
	}
	if isArchive(a) {
		return archiveItself(zip, env)
	}
	x := &examination{Examination: authenticode.New(method, "package", env), ctx: ctx, zip: zip, limit: maxUnpacked + maxRatio*a.Size}
	signed, err := x.inside()
	if err != nil {
		return nil, fmt.Errorf("reading the package: %w", err)
	}
	if signed {
		return x.Findings(), nil
	}
	found, err := beside(ctx, a, env)
	return append(found, x.Findings()...), err
}

// one returns a single finding without a signer.
func one(status verify.Status, code, detail string) []verify.Finding {
	return []verify.Finding{{Method: method, Status: status, Code: method + "/" + code, Detail: detail}}
}
