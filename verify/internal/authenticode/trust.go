package authenticode

import (
	_ "embed"
	"fmt"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// The lists of roots that are built in; roots/SOURCES says where they come from.
var (
	//go:embed roots/codesigning.pem
	codeSigningPEM []byte
	//go:embed roots/timestamping.pem
	timestampingPEM []byte
)

// trust is whom to believe about what.
type trust struct {
	signing, timestamping *cms.Roots
}

// embedded parses the built-in lists once. A list that does not parse is a broken build.
var embedded = sync.OnceValue(func() trust {
	signing, err := cms.ParseRoots(codeSigningPEM)
	if err != nil {
		panic(fmt.Sprintf("authenticode: embedded code-signing roots: %v", err))
	}
	timestamping, err := cms.ParseRoots(timestampingPEM)
	if err != nil {
		panic(fmt.Sprintf("authenticode: embedded timestamping roots: %v", err))
	}
	return trust{signing: signing, timestamping: timestamping}
})

// with returns t with what the operator replaces in it. An empty list that is not nil trusts nobody.
func (t trust) with(o verify.Trust) trust {
	if o.CodeSigning != nil || t.signing == nil {
		t.signing = cms.NewRoots(o.CodeSigning)
	}
	if o.Timestamping != nil || t.timestamping == nil {
		t.timestamping = cms.NewRoots(o.Timestamping)
	}
	return t
}
