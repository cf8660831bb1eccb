package apt

import (
	"fmt"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/apt/apttest"
)

// BenchmarkPackage is one package of an upgrade: its suite is remembered, with as many files as Debian's, and its
// index is parsed.
func BenchmarkPackage(b *testing.B) {
	key := newKey(b, "Archive Key")
	w := &world{archive: apttest.NewArchive("/debian"), key: key, v: New(), memory: newMemory()}
	w.env = verify.Env{Sidecars: w, Memory: w.memory, At: now, Trust: verify.Trust{Keyrings: []verify.Keyring{keyringOf(b, "debian", key)}}}
	s := apttest.Suite{Path: "bookworm", Suite: "bookworm", Date: now, Signers: []*apttest.Key{key}, Packages: []apttest.Package{deb(b, "hello", "2.10-3", "amd64")}}
	s.Extra = map[string][]byte{}
	for i := range 1500 {
		s.Extra[fmt.Sprintf("main/i18n/Translation-%04d.xz", i)] = []byte{byte(i)}
	}
	if err := w.archive.Publish(s); err != nil {
		b.Fatal(err)
	}
	a := artifact(root+hello, w.archive.Get(hello))
	b.ReportAllocs()
	for b.Loop() {
		list, err := w.v.Verify(b.Context(), a, w.env)
		if err != nil || list[0].Status != verify.Valid {
			b.Fatalf("%+v, %v", list, err)
		}
	}
}
