// Package clickonce judges ClickOnce manifests (.application, .vsto, .manifest; "ClickOnce application manifest" and
// "ClickOnce deployment manifest", Microsoft), and files that a manifest beside them lists.
//
// A signed manifest has two XML signatures (W3C XML Signature 1.1), one inside the other:
//
//   - The strong-name signature covers the whole manifest but itself. Its key is known by nobody; its short form, the public
//     key token, is part of the manifest's identity.
//   - The Authenticode signature lies in the KeyInfo of the first. It covers a license that holds the manifest's digest and
//     identity, and has the publisher's certificates and a timestamp.
//
// A ClickOnce application is fetched file by file. The application manifest lists the files with size and digest; the
// deployment manifest lists the application manifest likewise.
package clickonce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/xmldsig"
)

const method = "clickonce"

// Namespaces of manifests.
const (
	nsV1      = "urn:schemas-microsoft-com:asm.v1"
	nsV2      = "urn:schemas-microsoft-com:asm.v2"
	nsRelData = "http://schemas.microsoft.com/windows/rel/2005/reldata"
	nsLicense = "urn:mpeg:mpeg21:2003:01-REL-R-NS"
	nsAuthent = "http://schemas.microsoft.com/windows/pki/2005/Authenticode"
)

// Verifier implements verify.Verifier.
type Verifier struct{}

// New returns a Verifier. The embedded code-signing roots apply where verify.Trust names none.
func New() *Verifier { return &Verifier{} }

// Method returns "clickonce".
func (*Verifier) Method() string { return method }

// Match reports whether the artifact is a manifest by its content, or a file of an application by its place.
func (*Verifier) Match(a *verify.Artifact) bool { return isManifest(a) || isDeployed(a) }

// manifestNames are the endings of manifests.
var manifestNames = map[string]bool{".application": true, ".vsto": true, ".manifest": true}

// isManifest reports whether the artifact is XML, and of the namespace or under a name of manifests.
func isManifest(a *verify.Artifact) bool {
	head := make([]byte, min(a.Size, 4096))
	n, _ := a.Content.ReadAt(head, 0)
	head = bytes.TrimLeft(bytes.TrimPrefix(head[:n], []byte("\xef\xbb\xbf")), " \t\r\n")
	named := manifestNames[strings.ToLower(path.Ext(a.Name))]
	if wide := bytes.HasPrefix(head, []byte("\xff\xfe<")) || bytes.HasPrefix(head, []byte("\xfe\xff\x00<")); wide {
		return named
	}
	return len(head) > 0 && head[0] == '<' && (named || bytes.Contains(head, []byte(nsV1)))
}

// Verify implements verify.Verifier.
func (*Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	if !isManifest(a) {
		return deployed(ctx, a, env)
	}
	if a.Size > xmldsig.MaxSize {
		return one(verify.Inconclusive, "unsupported", fmt.Sprintf("The manifest has %d bytes, more than %d.", a.Size, xmldsig.MaxSize)), nil
	}
	b := make([]byte, a.Size)
	if _, err := io.ReadFull(io.NewSectionReader(a.Content, 0, a.Size), b); err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	_, found := judge(b, env)
	return found, nil
}

// one returns a single finding without a signer.
func one(status verify.Status, code, detail string) []verify.Finding {
	return []verify.Finding{{Method: method, Status: status, Code: method + "/" + code, Detail: detail}}
}

// errBroken wraps what is wrong with a manifest.
var errBroken = errors.New("broken manifest")

// errIdentity wraps where two parts of a manifest name different things.
var errIdentity = errors.New("different identities")

func broken(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errBroken, fmt.Sprintf(format, args...))
}

// finding makes a finding of an error about a manifest.
func finding(what string, err error) verify.Finding {
	f := verify.Finding{Status: verify.Invalid, Code: "malformed"}
	switch {
	case errors.Is(err, xmldsig.ErrUnsupported):
		f.Status, f.Code = verify.Inconclusive, "unsupported"
	case errors.Is(err, xmldsig.ErrDigest):
		f.Code = "digest-mismatch"
	case errors.Is(err, xmldsig.ErrSignature), errors.Is(err, xmldsig.ErrNoSigner):
		f.Code = "bad-signature"
	case errors.Is(err, errIdentity):
		f.Code = "identity-mismatch"
	}
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), errBroken.Error()+": "), errIdentity.Error()+": ")
	f.Detail = fmt.Sprintf("%s: %s.", what, strings.TrimSuffix(text, "."))
	return f
}
