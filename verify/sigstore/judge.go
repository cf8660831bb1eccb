package sigstore

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
	core "github.com/sallyport-project/sallyport/verify/internal/sigstore"
)

// judge verifies what was found, each bundle once.
func (s *session) judge(groups []*group) error {
	judged := map[[sha256.Size]byte]bool{}
	n := 0
	for _, c := range s.found {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		if c.err == nil && judged[c.id] {
			continue
		}
		judged[c.id] = true
		if n++; n > maxJudged {
			s.add(verify.Inconclusive, codeTooMany, c.from, "More than %d bundles are about this file; the others were not looked at.", maxJudged)
			return nil
		}
		if c.err != nil {
			s.broken(c.err, c.from)
			continue
		}
		if err := s.judgeOne(c, groups); err != nil {
			return err
		}
	}
	return nil
}

// outcome is what came of one bundle under one group.
type outcome struct {
	group  *group
	result core.Result
	err    *core.Error // nil: it verifies
}

// judgeOne verifies one bundle under every group that it may count for, and reports the best that came of it.
func (s *session) judgeOne(c candidate, groups []*group) error {
	var all []outcome
	var lacking []string
	for _, g := range groups {
		if c.bundle.HasCertificate() == (len(g.demand.Keys) > 0) {
			continue
		}
		if g.lacking != "" {
			lacking = append(lacking, g.lacking)
			continue
		}
		o := outcome{group: g}
		var err error
		if o.result, err = core.Verify(c.bundle, s.artifact, g.demand, s.env.At); err != nil && !errors.As(err, &o.err) {
			return err
		}
		all = append(all, o)
	}
	verified := slices.DeleteFunc(slices.Clone(all), func(o outcome) bool { return o.err != nil })
	switch {
	case len(verified) > 0:
		s.verified(c, verified)
	case c.bundle.HasCertificate():
		s.certificateFails(c, all, lacking)
	case len(lacking) > 0:
		s.lacks(c, lacking)
	default:
		s.keyFails(c, all)
	}
	return nil
}

func (s *session) lacks(c candidate, why []string) {
	s.add(verify.Inconclusive, codeNoTrustedRoot, c.from, "%s cannot be verified: %s.", show(c.from), text(strings.Join(why, "; ")))
}

// verified reports a bundle that verifies under at least one group.
func (s *session) verified(c candidate, good []outcome) {
	first := good[0]
	if why := s.refuse(c, &first.result); why != "" {
		s.evidence(s.add(verify.Invalid, codeWrongPackage, c.from, "%s verifies, but %s.", show(c.from), why), good)
		return
	}
	var anchors []string
	for _, o := range good {
		for _, a := range o.group.anchors {
			if core.Matches(a, o.result) && !slices.Contains(anchors, a.Anchor) {
				if anchors = append(anchors, a.Anchor); len(anchors) == 1 {
					first = o
				}
			}
		}
	}
	slices.Sort(anchors)
	r := &first.result
	var f *verify.Finding
	switch failed := r.Attestation != nil && r.Attestation.Predicate == "vsa" && r.Attestation.Result != "PASSED"; {
	case len(anchors) > 0 && failed:
		s.evidence(s.add(verify.Invalid, codeFailed, c.from, "%s; it says that the file did not pass (%q).", describe(c.from, r), printable.Text(r.Attestation.Result, 40)), good)
		return
	case len(anchors) > 0:
		f = s.add(verify.Valid, codeValid, c.from, "%s.", describe(c.from, r))
	default:
		f = s.add(verify.Untrusted, codeUnknownSigner, c.from, "%s; no anchor names that signer.", describe(c.from, r))
	}
	f.Anchors, f.Signer, f.SignedAt, f.Attestation, f.Workload = anchors, r.Signer, r.SignedAt, r.Attestation, r.Workload
	s.evidence(f, good)
}

// evidence adds the trusted roots that a finding rests on.
func (s *session) evidence(f *verify.Finding, of []outcome) {
	for _, o := range of {
		for _, ref := range o.group.root {
			if !slices.Contains(f.Evidence, ref) {
				f.Evidence = append(f.Evidence, ref)
			}
		}
	}
}

func describe(from verify.Reference, r *core.Result) string {
	what := "a signature over the whole file"
	if r.Attestation != nil {
		what = fmt.Sprintf("a statement (%s) that names the file's digest", printable.Text(r.Attestation.PredicateType, 120))
	}
	by := "the key " + r.Signer.Fingerprint
	if r.Signer.Name != "" {
		by = fmt.Sprintf("%s (%s)", printable.Text(r.Signer.Name, 200), printable.Text(r.Signer.Issuer, 120))
	}
	out := fmt.Sprintf("%s is %s, signed by %s", show(from), what, by)
	if !r.SignedAt.IsZero() {
		out += " at " + r.SignedAt.UTC().Format("2006-01-02T15:04:05Z")
	}
	return fmt.Sprintf("%s, with %s and %s", out, count(r.Logs, "log entry"), count(r.Timestamps, "timestamp"))
}

