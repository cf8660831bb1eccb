package detachedcms

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/beside"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// maxChecks bounds the signatures of certificates that are computed for one artifact.
const maxChecks = 256

// examination is one call of Verify.
type examination struct {
	at          time.Time
	authorities []authority
	checks      *cms.Checks
	revocation  *authenticode.Examination

	label    string // of the signature under examination, for people
	appended bool   // it is part of the artifact
	evidence []verify.Reference
	findings []verify.Finding
}

// authority is an anchor's roots. Certificates that are listed may also sign themselves.
type authority struct {
	anchor string
	roots  *cms.Roots
	certs  []*cms.Certificate
}

func newExamination(env verify.Env) *examination {
	x := &examination{at: env.At, checks: cms.NewChecks(maxChecks)}
	if len(env.Trust.Authorities) > 0 {
		x.revocation = authenticode.New(method, "file", env)
	}
	for _, a := range env.Trust.Authorities {
		one := authority{anchor: a.Anchor, roots: cms.NewRoots(a.Roots)}
		for _, c := range a.Roots {
			if parsed, err := cms.ParseCertificate(c.Raw); err == nil {
				one.certs = append(one.certs, parsed)
			}
		}
		x.authorities = append(x.authorities, one)
	}
	return x
}

// sidecar judges a signature that lies beside the artifact. A file of certificates without signers is none.
func (x *examination) sidecar(ctx context.Context, a *verify.Artifact, from beside.Sidecar, der []byte) error {
	x.label, x.evidence = from.Ref, []verify.Reference{from.Reference()}
	d, err := cms.ParseContentInfo(der)
	switch {
	case err != nil && indefinite(der):
		x.say(verify.Inconclusive, "unsupported", "%s is in BER with indefinite lengths, which is not read here.", x.label)
		return nil
	case err != nil:
		x.say(verify.Invalid, "malformed", "%s is no CMS signature that can be read: %s.", x.label, err)
		return nil
	case len(d.Signers) == 0:
		return nil
	case d.Content != nil:
		x.say(verify.Untrusted, "not-detached", "%s is a signature of what is in it, not of the file.", x.label)
		return nil
	}
	return x.judge(ctx, d, io.NewSectionReader(a.Content, 0, a.Size))
}

// judge leaves a finding for each signer.
func (x *examination) judge(ctx context.Context, d *cms.SignedData, content *io.SectionReader) error {
	if x.appended && (d.Content != nil || len(d.Signers) == 0) {
		x.say(verify.Invalid, "malformed", "The %s is none of the module.", x.label)
		return nil
	}
	sums, err := digests(ctx, d, content)
	if err != nil {
		return err
	}
	confusing, err := looksLikeAttributes(content)
	if err != nil {
		return err
	}
	for _, si := range d.Signers {
		if confusing && !si.HasSignedAttributes() {
			x.say(verify.Invalid, "malformed", "The %s covers a file that is itself a set of attributes, which another signature may be of.", x.label)
			continue
		}
		x.signer(d, si, sums[si.Hash()])
	}
	return nil
}

// digests reads the content once and returns its digest under every signer's algorithm.
func digests(ctx context.Context, d *cms.SignedData, content *io.SectionReader) (map[crypto.Hash][]byte, error) {
	hashes := map[crypto.Hash]hash.Hash{}
	var all []io.Writer
	for _, si := range d.Signers {
		if h := si.Hash(); h != 0 && hashes[h] == nil {
			hashes[h] = h.New()
			all = append(all, hashes[h])
		}
	}
	whole := &verify.Artifact{Size: content.Size(), Content: content}
	if err := beside.Copy(ctx, io.MultiWriter(all...), whole); err != nil {
		return nil, err
	}
	sums := map[crypto.Hash][]byte{}
	for h, w := range hashes {
		sums[h] = w.Sum(nil)
	}
	return sums, nil
}

