package apt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/pgp"
)

// metadata verifies a Release, its signature or an index.
func (s *session) metadata(places []target) ([]verify.Finding, error) {
	if isReleaseName(places[0].name) {
		return s.releaseFile(places[0])
	}
	return s.indexFile(places)
}

// content reads the artifact, which must not be larger than limit.
func (s *session) content(limit int64) ([]byte, error) {
	b := make([]byte, min(s.artifact.Size, limit))
	if _, err := io.ReadFull(io.NewSectionReader(s.artifact.Content, 0, int64(len(b))), b); err != nil {
		return nil, fmt.Errorf("reading the artifact: %w", err)
	}
	return b, nil
}

// releaseFile verifies an InRelease, a Release or a Release.gpg, and learns from it if it is good.
func (s *session) releaseFile(at target) ([]verify.Finding, error) {
	if s.artifact.Size > maxRelease {
		return one(verify.Invalid, "malformed", fmt.Sprintf("it has %d bytes, more than %d", s.artifact.Size, maxRelease)), nil
	}
	body, err := s.content(maxRelease)
	if err != nil {
		return nil, err
	}
	d := inRelease(at.suite.url(at.name), body)
	if at.name != "InRelease" {
		var problem *verify.Finding
		if d, problem, err = s.counterpart(at, body); err != nil || problem != nil {
			return asList(problem), err
		}
	}
	p, err := s.v.prove(d, s.env)
	if err != nil {
		return nil, err
	}
	if p.problem != nil {
		return asList(p.problem), nil
	}
	v, err := s.accept(at.suite, p)
	if err != nil {
		return nil, err
	}
	if v.problem != nil {
		return asList(v.problem), nil
	}
	s.v.sees(at.suite, fetchedDocument{document: d})
	return []verify.Finding{{
		Method: method, Status: verify.Valid, Code: "apt/valid", Signer: v.signer, Anchors: v.anchors, NotAfter: v.ends,
		Detail: "it is " + v.describe(), Evidence: []verify.Reference{v.reference()},
	}}, nil
}

// counterpart fetches what belongs to a Release or a Release.gpg. A Release without a Release.gpg is held against the
// InRelease beside it, whose signed text is the same in archives that have both.
func (s *session) counterpart(at target, body []byte) (document, *verify.Finding, error) {
	url := at.suite.url("Release")
	other := url + ".gpg"
	if at.name == "Release.gpg" {
		other = url
	}
	got, err := s.env.Sidecars.Fetch(s.ctx, other, maxRelease)
	switch {
	case err == nil && at.name == "Release":
		return detachedRelease(url, body, got), nil, nil
	case err == nil:
		return detachedRelease(url, got, body), nil, nil
	case errors.Is(err, verify.ErrNotExist) && at.name == "Release":
		return s.sameAsInRelease(at, body)
	case s.ctx.Err() != nil:
		return document{}, nil, s.ctx.Err()
	}
	f := finding(verify.Inconclusive, "unavailable", fmt.Sprintf("%s could not be fetched: %v", other, err))
	return document{}, &f, nil
}

func (s *session) sameAsInRelease(at target, body []byte) (document, *verify.Finding, error) {
	url := at.suite.url("InRelease")
	got, err := s.env.Sidecars.Fetch(s.ctx, url, maxRelease)
	switch {
	case errors.Is(err, verify.ErrNotExist):
		f := finding(verify.Absent, "unsigned", "there is neither a Release.gpg nor an InRelease beside it")
		return document{}, &f, nil
	case err != nil && s.ctx.Err() != nil:
		return document{}, nil, s.ctx.Err()
	case err != nil:
		f := finding(verify.Inconclusive, "unavailable", fmt.Sprintf("%s could not be fetched: %v", url, err))
		return document{}, &f, nil
	}
	text, _, err := pgp.SplitClearsigned(got)
	if err == nil && !bytes.Equal(bytes.TrimRight(text, "\n"), bytes.TrimRight(body, "\n")) {
		f := finding(verify.Invalid, "mixed", "it is not the text that the InRelease beside it signs, and has no signature of its own")
		return document{}, &f, nil
	}
	return inRelease(url, got), nil, nil // what cannot be split is refused when it is proved
}

// indexFile finds out whether a Release of its suite lists an index as it is.
func (s *session) indexFile(places []target) ([]verify.Finding, error) {
	l := &lookup{session: s}
	var known, unknown []target
	for _, t := range places {
		list, err := s.recalled(t.suite)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			known = append(known, t)
		} else {
			unknown = append(unknown, t)
		}
	}
	for _, again := range []bool{false, true} {
		for _, t := range known {
			if f, err := l.considerIndex(t, again); f != nil || err != nil {
				return asList(f), err
			}
		}
	}
	for _, t := range unknown {
		if l.mismatch != nil || !s.mayProbe(t.suite) {
			break
		}
		if f, err := l.considerIndex(t, true); f != nil || err != nil {
			return asList(f), err
		}
	}
	return asList(l.concludeIndex()), nil
}

