package policy

import "github.com/sallyport-project/sallyport/verify"

// insideState is what is known of the contents as a whole.
type insideState struct {
	err      error
	findings []*verify.Finding
}

// inside says why it is not known what is inside; nil if it is.
func (e *evaluation) inside() error {
	if e.insideOf == nil {
		e.insideOf = e.lookInside()
	}
	return e.insideOf.err
}

func (e *evaluation) innerFindings() []*verify.Finding { return e.insideOf.findings }

func (e *evaluation) lookInside() *insideState {
	s := &insideState{}
	in := e.facts.Report.Contents
	if in == nil {
		s.err = errNotOpened
		return s
	}
	s.findings = e.about(true)
	var invalid, inconclusive []*verify.Finding
	for _, f := range s.findings {
		switch {
		case f.Status == verify.Invalid:
			invalid = append(invalid, f)
		case f.Status == verify.Inconclusive || f.Status > verify.Valid:
			inconclusive = append(inconclusive, f)
		}
	}
	for i := range e.evidence.findings { // what is wrong with opening the update itself
		if f := &e.evidence.findings[i]; f.Subject == "" && f.Status == verify.Invalid && aboutOpening(f) {
			invalid = append(invalid, f)
		}
	}
	switch {
	case len(invalid) > 0:
		s.err = unknown("something inside is wrong: %s", quotedInner(invalid))
	case len(inconclusive) > 0:
		s.err = unknown("it could not be told what is inside: %s", quotedInner(inconclusive))
	case in.Unread > 0:
		s.err = unknown("%s inside not looked into", plural(in.Unread, "entry or container was", "entries or containers were"))
	}
	return s
}

// unsigned counts the executables inside for which there is no valid signature by anybody.
func (e *evaluation) unsigned() int64 {
	signed := map[string]bool{}
	for _, f := range e.innerFindings() {
		if statusWord(f, e.now) == "valid" {
			signed[f.Subject] = true
		}
	}
	var n int64
	for i := range e.facts.Report.Contents.Inner {
		if in := &e.facts.Report.Contents.Inner[i]; in.Format.Executable() && !signed[in.Path] {
			n++
		}
	}
	return n
}