// looksLikeAttributes reports whether content is a DER SET. The signature value of a signer with attributes is over
// such a SET, so it would pass for one without attributes over a file with these bytes (RFC 8933 warns of the kind).
func looksLikeAttributes(content *io.SectionReader) (bool, error) {
	const most = 64 << 10
	if content.Size() > most || content.Size() == 0 {
		return false, nil
	}
	b := make([]byte, content.Size())
	if _, err := io.ReadFull(io.NewSectionReader(content, 0, content.Size()), b); err != nil {
		return false, fmt.Errorf("reading the artifact: %w", err)
	}
	_, rest, err := cms.ReadElement(b)
	return b[0] == 0x31 && err == nil && len(rest) == 0, nil
}

// outcome is what one anchor says of a signer.
type outcome struct {
	leaf  *cms.Certificate
	path  cms.Path // nil if the anchor's roots do not vouch for the signer
	err   error    // why not; or, where there is a path, in what way the signature does not fit
	hash  crypto.Hash
	under []string // anchors that say the same of this certificate
	ends  time.Time

	revoked, unknown string // what revocation lists say of the path, as a part of a sentence; "" if nothing speaks against it
}

// vouches reports whether the signature is by a certificate that the anchor trusts, and rests on nothing weak or revoked.
func (o *outcome) vouches() bool {
	return o.path != nil && o.err == nil && !o.weak() && o.revoked == "" && o.unknown == ""
}

func (o *outcome) weak() bool { return o.hash == crypto.MD5 || o.hash == crypto.SHA1 }

// signer judges one signer under every anchor. What names a signer (a key identifier, an issuer with a serial number) can
// be put into other certificates as well, so anchors may know different ones by it: each anchor vouches only if
// the signature fits the certificate that it knows itself.
func (x *examination) signer(d *cms.SignedData, si *cms.SignerInfo, sum []byte) {
	var good []*outcome
	var best outcome
	for _, a := range x.authorities {
		o := x.under(a, d, si)
		if o.path != nil {
			o.err = si.VerifyDigest(o.leaf, d.ContentType, sum)
			o.hash = cms.Weaker(si.Hash(), o.path.WeakestHash())
			x.lookUp(&o)
		}
		switch {
		case o.vouches():
			good = together(good, o, a.anchor)
		case better(o, best):
			best = o
		}
	}
	for _, o := range good {
		if x.appended && x.hides(d, si, o.path) {
			return
		}
		f := x.say(verify.Valid, "valid", "The %s covers the whole file with %s and leads to the root %q; it ends with its certificates.",
			x.label, cms.HashName(si.Hash()), o.path.Root().Subject.Best())
		f.Signer, f.Anchors, f.NotAfter = identity(o.leaf, o.path), o.under, o.ends
	}
	if len(good) == 0 {
		x.refuse(best)
	}
}

// lookUp asks the revocation lists about a path, and sets when it ends.
func (x *examination) lookUp(o *outcome) {
	var until time.Time
	o.revoked, o.unknown, until = x.revocation.Standing(o.path)
	if o.ends = expiry(o.path); !until.IsZero() && until.Before(o.ends) {
		o.ends = until
	}
}

// together adds an outcome to that of another anchor about the same certificate, if there is one. The first of the paths
// to end bounds both.
func together(good []*outcome, o outcome, anchor string) []*outcome {
	for _, g := range good {
		if g.leaf.Equal(o.leaf) {
			g.under = append(g.under, anchor)
			if o.ends.Before(g.ends) {
				g.ends = o.ends
			}
			return good
		}
	}
	o.under = []string{anchor}
	return append(good, &o)
}

