// Package script judges Authenticode signatures in the text files that Windows runs: PowerShell's scripts, modules, manifests
// and XML files, MOF, and the scripts of the Windows Script Host. The signature is a comment, in the file's own language, of
// base64 lines between two marks; what is signed is the text without it.
//
//	style   how a language writes the signature block, and how its text is hashed
//	block   the comment with the signature
//	text    the file's characters as UTF-16, which is what Windows hashes, whatever the file's encoding
//
// There is no specification. The block and the digests are described by those who read Windows' own signatures; FORMATS.md
// says what was seen on real files.
package script

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
)

const method = "authenticode"

// Limits in bytes: of a script that is read at all, and of the end in which a signature block is looked for in files of
// kinds that are mostly something else than a script for Windows.
const (
	maxScript = 16 << 20
	tailSize  = 256 << 10
)

// Verifier implements verify.Verifier.
type Verifier struct{}

// New returns a Verifier. The embedded roots apply where verify.Trust names none.
func New() *Verifier { return &Verifier{} }

// Method returns "authenticode".
func (*Verifier) Method() string { return method }

// Match reports whether the artifact is, by its name, a text file that Windows runs. JavaScript and MOF files, most of
// which Windows never runs, must have the mark of a signature near their end as well.
func (*Verifier) Match(a *verify.Artifact) bool {
	s := styleOf(a.Name)
	if s == nil {
		return false
	}
	return !s.marked || hasMark(a)
}

// styleOf returns the style of a file by the extension of its name, as Windows sees it: without regard to case, and to
// dots and spaces at the end. It is nil if Windows looks for no signature in such files.
func styleOf(name string) *style {
	ext := strings.ToLower(path.Ext(strings.TrimRight(name, ". ")))
	for i := range styles {
		for _, e := range styles[i].extensions {
			if e == ext {
				return &styles[i]
			}
		}
	}
	return nil
}

func hasMark(a *verify.Artifact) bool {
	size := min(a.Size, tailSize)
	tail := make([]byte, max(size, 0))
	if n, _ := a.Content.ReadAt(tail, a.Size-size); n < len(tail) {
		return false
	}
	return strings.Contains(strings.ReplaceAll(string(tail), "\x00", ""), "SIG")
}

// Verify implements verify.Verifier.
func (*Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	s := styleOf(a.Name)
	if s == nil {
		return nil, nil
	}
	if a.Size > maxScript {
		return one(verify.Inconclusive, "not-looked-into", fmt.Sprintf("The script has %d bytes; more than %d are not read.", a.Size, maxScript)), nil
	}
	b := make([]byte, a.Size)
	if _, err := io.ReadFull(io.NewSectionReader(a.Content, 0, a.Size), b); err != nil {
		return nil, fmt.Errorf("reading the script: %w", err)
	}
	t, err := decode(b, s)
	if err != nil {
		return one(verify.Invalid, "encoding", fmt.Sprintf("The characters of the script cannot be told: %s.", err)), nil
	}
	found, err := s.find(t.units)
	switch {
	case err != nil:
		return one(verify.Invalid, "malformed", authenticode.Unreadable("signature block", err)), nil
	case found == nil:
		return one(verify.Absent, "unsigned", "The script carries no Authenticode signature."), nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return judge(s, t, found, b, env), nil
}

// one returns a single finding without a signer.
func one(status verify.Status, code, detail string) []verify.Finding {
	return []verify.Finding{{Method: method, Status: status, Code: method + "/" + code, Detail: detail}}
}
