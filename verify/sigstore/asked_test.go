package sigstore_test

import (
	"testing"

	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

// A redirect does not let one package take the place of another, as serving its bytes under the other's address does not.
func TestPackagesThatWereAskedForBeforeRedirects(t *testing.T) {
	npm := map[string][]byte{npmDoc: sigstoretest.NPM(provenance(signer, sigstoretest.OfNPM(npmPURL, update)))}
	store := "https://registry.example.com/blobs/0b5e"
	beside := map[string][]byte{store + ".sigstore.json": provenance(signer, sigstoretest.OfNPM(npmPURL, update))}
	wheels := map[string][]byte{wheelDoc: sigstoretest.PyPIProvenance(nil, instance.Attest(
		sigstoretest.Statement(sigstoretest.PyPI, nil, sigstoretest.Of(wheelName, update)), signer))}
	bare := map[string][]byte{"app-1.2.3.tar.gz.sigstore.json": instance.Sign(update, signer)}
	for _, c := range []struct {
		name string
		look look
		code string
	}{
		{"npm, itself", look{url: npmURL, files: npm, before: []string{npmURL}}, "sigstore/valid"},
		{"npm, by another registry", look{url: npmURL, files: npm, before: []string{"https://npm.example.org/@acme/app/-/app-1.2.3.tgz"}}, "sigstore/valid"},
		{"npm, no package", look{url: npmURL, files: npm, before: []string{"https://registry.example.com/latest/app"}}, "sigstore/valid"},
		{"npm, another version", look{url: npmURL, files: npm, before: []string{"https://registry.example.com/npm/@acme/app/-/app-1.2.4.tgz", "https://registry.example.com/x"}}, "sigstore/wrong-package"},
		{"npm, another package", look{url: npmURL, files: npm, before: []string{"https://registry.example.com/npm/app/-/app-1.2.3.tgz"}}, "sigstore/wrong-package"},
		{"npm, where no package is", look{url: store, files: beside, before: []string{npmURL}}, "sigstore/valid"},
		{"npm, another version where no package is", look{url: store, files: beside, before: []string{"https://registry.example.com/npm/@acme/app/-/app-1.2.4.tgz"}}, "sigstore/wrong-package"},
		{"PyPI, itself", look{url: wheelURL, files: wheels, before: []string{"https://index.example.com/packages/" + wheelName}}, "sigstore/valid"},
		{"PyPI, another version", look{url: wheelURL, files: wheels, before: []string{"https://index.example.com/packages/acme_app-1.2.4-py3-none-any.whl"}}, "sigstore/wrong-package"},
		{"a signature", look{files: bare, before: []string{defaultURL + "?latest", npmURL}}, "sigstore/valid"},
	} {
		found := c.look.run(t)
		if len(found) != 1 || found[0].Code != c.code {
			t.Errorf("%s: %+v, want %s", c.name, found, c.code)
		}
	}
}
