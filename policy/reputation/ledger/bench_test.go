package ledger

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/sallyport-project/sallyport/policy"

	"github.com/sallyport-project/sallyport/verify"
)

const benchDigests = 1_000_000

// fill puts many artifacts straight into the database: each under an address of its own, and as one of 100 releases of a product.
func (r *rig) fill(n int) {
	r.t.Helper()
	r.must(r.ledger.store.write(&r.ledger.publish, func(w *writing) error {
		count := fmt.Sprintf("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d) ", n)
		for _, insert := range []string{
			`INSERT INTO artifacts SELECT NULL, randomblob(32), 'file-' || i, printf('01K%023d', i), 1772366400000000 + i, printf('01K%023d', i),
				1772366400000000 + i, printf('01K%023d', i), 3, 2, 1, 2 FROM c`,
			`INSERT INTO views SELECT NULL, randomblob(16), i, 1772366400000000, 1772366400000000, printf('01K%023d', i), printf('01K%023d', i), randomblob(16), 0 FROM c`,
			`INSERT INTO products SELECT NULL, 'vendor', 'product-' || i FROM c WHERE i % 100 = 0`,
			`INSERT INTO releases SELECT NULL, i / 100 + 1, '1.' || (i % 100), i, randomblob(32), 'semver', 'file-' || i, 'o:Vendor', 'signed',
				1772366400000000 + i, printf('01K%023d', i), printf('01K%023d', i), 0 FROM c`,
			`INSERT INTO highest SELECT i / 100 + 1, 'semver', '', 0, i FROM c WHERE i % 100 = 99`,
			`INSERT INTO proofs SELECT i / 100 + 1, 'signed', 1772366400000000, printf('01K%023d', i) FROM c WHERE i % 100 = 0`,
			`INSERT INTO inside SELECT randomblob(32), i, 'bin/tool.exe' FROM c`,
		} {
			if err := w.exec(count + insert); err != nil {
				return err
			}
		}
		return nil
	}))
	r.must(r.ledger.store.tidy())
}

func BenchmarkOf(b *testing.B) {
	r := newRig(b)
	r.fill(benchDigests)
	address, err := url.Parse("https://dl.example/app.exe")
	r.must(err)
	var sums []verify.Digest
	for i := range 1000 {
		var sum []byte
		_, err := r.ledger.store.get(b.Context(), "SELECT sha256 FROM artifacts WHERE id = ?", []any{1 + i*997}, &sum)
		r.must(err)
		sums = append(sums, verify.Digest(sum))
	}
	for _, c := range []struct {
		name    string
		edition func(i int) *policy.Edition
	}{
		{"first release of a product", func(int) *policy.Edition { return app("1.0.0") }},
		{"100 releases before it", func(i int) *policy.Edition {
			return &policy.Edition{Channel: "vendor", Product: fmt.Sprintf("product-%d", 100*(1+i%9000)), Version: "1.55", System: "semver"}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				h, err := r.ledger.Of(Query{SHA256: sums[i%len(sums)], URL: address, Client: "addr 10.0.0.1", Editions: []policy.Edition{*c.edition(i)}, Now: r.now.AddDate(0, 1, 0)})
				if err != nil || h.Requests != 3 {
					b.Fatal(h, err)
				}
			}
		})
	}
}

func BenchmarkAdd(b *testing.B) {
	r := newRig(b)
	r.fill(benchDigests)
	for _, c := range []struct {
		name string
		u    func(i int) update
	}{
		{"known bytes", func(i int) update { return allow(7).as(app("1.0.0")) }},
		{"new release", func(i int) update {
			return allow(1000 + i).as(app(fmt.Sprintf("2.%d.0", i))).at(fmt.Sprintf("https://dl.example/%d", i))
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				rec := c.u(i).record()
				rec.ID, rec.Time = fmt.Sprintf("01Z%s%020d", c.name[:3], i), r.now
				r.ledger.Add(rec, nil)
			}
		})
	}
}

func BenchmarkCatchUp(b *testing.B) {
	r := newRig(b)
	const records = 2000
	for i := range records {
		rec := someUpdate(i).record()
		_, err := r.l.Append(rec)
		r.must(err)
	}
	for b.Loop() {
		b.StopTimer()
		other := &rig{t: b, dir: b.TempDir(), log: r.log}
		b.StartTimer()
		other.open()
		b.StopTimer()
		other.close()
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/records, "µs/record")
}
