package scan

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/formats"
)

const marker = "SALLYPORT-HARMLESS-SCANNER-TEST-MARKER"

// policyOf returns a policy with the scanners given, one "name: {...}" each.
func policyOf(t testing.TB, scanners ...string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("policy.yaml", nil, []byte("version: 1\nscanners:\n  "+strings.Join(scanners, "\n  ")+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func artifactOf(name string, data []byte) *verify.Artifact {
	return &verify.Artifact{Name: name, Format: verify.Sniff(data[:min(len(data), verify.SniffLen)], name), Size: int64(len(data)),
		Digests: verify.Digests{SHA256: sha256.Sum256(data)}, Content: bytes.NewReader(data)}
}

func newScanners(t testing.TB, o Options) *Scanners {
	t.Helper()
	if o.Examiner == nil {
		o.Examiner = &verify.Examiner{Openers: formats.Openers()}
	}
	o.Examiner.Limits.Dir, o.Dir = t.TempDir(), t.TempDir()
	return New(o)
}

// scanOne has an update scanned by the only scanner of a policy.
func scanOne(t testing.TB, s *Scanners, p *policy.Policy, inside bool, a *verify.Artifact) policy.Scan {
	t.Helper()
	name := p.Scanners()[0].Name
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, ok := s.Scan(ctx, p, []string{name}, inside, a)[name]
	if !ok {
		t.Fatalf("nothing is said of %s", name)
	}
	return got
}

func zipped(t testing.TB, files ...[2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		out, err := w.Create(f[0])
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(out, f[1])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarred(t testing.TB, files ...[2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f[0], Size: int64(len(f[1])), Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, f[1])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// server accepts connections until the test ends, and has each served; connections are counted.
type server struct {
	address string
	count   atomic.Int32
}

func serve(t testing.TB, each func(net.Conn)) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{address: l.Addr().String()}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.count.Add(1)
			t.Cleanup(func() { c.Close() })
			go func() {
				defer c.Close()
				each(c)
			}()
		}
	}()
	return s
}

func said(s policy.Scan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, file %s, %d files", s.Status, s.File, s.Files)
	for _, h := range s.Hits {
		fmt.Fprintf(&b, "; %s in %q", h.Name, h.Path)
	}
	if s.Reason != "" {
		b.WriteString("; " + s.Reason)
	}
	return b.String()
}
