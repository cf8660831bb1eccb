package apt

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// maxCompressed is how many bytes of a Packages file are fetched.
const maxCompressed = 128 << 20

// errMixed says that what an archive serves as an index is not what the Release lists.
var errMixed = errors.New("it is not the one that the Release lists")

// packages returns the paths of the Packages indexes that may list a package, without the ending of a compression,
// the likeliest first.
func (r *release) packages(name string) []string {
	arch, udeb := architecture(name), strings.HasSuffix(name, ".udeb")
	type ranked struct {
		path string
		rank int
	}
	var list []ranked
	seen := map[string]bool{}
	for listed := range r.Files {
		base := withoutCompression(listed)
		if path.Base(base) != "Packages" || seen[base] {
			continue
		}
		seen[base] = true
		dir := path.Dir(base)
		component, of, perArch := cutLast(dir, "binary-")
		if strings.Contains(component, "debian-installer") != udeb && perArch {
			continue
		}
		rank, ok := 0, true
		if perArch {
			rank, ok = archRank(arch, of)
		}
		if !ok {
			continue
		}
		component = strings.Trim(strings.TrimSuffix(strings.Trim(component, "/"), "debian-installer"), "/")
		if component != "" && !strings.Contains("/"+name, "/"+component+"/") {
			rank += 100
		}
		list = append(list, ranked{base, rank})
	}
	slices.SortFunc(list, func(a, b ranked) int { return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.path, b.path)) })
	out := make([]string, len(list))
	for i, r := range list {
		out[i] = r.path
	}
	return out
}

// cutLast splits a directory such as main/binary-amd64 before its last element, if that begins with prefix.
func cutLast(dir, prefix string) (before, after string, ok bool) {
	parent, last := path.Split(dir)
	after, ok = strings.CutPrefix(last, prefix)
	return parent, after, ok
}

// architecture returns what a package's file name, name_version_architecture.deb, says; "" if it says nothing.
func architecture(name string) string {
	stem := strings.TrimSuffix(path.Base(name), path.Ext(name))
	at := strings.LastIndexByte(stem, '_')
	if at < 0 {
		return ""
	}
	return stem[at+1:]
}

// archRank says how likely an index of an architecture lists a package of another, 0 being the likeliest. Packages for
// all architectures are listed in binary-all, or in the index of every architecture, or in both; others in their own.
func archRank(arch, index string) (rank int, possible bool) {
	common := slices.Index([]string{"amd64", "arm64", "i386", "armhf"}, index)
	if common < 0 {
		common = 5
	}
	switch {
	case arch == index:
		return 0, true
	case arch == "all", arch == "", arch == "any":
		return 1 + common, true
	}
	return 0, false
}

func withoutCompression(name string) string {
	switch ext := path.Ext(name); ext {
	case ".gz", ".xz", ".bz2", ".zst", ".lzma", ".lz4":
		return strings.TrimSuffix(name, ext)
	}
	return name
}

// variant is one compression of a Packages file that a Release lists.
type variant struct {
	name string
	file file
}

// variants returns the compressions of base that can be read here, the cheapest first. Of 50 MB in Debian's main
// archive, gzip takes a third of a second and LZMA two and a half, for a quarter less to fetch; the plain file comes
// last, as most archives list and do not have it.
func (r *release) variants(base string) []variant {
	var out []variant
	for _, ext := range []string{".zst", ".gz", ".xz", ".bz2", ""} {
		if f, ok := r.Files[base+ext]; ok && f.Size <= maxCompressed {
			out = append(out, variant{base + ext, f})
		}
	}
	return out
}

// indexOf returns the entry of a Release that stands for a Packages file in all its compressions: its plain form
// where that is listed, else the first compressed one.
func (r *release) indexOf(base string) (variant, bool) {
	if f, ok := r.Files[base]; ok {
		return variant{base, f}, true
	}
	if list := r.variants(base); len(list) > 0 {
		return list[0], true
	}
	return variant{}, false
}

// plain returns what a Release lists for base without compression; nil if it does not list that.
func (r *release) plain(base string) *file {
	if f, ok := r.Files[base]; ok {
		return &f
	}
	return nil
}

// cachedIndex returns the parsed index for base, if it is kept.
func (s *session) cachedIndex(rel *release, base string) (*index, bool) {
	key, ok := rel.indexOf(base)
	if !ok {
		return nil, false
	}
	return s.v.indexes.Get(key.file.SHA256)
}

