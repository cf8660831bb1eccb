package rpmrepo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"

	"github.com/sallyport-project/sallyport/verify"
)

// pkg finds out which repository vouches for a package.
func (s *session) pkg() (verify.Finding, error) {
	origin, p, _ := urlPath(s.artifact.URL)
	known, err := s.repositoriesOf(origin)
	if err != nil {
		return verify.Finding{}, err
	}
	var mismatch *verify.Finding
	accepted := 0
	consider := func(at repository, again bool) (*verify.Finding, error) {
		v, err := s.refreshed(at, again)
		if err != nil {
			return nil, err
		}
		list, err := s.recalled(at)
		if err != nil {
			return nil, err
		}
		if v != nil {
			list = append([]*voucher{v}, list...)
		}
		accepted += len(list)
		for _, v := range list {
			f, err := s.findPackage(v, at.relative(p))
			if err != nil || f != nil && f.Status == verify.Valid {
				return f, err
			}
			if f != nil {
				mismatch = f
			}
		}
		return nil, nil
	}
	places := s.places(origin, p, known)
	for _, again := range []bool{false, true} {
		for _, at := range places {
			if len(s.missing) >= patience || again && !slices.Contains(known, at) {
				continue
			}
			if f, err := consider(at, again); err != nil || f != nil {
				if err != nil {
					return verify.Finding{}, err
				}
				return *f, nil
			}
		}
	}
	return s.conclude(mismatch, accepted, "no signed index of its repository lists it"), nil
}

// maxElsewhere is how many known repositories are asked that do not lie above the package: some list what lies outside.
const maxElsewhere = 8

// places returns the repositories to ask: those above the package, known ones first, then other known ones.
func (s *session) places(origin, p string, known []repository) []repository {
	var first, then, last []repository
	for _, at := range parents(origin, p) {
		if slices.Contains(known, at) {
			first = append(first, at)
		} else {
			then = append(then, at)
		}
	}
	for _, at := range known {
		if !slices.Contains(first, at) && len(last) < maxElsewhere {
			last = append(last, at)
		}
	}
	return append(append(first, then...), last...)
}

// findPackage looks a package up in the index of v. It returns nil where that does not list it or cannot be read.
func (s *session) findPackage(v *voucher, name string) (*verify.Finding, error) {
	f, ok := v.meta.primary()
	if !ok {
		s.lacks(v.at.url(repomd), errors.New("it lists no primary.xml with a SHA-256 or SHA-512 digest; other kinds of index are not read"))
		return nil, nil
	}
	x, err := s.index(v, f)
	if s.ctx.Err() != nil {
		return nil, s.ctx.Err()
	}
	if err != nil {
		s.lacks(v.at.url(f.Name), err)
		return nil, nil
	}
	rows := x.lookup(name)
	if len(rows) == 0 {
		return nil, nil
	}
	for _, r := range rows {
		if ok, err := s.fits(r); err != nil {
			return nil, err
		} else if ok {
			out := v.vouches("listed", fmt.Sprintf("listed in %s of %s", path.Base(f.Name), v.describe()))
			out.Evidence = append(out.Evidence, f.reference(v.at))
			return &out, nil
		}
	}
	out := s.differs(v, rows[0], name)
	out.Evidence = []verify.Reference{v.reference(), f.reference(v.at)}
	return &out, nil
}

func (s *session) differs(v *voucher, r row, name string) verify.Finding {
	a := s.artifact
	if r.weak {
		return finding(verify.Untrusted, "weak-digest", fmt.Sprintf("%s lists %.120s with no digest better than SHA-1", v.describe(), path.Base(name)))
	}
	stated := "another digest"
	if !r.other {
		stated = "SHA-256 " + r.sum.String()
	}
	return finding(verify.Invalid, "digest-mismatch", fmt.Sprintf("%s lists %.120s with %d bytes and %s; this file has %d bytes and SHA-256 %s",
		v.describe(), path.Base(name), r.size, stated, a.Size, a.Digests.SHA256))
}

// reference names the file as evidence, where its SHA-256 is known.
func (f listed) reference(at repository) verify.Reference {
	ref := verify.Reference{URL: at.url(f.Name)}
	if digits, ok := cutAlgorithm(f.Sum, "sha256"); ok {
		ref.SHA256, _ = verify.ParseDigest(digits)
	}
	return ref
}

// fits reports whether the artifact is what a row lists.
func (s *session) fits(r row) (bool, error) {
	if r.weak || r.size != s.artifact.Size {
		return false, nil
	}
	if !r.other {
		return r.sum == s.artifact.Digests.SHA256, nil
	}
	for _, algorithm := range []string{"sha384", "sha512"} {
		have, err := s.sum(algorithm)
		if err != nil {
			return false, err
		}
		if r.sum == sha256.Sum256([]byte(have)) {
			return true, nil
		}
	}
	return false, nil
}

// index returns the parsed primary.xml, fetched unless it is kept. The error says why it could not be had.
func (s *session) index(v *voucher, f listed) (*index, error) {
	if x, ok := s.v.indexes.Get(string(f.Sum)); ok {
		return x, nil
	}
	got, err := s.together("index "+string(f.Sum)+" of "+v.at.origin, func(ctx context.Context) (any, error) {
		if x, ok := s.v.indexes.Get(string(f.Sum)); ok {
			return x, nil
		}
		raw, err := s.fetchListed(ctx, v.at, f)
		if err != nil {
			return nil, err
		}
		x, err := s.v.readPrimary(ctx, raw, f)
		if err == nil {
			s.v.indexes.Put(string(f.Sum), x, x.bytes())
		}
		return x, err
	})
	if err != nil {
		return nil, err
	}
	return got.(*index), nil
}

// maxCompressed is how many bytes of a primary.xml are fetched, compressed.
const maxCompressed = 128 << 20

// fetchListed fetches a listed file, which must be what is listed.
func (s *session) fetchListed(ctx context.Context, at repository, f listed) ([]byte, error) {
	limit := f.Size
	if limit < 0 {
		limit = maxCompressed
	}
	if limit > maxCompressed {
		return nil, fmt.Errorf("it is listed with %d bytes, more than %d", f.Size, maxCompressed)
	}
	raw, err := s.env.Sidecars.Fetch(ctx, at.url(f.Name), limit)
	if err != nil {
		return nil, err
	}
	h := hashes[algorithmOf(f.Sum)]()
	h.Write(raw)
	if digits, _ := cutAlgorithm(f.Sum, algorithmOf(f.Sum)); hex.EncodeToString(h.Sum(nil)) != digits || f.Size >= 0 && int64(len(raw)) != f.Size {
		return nil, errors.New("it is not the one that the repomd.xml lists")
	}
	return raw, nil
}

// readPrimary decompresses and parses a primary.xml when its turn has come.
func (v *Verifier) readPrimary(ctx context.Context, raw []byte, f listed) (*index, error) {
	select {
	case v.parsing <- struct{}{}:
		defer func() { <-v.parsing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r, stop, err := decompressed(bytes.NewReader(raw), path.Ext(f.Name))
	if err != nil {
		return nil, err
	}
	defer stop()
	limit := int64(maxPrimary)
	if f.Open > 0 {
		limit = min(limit, f.Open)
	}
	return parsePrimary(&bounded{r: io.Reader(r), left: limit, ctx: ctx})
}
