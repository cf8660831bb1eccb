package proxy

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha512"
	"hash"
	"io"
	"maps"
	"sync"

	"github.com/sallyport-project/sallyport/policy/reputation"
	"github.com/sallyport-project/sallyport/verify"
)

// maxSums is of how many contents digests are kept.
const maxSums = 4096

// Sums are digests of contents by the algorithms that some feeds use. They are computed when a feed asks for them, by one
// goroutine for all that ask meanwhile, and kept since they never change. A nil Sums keeps nothing.
type Sums struct {
	mu   sync.Mutex
	by   map[verify.Digest]map[reputation.Kind][]byte
	busy map[verify.Digest]chan struct{} // closed when somebody is done reading that content
}

// sumKinds are the digests besides SHA-256 that feeds may have.
var sumKinds = map[reputation.Kind]func() hash.Hash{reputation.KindSHA1: sha1.New, reputation.KindMD5: md5.New, reputation.KindSHA512: sha512.New}

// of returns those digests of an artifact that are asked for. The map is not changed by anybody.
func (s *Sums) of(ctx context.Context, a *verify.Artifact, asked reputation.Kinds) (map[reputation.Kind][]byte, error) {
	for {
		known, missing, busy := s.claim(a.Digests.SHA256, asked)
		switch {
		case len(missing) == 0:
			return known, nil
		case busy == nil:
			return s.compute(ctx, a, known, missing)
		}
		select {
		case <-busy: // it may have failed, or have been about another kind: look again
		case <-ctx.Done():
			return known, ctx.Err()
		}
	}
}

// claim returns what is known of a content and what is not. Who gets a busy channel waits for it; who does not, though something is
// missing, computes.
func (s *Sums) claim(d verify.Digest, asked reputation.Kinds) (known map[reputation.Kind][]byte, missing []reputation.Kind, busy chan struct{}) {
	if s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		known, busy = s.by[d], s.busy[d]
	}
	for kind := range sumKinds {
		if asked.Has(kind) && known[kind] == nil {
			missing = append(missing, kind)
		}
	}
	if s != nil && len(missing) > 0 && busy == nil {
		if s.busy == nil {
			s.busy = map[verify.Digest]chan struct{}{}
		}
		s.busy[d] = make(chan struct{})
	}
	return known, missing, busy
}

// compute reads a content that was claimed.
func (s *Sums) compute(ctx context.Context, a *verify.Artifact, known map[reputation.Kind][]byte, missing []reputation.Kind) (out map[reputation.Kind][]byte, err error) {
	defer func() { s.settle(a.Digests.SHA256, out, err == nil && out != nil) }()
	hashes := map[reputation.Kind]hash.Hash{}
	var all []io.Writer
	for _, kind := range missing {
		hashes[kind] = sumKinds[kind]()
		all = append(all, hashes[kind])
	}
	n, err := io.Copy(io.MultiWriter(all...), &cancelledReader{ctx, io.NewSectionReader(a.Content, 0, a.Size)})
	if err == nil && n != a.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return known, err
	}
	out = map[reputation.Kind][]byte{}
	maps.Copy(out, known)
	for kind, h := range hashes {
		out[kind] = h.Sum(nil)
	}
	return out, nil
}

// settle keeps what was computed of a content and lets those go on who wait for it. Where there is no room, any other makes it: one
// who brings many small files must not have all be read again at once.
func (s *Sums) settle(d verify.Digest, sums map[reputation.Kind][]byte, keep bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.busy[d])
	delete(s.busy, d)
	if !keep {
		return
	}
	if s.by == nil {
		s.by = map[verify.Digest]map[reputation.Kind][]byte{}
	}
	if _, again := s.by[d]; !again && len(s.by) >= maxSums {
		for other := range s.by {
			delete(s.by, other)
			break
		}
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
