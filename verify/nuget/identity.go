package nuget

import (
	"errors"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/strictxml"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
)

const maxNuspec = 4 << 20 // bytes

// identity says what the package calls itself in its specification, the one .nuspec file in its root.
func (x *inspection) identity() error {
	var spec *zipfile.Entry
	for _, e := range x.zip.Entries {
		if strings.ContainsAny(e.Name, `/\`) || !strings.HasSuffix(strings.ToLower(e.Name), ".nuspec") {
			continue
		}
		if spec != nil {
			x.remark(verify.Invalid, "layout", "The package has two specifications, %.80q and %.80q: readers differ in which they take.", spec.Name, e.Name)
			return nil
		}
		spec = e
	}
	if spec == nil {
		x.remark(verify.Invalid, "malformed", "The package has no specification (.nuspec).")
		return nil
	}
	b, err := x.zip.ReadAll(spec, maxNuspec)
	if err != nil && !errors.Is(err, verify.ErrBroken) {
		return err
	}
	found := map[string]string{}
	if err == nil {
		err = strictxml.Read(b, strictxml.Visitor{End: func(e strictxml.Element) error {
			if e.Path != "package/metadata/id" && e.Path != "package/metadata/version" {
				return nil
			}
			if _, again := found[e.Path]; again {
				return errors.New("it has two identities")
			}
			found[e.Path] = strings.TrimSpace(e.Text)
			return nil
		}})
	}
	if err != nil {
		x.remark(verify.Invalid, "malformed", "%s", authenticode.Unreadable("package's specification", err))
		return nil
	}
	x.remark(verify.Valid, "identity", "It calls itself the package %.120q, version %.60q.", found["package/metadata/id"], found["package/metadata/version"])
	return nil
}
