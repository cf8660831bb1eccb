package reputation

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// writeList writes a plain list of n digests, drawn from a seed, and returns its path.
func writeList(b *testing.B, n int, seed uint64) string {
	name := filepath.Join(b.TempDir(), "list.txt")
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	r := rand.New(rand.NewPCG(seed, 7))
	line := make([]byte, 64, 65)
	for range n {
		hex.Encode(line, random(r, 32))
		w.Write(append(line, '\n'))
	}
	if err := w.Flush(); err != nil || f.Close() != nil {
		b.Fatal(err)
	}
	return name
}

// highWater samples what the process holds: the heap in use, and memory taken from the system.
func highWater(stop <-chan struct{}) (heap, taken uint64) {
	var m runtime.MemStats
	for {
		runtime.ReadMemStats(&m)
		heap, taken = max(heap, m.HeapInuse), max(taken, m.Sys-m.HeapReleased)
		select {
		case <-stop:
			return heap, taken
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// BenchmarkTenMillion reads a list of 10 million digests as a feed, replaces it by another while look-ups go on, and then
// measures look-ups. Heap and system memory are the most there was at any time.
func BenchmarkTenMillion(b *testing.B) {
	const n = 10e6
	dir := b.TempDir()
	first, second := writeList(b, n, 1), writeList(b, n, 2)
	debug.FreeOSMemory()
	stop, memory := make(chan struct{}), make(chan [2]uint64)
	go func() { h, s := highWater(stop); memory <- [2]uint64{h, s} }()
	file := filepath.Join(dir, "list.txt")
	if err := os.Rename(first, file); err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	f, err := Open(context.Background(), []Feed{{Name: "big", File: file, MaxSize: 1 << 30, Reading: Reading{Format: FormatPlain}, MaxShrink: 1}}, Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	load := time.Since(begun)
	if st := f.View().State("big", time.Now()); st.Entries != n {
		b.Fatalf("%+v", st)
	}
	if err := os.Rename(second, file); err != nil {
		b.Fatal(err)
	}
	reloaded := make(chan error)
	begun = time.Now()
	go func() { reloaded <- f.Refresh(context.Background(), "big") }()
	r := rand.New(rand.NewPCG(1, 7))
	var waits []time.Duration
	for done := false; !done; {
		at := time.Now()
		if _, err := f.View().Match(Subject{SHA256: verify.Digest(random(r, 32))}); err != nil {
			b.Fatal(err)
		}
		waits = append(waits, time.Since(at))
		select {
		case err := <-reloaded:
			if done = true; err != nil {
				b.Fatal(err)
			}
		default:
			time.Sleep(time.Millisecond)
		}
	}
	reload := time.Since(begun)
	close(stop)
	most := <-memory
	slices.Sort(waits)
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	for name, there := range map[string]bool{"there": true, "absent": false} {
		b.Run(name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(2, 7))
			if !there {
				r = rand.New(rand.NewPCG(3, 7))
			}
			v := f.View()
			for i := 0; b.Loop(); i++ {
				if i == n-1 {
					r = rand.New(rand.NewPCG(2, 7))
				}
				hits, err := v.Match(Subject{SHA256: verify.Digest(random(r, 32))})
				if err != nil || there != (len(hits) == 1) {
					b.Fatal(len(hits), err)
				}
			}
			b.ReportMetric(load.Seconds(), "load-s")
			b.ReportMetric(reload.Seconds(), "reload-s")
			b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds()), "p99-while-reloading-µs")
			b.ReportMetric(float64(most[0])/1e6, "heap-most-MB")
			b.ReportMetric(float64(most[1])/1e6, "system-most-MB")
			b.ReportMetric(float64(m.Sys-m.HeapReleased)/1e6, "system-after-MB")
		})
	}
	runtime.KeepAlive(f)
}

// BenchmarkMatchUpdate looks up an update with 5,000 files inside, in three lists.
func BenchmarkMatchUpdate(b *testing.B) {
	v := &View{}
	r := rand.New(rand.NewPCG(5, 5))
	for i := range 3 {
		var entries []entry
		for range 50_000 {
			entries = append(entries, digestEntry(KindSHA256, random(r, 32)))
		}
		v.lists = append(v.lists, &list{feed: &Feed{Name: fmt.Sprint("list", i)}, set: buildSet(b, "", 1<<20, entries)})
	}
	var subjects []Subject
	for range 5000 {
		subjects = append(subjects, Subject{SHA256: verify.Digest(random(r, 32))})
	}
	for b.Loop() {
		for i := range subjects {
			if hits, err := v.Match(subjects[i]); err != nil || len(hits) > 0 {
				b.Fatal(hits, err)
			}
		}
	}
}

// BenchmarkMatchLocation looks a URL up by all that lists may name of it.
func BenchmarkMatchLocation(b *testing.B) {
	site, _ := urlEntry("http://evil.example/a")
	name, _ := domainEntry("worse.example")
	host, _ := hostEntry("x.example")
	v := &View{lists: []*list{{feed: &Feed{Name: "x"}, set: buildSet(b, "", 10, []entry{site, name, host})}}}
	s := Subject{URLs: []string{"https://downloads.vendor.example/channel/stable/setup-1.2.3.exe?token=abc"}}
	for b.Loop() {
		if hits, err := v.Match(s); err != nil || len(hits) > 0 {
			b.Fatal(hits, err)
		}
	}
}

// BenchmarkParse reads a list of each format, without building a set of it.
func BenchmarkParse(b *testing.B) {
	files, err := filepath.Glob("testdata/lists/*.in")
	if err != nil {
		b.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if !slices.Contains([]string{"bazaar.in", "stix.in", "misp.in", "osv-lines.in", "plain.in"}, name) {
			continue
		}
		b.Run(name, func(b *testing.B) {
			data, err := os.ReadFile(file)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				r := newTestReader(Reading{}, int64(len(data)), func(*entry) error { return nil })
				if err := r.read(bytesContent(data)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
