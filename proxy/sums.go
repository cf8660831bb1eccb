package proxy

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha512"
	"hash"
	"io"
	"sync"

	"github.com/sallyport-project/sallyport/policy/reputation"
	"github.com/sallyport-project/sallyport/verify"
)

// maxSums is of how many contents digests are kept.
const maxSums = 4096

// Sums are digests of contents by the algorithms that some feeds use. They are computed when a feed asks for them, and kept
// since they never change. A nil Sums keeps nothing.
type Sums struct {
	mu sync.Mutex
	by map[verify.Digest]map[reputation.Kind][]byte
}

// sumKinds are the digests besides SHA-256 that feeds may have.
var sumKinds = map[reputation.Kind]func() hash.Hash{reputation.KindSHA1: sha1.New, reputation.KindMD5: md5.New, reputation.KindSHA512: sha512.New}

// of returns those digests of an artifact that are asked for.
func (s *Sums) of(ctx context.Context, a *verify.Artifact, asked reputation.Kinds) (map[reputation.Kind][]byte, error) {
	known := s.recall(a.Digests.SHA256)
	missing := map[reputation.Kind]hash.Hash{}
	var all []io.Writer
	for kind, algorithm := range sumKinds {
		if asked.Has(kind) && known[kind] == nil {
			missing[kind] = algorithm()
			all = append(all, missing[kind])
		}
	}
	if len(missing) == 0 {
		return known, nil
	}
	n, err := io.Copy(io.MultiWriter(all...), &cancelledReader{ctx, io.NewSectionReader(a.Content, 0, a.Size)})
	if err == nil && n != a.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return known, err
	}
	out := map[reputation.Kind][]byte{}
	for kind, sum := range known {
		out[kind] = sum
	}
	for kind, h := range missing {
		out[kind] = h.Sum(nil)
	}
	s.keep(a.Digests.SHA256, out)
	return out, nil
}

func (s *Sums) recall(d verify.Digest) map[reputation.Kind][]byte {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[d]
}

func (s *Sums) keep(d verify.Digest, sums map[reputation.Kind][]byte) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil || len(s.by) >= maxSums {
		s.by = map[verify.Digest]map[reputation.Kind][]byte{}
	}
	s.by[d] = sums
}

// cancelledReader reads until its context is done.
type cancelledReader struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (p *cancelledReader) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}
