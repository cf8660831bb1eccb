// Package formats lists every signature system that Sallyport knows. A new one is a package beside this one and a
// line here.
package formats

import (
	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/apt"
	"github.com/sallyport-project/sallyport/verify/authenticode"
	"github.com/sallyport-project/sallyport/verify/digest"
)

// All returns a new Verifier of each kind, in the order in which their findings are reported. They keep caches: make
// them once and use them for as long as the process lives.
func All() []verify.Verifier {
	return []verify.Verifier{
		authenticode.New(),
		apt.New(),
		digest.New(),
	}
}
