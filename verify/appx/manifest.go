package appx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/strictxml"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
)

// identity is what a manifest calls its package.
type identity struct {
	name, publisher, version, architecture string
}

// innerPackage is a package that a bundle's manifest lists.
type innerPackage struct {
	file, version string
	offset, size  int64 // of its bytes in the bundle; offset -1 if it lies beside it
}

// maxInner bounds the packages of a bundle.
const maxInner = 512

// footprint reads a footprint file; ok is false where it cannot be, which is a finding then, unless it is an error.
func (x *inspection) footprint(name string) (b []byte, ok bool, err error) {
	e := x.zip.Entry(name)
	if e == nil {
		x.Remark(verify.Invalid, "malformed", "The package has no %s.", name)
		return nil, false, nil
	}
	if !take(&x.left.xml, e.Size) {
		x.tooLarge()
		return nil, false, nil
	}
	b, err = x.zip.ReadAll(e, maxXML)
	if errors.Is(err, verify.ErrBroken) {
		x.Remark(verify.Invalid, "malformed", "%s", authenticode.Unreadable(name, err))
		return nil, false, nil
	}
	return b, err == nil, err
}

// tooLarge says that a limit ended the inspection.
func (x *inspection) tooLarge() {
	x.Remark(verify.Inconclusive, "too-large", "The package unpacks to more than is looked at: %d bytes, or %d times its size, and %d bytes of XML.", int64(maxUnpacked), maxExpansion, maxAllXML)
}

// contents checks everything in the package that the signature reaches only through other files.
func (x *inspection) contents(ctx context.Context, der []byte, env verify.Env) error {
	b, ok, err := x.footprint(contentTypesName)
	if err != nil {
		return err
	}
	if ok {
		if err := strictxml.Read(b, strictxml.Visitor{}); err != nil {
			x.Remark(verify.Invalid, "malformed", "%s", authenticode.Unreadable(contentTypesName, err))
		}
	}
	name := manifestName
	if x.isBundle {
		name = bundleManifestName
	}
	if b, ok, err = x.footprint(name); err != nil {
		return err
	}
	var listed []innerPackage
	if ok {
		if x.self, listed, err = parseManifest(b); err != nil {
			x.Remark(verify.Invalid, "malformed", "%s", authenticode.Unreadable(name, err))
			x.self = nil
		}
	}
	elsewhere := map[string]bool{}
	if x.self != nil {
		x.identify(der)
		for _, p := range listed {
			elsewhere[p.file] = true
			if err := x.checkInner(ctx, p, env); err != nil {
				return err
			}
		}
	}
	return x.checkBlocks(ctx, elsewhere)
}

// identify compares what the manifest says with the signer and with the bundle around it.
func (x *inspection) identify(der []byte) {
	id := x.self
	what := "package"
	if x.isBundle {
		what = "bundle"
	}
	x.Remark(verify.Valid, "identity", "It calls itself the %s %.120q, version %.40q, for %.20q, by %.200q.", what, id.name, id.version, id.architecture, id.publisher)
	if subject := signerSubject(der); subject != nil {
		if why := comparePublisher(id.publisher, subject); why != "" {
			x.Remark(verify.Invalid, "publisher-mismatch", "The manifest says that the publisher is %.200q, which is not the signer's name (%s); Windows refuses such a package.", id.publisher, why)
		}
	}
	if o := x.bundle; o != nil && (o.publisher != id.publisher || o.name != id.name) {
		x.Remark(verify.Invalid, "bundle-mismatch", "The package calls itself %.120q by %.200q, the bundle around it %.120q by %.200q.", id.name, id.publisher, o.name, o.publisher)
	}
}