// index returns the parsed index for base, fetched unless it is kept. The error says why it could not be had.
func (s *session) index(v *voucher, base string) (*index, error) {
	if x, ok := s.cachedIndex(v.rel, base); ok {
		return x, nil
	}
	key, ok := v.rel.indexOf(base)
	if !ok {
		return nil, errors.New("it is listed in no form that can be read here")
	}
	if f := v.rel.plain(base); f != nil && f.Size == 0 {
		return &index{}, nil // the many that list nothing are not worth a fetch
	}
	if s.loads++; s.loads > loadsPerCall {
		return nil, fmt.Errorf("more than %d indexes would have to be fetched", loadsPerCall)
	}
	flight := fmt.Sprintf("index %s of %s", key.file.SHA256, v.suite.archive.origin)
	got, err := s.together(flight, func(ctx context.Context) (any, error) {
		if x, ok := s.v.indexes.Get(key.file.SHA256); ok {
			return x, nil
		}
		x, err := s.fetchIndex(ctx, v, base)
		if err == nil {
			s.v.indexes.Put(key.file.SHA256, x, x.bytes())
		}
		return x, err
	})
	if err != nil {
		return nil, err
	}
	return got.(*index), nil
}

// fetchIndex fetches the first compression of base that the origin has and that is what the Release lists.
func (s *session) fetchIndex(ctx context.Context, v *voucher, base string) (*index, error) {
	plain := v.rel.plain(base)
	reason := errors.New("it is listed in no form that can be read here")
	for _, form := range v.rel.variants(base) {
		raw, err := fetchListed(ctx, s.env.Sidecars, v, form)
		if err == nil {
			var x *index
			if x, err = s.v.readIndex(ctx, raw, form.name, plain); err == nil {
				return x, nil
			}
		}
		reason = err
		if ctx.Err() != nil {
			break
		}
	}
	return nil, reason
}

// readIndex parses an index when its turn has come.
func (v *Verifier) readIndex(ctx context.Context, raw []byte, name string, plain *file) (*index, error) {
	select {
	case v.parsing <- struct{}{}:
		defer func() { <-v.parsing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return readIndex(raw, name, plain)
}

// fetchListed fetches one listed file, by its digest where the archive offers that: names change under a reader's
// hands while a mirror is updated, digests do not.
func fetchListed(ctx context.Context, from verify.Sidecars, v *voucher, want variant) ([]byte, error) {
	var places []string
	if v.rel.ByHash {
		places = append(places, path.Join(path.Dir(want.name), "by-hash", "SHA256", want.file.SHA256.String()))
	}
	places = append(places, want.name)
	var reason error
	for _, place := range places {
		raw, err := from.Fetch(ctx, v.suite.url(place), want.file.Size)
		switch {
		case errors.Is(err, verify.ErrTooLarge):
			reason = errMixed
		case err != nil:
			reason = err
		case int64(len(raw)) != want.file.Size || sha256.Sum256(raw) != want.file.SHA256:
			reason = errMixed
		default:
			return raw, nil
		}
	}
	return nil, reason
}

// cheap reports whether an index of that name is read quickly enough for a client to wait for it.
func cheap(name string) bool { return slices.Contains([]string{"", ".gz", ".zst"}, path.Ext(name)) }

// parseInPassing keeps the index that a client just fetched, where reading it is cheap, so that it need not be fetched
// again for the packages that follow. raw was verified: it is listed in rel under name.
func (v *Verifier) parseInPassing(ctx context.Context, rel *release, name string, raw []byte) {
	base := withoutCompression(name)
	key, ok := rel.indexOf(base)
	if !ok {
		return
	}
	if _, ok := v.indexes.Get(key.file.SHA256); ok {
		return
	}
	plain := rel.plain(base)
	if plain == nil && key.name != name {
		return
	}
	// A failure is told when a package needs this index; the file itself is what the Release lists.
	if x, err := v.readIndex(ctx, raw, name, plain); err == nil {
		v.indexes.Put(key.file.SHA256, x, x.bytes())
	}
}

// hexDigest reads the last element of a by-hash path if it is a SHA-256 digest.
func hexDigest(name string) (d verify.Digest, ok bool) {
	dir, last := path.Split(name)
	if !strings.HasSuffix(dir, "/by-hash/SHA256/") && dir != "by-hash/SHA256/" {
		return d, false
	}
	b, err := hex.DecodeString(last)
	if err != nil || len(b) != len(d) {
		return d, false
	}
	return verify.Digest(bytes.Clone(b)), true
}
