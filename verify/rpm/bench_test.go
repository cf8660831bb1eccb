package rpm

import (
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify/rpm/rpmtest"
)

func BenchmarkVerifyRPM(b *testing.B) {
	key := newRSAKey(b, "Bench")
	content := strings.Repeat("0123456789abcdef", 2<<20) // 32 MiB
	data := build(b, rpmtest.Package{HeaderBy: []*rpmtest.Key{key}, Files: []rpmtest.File{{Path: "/opt/big", Content: content}}})
	env := trusting(b, key)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if fs := examine(b, data, env); fs[0].Code != "rpm/valid" {
			b.Fatalf("%+v", fs)
		}
	}
}