// considerIndex holds the index against a suite's Releases, the newest first. What is remembered is asked before
// anything is fetched, unless again is set.
func (l *lookup) considerIndex(t target, again bool) (*verify.Finding, error) {
	list, err := l.recalled(t.suite)
	if err != nil {
		return nil, err
	}
	if again {
		v, err := l.refreshed(t.suite, true)
		switch {
		case err != nil:
			return nil, err
		case v == nil:
		case v.problem != nil:
			l.doubtful = append(l.doubtful, listing{v, t.name})
		default:
			list = append([]*voucher{v}, list...)
		}
	}
	for _, v := range list {
		l.accepted++
		f, err := l.findIndex(v, t.name)
		if err != nil {
			return nil, err
		}
		switch {
		case f == nil:
		case f.Status == verify.Valid:
			return f, nil
		case l.mismatch == nil || again:
			l.mismatch = f
		}
	}
	return nil, nil
}

// findIndex says whether a Release lists the artifact under name; nil if it lists nothing of that name.
func (l *lookup) findIndex(v *voucher, name string) (*verify.Finding, error) {
	a := entryOf(l.artifact)
	listed, entry, ok := v.rel.listed(name, a)
	if !ok {
		return l.findPatch(v, name)
	}
	if entry == a {
		if err := l.learnIndex(v.rel, listed); err != nil {
			return nil, err
		}
		return l.vouched(v, listed), nil
	}
	f := finding(verify.Invalid, "digest-mismatch", fmt.Sprintf(
		"%s lists %.200s with %d bytes and SHA-256 %s; this file has %d bytes and SHA-256 %s",
		v.describe(), listed, entry.Size, entry.SHA256, a.Size, a.SHA256))
	f.Evidence = []verify.Reference{v.reference()}
	return &f, nil
}

func (l *lookup) vouched(v *voucher, listed string, more ...verify.Reference) *verify.Finding {
	return &verify.Finding{
		Method: method, Status: verify.Valid, Code: "apt/valid", Signer: v.signer, Anchors: v.anchors, NotAfter: v.ends,
		Detail:   fmt.Sprintf("listed as %.200s in %s", listed, v.describe()),
		Evidence: append([]verify.Reference{v.reference()}, more...),
	}
}

// listed returns what a Release says of the file that a client asks for under name, where a is what it got: the entry
// of that name, or, for a name by-hash/<algorithm>/<digest>, the entry in the directory above that a fits, else the
// one whose digest the name gives.
func (r *release) listed(name string, a file) (listed string, entry file, ok bool) {
	if !isByHash("/" + name) {
		entry, ok = r.Files[name]
		return name, entry, ok
	}
	dir := path.Dir(path.Dir(path.Dir(name)))
	wanted, named := hexDigest(name)
	for other, f := range r.Files {
		if path.Dir(other) != dir {
			continue
		}
		switch {
		case named && f.SHA256 == wanted, !named && f == a:
			return other, f, true
		}
	}
	return "", file{}, false
}

// learnIndex keeps a Packages file that just passed, for the packages that follow.
func (l *lookup) learnIndex(rel *release, listed string) error {
	if path.Base(withoutCompression(listed)) != "Packages" || l.artifact.Size > maxCompressed {
		return nil
	}
	if !cheap(listed) {
		return nil
	}
	raw, err := l.content(maxCompressed)
	if err != nil {
		return err
	}
	l.v.parseInPassing(l.ctx, rel, listed, raw)
	return nil
}

// concludeIndex says why nothing vouches for the index.
func (l *lookup) concludeIndex() *verify.Finding {
	if f := l.worst(l.findIndex); f != nil {
		return f
	}
	var f verify.Finding
	switch {
	case len(l.missing) > 0:
		f = finding(verify.Inconclusive, "unavailable", "what vouches for it could not be fetched: "+l.whatIsMissing())
	case l.accepted > 0 && strings.Contains(l.artifact.URL.Path, "/by-hash/"):
		f = finding(verify.Untrusted, "mixed", "no Release of its suite that may vouch lists this digest: it belongs to another")
	case l.accepted > 0:
		f = finding(verify.Untrusted, "not-listed", "no Release of its suite that may vouch lists it")
	case len(l.doubtful) > 0:
		f = withEvidence(*l.doubtful[0].voucher.problem, l.doubtful[0].voucher.reference())
	default:
		f = finding(verify.Absent, "unsigned", "no signed Release was found for it")
	}
	return &f
}
