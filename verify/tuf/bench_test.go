package tuf

import (
	"sync"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

func benchWorld(b *testing.B, build func(tuftest.Options) (*tuftest.Repository, error)) *world {
	b.Helper()
	repo, err := build(tuftest.Options{At: now})
	if err != nil {
		b.Fatal(err)
	}
	return worldOf(b, repo)
}

func flat(o tuftest.Options) (*tuftest.Repository, error) {
	repo, err := tuftest.NewFlat(o, 200_000)
	if err == nil {
		repo.Add(repo.Targets, app, appBytes)
	}
	return repo, err
}

// bins has the application in the bin where it belongs.
func bins(o tuftest.Options) (*tuftest.Repository, error) {
	repo, err := tuftest.NewBins(o, 14, 400_000)
	if err == nil {
		repo.Add(repo.Bin(repo.Targets, app), app, appBytes)
	}
	return repo, err
}

func (w *world) mustVerify(b *testing.B, a *verify.Artifact) {
	found, err := w.v.Verify(b.Context(), a, w.env)
	if err != nil || len(found) != 1 || found[0].Code != "tuf/listed" {
		b.Fatalf("%v %+v", err, found)
	}
}

func benchmarkVerify(b *testing.B, build func(tuftest.Options) (*tuftest.Repository, error)) {
	w := benchWorld(b, build)
	a := artifact(b, base+"targets/"+app, appBytes)
	w.mustVerify(b, a)
	b.ReportAllocs()
	for b.Loop() {
		w.mustVerify(b, a)
	}
}

// BenchmarkVerifyFlat verifies a target of a known repository with 200,000 of them in one file.
func BenchmarkVerifyFlat(b *testing.B) { benchmarkVerify(b, flat) }

// BenchmarkVerifyBins verifies a target of a known repository with 400,000 of them in 16,384 hash bins, its bin being loaded.
func BenchmarkVerifyBins(b *testing.B) { benchmarkVerify(b, bins) }

// BenchmarkFirstBin verifies a target whose bin is fetched and verified for it.
func BenchmarkFirstBin(b *testing.B) {
	w := benchWorld(b, bins)
	source := w.v.source(&w.env.Trust.TUF[0], &w.env.Trust.TUF[0].Repositories[0], w.env)
	if _, err := source.refresh(b.Context()); err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		path := tuftest.Path(n)
		n++
		if _, err := source.client.Lookup(b.Context(), source.fetch, now, path); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkCold(b *testing.B, build func(tuftest.Options) (*tuftest.Repository, error)) {
	w := benchWorld(b, build)
	a := artifact(b, base+"targets/"+app, appBytes)
	b.ReportAllocs()
	for b.Loop() {
		w.env.Memory = newMemory()
		w.restart()
		w.mustVerify(b, a)
	}
}

// BenchmarkColdFlat follows a repository of which only the root is known, and verifies one target of 200,000.
func BenchmarkColdFlat(b *testing.B) { benchmarkCold(b, flat) }

// BenchmarkColdBins does so with 16,384 hash bins.
func BenchmarkColdBins(b *testing.B) { benchmarkCold(b, bins) }

// BenchmarkTogether makes 1,000 verifications at once of a repository of which only the root is known.
func BenchmarkTogether(b *testing.B) {
	w := benchWorld(b, bins)
	for b.Loop() {
		w.env.Memory = newMemory()
		w.restart()
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() { w.mustVerify(b, artifact(b, base+"targets/"+app, appBytes)) })
		}
		all.Wait()
	}
}
