package policy

import (
	"slices"

	"github.com/sallyport-project/sallyport/verify"
)

// seal is what was found out about one file's signatures.
type seal struct {
	by    []string // who signed, as Publishers names them
	wrong string   // the code of what is wrong with the file
	odd   []string // codes of what stands out
}

func (s *seal) signed() bool { return len(s.by) > 0 && s.wrong == "" }

// severalOfName is the code of a file whose container has another of its name.
const severalOfName = "unpack/duplicate"

// seals brings findings together by the file that they are about.
func seals(findings []verify.Finding) map[string]*seal {
	out := map[string]*seal{}
	for i := range findings {
		f := &findings[i]
		s := out[f.Subject]
		if s == nil {
			s = &seal{}
			out[f.Subject] = s
		}
		switch f.Status {
		case verify.Invalid:
			if s.wrong == "" {
				s.wrong = f.Code
			}
			s.odd = append(s.odd, f.Code)
		case verify.Untrusted:
			if s.wrong == "" && f.Code == severalOfName {
				s.wrong = f.Code // of which of them anything else is said, nobody knows
			}
			s.odd = append(s.odd, f.Code)
		case verify.Valid:
			if !f.Signer.IsZero() || len(f.Anchors) > 0 {
				s.by = append(s.by, publishersOf(f)...)
			}
		}
	}
	for _, s := range out {
		s.by = few(s.by)
	}
	return out
}

// lost says what became of a signature.
func (s *seal) lost(now *seal) string {
	was := "was signed by " + publisherNames(s.by)
	switch {
	case now.wrong != "":
		return was + "; now its signature is wrong (" + now.wrong + ")"
	case len(now.odd) > 0:
		return was + "; now by nobody who is trusted (" + now.odd[0] + ")"
	}
	return was + "; now by nobody"
}

// news are the codes of what stands out now, and did not.
func (s *seal) news(now *seal) (notes []string) {
	for _, code := range now.odd {
		if !slices.Contains(s.odd, code) && !slices.Contains(notes, code) {
			notes = append(notes, code)
		}
	}
	return notes
}
