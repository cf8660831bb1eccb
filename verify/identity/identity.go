// Package identity reads what updates say that they are: product, version, whose rules order the version; and what
// programs load and installers run. All of it is the artifact's own word. FORMATS.md says, format by format, which
// signature covers the bytes that it is read from.
//
// A product is named so that it is the same for every release and differs for builds that a vendor publishes side by
// side: "7-Zip (x64)", "libc6:amd64", "bash.x86_64", "numpy (cpython, linux x86_64)". What cannot be told for certain, because
// the file says it twice and differently for example, is left out.
package identity

import (
	"context"
	"errors"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cfb"
	"github.com/sallyport-project/sallyport/verify/internal/elffile"
	"github.com/sallyport-project/sallyport/verify/internal/machofile"
	"github.com/sallyport-project/sallyport/verify/internal/msidb"
	"github.com/sallyport-project/sallyport/verify/internal/pe"
	"github.com/sallyport-project/sallyport/verify/internal/rpmfile"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
)

const method = "identity"

// Reviewer implements verify.Reviewer. It has no findings.
type Reviewer struct{}

// New returns a Reviewer.
func New() *Reviewer { return &Reviewer{} }

// Method returns "identity".
func (*Reviewer) Method() string { return method }

// Review implements verify.Reviewer for one file.
func (*Reviewer) Review(ctx context.Context, a *verify.Artifact, _ []verify.Finding, _ verify.Env) (verify.Remarks, error) {
	read := reader(a)
	if read == nil {
		return verify.Remarks{}, nil
	}
	s, err := read(ctx, a)
	if err != nil && !aboutThem(err) {
		return verify.Remarks{}, err
	}
	if err != nil {
		s.name, s.version = "", "" // and the facts are as far as they could be read
	}
	return s.remarks(), nil
}

// ReviewContents implements verify.Reviewer: there is nothing to add.
func (*Reviewer) ReviewContents(context.Context, *verify.Artifact, *verify.Report, verify.Env) ([]verify.Finding, error) {
	return nil, nil
}

// reader returns what reads artifacts of this kind; nil if nothing does. Of a file inside another only what it loads or runs
// counts.
func reader(a *verify.Artifact) func(context.Context, *verify.Artifact) (said, error) {
	switch a.Format {
	case "pe":
		return program
	case "elf":
		return elf
	case "macho":
		return macho
	case "msi":
		return installer
	case "deb":
		return debian
	case "rpm":
		return rpm
	}
	if a.Inner {
		if baseName(a.Name) == packageJSON {
			return innerPackageJSON
		}
		return nil
	}
	if a.Role == verify.Metadata {
		return nil
	}
	switch a.Format {
	case "gzip", "tar":
		return tarball
	case "whl":
		return wheel
	case "nupkg":
		return nupkg
	case "vsix":
		return vsix
	case "msix":
		return msix
	case "jar":
		return jar
	}
	return nil
}

// errUnclear is wrapped where a file does not say what it is, or says it in two ways.
var errUnclear = errors.New("it is not clear what it is")

// aboutThem reports whether an error is about the artifact, rather than about our reading of it.
func aboutThem(err error) bool {
	for _, theirs := range []error{errUnclear, verify.ErrBroken, pe.ErrNotPE, pe.ErrMalformed, pe.ErrNoVersion, elffile.ErrMalformed, machofile.ErrMalformed,
		msidb.ErrMalformed, cfb.ErrMalformed, cfb.ErrNotCompound, rpmfile.ErrFormat, zipfile.ErrNotZip, zipfile.ErrMalformed} {
		if errors.Is(err, theirs) {
			return true
		}
	}
	return false
}

func baseName(path string) string { return path[strings.LastIndexAny(path, `/\`)+1:] }
