package vsix

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/xmldsig"
)

// place is a signature part with what belongs to it.
type place struct {
	part         *part
	certificates []*part
	relations    *part // of the signature part, to its certificates; may be nil
}

// infrastructure is what the signatures of a package consist of, which need not be signed.
type infrastructure struct {
	places []place
	exempt map[*part]bool // parts that are accounted for although no signature covers them
	root   *part          // with the package's relationships
	bare   bool           // the package has no other relationship than to the origin
}

// inside judges the signatures inside the package, and reports whether there is one. An error is ours.
func (x *examination) inside() (signed bool, err error) {
	if err := x.index(); err != nil {
		return true, x.settle("malformed", "The package cannot be read without doubt", err)
	}
	if x.types == nil {
		return false, nil
	}
	infra, err := x.find()
	if err != nil {
		return true, x.settle("malformed", "The signature of the package cannot be found without doubt", err)
	}
	for i, p := range infra.places {
		label := "signature"
		if i > 0 {
			label = fmt.Sprintf("signature %d", i+1)
		}
		if err := x.judge(infra, p, label); err != nil {
			return true, err
		}
	}
	return len(infra.places) > 0, nil
}

// settle makes a finding of an error about the package, and returns one that is about us.
func (x *examination) settle(code, what string, err error) error {
	status := verify.Invalid
	switch {
	case errors.Is(err, errTooLarge):
		status, code = verify.Inconclusive, "too-large"
	case errors.Is(err, xmldsig.ErrDigest):
		code = "digest-mismatch"
	case errors.Is(err, xmldsig.ErrSignature), errors.Is(err, xmldsig.ErrNoSigner):
		code = "bad-signature"
	case errors.Is(err, errUncovered):
		code = "uncovered-part"
	case errors.Is(err, xmldsig.ErrUnsupported):
		status, code = verify.Inconclusive, "unsupported"
	case errors.Is(err, errBroken), errors.Is(err, xmldsig.ErrMalformed), errors.Is(err, verify.ErrBroken):
	default:
		return err
	}
	x.Verdict(verify.Finding{Status: status, Code: code, Detail: fmt.Sprintf("%s: %s.", what, strings.TrimSuffix(why(err), "."))})
	return nil
}

// find follows the relationships from the package to its signatures (section 13.2.4.1).
func (x *examination) find() (*infrastructure, error) {
	infra := &infrastructure{exempt: map[*part]bool{}}
	list, root, err := x.relations("")
	if err != nil {
		return nil, err
	}
	infra.root = root
	var origin *part
	others := 0
	for _, r := range list {
		if r.kind != typeOrigin {
			others++
		} else if p := x.parts[key(r.target)]; p == nil || origin != nil {
			return nil, broken("the origin of the signatures is missing, or there are two")
		} else {
			origin = p
		}
	}
	if infra.bare = others == 0; origin == nil {
		return infra, x.strayed()
	}
	if origin.entry.Size != 0 {
		return nil, broken("the origin of the signatures has %d bytes", origin.entry.Size)
	}
	if err := infra.except(origin); err != nil {
		return nil, err
	}
	return infra, x.collect(infra, origin)
}

// services is the folder in which the signing tools for extensions put signatures with all that belongs to them.
const services = "package/services/digital-signature/"

// except accounts for a part that no signature covers. It must lie where nothing of an extension does: a relationship,
// which anybody can add, would make a certificate or a signature of a script of that name.
func (i *infrastructure) except(p *part) error {
	if p == nil {
		return nil
	}
	if !strings.HasPrefix(p.name, services) {
		return broken("the part %q belongs to a signature, and lies outside of %s", p.name, services)
	}
	i.exempt[p] = true
	return nil
}

// strayed refuses a package without an origin in which signatures lie about: somebody removed the relationship.
func (x *examination) strayed() error {
	for _, p := range x.parts {
		if x.types.of(p.name) == contentSignature {
			return broken("the part %q is a signature to which no relationship leads", p.name)
		}
	}
	return nil
}

// collect follows the relationships from the origin.
func (x *examination) collect(infra *infrastructure, origin *part) error {
	list, rels, err := x.relations(origin.name)
	if err != nil {
		return err
	}
	if len(list) == 0 || len(list) > maxSignatures {
		return broken("the origin leads to %d signatures", len(list))
	}
	if err := infra.except(rels); err != nil {
		return err
	}
	seen := map[*part]bool{}
	for _, r := range list {
		p := x.parts[key(r.target)]
		if r.kind != typeSignature || p == nil || seen[p] {
			return broken("a relationship of the origin leads to %q, which is no signature", r.target)
		}
		seen[p] = true
		at := place{part: p}
		certs, own, err := x.relations(p.name)
		if err != nil {
			return err
		}
		for _, c := range certs {
			cp := x.parts[key(c.target)]
			if c.kind != typeCertificate || cp == nil {
				return broken("a relationship of the signature leads to %q, which is no certificate", c.target)
			}
			at.certificates = append(at.certificates, cp)
		}
		at.relations = own
		for _, q := range append([]*part{p, own}, at.certificates...) {
			if err := infra.except(q); err != nil {
				return err
			}
		}
		infra.places = append(infra.places, at)
	}
	return x.strangers(infra)
}

// strangers refuses signature parts to which nothing leads.
func (x *examination) strangers(infra *infrastructure) error {
	for _, p := range x.parts {
		if x.types.of(p.name) == contentSignature && !infra.exempt[p] {
			return broken("the part %q is a signature to which no relationship leads", path.Base(p.name))
		}
	}
	return nil
}

// judge follows one signature from the parts to the signer.
func (x *examination) judge(infra *infrastructure, p place, label string) error {
	s, err := x.load(p)
	if err == nil {
		err = s.check(x, infra)
	}
	if err != nil {
		return x.settle("malformed", "The "+label+" is wrong", err)
	}
	raw := s.raw
	raw.Label = label
	x.JudgeRaw(raw)
	return nil
}

// opcSignature is a signature part that was read.
type opcSignature struct {
	*xmldsig.Signature
	keys   *xmldsig.KeyInfo
	object *xmldsig.Element // the Object that holds the Manifest
	raw    authenticode.Raw
}
