// Package anomaly looks for what stands out in files whose signatures are in order: two kinds of file in one, names that
// mislead, programs that disagree with what they say of themselves, neighbours that do not belong together. What it
// finds vouches for nothing and proves nothing; `contents: {strict: true}` refuses it. FORMATS.md lists the codes.
package anomaly

import (
	"context"
	"fmt"

	"github.com/sallyport-project/sallyport/verify"
)

const method = "anomaly"

// Reviewer implements verify.Reviewer.
type Reviewer struct {
	seen *programs
}

// New returns a Reviewer that has seen nothing yet. What it remembers of signed programs lasts as long as itself.
func New() *Reviewer { return &Reviewer{seen: newPrograms()} }

// Method returns "anomaly".
func (*Reviewer) Method() string { return method }

// Review implements verify.Reviewer for one file.
func (*Reviewer) Review(ctx context.Context, a *verify.Artifact, found []verify.Finding, env verify.Env) (verify.Remarks, error) {
	out := names(a)
	more, err := twice(a)
	if err != nil {
		return verify.Remarks{}, fmt.Errorf("looking for a second kind of file: %w", err)
	}
	out = append(out, more...)
	facts, more, err := program(ctx, a, found, env.At)
	if err != nil {
		return verify.Remarks{}, fmt.Errorf("looking at the program: %w", err)
	}
	if facts == nil {
		facts = installer(a)
	}
	return verify.Remarks{Findings: append(out, more...), Facts: facts}, nil
}

// ReviewContents implements verify.Reviewer for everything inside an update.
func (r *Reviewer) ReviewContents(_ context.Context, a *verify.Artifact, report *verify.Report, _ verify.Env) ([]verify.Finding, error) {
	p := newPackage(a, report)
	out := p.neighbours()
	out = append(out, p.claims()...)
	return append(out, r.seen.compare(p)...), nil
}

// odd is a finding about something that stands out.
func odd(subject, code, format string, args ...any) verify.Finding {
	return verify.Finding{Subject: subject, Method: method, Status: verify.Untrusted, Code: method + "/" + code, Detail: fmt.Sprintf(format, args...)}
}
