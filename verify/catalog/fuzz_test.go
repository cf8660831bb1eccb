package catalog

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// FuzzVerify looks for catalogues on which Verify or Vouches panics, fails, keeps silent or says too much; and for those
// that vouch for a digest which no signed seed lists.
func FuzzVerify(f *testing.F) {
	w := newWorld()
	known := map[string]bool{}
	for _, version := range []int{1, 2} {
		c := at.Catalog{Version: version, Members: []at.Member{
			{Sum: sum256("a"), Kind: oidCabinetData, Name: "a"}, {Sum: sum1("b"), Kind: cms.OIDPEImageData}, {Sum: sum256("c")}}}
		for _, s := range []at.Signature{{Signer: w.vendor}, {Signer: w.stranger}, {Signer: w.vendor, Timestamp: w.stamp(2016), Nested: []at.Signature{{Signer: w.vendor}}}} {
			f.Add(c.Sign(s))
		}
		for _, m := range c.Members {
			known[string(m.Sum)] = true
		}
	}
	if dir := os.Getenv("SALLYPORT_SAMPLES"); dir != "" {
		real, _ := filepath.Glob(filepath.Join(dir, "cat", "*.cat"))
		for _, path := range real {
			if b, err := os.ReadFile(path); err == nil {
				f.Add(b)
			}
		}
	}
	v := New()
	f.Fuzz(func(t *testing.T, b []byte) {
		a := artifactOf(b)
		if !v.Match(a) {
			return
		}
		found, err := v.Verify(t.Context(), a, w.env)
		if err != nil || len(found) == 0 || len(found) > authenticode.MaxFindings {
			t.Fatalf("%d findings, error %v", len(found), err)
		}
		vouches, err := v.Vouches(t.Context(), a, w.env)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range vouches {
			if o.Finding.Status == verify.Valid && !known[string(o.Sum)] {
				t.Fatalf("another file is vouched for: %+v", o)
			}
		}
	})
}

// FuzzParseList looks for lists on which the parser panics, or that have members which could not be files.
func FuzzParseList(f *testing.F) {
	f.Add(at.Catalog{Version: 1, Members: []at.Member{{Sum: sum1("a"), Kind: oidCabinetData, Name: "a"}}}.Content())
	f.Add(at.Catalog{Expires: now, Members: []at.Member{{Sum: sum256("a")}, {Sum: make([]byte, 64), Kind: cms.OIDPEImageData}}}.Content())
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parseList(b)
		if err != nil {
			return
		}
		for _, m := range l.members {
			if n := len(m.digests()); n > 0 && len(m.sum) != m.hash.Size() || n > 2 {
				t.Fatalf("member %+v", m)
			}
			if !bytes.Contains(b, m.sum) && bySize(len(m.sum)) == 0 {
				t.Fatalf("a digest that is not in the list: %x", m.sum)
			}
		}
	})
}

// BenchmarkVouches reads a catalogue of 10,000 members and has it vouch for them.
func BenchmarkVouches(b *testing.B) {
	w := newWorld()
	c := at.Catalog{Members: make([]at.Member, 10_000)}
	for i := range c.Members {
		c.Members[i] = at.Member{Sum: sum256(string(rune(i))), Kind: oidCabinetData, Name: "file.dll"}
	}
	data := c.Sign(at.Signature{Signer: w.vendor})
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		vouches, err := New().Vouches(b.Context(), artifactOf(data), w.env)
		if err != nil || len(vouches) != len(c.Members) {
			b.Fatal(len(vouches), err)
		}
	}
}
