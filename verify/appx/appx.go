// Package appx judges the signatures of Windows app packages and bundles of them: .appx, .msix, .appxbundle, .msixbundle.
//
// A package is a zip file whose last entry, AppxSignature.p7x, is "PKCX" and an Authenticode signature over a list of
// digests: of the zip's records before it (AXPC), of the directory as it was without it (AXCD), of [Content_Types].xml
// (AXCT), AppxBlockMap.xml (AXBM) and AppxMetadata/CodeIntegrity.cat (AXCI). So every byte of the file is signed but for
// the signature's own records. The block map, in turn, has a digest of every 64 KiB of every file, which is what Windows
// checks while it installs. Microsoft published no specification of the list; see
// https://learn.microsoft.com/windows/msix/package/signing-package-overview and
// https://learn.microsoft.com/uwp/schemas/blockmapschema/app-package-block-map for what there is.
package appx

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
)

const method = "appx"

// Footprint files: what is in a package besides its payload.
const (
	signatureName      = "AppxSignature.p7x"
	contentTypesName   = "[Content_Types].xml"
	blockMapName       = "AppxBlockMap.xml"
	codeIntegrityName  = "AppxMetadata/CodeIntegrity.cat"
	manifestName       = "AppxManifest.xml"
	bundleManifestName = "AppxMetadata/AppxBundleManifest.xml"
)

// Limits of footprint files, in bytes.
const (
	maxSignature = 4 << 20
	maxXML       = 16 << 20
	maxCatalogue = 64 << 20
)

// Limits of everything that is unpacked for one artifact, packages in a bundle included. Honest packages unpack to a few
// times their size; a block map has about a thousandth of what it describes.
const (
	maxUnpacked  = 512 << 20 // bytes, for small artifacts
	maxExpansion = 20        // times the artifact's size, for large ones
	maxAllXML    = 24 << 20
)

// budget is what is left of these limits.
type budget struct{ unpacked, xml int64 }

// take reports whether n more bytes may be unpacked, and counts them.
func take(left *int64, n int64) bool {
	*left -= n
	return *left >= 0
}

// Verifier implements verify.Verifier.
type Verifier struct{}

// New returns a Verifier. The embedded roots apply where verify.Trust names none.
func New() *Verifier { return &Verifier{} }

// Method returns "appx".
func (*Verifier) Method() string { return method }

// Match reports whether the artifact is called a package, or is a zip file with a package's footprint files.
func (*Verifier) Match(a *verify.Artifact) bool {
	return a.Format == "msix" || zipfile.Mentions(a.Content, a.Size, blockMapName) || zipfile.Mentions(a.Content, a.Size, signatureName)
}

// Verify implements verify.Verifier. Findings about packages inside a bundle have their names as Subject.
func (*Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	x := &inspection{Examination: authenticode.New(method, "package", env), left: &budget{unpacked: max(maxUnpacked, maxExpansion*a.Size), xml: maxAllXML}}
	return x.inspect(ctx, a.Content, a.Size, env)
}

// inspection is one run over one package.
type inspection struct {
	*authenticode.Examination
	zip      *zipfile.File
	bundle   *identity // of the bundle that the package lies in; nil if it lies in none
	isBundle bool
	self     *identity
	inner    []verify.Finding // about entries, and about the packages of a bundle
	left     *budget
}

// inspect judges a package and returns what was found; an error means that we failed.
func (x *inspection) inspect(ctx context.Context, r io.ReaderAt, size int64, env verify.Env) ([]verify.Finding, error) {
	var err error
	x.zip, err = zipfile.Open(r, size)
	switch {
	case errors.Is(err, zipfile.ErrNotZip), errors.Is(err, zipfile.ErrMalformed):
		x.Verdict(verify.Finding{Status: verify.Invalid, Code: "malformed", Detail: authenticode.Unreadable("package", err)})
		return x.Findings(), nil
	case err != nil:
		return nil, fmt.Errorf("reading the package's directory: %w", err)
	}
	x.isBundle = x.zip.Entry(bundleManifestName) != nil
	x.layout()
	der, err := x.signature()
	if err != nil {
		return nil, err
	}
	if err := x.judge(ctx, der); err != nil {
		return nil, err
	}
	if len(x.zip.Problems) == 0 { // what can be read in several ways is not read further
		if err := x.contents(ctx, der, env); err != nil {
			return nil, err
		}
	}
	return append(x.Findings(), x.inner...), nil
}

// layout demands of the zip file that there is one way to read it: packages are written by few programs, and none of
// them leaves anything to doubt. What does is wrong with the package, whichever entry it is about.
func (x *inspection) layout() {
	for _, p := range x.zip.Problems {
		if p.Entry == "" {
			x.Remark(verify.Invalid, "layout", "%s", p.Detail)
		} else {
			x.Remark(verify.Invalid, "layout", "The entry %.120q: %s", p.Entry, p.Detail)
		}
	}
	if n := len(x.zip.Comment); n > 0 {
		x.Remark(verify.Invalid, "layout", "A comment of %d bytes follows the package.", n)
	}
	for _, e := range x.zip.Entries {
		if e.Method != zipfile.Stored && e.Method != zipfile.Deflate || len(e.Comment) > 0 {
			x.Remark(verify.Invalid, "layout", "The entry %.120q is compressed by method %d, or has a comment of %d bytes; packages have neither.", e.Name, e.Method, len(e.Comment))
			return
		}
	}
}

// signature collects the signature and returns its DER; nil where there is none that can be read.
func (x *inspection) signature() ([]byte, error) {
	e := x.zip.Entry(signatureName)
	if e == nil {
		x.Verdict(verify.Finding{Status: verify.Absent, Code: "unsigned", Detail: "The package carries no signature."})
		return nil, nil
	}
	unusable := func(format string, args ...any) ([]byte, error) {
		x.Verdict(verify.Finding{Status: verify.Invalid, Code: "malformed", Detail: fmt.Sprintf(format, args...)})
		return nil, nil
	}
	if e.EntryEnd != x.zip.Directory {
		return unusable("The signature at byte %d is not the last entry of the package.", e.Local)
	}
	b, err := x.zip.ReadAll(e, maxSignature)
	switch {
	case errors.Is(err, verify.ErrBroken):
		return unusable("%s", authenticode.Unreadable("signature", err))
	case err != nil:
		return nil, err
	case len(b) < 4 || string(b[:4]) != "PKCX":
		return unusable("%s of %d bytes does not begin with PKCX.", signatureName, len(b))
	}
	der, rest, err := cms.ReadElement(b[4:])
	if err != nil {
		return unusable("%s", authenticode.Unreadable("signature", err))
	}
	if len(rest) > 0 {
		x.Remark(verify.Invalid, "padding-data", "%d bytes follow the signature in %s; no signature covers them; they are %s.", len(rest), signatureName, authenticode.Texture(rest))
	}
	if n := len(e.Extra) + int(e.Data-e.Local) - 30 - len(e.Name); n > 0 || e.Flags != 0 {
		x.Remark(verify.Invalid, "layout", "The signature's records have %d bytes of extra fields and the flags %#x, which nothing covers.", n, e.Flags)
	}
	x.Collect(der, "signature", x.binding)
	return der, nil
}
