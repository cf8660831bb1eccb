package appx

import (
	"slices"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	ax "github.com/sallyport-project/sallyport/verify/appx/appxtest"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
)

// TestLimitsHoldForAllPackagesOfABundle verifies a bundle whose packages, each of them within the limits, are beyond
// them together.
func TestLimitsHoldForAllPackagesOfABundle(t *testing.T) {
	w := newWorld()
	content := ax.Package{Signer: w.vendor}.Bytes()
	var bundle ax.Package
	for i := range 8 {
		bundle.Inner = append(bundle.Inner, ax.Inner{Name: string(rune('a'+i)) + ".msix", Version: "1.2.3.4", Content: content})
	}
	b := bundle.Bytes()
	for _, c := range []struct {
		left budget
		want bool
	}{
		{budget{unpacked: maxUnpacked, xml: 3 << 10}, true},
		{budget{unpacked: 500 << 10, xml: maxAllXML}, true},
		{budget{unpacked: maxUnpacked, xml: maxAllXML}, false},
	} {
		x := &inspection{Examination: authenticode.New(method, "package", w.env), left: &c.left}
		found, err := x.inspect(t.Context(), artifact(b).Content, int64(len(b)), w.env)
		if got := slices.ContainsFunc(found, tooLarge); got != c.want || err != nil {
			t.Errorf("%v, %+v is left, %d findings, too large: %v", err, c.left, len(found), got)
		}
	}
}

func tooLarge(f verify.Finding) bool { return f.Code == "appx/too-large" }