// certificateFails reports a bundle with a certificate that verifies under no group. If no instance has issued the certificate,
// it is somebody else's: vendors publish attestations by several instances side by side.
func (s *session) certificateFails(c candidate, all []outcome, lacking []string) {
	ours := slices.DeleteFunc(slices.Clone(all), func(o outcome) bool {
		return o.err.Code == core.CertificateChain || !o.group.demand.Instance.Issued(c.bundle)
	})
	if len(ours) == 0 && len(lacking) > 0 {
		s.lacks(c, lacking)
		return
	}
	if len(ours) == 0 {
		f := s.add(verify.Untrusted, codeUnknownInstance, c.from, "%s is by an instance of Sigstore that no anchor names.", show(c.from))
		s.evidence(f, all)
		return
	}
	// What is wrong besides something missing says more.
	o := ours[0]
	if i := slices.IndexFunc(ours, func(o outcome) bool { return o.err.Code != core.Threshold }); i >= 0 {
		o = ours[i]
	}
	switch {
	case c.unlogged && slices.Contains([]core.Code{core.Timestamp, core.CertificateExpired, core.LogEntry, core.InclusionProof, core.Threshold}, o.err.Code):
		s.add(verify.Inconclusive, codeNotLogged, c.from, "%s has a certificate, but neither an entry of a log nor a timestamp with it that shows when it signed.", show(c.from))
	case o.err.Code == core.Threshold:
		s.short(c, o)
	default:
		s.broken(o.err, c.from)
	}
	s.evidence(&s.findings[len(s.findings)-1], all)
}

// short reports a bundle that verifies, with fewer entries of logs or timestamps than any anchor asks for.
func (s *session) short(c candidate, o outcome) {
	f := s.add(verify.Untrusted, o.err.Code, c.from, "%s verifies, but not with all that the anchors ask for: %s.", show(c.from), text(o.err.Detail))
	r := &o.result
	f.Signer, f.SignedAt, f.Attestation, f.Workload = r.Signer, r.SignedAt, r.Attestation, r.Workload
}

// keyFails reports a bundle by a key that verifies under no group. Its hint tells whether the key is one of ours; the hint is no
// proof, so that without ours it is somebody else's.
func (s *session) keyFails(c candidate, all []outcome) {
	hint := c.bundle.KeyHint()
	for _, o := range all {
		// What comes after the signature in the order of the checks is wrong with the bundle whatever its hint.
		proven := o.err.Code == core.SubjectMismatch || o.err.Code == core.ClaimsDisagree
		if o.err.Code == core.Threshold {
			s.short(c, o)
			return
		}
		if proven || o.group.hints[hint] && hint != "" {
			s.broken(o.err, c.from)
			return
		}
	}
	if c.bare {
		return // it may be of any system
	}
	s.add(verify.Untrusted, codeUnknownKey, c.from, "%s is by a key that no anchor has; the bundle calls it %q.", show(c.from), printable.Text(hint, 100))
}

// refuse says what is wrong with the subject of a statement that verifies; "" if nothing is. Registries of npm and Python's indexes
// have statements name the package, so that no attested package can take the place of another one by the same signer. What a
// statement has to name hangs on the update and the statement: how it is wrapped is up to whoever serves it.
func (s *session) refuse(c candidate, r *core.Result) string {
	n := s.place.npm
	purl := strings.HasPrefix(r.Subject, "pkg:npm/")
	if asked := s.otherAsked(r); r.Attestation != nil && asked != "" {
		return fmt.Sprintf("it is about %s, and the update was asked for as %s", printable.Text(r.Subject, 200), printable.Text(asked, 200))
	}
	switch {
	case r.Attestation == nil && n != nil && c.npm:
		return "it is no statement, and a registry's attestations name the package"
	case r.Attestation == nil:
	case n != nil && (c.npm || purl) && !n.isPURL(r.Subject):
		return fmt.Sprintf("it is about %s, and the update is %s", printable.Text(r.Subject, 200), n.purl())
	case (c.pep740 || s.place.pypi != nil && isPyPI(r)) && normalizePyPI(path.Base(r.Subject)) != normalizePyPI(s.place.name):
		return fmt.Sprintf("it is about %s, and the update is %s", printable.Text(r.Subject, 200), printable.Text(s.place.name, 200))
	}
	return ""
}

// isPyPI reports whether a statement is one about a distribution of Python: by a publisher of PyPI, or with the name of a distribution.
func isPyPI(r *core.Result) bool {
	_, ok := parsePyPI("/packages/", path.Base(r.Subject))
	return ok || r.Attestation.Predicate == "publish"
}
