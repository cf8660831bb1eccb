package audit

import (
	"testing"

	"github.com/sallyport-project/sallyport/policy"
)

func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name    string
		callers int
	}{{"one caller", 0}, {"64 callers", 64}} {
		b.Run(c.name, func(b *testing.B) {
			l := openTest(b, b.TempDir(), Options{})
			r := decision(1, policy.Allow)
			if c.callers == 0 {
				for b.Loop() {
					appendTest(b, l, r)
				}
				return
			}
			b.SetParallelism(c.callers) // times GOMAXPROCS
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := l.Append(r); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	dir := b.TempDir()
	l := openTest(b, dir, Options{})
	const records = 5000
	for n := 0; n < records; n += 10 {
		var list []Record
		for range 10 {
			list = append(list, decision(1, policy.Allow))
		}
		appendBatch(b, l, list...)
	}
	_, bytes := l.Size()
	b.SetBytes(bytes)
	for b.Loop() {
		if v := verifyTest(b, dir, VerifyOptions{}); !v.OK() || v.Records != records {
			b.Fatal(v)
		}
	}
}
