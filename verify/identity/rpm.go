package identity

import (
	"context"
	"fmt"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/rpmfile"
)

// rpm reads the header of an rpm package, which its signature covers, and its scriptlets.
func rpm(_ context.Context, a *verify.Artifact) (s said, err error) {
	p, err := rpmfile.Read(a.Content, a.Size)
	if err != nil {
		return s, err
	}
	h := p.Header
	scripts, err := h.Scriptlets()
	if err != nil {
		return s, err
	}
	for _, script := range scripts {
		s.action(script.Name, "%s, %s", firstLine([]byte(script.Text)), digestOf([]byte(script.Text)))
	}
	name, version, release, architecture := h.String(rpmfile.TagName), h.String(rpmfile.TagVersion), h.String(rpmfile.TagRelease), h.String(rpmfile.TagArch)
	if name == "" || version == "" || release == "" {
		return s, fmt.Errorf("no name, version or release: %w", errUnclear)
	}
	if h.Has(rpmfile.TagSourcePackage) || h.String(rpmfile.TagSourceRPM) == "" {
		architecture = "src"
	}
	epoch := ""
	if e, err := h.Uint32s(rpmfile.TagEpoch); err == nil && len(e) > 0 && e[0] > 0 {
		epoch = fmt.Sprintf("%d:", e[0])
	}
	s.is("rpm", name+"."+architecture, epoch+version+"-"+release)
	return s, nil
}
