package sigstore

import (
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// checkClaims compares the run that the issuer wrote into the certificate with the build that the statement says it is about.
// Builders take both from the same token, so where both name a source, ref or commit they are the same; a statement of a run about
// itself that says something else was made up inside the run. Only provenance (SLSA) is compared: other predicates are about
// other sources than the run's own. A statement that names another workflow as its builder is about another run, which the signer
// vouches for: its claims are the signer's alone, and nothing in the certificate speaks for or against them.
func checkClaims(signer string, w *verify.Workload, a *verify.Attestation) error {
	if w == nil || a == nil || a.Predicate != "slsa" {
		return nil
	}
	if strings.Contains(a.Builder, "/.github/workflows/") && a.Builder != first(w.BuildSigner, signer) {
		return nil
	}
	if differ(repositoryKey(w.Source), repositoryKey(a.Source)) {
		return fail(ClaimsDisagree, "the certificate names the source %s, the statement %s", quote(w.Source), quote(a.Source))
	}
	if strings.HasPrefix(a.Ref, "refs/") && differ(w.Ref, a.Ref) {
		return fail(ClaimsDisagree, "the certificate names the ref %s, the statement %s", quote(w.Ref), quote(a.Ref))
	}
	if differ(strings.ToLower(w.Commit), a.Commit) {
		return fail(ClaimsDisagree, "the certificate names the commit %s, the statement %s", quote(w.Commit), quote(a.Commit))
	}
	return nil
}

func differ(a, b string) bool { return a != "" && b != "" && a != b }

// repositoryKey is what two ways to write the same repository have in common. Hosts of repositories do not tell capitals from
// small letters.
func repositoryKey(uri string) string {
	return strings.TrimSuffix(strings.ToLower(sourceURI(uri)), "/")
}
