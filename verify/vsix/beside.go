package vsix

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
)

// The names under which the Marketplace serves a package and its signature archive, in the same folder.
const (
	assetPackage   = "Microsoft.VisualStudio.Services.VSIXPackage"
	assetSignature = "Microsoft.VisualStudio.Services.VsixSignature"
)

// sidecar returns where the signature archive of an extension should be, relative to the extension.
func sidecar(a *verify.Artifact) string {
	name, query := path.Base(strings.ReplaceAll(a.Name, `\`, "/")), ""
	if a.URL != nil {
		name, query = path.Base(a.URL.Path), a.URL.RawQuery
	}
	switch {
	case name == assetPackage:
		name = assetSignature
	case strings.EqualFold(path.Ext(name), ".vsix"):
		name = name[:len(name)-len(".vsix")] + ".sigzip"
	default:
		return ""
	}
	ref := "./" + url.PathEscape(name)
	if query != "" {
		ref += "?" + query
	}
	return ref
}

// beside judges an extension without a signature inside by the signature archive beside it.
func beside(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	ref := sidecar(a)
	if ref == "" || env.Sidecars == nil {
		return one(verify.Absent, "unsigned", "The package carries no signature."), nil
	}
	data, err := env.Sidecars.Fetch(ctx, ref, maxArchive)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, verify.ErrNotExist), errors.Is(err, verify.ErrNoSidecars):
		return one(verify.Absent, "unsigned", "The package carries no signature, and there is no signature archive beside it."), nil
	case errors.Is(err, verify.ErrTooLarge):
		return one(verify.Inconclusive, "no-sidecar", fmt.Sprintf("The signature archive beside the package has more than %d bytes.", maxArchive)), nil
	case err != nil:
		return one(verify.Inconclusive, "no-sidecar", fmt.Sprintf("The package carries no signature, and it could not be told whether there is a signature archive beside it: %v.", err)), nil
	}
	found, err := byArchive(a, data, env)
	for i := range found {
		found[i].Evidence = append(found[i].Evidence, verify.Reference{URL: ref, SHA256: sha256.Sum256(data)})
	}
	return found, err
}

// byArchive judges an extension by a signature archive.
func byArchive(a *verify.Artifact, data []byte, env verify.Env) ([]verify.Finding, error) {
	zip, err := zipfile.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return one(verify.Inconclusive, "no-sidecar", fmt.Sprintf("What lies beside the package in place of its signature archive is none: %v.", err)), nil
	}
	m, found, err := judgeArchive(zip, env)
	if err != nil || m == nil {
		return found, err
	}
	sum := a.Digests.SHA256
	if m.size != a.Size || !hmac.Equal(m.sum, sum[:]) {
		return one(verify.Invalid, "digest-mismatch", fmt.Sprintf("The package has %d bytes and the SHA-256 digest %s, the signature archive beside it is of %d bytes with the digest %x.",
			a.Size, sum, m.size, m.sum)), nil
	}
	return found, nil
}
