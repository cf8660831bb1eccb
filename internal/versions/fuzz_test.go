package versions

import (
	"strings"
	"testing"
)

// FuzzVersions demands an order: antisymmetric, and each version equal to itself.
func FuzzVersions(f *testing.F) {
	for name, chain := range versionOrders {
		words := strings.Fields(chain)
		f.Add(name, words[0], words[len(words)-1])
	}
	f.Fuzz(func(t *testing.T, name, a, b string) {
		compare := Of(name)
		x, ok := compare(a, b)
		y, fine := compare(b, a)
		if ok != fine || ok && x != -y {
			t.Fatalf("%s: %q and %q: %d and %d", name, a, b, x, y)
		}
		if same, ok := compare(a, a); ok && same != 0 {
			t.Fatalf("%s: %q is not itself", name, a)
		}
	})
}
