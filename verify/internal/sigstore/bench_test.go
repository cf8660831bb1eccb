package sigstore

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

// benchCases are a real provenance of npm, which needs the SHA-512, and a signature with a timestamp.
func benchCases(b *testing.B) map[string]func() error {
	data := read(b, filepath.Join(moduleData(b), "examples/bundle-provenance.json"))
	npm := must(Parse(data))
	s, _ := npm.Statement()
	sum := unhex(b, s.Subjects[0].Digest["sha512"])
	tarball := Artifact{Digest: func(string) ([]byte, error) { return sum, nil }}
	w := newWorld(b)
	public := Demand{Instance: must(NewInstance(PublicGood())), Rekor: 1, SCTs: 1}
	stamped := w.Sign(update, ci)
	summarized := w.Attest(sigstoretest.Provenance(build, sigstoretest.Of("app.bin", update)), ci)
	return map[string]func() error{
		"npm": func() error {
			bundle, err := Parse(data)
			if err != nil {
				return err
			}
			_, err = Verify(bundle, tarball, public, later)
			return err
		},
		"message": func() error { _, err := check(stamped, digestOnly, w.demand); return err },
		"dsse":    func() error { _, err := check(summarized, digestOnly, w.demand); return err },
		"bare":    func() error { return bare(data, PublicGood(), tarball, public) },
	}
}

// BenchmarkVerify is one bundle from its JSON to a verdict, by digest; bare is sigstore-go alone, its trusted root read anew.
func BenchmarkVerify(b *testing.B) {
	for name, f := range benchCases(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkVerifyParallel has 1,000 verifications under way at once.
func BenchmarkVerifyParallel(b *testing.B) {
	for name, f := range benchCases(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(1 + 1000/runtime.GOMAXPROCS(0))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func BenchmarkParse(b *testing.B) {
	data := read(b, filepath.Join(moduleData(b), "examples/bundle-provenance.json"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
