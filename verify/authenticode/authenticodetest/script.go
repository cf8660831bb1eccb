package authenticodetest

import (
	"crypto"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"unicode/utf16"

	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// ScriptStyle is how a language of Windows' scripts writes signatures.
type ScriptStyle struct {
	Begin, End   string // whole lines
	Open, Closer string // of the lines between
	Subject      []byte // GUID, as it stands in signatures
	Host         bool   // Windows Script Host: the block's place is hashed, a mark at the beginning is not
}

// The styles of scripts.
var (
	PowerShell    = ScriptStyle{"# SIG # Begin signature block", "# SIG # End signature block", "# ", "", powerShellSubject, false}
	PowerShellXML = ScriptStyle{"<!-- SIG # Begin signature block -->", "<!-- SIG # End signature block -->", "<!-- ", " -->", powerShellSubject, false}
	MOF           = ScriptStyle{"/* SIG # Begin signature block */", "/* SIG # End signature block */", "/* ", " */", powerShellSubject, false}
	VBScript      = ScriptStyle{"'' SIG '' Begin signature block", "'' SIG '' End signature block", "'' SIG '' ", "", []byte("\x4e\xf0\x29\x16\x99\x27\xb5\x4d\x8f\xe5\xac\xe1\x0f\x17\xeb\xab"), true}
	JScript       = ScriptStyle{"// SIG // Begin signature block", "// SIG // End signature block", "// SIG // ", "", []byte("\x10\xe0\xc9\x06\xce\x38\xd4\x11\xa2\xa3\x00\x10\x4b\xd3\x50\x90"), true}
	ScriptFile    = ScriptStyle{"<signature>", "</signature>", "** SIG ** ", "", []byte("\x70\x05\x61\x1a\xce\x38\xd4\x11\xa2\xa3\x00\x10\x4b\xd3\x50\x90"), true}

	powerShellSubject = []byte("\x1f\xcc\x3b\x60\x59\x4b\x08\x4e\xb7\x24\xd2\xc6\x29\x7e\xf3\x51")
)

// SignScript returns text with a signature block between it and after, which is signed too. A byte order mark at the
// beginning is part of the text.
func SignScript(style ScriptStyle, text, after string, s Signature) string {
	if s.Hash == 0 {
		s.Hash = crypto.SHA256
	}
	covered := text
	if style.Host {
		covered = strings.TrimPrefix(covered, "\ufeff")
	}
	units := utf16.Encode([]rune(covered))
	h := s.Hash.New()
	for _, u := range append(units[:len(units):len(units)], utf16.Encode([]rune(after))...) {
		h.Write(binary.LittleEndian.AppendUint16(nil, u))
	}
	if style.Host {
		h.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(units))))
	}
	if s.Digest == nil {
		s.Digest = h.Sum(nil)
	}
	if s.Kind == "" {
		s.Kind = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 2, 1, 30)
	}
	if s.Data == nil {
		s.Data = SubjectInfo(style.Subject)
	}
	return text + style.Block(SignedData(nil, s)) + after
}

// Block returns a signature block with the line end before it.
func (style ScriptStyle) Block(der []byte) string {
	var b strings.Builder
	b.WriteString("\r\n" + style.Begin + "\r\n")
	for encoded := base64.StdEncoding.EncodeToString(der); encoded != ""; {
		n := min(64, len(encoded))
		b.WriteString(style.Open + encoded[:n] + style.Closer + "\r\n")
		encoded = encoded[n:]
	}
	b.WriteString(style.End + "\r\n")
	return b.String()
}
