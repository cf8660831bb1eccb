package tufclient

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"testing"
)

// flat is a repository whose top-level targets list n files, 24 MB where n is 200,000.
func flat(tb testing.TB, n int) *world {
	w := newWorld(tb)
	var b bytes.Buffer
	for i := range n {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d", i))
		fmt.Fprintf(&b, `,"packages/p%06d.msi":{"hashes":{"sha256":"%x"},"length":%d}`, i, sum, i+1)
	}
	w.raw("targets", b.Bytes()[1:], w.parts["targets"].signers[0])
	w.parts["targets"].version++
	w.publish("snapshot", "timestamp")
	return w
}

// raw signs the next version of targets metadata whose targets are given as canonical JSON without its braces.
func (w *world) raw(role string, targets []byte, s signer) {
	version := w.parts[role].version + 1
	signed := fmt.Appendf(nil, `{"_type":"targets","expires":"%s","spec_version":"1.0.31","targets":{%s},"version":%d}`, stamp(noon.Add(30*day)), targets, version)
	w.files[w.fileName(role, version)] = fmt.Appendf(nil, `{"signatures":[{"keyid":"%s","sig":"%s"}],"signed":%s}`, s.id, hex.EncodeToString(s.sign(signed)), signed)
}

// bins is a repository of 2^bits hash bins with 25 files each.
func bins(tb testing.TB, bits int) *world {
	w := newWorld(tb)
	key := newKeyPair()
	w.parts["targets"].bins = object{"keyids": []signer{key}, "threshold": 1, "bit_length": bits, "name_prefix": "bin"}
	list := make([]bytes.Buffer, 1<<bits)
	for i := range 25 << bits {
		path := fmt.Sprintf("packages/p%07d.msi", i)
		sum := sha256.Sum256([]byte(path))
		bin := (int(sum[0])<<8 | int(sum[1])) >> (16 - bits)
		if list[bin].Len() > 0 {
			list[bin].WriteByte(',')
		}
		fmt.Fprintf(&list[bin], `"%s":{"hashes":{"sha256":"%x"},"length":%d}`, path, sum, i+1)
	}
	for i := range list {
		name := fmt.Sprintf("bin-%0*x", (bits+3)/4, i)
		w.parts[name] = &part{}
		w.raw(name, list[i].Bytes(), key)
		w.parts[name].version++
	}
	w.hashes = true
	w.publish("targets", "snapshot", "timestamp")
	return w
}

func benchmarkRefresh(b *testing.B, w *world) {
	b.ReportAllocs()
	for b.Loop() {
		w.refresh(w.client(), noon, "good")
	}
}

func BenchmarkRefreshFlat(b *testing.B) { benchmarkRefresh(b, flat(b, 200_000)) }
func BenchmarkRefreshBins(b *testing.B) { benchmarkRefresh(b, bins(b, 14)) }

// BenchmarkRefreshUnchanged is a refresh of the flat repository when nothing is new.
func BenchmarkRefreshUnchanged(b *testing.B) {
	w := flat(b, 200_000)
	c := w.client()
	w.refresh(c, noon, "good")
	b.ReportAllocs()
	for b.Loop() {
		w.refresh(c, noon, "good")
	}
}

// BenchmarkRestartFlat is a process that finds the flat repository in the Store.
func BenchmarkRestartFlat(b *testing.B) {
	w := flat(b, 200_000)
	c := w.client()
	w.refresh(c, noon, "good")
	for b.Loop() {
		w.look(New(w.initial, c.store, Limits{}), noon, "packages/p000007.msi", "good")
	}
}

func BenchmarkLookupFlat(b *testing.B) {
	w := flat(b, 200_000)
	c := w.client()
	w.refresh(c, noon, "good")
	size := heap(func() any { d := w.client(); w.refresh(d, noon, "good"); d.store = nil; return d })
	b.ReportAllocs()
	b.ResetTimer()
	b.ReportMetric(size, "heap-MB")
	b.RunParallel(func(p *testing.PB) {
		for i := 0; p.Next(); i++ {
			if _, err := c.Lookup(context.Background(), w.fetch, noon, fmt.Sprintf("packages/p%06d.msi", i*7919%200_000)); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkLookupBinsCold looks up in bins that have not been loaded.
func BenchmarkLookupBinsCold(b *testing.B) {
	w := bins(b, 14)
	c := w.client()
	w.refresh(c, noon, "good")
	i := 0
	for b.Loop() {
		if i++; i%16_384 == 0 {
			c = w.client()
			w.refresh(c, noon, "good")
		}
		w.look(c, noon, fmt.Sprintf("packages/p%07d.msi", i*7919%409_600), "good")
	}
}

func BenchmarkLookupBinsWarm(b *testing.B) {
	w := bins(b, 14)
	c := w.client()
	w.refresh(c, noon, "good")
	w.look(c, noon, "packages/p0000007.msi", "good")
	b.ReportAllocs()
	for b.Loop() {
		w.look(c, noon, "packages/p0000007.msi", "good")
	}
}

func BenchmarkOfferTimestamp(b *testing.B) {
	w := newWorld(b)
	c := w.client()
	w.refresh(c, noon, "good")
	for b.Loop() {
		w.offer(c, noon, "timestamp.json", w.files["timestamp.json"], "good")
	}
}

// heap returns by how many megabytes what of makes keeps the heap larger.
func heap(of func() any) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept := of()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	return float64(int64(after.HeapAlloc)-int64(before.HeapAlloc)) / 1e6
}
