package sigstore

import (
	"fmt"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
	core "github.com/sallyport-project/sallyport/verify/internal/sigstore"
)

// Codes besides those of the core.
const (
	codeValid           core.Code = "valid"
	codeUnknownSigner   core.Code = "unknown-signer"
	codeUnknownInstance core.Code = "unknown-instance"
	codeUnknownKey      core.Code = "unknown-key"
	codeNotLogged       core.Code = "not-logged"
	codeNoTrustedRoot   core.Code = "no-trusted-root"
	codeWrongPackage    core.Code = "wrong-package"
	codeFailed          core.Code = "verification-failed"
	codeTooMany         core.Code = "too-many"
	codeUnavailable     core.Code = "unavailable"
	codeNoBundle        core.Code = "no-bundle"
	codeRegressed       core.Code = "regressed"
)

// add adds a finding about something that was found.
func (s *session) add(status verify.Status, code core.Code, from verify.Reference, format string, args ...any) *verify.Finding {
	f := verify.Finding{Method: method, Status: status, Code: method + "/" + string(code), Detail: fmt.Sprintf(format, args...)}
	if from.URL != "" {
		f.Evidence = []verify.Reference{from}
	}
	s.findings = append(s.findings, f)
	return &s.findings[len(s.findings)-1]
}

// broken adds the finding about a bundle or document that does not verify. What is of a kind that is not known here may be right.
func (s *session) broken(e *core.Error, from verify.Reference) {
	status := verify.Invalid
	if e.Code == core.Unsupported || e.Code == core.TooLarge {
		status = verify.Inconclusive
	}
	s.add(status, e.Code, from, "%s does not verify: %s.", show(from), text(e.Detail))
}

// show names where something was found. Names of files are chosen by whoever serves them.
func show(from verify.Reference) string { return printable.Text(from.URL, 200) }

func text(s string) string { return strings.TrimSuffix(printable.Text(s, 400), ".") }

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
