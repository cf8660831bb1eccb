package ledger

import (
	"fmt"

	"github.com/sallyport-project/sallyport/internal/versions"
	"github.com/sallyport-project/sallyport/policy"
)

// maxBranch is how many leading numbers of a version a branch may be named by.
const maxBranch = 4

// branches returns the branches that a version lies in: "" for all versions, then by its first number, its first two, ... up to
// maxBranch, each as versions.Branch has it. What is no version of the system lies in none but "".
func branches(system, version string) []string {
	out := []string{""}
	for n := 1; n <= maxBranch; n++ {
		if b, ok := versions.Branch(system, version, n); ok {
			out = append(out, fmt.Sprintf("%d %s", n, b)) // 1.0 with one number more is 1.0.0, but a longer branch
		}
	}
	return out
}

// highest keeps, for every branch and every kind of version, the release with the highest version: of those that the policy let
// through, and of all.
func (a applying) highest(product, release int64, n policy.Edition, byHand bool) error {
	compare, kind := versions.Of(n.System), versions.Kind(n.System)
	if _, ok := compare(n.Version, n.Version); !ok {
		return nil
	}
	for _, branch := range branches(n.System, n.Version) {
		for _, all := range []bool{false, true} {
			if byHand && !all {
				continue
			}
			var top string
			known, err := a.w.get(`SELECT r.version FROM highest h JOIN releases r ON r.id = h.release
				WHERE h.product = ? AND h.branch = ? AND h.kind = ? AND h.by_hand = ?`,
				[]any{product, branch, kind, number(all)}, &top)
			if err != nil {
				return err
			}
			if order, ok := compare(n.Version, top); known && ok && order <= 0 {
				continue
			}
			err = a.w.exec(`INSERT INTO highest (product, kind, branch, by_hand, release) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (product, branch, kind, by_hand) DO UPDATE SET release = excluded.release`,
				product, kind, branch, number(all), release)
			if err != nil {
				return err
			}
		}
	}
	return nil
}
