package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// edge is how many bytes at either end of a file are all changed.
const edge = 16

// derivation judges copies of accepted samples with one changed byte. A copy must be refused, unless the byte lies in a
// region of which the format's chapter says that nothing covers it. Of a sample that is untrusted whatever is believed
// (its certificate has ended, say), a change must show in the findings.
type derivation struct {
	session     *session
	copies      int // of each sample, besides those at its edges
	out         io.Writer
	unexplained int
	kinds       map[string]*tally
}

// tally counts the copies of a kind.
type tally struct {
	samples, copies, refused int
	quiet                    map[string]int // still what it was, by why
	unexplained              int
	partly                   string // why a copy with the same contents may be as good; "" where the whole file is covered
}

func (d *derivation) all(ctx context.Context, results []result) error {
	fmt.Fprintln(d.out, "\ncopies with one changed byte:")
	d.kinds = map[string]*tally{}
	seen := map[string]bool{}
	for _, r := range results {
		if r.subject == nil || len(r.findings) == 0 || seen[r.subject.key()] || !r.ours.accepted && !d.session.believe(ctx, &r) {
			continue
		}
		seen[r.subject.key()] = true
		if err := d.sample(ctx, r); err != nil {
			return err
		}
	}
	d.summary()
	return nil
}

// sample changes a sample, and then each file beside it that its verdict rests on.
func (d *derivation) sample(ctx context.Context, r result) error {
	f, s := r.subject, d.session
	used := s.sidecars(f)
	before := s.examine(ctx, f, f.data, used)
	t := d.tally(f.kind + f.believed)
	if strings.HasPrefix(f.kind, "vsix") {
		t.partly = "zip: another compressed form of the same contents"
	}
	t.samples++
	free := regionsOf(f.file, f.data)
	for _, at := range positions(len(f.data), d.copies) {
		if err := ctx.Err(); err != nil {
			return err
		}
		changed := flip(f.data, at)
		here := free
		if f.data[0] == '{' && sameJSON(f.data, changed) {
			here = append(slices.Clip(free), region{at, at + 1, "JSON: another spelling of the same", false})
		}
		if len(t.partly) > 0 && sameContent(f.data, changed) {
			here = append(slices.Clip(free), region{at, at + 1, t.partly, false})
		}
		d.judge(t, f.file, at, before, s.examine(ctx, f, changed, s.sidecars(f)), here)
	}
	for _, name := range sorted(used.asked) {
		if err := d.beside(ctx, f, name, before); err != nil {
			return err
		}
	}
	return nil
}

// beside changes a file beside a sample, if the verdict rests on it. Where another one vouches as well, a change must
// show in the findings.
func (d *derivation) beside(ctx context.Context, f *subject, name string, before []verify.Finding) error {
	s := d.session
	file := s.sidecars(f).find(name)
	with := func(content []byte) []verify.Finding {
		from := s.sidecars(f)
		from.changed = map[string][]byte{name: content}
		return s.examine(ctx, f, f.data, from)
	}
	without := with(nil)
	if file == nil || slices.EqualFunc(before, without, sameFinding) {
		return nil
	}
	free := regionsOf(name, file.data)
	if oursOf(without).accepted {
		free = append(free, region{0, len(file.data), "another signature beside the file vouches as well", true})
	}
	t := d.tally(f.kind + " (beside)")
	t.samples++
	for _, at := range positions(len(file.data), d.copies) {
		if err := ctx.Err(); err != nil {
			return err
		}
		changed, here := flip(file.data, at), free
		if sameJSON(file.data, changed) {
			here = append(slices.Clip(free), region{at, at + 1, "JSON: another spelling of the same", false})
		}
		d.judge(t, file.file+" of "+path.Base(f.file), at, before, with(changed), here)
	}
	return nil
}

func (d *derivation) tally(kind string) *tally {
	if d.kinds[kind] == nil {
		d.kinds[kind] = &tally{quiet: map[string]int{}}
	}
	return d.kinds[kind]
}

// judge counts one copy.
func (d *derivation) judge(t *tally, name string, at int, before, after []verify.Finding, free []region) {
	t.copies++
	loud, trusted := !slices.EqualFunc(before, after, sameFinding), oursOf(before).accepted
	if trusted && !oursOf(after).accepted || !trusted && loud {
		t.refused++
		return
	}
	for _, r := range free {
		if r.from <= at && at < r.to && (!r.loud || loud || !trusted) {
			t.quiet[r.why]++
			return
		}
	}
	t.unexplained++
	d.unexplained++
	fmt.Fprintf(d.out, "  STILL GOOD: %s with byte %d (%#x) changed: %s (findings changed: %v)\n", name, at, at, oursOf(after).text, loud)
}

// sameFinding compares what a policy can see of two findings.
func sameFinding(a, b verify.Finding) bool {
	return a.Code == b.Code && a.Status == b.Status && a.Signer == b.Signer && a.SignedAt.Equal(b.SignedAt) && a.Subject == b.Subject && slices.Equal(a.Anchors, b.Anchors)
}

// positions spreads n places over a file, each somewhere in its stretch, and adds the edges. They are the same each time.
func positions(size, n int) []int {
	rng := rand.New(rand.NewPCG(1, uint64(size)))
	var out []int
	for i := range min(n, size) {
		from, to := i*size/min(n, size), (i+1)*size/min(n, size)
		out = append(out, from+rng.IntN(to-from))
	}
	for i := range min(edge, size) {
		out = append(out, i, size-1-i)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// flip returns a copy with one bit of a byte changed; which one depends on where.
func flip(data []byte, at int) []byte {
	out := slices.Clone(data)
	out[at] ^= 1 << (at % 8)
	return out
}

func (d *derivation) summary() {
	fmt.Fprintf(d.out, "\n%-36s %8s %8s %8s %15s %12s\n", "kind", "samples", "copies", "refused", "still good", "UNEXPLAINED")
	for _, k := range sorted(d.kinds) {
		t := d.kinds[k]
		quiet := 0
		for _, n := range t.quiet {
			quiet += n
		}
		fmt.Fprintf(d.out, "%-36s %8d %8d %8d %15d %12d\n", k, t.samples, t.copies, t.refused, quiet, t.unexplained)
		for _, why := range sorted(t.quiet) {
			fmt.Fprintf(d.out, "%-36s %6d: %s\n", "", t.quiet[why], why)
		}
	}
}
