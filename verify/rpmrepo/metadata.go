package rpmrepo

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// metadata verifies a file of a repodata directory.
func (s *session) metadata(at repository, name string) (verify.Finding, error) {
	if name == repomd || name == repomdSig {
		return s.documentFile(at, name)
	}
	return s.listedFile(at, name)
}

// content reads the artifact, at most limit bytes of it.
func (s *session) content(limit int64) ([]byte, error) {
	b := make([]byte, min(s.artifact.Size, limit))
	if _, err := io.ReadFull(io.NewSectionReader(s.artifact.Content, 0, int64(len(b))), b); err != nil {
		return nil, fmt.Errorf("reading the artifact: %w", err)
	}
	return b, nil
}

// documentFile verifies a repomd.xml or its signature against the other one, and learns from it if it is good.
func (s *session) documentFile(at repository, name string) (verify.Finding, error) {
	if s.artifact.Size > maxRepomd {
		return finding(verify.Invalid, "malformed", fmt.Sprintf("it has %d bytes, more than %d", s.artifact.Size, maxRepomd)), nil
	}
	body, err := s.content(maxRepomd)
	if err != nil {
		return verify.Finding{}, err
	}
	d := document{at: at, body: body}
	other := repomdSig
	if name == repomdSig {
		other = repomd
	}
	got, err := s.env.Sidecars.Fetch(s.ctx, at.url(other), maxRepomd)
	switch {
	case err == nil && name == repomdSig:
		d.body, d.sig = got, body
	case err == nil:
		d.sig = got
	case s.ctx.Err() != nil:
		return verify.Finding{}, s.ctx.Err()
	case !errors.Is(err, verify.ErrNotExist) || name == repomdSig:
		return finding(verify.Inconclusive, "unavailable", fmt.Sprintf("%s could not be fetched: %v", at.url(other), err)), nil
	}
	v, problem, err := s.accept(d)
	if err != nil {
		return verify.Finding{}, err
	}
	if problem != nil {
		return withEvidence(*problem, d.reference()), nil
	}
	s.v.sees(at, fetchedDocument{document: d})
	return v.vouches("valid", "it is "+v.describe()), nil
}

// vouches returns the finding about what v lists.
func (v *voucher) vouches(code, detail string) verify.Finding {
	return verify.Finding{
		Method: method, Status: verify.Valid, Code: method + "/" + code, Signer: v.signer, Anchors: v.anchors, NotAfter: v.ends,
		Detail: detail, Evidence: []verify.Reference{v.reference()},
	}
}

// listedFile finds out whether a repomd.xml lists a file of repodata as it is. What is remembered is asked before
// anything is fetched.
func (s *session) listedFile(at repository, name string) (verify.Finding, error) {
	var mismatch *verify.Finding
	accepted := 0
	for _, again := range []bool{false, true} {
		list, err := s.vouchers(at, again)
		if err != nil {
			return verify.Finding{}, err
		}
		accepted += len(list)
		for _, v := range list {
			f, err := s.findFile(v, name)
			if err != nil {
				return verify.Finding{}, err
			}
			if f != nil && f.Status == verify.Valid {
				return *f, nil
			}
			if f != nil {
				mismatch = f
			}
		}
	}
	return s.conclude(mismatch, accepted, "the repomd.xml of its repository does not list it"), nil
}

// vouchers returns the documents of a repository that may vouch: those that are remembered, and with again also the one
// that is there now.
func (s *session) vouchers(at repository, again bool) ([]*voucher, error) {
	list, err := s.recalled(at)
	if err != nil || !again {
		return list, err
	}
	v, err := s.refreshed(at, true)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return list, nil
	}
	out := []*voucher{v}
	for _, old := range list {
		out = merge(out, old)
	}
	return out, nil
}

// findFile says whether v lists the artifact under name; nil if it lists nothing of that name.
func (s *session) findFile(v *voucher, name string) (*verify.Finding, error) {
	f, ok := v.meta.find(name)
	if !ok {
		return nil, nil
	}
	have, err := s.sum(algorithmOf(f.Sum))
	if err != nil {
		return nil, err
	}
	if have == f.Sum && (f.Size < 0 || f.Size == s.artifact.Size) {
		if err := s.learnIndex(v, f); err != nil {
			return nil, err
		}
		out := v.vouches("valid", fmt.Sprintf("listed as %s in %s", f.Kind, v.describe()))
		return &out, nil
	}
	out := withEvidence(finding(verify.Invalid, "digest-mismatch", fmt.Sprintf(
		"%s lists %.200s with %s; this file has %d bytes and %s", v.describe(), name, f.describe(), s.artifact.Size, have)), v.reference())
	return &out, nil
}

func (f listed) describe() string {
	if f.Size < 0 {
		return string(f.Sum)
	}
	return fmt.Sprintf("%d bytes and %s", f.Size, f.Sum)
}

// learnIndex keeps a primary.xml that just passed, for the packages that follow, where that is quick.
func (s *session) learnIndex(v *voucher, f listed) error {
	if f.Kind != "primary" || s.artifact.Size > maxCompressed || path.Ext(f.Name) == ".xz" || path.Ext(f.Name) == ".bz2" {
		return nil
	}
	if _, ok := s.v.indexes.Get(string(f.Sum)); ok {
		return nil
	}
	raw, err := s.content(maxCompressed)
	if err != nil {
		return err
	}
	// A failure is told when a package needs this index; the file itself is what the repomd.xml lists.
	if x, err := s.v.readPrimary(s.ctx, raw, f); err == nil {
		s.v.indexes.Put(string(f.Sum), x, x.bytes())
	}
	return s.ctx.Err()
}

func algorithmOf(s sum) string {
	a, _, _ := strings.Cut(string(s), ":")
	return a
}

func cutAlgorithm(s sum, algorithm string) (string, bool) {
	return strings.CutPrefix(string(s), algorithm+":")
}

// sum returns the artifact's digest by an algorithm that parseSum knows.
func (s *session) sum(algorithm string) (sum, error) {
	if have, ok := s.sums[algorithm]; ok {
		return have, nil
	}
	digits := s.artifact.Digests.SHA256.String()
	if algorithm != "sha256" {
		h := hashes[algorithm]()
		if _, err := io.Copy(h, io.NewSectionReader(s.artifact.Content, 0, s.artifact.Size)); err != nil {
			return "", fmt.Errorf("reading the artifact: %w", err)
		}
		digits = hex.EncodeToString(h.Sum(nil))
	}
	if s.sums == nil {
		s.sums = map[string]sum{}
	}
	s.sums[algorithm] = sum(algorithm + ":" + digits)
	return s.sums[algorithm], nil
}

// conclude says why nothing vouches for the artifact.
func (s *session) conclude(mismatch *verify.Finding, accepted int, notListed string) verify.Finding {
	if mismatch != nil {
		return *mismatch
	}
	if accepted == 0 {
		if f := gravest(s.problems); f != nil {
			return *f
		}
	}
	switch {
	case len(s.missing) > 0:
		return finding(verify.Inconclusive, "unavailable", "what vouches for it could not be fetched: "+s.whatIsMissing())
	case accepted > 0:
		return finding(verify.Untrusted, "not-listed", notListed)
	}
	return finding(verify.Absent, "unsigned", "no signed repomd.xml was found for it")
}
