// Package formats lists every signature system and every kind of container that Sallyport knows. A new one is a package
// beside this one, or a file in unpack, and a line here.
package formats

import (
	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/anomaly"
	"github.com/sallyport-project/sallyport/verify/appx"
	"github.com/sallyport-project/sallyport/verify/apt"
	"github.com/sallyport-project/sallyport/verify/authenticode"
	"github.com/sallyport-project/sallyport/verify/cab"
	"github.com/sallyport-project/sallyport/verify/catalog"
	"github.com/sallyport-project/sallyport/verify/checksums"
	"github.com/sallyport-project/sallyport/verify/clickonce"
	"github.com/sallyport-project/sallyport/verify/detachedcms"
	"github.com/sallyport-project/sallyport/verify/digest"
	"github.com/sallyport-project/sallyport/verify/identity"
	"github.com/sallyport-project/sallyport/verify/minisign"
	"github.com/sallyport-project/sallyport/verify/msi"
	"github.com/sallyport-project/sallyport/verify/nuget"
	"github.com/sallyport-project/sallyport/verify/openpgp"
	"github.com/sallyport-project/sallyport/verify/rpm"
	"github.com/sallyport-project/sallyport/verify/rpmrepo"
	"github.com/sallyport-project/sallyport/verify/script"
	"github.com/sallyport-project/sallyport/verify/signify"
	"github.com/sallyport-project/sallyport/verify/sigstore"
	"github.com/sallyport-project/sallyport/verify/tuf"
	"github.com/sallyport-project/sallyport/verify/unpack"
	"github.com/sallyport-project/sallyport/verify/vsix"
)

// All returns a new Verifier of each kind, in the order in which their findings are reported. They keep caches: make
// them once and use them for as long as the process lives.
func All() []verify.Verifier {
	return []verify.Verifier{
		authenticode.New(),
		msi.New(),
		cab.New(),
		catalog.New(),
		script.New(),
		appx.New(),
		nuget.New(),
		vsix.New(),
		clickonce.New(),
		apt.New(),
		rpm.New(),
		rpmrepo.New(),
		openpgp.New(),
		minisign.New(),
		signify.New(),
		detachedcms.New(),
		tuf.New(),
		sigstore.New(),
		checksums.New(),
		digest.New(),
	}
}

// Openers returns an Opener of each kind of container.
func Openers() []verify.Opener {
	return append(unpack.NewCompressed(),
		unpack.NewTar(),
		unpack.NewZip(),
		unpack.NewMSI(),
		unpack.NewCAB(),
		unpack.NewSevenZip(),
		unpack.NewASAR(),
		unpack.NewDeb(),
		unpack.NewRPM(),
		unpack.NewCpio(),
		unpack.NewAR(),
		unpack.NewSelfExtractor(),
	)
}

// Reviewers returns a Reviewer of each kind. They remember: make them once.
func Reviewers() []verify.Reviewer { return []verify.Reviewer{anomaly.New(), identity.New()} }
