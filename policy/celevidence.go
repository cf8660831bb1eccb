package policy

import (
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/sallyport-project/sallyport/verify"
)

// sort tells the findings about the update itself apart, once.
func (e *evaluation) sort() (*sorted, error) {
	if e.sorted == nil {
		s := e.evidence.sort()
		e.sorted = &s
	}
	if len(e.sorted.invalid) > 0 {
		return nil, unknown("what is wrong with the file defeats all that is said about it: %s", quoted(e.sorted.invalid))
	}
	return e.sorted, nil
}

func (e *evaluation) objects(t *factType, findings []*verify.Finding) []ref.Val {
	out := make([]ref.Val, len(findings))
	for i, f := range findings {
		out[i] = &object{typ: t, in: e, data: f}
	}
	return out
}

// list is findings about the update itself as things of a type. Where something could not be told, or nothing was found out, nobody knows
// whether that is all.
func (e *evaluation) list(t *factType, of func(*sorted) []*verify.Finding) (any, error) {
	s, err := e.sort()
	if err != nil {
		return nil, err
	}
	out := e.objects(t, of(s))
	switch {
	case len(s.inconclusive) > 0:
		e.partial = unknown("it could not be told what else there is: %s", quoted(s.inconclusive))
	case len(s.valid) == 0 && len(s.rest) == 0 && (t != findingFacts || len(out) == 0):
		e.partial = errNothingFound
	default:
		return out, nil
	}
	return newThingList(out, e.partial), nil
}

func (e *evaluation) signers() (any, error) {
	return e.list(signerFacts, func(s *sorted) []*verify.Finding { return s.valid })
}

func (e *evaluation) attestations() (any, error) {
	return e.list(attestationFacts, func(s *sorted) []*verify.Finding {
		var out []*verify.Finding
		for _, f := range s.valid {
			if f.Attestation != nil && f.Method == "sigstore" {
				out = append(out, f)
			}
		}
		return out
	})
}

func (e *evaluation) findings() (any, error) {
	return e.list(findingFacts, func(*sorted) []*verify.Finding { return e.about(false) })
}

// about returns the findings about the update itself, or about what is inside.
func (e *evaluation) about(inside bool) []*verify.Finding {
	var out []*verify.Finding
	for i := range e.evidence.findings {
		f := &e.evidence.findings[i]
		if inside == (f.Subject != "" || f.Status == verify.Inconclusive && aboutOpening(f)) {
			out = append(out, f)
		}
	}
	return out
}

// anchorsOf returns the names of the policy's anchors that a finding is valid under.
func (e *evaluation) anchorsOf(f *verify.Finding) (any, error) {
	if statusWord(f, e.now) != "valid" {
		return []string{}, nil
	}
	if names, ok := e.named[f]; ok {
		return names, nil
	}
	if e.work += len(e.policy.anchors); e.work > maxWork {
		return nil, unknown("there are too many signatures to compare with every anchor")
	}
	names := []string{}
	for _, name := range e.of.names {
		if e.policy.anchors[name].vouches(f) {
			names = append(names, name)
		}
	}
	if e.named == nil {
		e.named = map[*verify.Finding][]string{}
	}
	e.named[f] = names
	return names, nil
}

// signedBy answers as the requirement signed_by does.
func (e *evaluation) signedBy(name string) ref.Val {
	s := e.of.signed[name]
	if s == nil {
		return types.NewErr("%s was not known to be asked for", quote(name))
	}
	switch o, why := s.judge(e.evidence); o {
	case holds:
		return types.True
	case fails:
		return types.False
	default:
		return types.WrapErr(notKnown(why))
	}
}

// hasFinding says whether something was found, about the update itself or inside.
func (e *evaluation) hasFinding(code string, inside bool) ref.Val {
	var inconclusive []*verify.Finding
	which := 0
	if inside {
		if err := e.inside(); err != nil {
			return types.WrapErr(err)
		}
		which = 1
	} else {
		s, err := e.sort()
		if err != nil {
			return types.WrapErr(err)
		}
		inconclusive = s.inconclusive
	}
	if e.codes[which] == nil {
		e.codes[which] = map[string][]*verify.Finding{}
		for _, f := range e.about(inside) {
			e.codes[which][f.Code] = append(e.codes[which][f.Code], f)
		}
	}
	expired := 0
	for _, f := range e.codes[which][code] {
		if statusWord(f, e.now) != "expired" {
			return types.True
		}
		expired++
	}
	switch {
	case expired > 0:
		return types.WrapErr(unknown("the finding %s has expired", quote(code)))
	case !inside && len(e.codes[which]) == 0:
		return types.WrapErr(errNothingFound)
	case len(inconclusive) > 0:
		return types.WrapErr(unknown("it could not be told what else there is: %s", quoted(inconclusive)))
	}
	return types.False
}
