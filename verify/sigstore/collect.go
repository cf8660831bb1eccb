package sigstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/beside"
	core "github.com/sallyport-project/sallyport/verify/internal/sigstore"
)

// Bounds of one call. Requests and bytes are counted apart for the usual places and for those that the policy names.
const (
	maxFetches   = 12       // requests
	maxFetched   = 16 << 20 // bytes in all
	maxJudged    = 32       // bundles, also those that cannot be read
	maxSignature = 64 << 10 // bytes of a bare signature or certificate
)

// session is one call of Verify.
type session struct {
	ctx      context.Context
	env      verify.Env
	place    *place
	where    string     // host of the URL; "" for a local file
	asked    []*url.URL // before redirects led to the update
	artifact core.Artifact
	budget   *beside.Budget
	none     bool // there are no sidecars here at all

	found    []candidate
	seen     map[verify.Digest]bool // documents that were read
	empty    int                    // documents about the update with no bundle in them
	findings []verify.Finding
	missing  []string          // what could not be asked for, and why
	digests  map[string]string // hexadecimal, by algorithm; "" where it could not be had
	failed   error             // computing one
}

// candidate is a bundle to judge.
type candidate struct {
	entry
	from verify.Reference
	bare bool // a bare signature of which nothing says that it is Sigstore's
}

// kind is what a document is known to be by where it was found.
type kind struct {
	npm    bool // the attestations of a registry of npm
	shared bool // it may be about other updates
}

// collect finds all bundles. What the policy names is asked for whatever is published beside the update.
func (s *session) collect(v *Verifier) error {
	s.seen, s.digests = map[verify.Digest]bool{}, map[string]string{}
	if err := s.local(v); err != nil || !verify.HasSidecars(s.env.Sidecars) {
		return err
	}
	for _, look := range []func() error{s.usual, s.templates} {
		s.budget = beside.NewBudget(s.env.Sidecars, maxFetches, maxFetched)
		if err := look(); err != nil {
			return err
		}
		s.missing = append(s.missing, s.budget.Missing()...)
		s.none = s.none || s.budget.None()
	}
	return nil
}

// nowhere reports that there was nowhere to look.
func (s *session) nowhere() bool {
	local := slices.ContainsFunc(s.env.Trust.Sigstore, func(a verify.SigstoreAnchor) bool { return len(a.Local) > 0 })
	return !local && (!verify.HasSidecars(s.env.Sidecars) || s.none)
}

// usual looks where every update of its kind has its bundles.
func (s *session) usual() error {
	if n := s.place.npm; n != nil {
		return s.fetch(n.attestations(), kind{npm: true})
	}
	if f := s.place.pypi; f != nil {
		if err := s.fetch(f.provenance(), kind{}); err != nil {
			return err
		}
	}
	for _, suffix := range []string{".sigstore.json", ".sigstore", ".intoto.jsonl"} {
		if err := s.fetch(s.place.ref+suffix, kind{}); err != nil {
			return err
		}
	}
	if err := s.fetch(s.place.ref+".bundle", kind{}); err != nil {
		return err
	}
	if err := s.fetch("./multiple.intoto.jsonl", kind{shared: true}); err != nil {
		return err
	}
	return s.cosign()
}

// templates looks where the anchors say, in their order.
func (s *session) templates() error {
	var asked []string
	for i := range s.env.Trust.Sigstore {
		for _, template := range s.env.Trust.Sigstore[i].Bundles {
			ref, ok := expand(template, func(name string) (string, bool) { return s.place.variable(name, s.digest) })
			if s.failed != nil {
				return s.failed
			}
			if !ok || slices.Contains(asked, ref) {
				continue
			}
			asked = append(asked, ref)
			if err := s.fetch(ref, kind{shared: shared(template)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// digest returns a digest of the artifact in hexadecimal digits.
func (s *session) digest(alg string) string {
	if alg == "sha256" {
		return s.artifact.SHA256.String()
	}
	if have, ok := s.digests[alg]; ok {
		return have
	}
	sum, err := s.artifact.Digest(alg)
	s.failed = err
	s.digests[alg] = hex.EncodeToString(sum)
	return s.digests[alg]
}

// fetch reads the document at ref if there is one.
func (s *session) fetch(ref string, k kind) error {
	got, ok, err := s.budget.Fetch(s.ctx, ref, maxDocument)
	if err != nil || !ok {
		return err
	}
	return s.document(got.Data, got.Reference(), k)
}

// document takes note of the bundles of a document.
func (s *session) document(data []byte, from verify.Reference, k kind) error {
	if s.seen[from.SHA256] {
		return nil
	}
	s.seen[from.SHA256] = true
	entries, err := readDocument(data)
	var broken *core.Error
	switch {
	case errors.Is(err, errOther):
		return nil
	case errors.Is(err, errElsewhere):
		s.missing = append(s.missing, fmt.Sprintf("%s (%s)", printable.Text(from.URL, 200), err))
		return nil
	case errors.As(err, &broken):
		if !k.shared {
			s.broken(broken, from)
		}
		return nil
	case err != nil:
		return err
	}
	mine, err := s.about(entries, k.shared)
	if err != nil {
		return err
	}
	switch {
	case len(entries) == 0:
		s.empty++
	case len(mine) == 0 && !k.shared:
		s.add(verify.Invalid, core.SubjectMismatch, from, "%s has %s, and none of the statements in them is about this file.", show(from), count(len(entries), "bundle"))
	}
	for _, e := range mine {
		e.npm = e.npm || k.npm
		s.found = append(s.found, candidate{entry: e, from: from})
	}
	return nil
}

// about returns those entries that are about the artifact as far as that can be told before they are verified: statements that name
// other files only are left out, and of what is shared with other files also message signatures over those, and what cannot be read.
func (s *session) about(entries []entry, shared bool) (mine []entry, err error) {
	for _, e := range entries {
		if e.err != nil && shared {
			continue
		}
		if e.err == nil {
			if _, ok := e.bundle.Statement(); ok || shared {
				named, err := e.bundle.Concerns(s.artifact)
				if err != nil {
					return nil, err
				}
				if !named {
					continue
				}
			}
		}
		mine = append(mine, e)
	}
	return mine, nil
}

// cosign looks for what cosign wrote before there were bundles: a signature in base64, and a certificate. Other systems use
// these names too.
func (s *session) cosign() error {
	sig, ok, err := s.budget.Fetch(s.ctx, s.place.ref+".sig", maxSignature)
	if err != nil || !ok {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(sig.Data)))
	if err != nil || len(raw) < 64 || len(raw) > 1024 {
		return nil
	}
	for _, suffix := range []string{".pem", ".crt", ".cert"} {
		cert, ok, err := s.budget.Fetch(s.ctx, s.place.ref+suffix, maxSignature)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if b, err := core.NewRaw(raw, cert.Data); err == nil && b.HasCertificate() {
			s.found = append(s.found, candidate{entry: entry{id: sha256.Sum256(raw), bundle: b, unlogged: true}, from: sig.Reference(), bare: true})
			return nil
		}
	}
	if b, err := core.NewRaw(raw, nil); err == nil {
		s.found = append(s.found, candidate{entry: entry{id: sha256.Sum256(raw), bundle: b, unlogged: true}, from: sig.Reference(), bare: true})
	}
	return nil
}
