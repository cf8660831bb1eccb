package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// members compares, for every program and script of the corpus, whether a catalogue lists it.
func (s *session) members(ctx context.Context, r row, catalogue *subject) ([]result, error) {
	vouches, err := s.vouches(ctx, catalogue)
	if err != nil {
		return nil, err
	}
	var out []result
	for _, other := range s.rows {
		if !strings.HasPrefix(other.kind, "authenticode-p") || !sameProduct(other.file, r.file) {
			continue
		}
		found := s.store.find(other.file, other.sha256)
		if found == nil {
			continue
		}
		member := &subject{sample: found, kind: r.kind, as: path.Base(other.file) + " as a member"}
		one := result{row: r, subject: member, ours: s.listedIn(vouches, found.data), reference: s.osslsigncodeArgs(ctx, member, "-catalog", catalogue.path)}
		one.decide()
		out = append(out, one)
	}
	return out, nil
}

// sameProduct reports whether two samples have a word in common, such as "PSReadLine": asking of all would be slow.
func sameProduct(member, catalogue string) bool {
	word, _, _ := strings.Cut(strings.TrimSuffix(path.Base(catalogue), ".cat"), "-")
	return strings.Contains(member, word)
}

// vouches asks a trusted catalogue what it vouches for.
func (s *session) vouches(ctx context.Context, f *subject) ([]verify.Vouch, error) {
	a := &verify.Artifact{Name: path.Base(f.file), Size: int64(len(f.data)), Content: bytes.NewReader(f.data)}
	var out []verify.Vouch
	for _, v := range s.examiner.Verifiers {
		if voucher, ok := v.(verify.Voucher); ok && v.Match(a) {
			list, err := voucher.Vouches(ctx, a, verify.Env{At: s.at, Sidecars: verify.NoSidecars{}})
			if err != nil {
				return nil, err
			}
			out = append(out, list...)
		}
	}
	return out, nil
}

// listedIn is our verdict on a file by what a catalogue vouches for.
func (s *session) listedIn(vouches []verify.Vouch, data []byte) verdict {
	one, two := sha1.Sum(data), sha256.Sum256(data)
	sums := map[string][]byte{"sha1": one[:], "sha256": two[:]}
	if tap := s.examiner.Tap(data[:min(len(data), verify.SniffLen)]); tap != nil {
		tap.Write(data)
		tap.Sum(sums)
	}
	var found []verify.Finding
	for _, v := range vouches {
		if sum := sums[v.Digest]; sum != nil && bytes.Equal(sum, v.Sum) {
			found = append(found, v.Finding)
		}
	}
	if found == nil {
		return verdict{known: true, text: "not listed"}
	}
	return oursOf(found)
}
