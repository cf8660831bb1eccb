package sigstore

import (
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
)

// conclude remembers what was proved, and says what it means that there is no bundle. A version that nobody has vouched for, after
// earlier ones of the same line were, is a warning: whoever takes over a vendor's account can publish, but not build where the vendor does.
func (s *session) conclude() ([]verify.Finding, error) {
	line := ""
	if s.env.Memory != nil {
		line = s.place.line(s.where)
	}
	if err := s.remember(line); err != nil {
		return nil, err
	}
	valid := slices.ContainsFunc(s.findings, func(f verify.Finding) bool { return f.Status == verify.Valid })
	if len(s.missing) > 0 && !valid {
		s.add(verify.Inconclusive, codeUnavailable, verify.Reference{}, "It could not be told whether there is a bundle: %s.", text(strings.Join(s.missing, "; ")))
	}
	if !s.silent() {
		return s.findings, nil
	}
	if line != "" && verify.HasSidecars(s.env.Sidecars) && !s.none {
		before, err := s.regressed(line)
		if err != nil {
			return nil, err
		}
		if before != nil {
			s.add(verify.Invalid, codeRegressed, verify.Reference{}, "Nobody whom an anchor names attests version %s, although version %s was attested by %s (seen on %s).",
				printable.Text(s.place.version.text, 100), printable.Text(before.Version, 100), printable.Text(before.Signer, 300), before.Seen.Format("2006-01-02"))
			return s.findings, nil
		}
	}
	if len(s.findings) > 0 {
		return s.findings, nil
	}
	s.add(verify.Absent, codeNoBundle, verify.Reference{}, "No Sigstore bundle was found for this file.")
	return s.findings, nil
}

// silent reports that nobody whom an anchor names has said anything about the update. Strangers do not count: anybody can publish
// a bundle of their own with what they have taken over.
func (s *session) silent() bool {
	strangers := []string{method + "/" + string(codeUnknownSigner), method + "/" + string(codeUnknownInstance), method + "/" + string(codeUnknownKey)}
	return !slices.ContainsFunc(s.findings, func(f verify.Finding) bool { return !slices.Contains(strangers, f.Code) })
}

// remember advances the memory of every anchor under which the update is valid, unless something else speaks against it.
func (s *session) remember(line string) error {
	if line == "" || slices.ContainsFunc(s.findings, func(f verify.Finding) bool { return f.Status == verify.Invalid }) {
		return nil
	}
	known := map[string]bool{}
	for i := range s.findings {
		f := &s.findings[i]
		for _, anchor := range f.Anchors {
			if f.Status != verify.Valid || known[anchor] {
				continue
			}
			known[anchor] = true
			if err := s.learn(anchor, line, f); err != nil {
				return err
			}
		}
	}
	return nil
}