// refuse says why no anchor vouches for a signer, by what tells most.
func (x *examination) refuse(o outcome) {
	switch {
	case o.leaf == nil:
		x.say(verify.Untrusted, "unknown-signer", "The signer of the %s has a certificate that is neither in it nor among the roots of an anchor.", x.label)
	case o.path == nil:
		f := x.say(verify.Untrusted, why(o.err), "The %s is by %q, who is not trusted: %s.", x.label, o.leaf.Subject.Best(), o.err)
		f.Signer = identity(o.leaf, nil)
	case o.err != nil:
		code := "bad-signature"
		if errors.Is(o.err, cms.ErrDigest) {
			code = "digest-mismatch"
		}
		x.say(verify.Invalid, code, "The %s by %q is wrong: %s.", x.label, o.leaf.Subject.Best(), o.err)
	case o.revoked != "":
		f := x.say(verify.Invalid, "revoked", "The %s by %q fits, but %s; nothing proves it older.", x.label, o.leaf.Subject.Best(), o.revoked)
		f.Signer = identity(o.leaf, o.path)
	case o.unknown != "":
		f := x.say(verify.Untrusted, "revocation-unknown", "The %s by %q fits, but whether it has been revoked is not known %s.", x.label, o.leaf.Subject.Best(), o.unknown)
		f.Signer = identity(o.leaf, o.path)
	default:
		f := x.say(verify.Untrusted, "weak-digest", "The %s by %q rests on %s.", x.label, o.leaf.Subject.Best(), cms.HashName(o.hash))
		f.Signer = identity(o.leaf, o.path)
	}
}

// better prefers what tells more: a certificate that is there, one that leads to a root, and one whose signature it is.
func better(a, b outcome) bool {
	known := func(o outcome) int {
		var p *cms.PathError
		switch {
		case o.leaf == nil:
			return 0
		case o.path != nil && o.err == nil:
			return 7
		case o.path != nil:
			return 6
		case errors.As(o.err, &p):
			return 2 + int(p.Reason)
		}
		return 1
	}
	return known(a) > known(b)
}

// under looks for the signer's certificate and its way to an anchor's roots, as of the time of judgement.
func (x *examination) under(a authority, d *cms.SignedData, si *cms.SignerInfo) outcome {
	if leaf := cms.FindSigner(si, a.certs); leaf != nil && leaf.SignsAlone(cms.OIDCodeSigning, x.at) {
		return outcome{leaf: leaf, path: cms.Path{leaf}}
	}
	leaf := cms.FindSigner(si, d.Certificates)
	if leaf == nil {
		leaf = cms.FindSigner(si, a.certs)
	}
	if leaf == nil {
		return outcome{}
	}
	path, err := cms.NewPool(d.Certificates, a.roots, x.checks).Path(leaf, cms.OIDCodeSigning, x.at)
	if err != nil {
		return outcome{leaf: leaf, err: err}
	}
	return outcome{leaf: leaf, path: path}
}

func why(err error) string {
	var p *cms.PathError
	if !errors.As(err, &p) {
		return "untrusted-root"
	}
	switch p.Reason {
	case cms.WrongUsage:
		return "wrong-usage"
	case cms.OutOfTime:
		return "expired"
	case cms.Unfit:
		return "bad-chain"
	}
	return "untrusted-root"
}

// hides reports what a signature that is part of the artifact carries besides what is needed to verify it.
func (x *examination) hides(d *cms.SignedData, si *cms.SignerInfo, path cms.Path) bool {
	extra := len(d.CRLs) + len(d.Unparsable) + len(d.Attributes) + len(d.Signers) - 1 + len(si.Unsigned)
	for _, c := range d.Certificates {
		inPath := false
		for _, p := range path {
			inPath = inPath || bytes.Equal(p.Raw, c.Raw)
		}
		if !inPath {
			extra++
		}
	}
	if extra > 0 {
		x.say(verify.Invalid, "hidden-data", "The %s has %d parts that nothing covers: other certificates, signers, lists or unsigned attributes.", x.label, extra)
	}
	return extra > 0
}

func identity(leaf *cms.Certificate, path cms.Path) verify.Identity {
	id := verify.Identity{
		Name: leaf.Subject.Best(), Organization: leaf.Subject.Organization, CommonName: leaf.Subject.CommonName,
		Country: leaf.Subject.Country, Issuer: leaf.Issuer.Best(), Fingerprint: leaf.Fingerprint(),
	}
	if path != nil {
		id.Root = path.Root().Subject.Best()
	}
	return id
}

// expiry returns when the first certificate of a path ends.
func expiry(path cms.Path) time.Time {
	first := path[0].NotAfter
	for _, c := range path {
		if c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}
