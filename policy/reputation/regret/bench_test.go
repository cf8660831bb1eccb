package regret

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/reputation"
	"github.com/sallyport-project/sallyport/policy/reputation/ledger"
	"github.com/sallyport-project/sallyport/verify"
)

// manyKnown is a ledger of many digests, none of which is listed.
type manyKnown struct{ digests []verify.Digest }

func (m *manyKnown) Holders(context.Context, verify.Digest) ([]ledger.Holder, error) { return nil, nil }
func (m *manyKnown) Recalls(verify.Digest, verify.Report) []policy.Recall            { return nil }
func (m *manyKnown) Each(_ context.Context, f func(ledger.Digest) error) error {
	for _, d := range m.digests {
		if err := f(ledger.Digest{SHA256: d}); err != nil {
			return err
		}
	}
	return nil
}

// How long it takes to compare 100,000 known digests with a list of 1,000,000 new entries, behind the back of all decisions.
func BenchmarkLargeList(b *testing.B) {
	known := &manyKnown{}
	for i := range 100_000 {
		known.digests = append(known.digests, sha256.Sum256(fmt.Append(nil, "known", i)))
	}
	dir := b.TempDir()
	file := filepath.Join(dir, "bad.txt")
	f, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range 1_000_000 {
		fmt.Fprintf(w, "%x\n", sha256.Sum256(fmt.Append(nil, "bad", i)))
	}
	w.Flush()
	f.Close()
	var notice reputation.Notice
	_, err = reputation.Open(b.Context(), []reputation.Feed{{Name: "bad", File: file}}, reputation.Options{Dir: filepath.Join(dir, "feeds"), Tell: func(n reputation.Notice) { notice = n }})
	if err != nil {
		b.Fatal(err)
	}
	t := New(Options{Ledger: known})
	for b.Loop() {
		if err := t.listed(b.Context(), &change{Notice: notice}); err != nil {
			b.Fatal(err)
		}
	}
}
