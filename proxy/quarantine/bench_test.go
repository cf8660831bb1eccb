package quarantine

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// zeros is a body from memory.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), z.left))
	z.left -= int64(n)
	return n, nil
}

// records gives bytes in pieces as large as a TLS record (RFC 8446 section 5.1).
type records struct{ r io.Reader }

func (r records) Read(p []byte) (int, error) { return r.r.Read(p[:min(len(p), 16<<10)]) }

const benchSize = 1 << 30

func benchVault(b *testing.B) *Vault {
	v, err := Open(filepath.Join(b.TempDir(), "vault"), Options{MinFree: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { v.Close() })
	return v
}

func BenchmarkHold(b *testing.B) {
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"memory":  func(r io.Reader) io.Reader { return r },
		"records": func(r io.Reader) io.Reader { return records{r} },
	} {
		for _, tap := range []hash.Hash{nil, sha256.New()} {
			in := Intake{Client: "c", Length: benchSize}
			title := name
			if tap != nil {
				in.Tap = tap
				title += "+tap"
			}
			b.Run(title, func(b *testing.B) {
				v := benchVault(b)
				b.SetBytes(benchSize)
				b.ReportAllocs()
				for b.Loop() {
					item, err := v.Hold(context.Background(), wrap(&zeros{benchSize}), in)
					if err != nil {
						b.Fatal(err)
					}
					item.Close()
				}
			})
		}
	}
}

// BenchmarkHoldSmall is dominated by what does not depend on the size.
func BenchmarkHoldSmall(b *testing.B) {
	v := benchVault(b)
	b.ReportAllocs()
	for b.Loop() {
		item, err := v.Hold(context.Background(), &zeros{5000}, Intake{Client: "c", Length: 5000})
		if err != nil {
			b.Fatal(err)
		}
		item.Close()
	}
}

// BenchmarkServe reads a released item of 1 GiB, as it is read into a response.
func BenchmarkServe(b *testing.B) {
	t := newBench(b, Options{})
	item, err := t.vault.Hold(context.Background(), &zeros{benchSize}, Intake{Client: "c", Length: benchSize})
	if err != nil {
		b.Fatal(err)
	}
	d := item.SHA256
	c, err := t.settle(item, "a", policy.Allow)
	if err != nil {
		b.Fatal(err)
	}
	c.Close()
	buf := make([]byte, 32<<10)
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		c, ok := t.vault.Released(d, "a")
		if !ok {
			b.Fatal("not released")
		}
		r, err := c.Reader()
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buf); n != benchSize || err != nil {
			b.Fatal(n, err)
		}
		r.Close()
		c.Close()
	}
}

// BenchmarkReleased is what serving an item again costs before its first byte.
func BenchmarkReleased(b *testing.B) {
	t := newBench(b, Options{})
	d := t.release(random(1000), "a")
	b.ReportAllocs()
	for b.Loop() {
		c, ok := t.vault.Released(d, "a")
		if !ok {
			b.Fatal("not released")
		}
		c.Close()
	}
}

// BenchmarkOpen opens a vault of 100,000 items and as many objects.
func BenchmarkOpen(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "vault")
	v, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	for i := range defaultItems {
		data := fmt.Appendf(nil, "item %d", i)
		d := verify.Digest(sha256.Sum256(data))
		doc := document{V: 1, SHA256: d, Size: int64(len(data)), Scopes: map[string]standing{
			"channel": {State: Released, Since: time.Now(), Origin: Origin{Name: "item.deb", URL: "https://deb.example/pool/main/item.deb", Record: "record"}},
		}}
		line, err := json.Marshal(doc)
		if err != nil {
			b.Fatal(err)
		}
		object, err := encodeObject(Object{SHA256: d, Status: 200, ETag: "etag", Header: map[string][]string{"Content-Type": {"application/octet-stream"}}})
		if err != nil {
			b.Fatal(err)
		}
		for path, content := range map[string][]byte{v.paths.blob(d): data, v.paths.state(d): seal(line), v.paths.object(d): object} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := v.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		v, err := Open(dir, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if n := v.Stats().Released.Items; n != defaultItems {
			b.Fatal(n)
		}
		b.StopTimer()
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-heap")
		v.Close()
		b.StartTimer()
	}
}

// BenchmarkHashOnly is the floor under BenchmarkHold.
func BenchmarkHashOnly(b *testing.B) {
	buf := make([]byte, 256<<10)
	b.SetBytes(benchSize)
	for b.Loop() {
		io.CopyBuffer(struct{ io.Writer }{sha256.New()}, &zeros{benchSize}, buf)
	}
}

// BenchmarkWriteOnly is what the disk takes, without custody.
func BenchmarkWriteOnly(b *testing.B) {
	dir := b.TempDir()
	buf := make([]byte, 256<<10)
	b.SetBytes(benchSize)
	for b.Loop() {
		f, err := os.CreateTemp(dir, "")
		if err != nil {
			b.Fatal(err)
		}
		io.CopyBuffer(struct{ io.Writer }{f}, &zeros{benchSize}, buf)
		f.Close()
		os.Remove(f.Name())
	}
}