// parseManifest reads the manifest of a package or of a bundle.
func parseManifest(b []byte) (*identity, []innerPackage, error) {
	var id *identity
	var inner []innerPackage
	root := ""
	err := strictxml.Read(b, strictxml.Visitor{Start: func(e strictxml.Element) error {
		if root == "" {
			root = e.Space
		}
		if e.Space != root || !ours(root) {
			return nil
		}
		switch e.Path {
		case "Package/Identity", "Bundle/Identity":
			if id != nil {
				return errors.New("it has two identities")
			}
			id = &identity{name: e.Attrs["Name"], publisher: e.Attrs["Publisher"], version: e.Attrs["Version"], architecture: e.Attrs["ProcessorArchitecture"]}
		case "Bundle/Packages/Package":
			p, err := parseInner(e)
			if err != nil || len(inner) == maxInner {
				return fmt.Errorf("it lists more than %d packages, or one wrongly (%v)", maxInner, err)
			}
			inner = append(inner, p)
		}
		return nil
	}})
	if err == nil && (id == nil || id.name == "" || id.publisher == "" || id.version == "") {
		err = errors.New("it has no identity with name, publisher and version")
	}
	return id, inner, err
}

func parseInner(e strictxml.Element) (innerPackage, error) {
	p := innerPackage{file: strings.ReplaceAll(e.Attrs["FileName"], `\`, "/"), version: e.Attrs["Version"], offset: -1}
	var err error
	if v, ok := e.Attrs["Offset"]; ok {
		if p.offset, err = number(v); err != nil {
			return p, err
		}
		p.size, err = number(e.Attrs["Size"])
	}
	return p, err
}

// checkInner judges a package of a bundle where the manifest says that it lies.
func (x *inspection) checkInner(ctx context.Context, p innerPackage, env verify.Env) error {
	var e *zipfile.Entry
	for _, o := range x.zip.Entries {
		if o.Name == p.file || unescaped(o.Name) == p.file {
			e = o
		}
	}
	switch {
	case e == nil && p.offset < 0:
		x.Remark(verify.Inconclusive, "flat-bundle", "The package %.120q lies beside the bundle and was not looked at.", p.file)
		return nil
	case e == nil || e.Method != zipfile.Stored || e.Data != p.offset || e.Size != p.size || e.Packed != p.size:
		x.Remark(verify.Invalid, "bundle-mismatch", "The bundle's manifest has the package %.120q with %d bytes at byte %d, where it does not lie.", p.file, p.size, p.offset)
		return nil
	case x.bundle != nil:
		x.Remark(verify.Invalid, "bundle-mismatch", "The bundle lies in a bundle.")
		return nil
	}
	if why, err := x.readThrough(e); why != "" || err != nil {
		x.Remark(verify.Invalid, "block-mismatch", "The package %.120q cannot be read: %s.", p.file, why)
		return err
	}
	inner := &inspection{Examination: authenticode.New(method, "package", env), bundle: x.self, left: x.left}
	found, err := inner.inspect(ctx, x.zip.Raw(e), e.Packed, env)
	if err != nil {
		return err
	}
	id := inner.self
	if id != nil && id.version != p.version {
		x.Remark(verify.Invalid, "bundle-mismatch", "The bundle's manifest has the package %.120q in version %.40q, itself it says %.40q.", p.file, p.version, id.version)
	}
	for _, f := range found {
		x.addInner(f, p.file)
	}
	return nil
}

func (x *inspection) readThrough(e *zipfile.Entry) (string, error) {
	if _, err := io.Copy(io.Discard, x.zip.Reader(e)); err != nil {
		return broken(err)
	}
	return "", nil
}

// addInner adds what was found about a package of the bundle. That one has no signature of its own is no fault: the
// bundle's covers it.
func (x *inspection) addInner(f verify.Finding, file string) {
	if f.Status == verify.Absent {
		f.Status, f.Code, f.Detail = verify.Valid, method+"/inner-unsigned", "The package has no signature of its own; that of the bundle covers it, if there is one."
	}
	if f.Subject == "" {
		f.Subject = file
	} else {
		f.Subject = file + "/" + f.Subject
	}
	if len(x.inner) < authenticode.MaxFindings || f.Status == verify.Invalid && len(x.inner) < 4*authenticode.MaxFindings {
		x.inner = append(x.inner, f)
	}
}

// ours reports whether a namespace is one of Microsoft's for packages.
func ours(space string) bool { return strings.HasPrefix(space, "http://schemas.microsoft.com/appx/") }
