package apt

import (
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/pgp"
)

// TestAnUnusableKeyIsNamed: a policy that denies a key has to see it although it is revoked by now.
func TestAnUnusableKeyIsNamed(t *testing.T) {
	s := pgp.Signature{Outcome: pgp.Unusable, Fingerprint: "AB12", UserID: "Archive Key"}
	f := unsigned(document{url: "http://deb.example.org/InRelease"}, s, 1, now).problem
	if f.Status != verify.Untrusted || f.Signer.Fingerprint != "AB12" || f.Signer.Name != "Archive Key" {
		t.Errorf("%+v", f)
	}
}
