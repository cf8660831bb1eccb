package script

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// style is how a language writes a signature block, and how its text is hashed.
type style struct {
	extensions   []string
	begin, end   string // whole lines
	open, closer string // of the lines between them, around the base64 text
	subject      []byte // GUID of the Subject Interface Package, as it stands in the signature
	host         bool   // Windows Script Host: a mark at the beginning is not hashed, the block's place is
	inner        bool   // the block stands within the text
	marked       bool   // most such files are nothing that Windows runs: only those with a mark are looked at
	utf8         bool   // without a mark at the beginning, text may be taken for UTF-8
}

// GUIDs of Subject Interface Packages.
var (
	subjectPowerShell = []byte("\x1f\xcc\x3b\x60\x59\x4b\x08\x4e\xb7\x24\xd2\xc6\x29\x7e\xf3\x51") // 603bcc1f-4b59-4e08-b724-d2c6297ef351
	subjectJScript    = []byte("\x10\xe0\xc9\x06\xce\x38\xd4\x11\xa2\xa3\x00\x10\x4b\xd3\x50\x90") // 06c9e010-38ce-11d4-a2a3-00104bd35090
	subjectVBScript   = []byte("\x4e\xf0\x29\x16\x99\x27\xb5\x4d\x8f\xe5\xac\xe1\x0f\x17\xeb\xab") // 1629f04e-2799-4db5-8fe5-ace10f17ebab
	subjectScriptFile = []byte("\x70\x05\x61\x1a\xce\x38\xd4\x11\xa2\xa3\x00\x10\x4b\xd3\x50\x90") // 1a610570-38ce-11d4-a2a3-00104bd35090
)

var styles = []style{
	{extensions: []string{".ps1", ".psm1", ".psd1"}, begin: "# SIG # Begin signature block", end: "# SIG # End signature block",
		open: "# ", subject: subjectPowerShell, utf8: true},
	{extensions: []string{".ps1xml", ".psc1", ".cdxml"}, begin: "<!-- SIG # Begin signature block -->", end: "<!-- SIG # End signature block -->",
		open: "<!-- ", closer: " -->", subject: subjectPowerShell},
	{extensions: []string{".mof"}, begin: "/* SIG # Begin signature block */", end: "/* SIG # End signature block */",
		open: "/* ", closer: " */", subject: subjectPowerShell, marked: true},
	{extensions: []string{".vbs"}, begin: "'' SIG '' Begin signature block", end: "'' SIG '' End signature block",
		open: "'' SIG '' ", subject: subjectVBScript, host: true},
	{extensions: []string{".js"}, begin: "// SIG // Begin signature block", end: "// SIG // End signature block",
		open: "// SIG // ", subject: subjectJScript, host: true, marked: true},
	{extensions: []string{".wsf"}, begin: "<signature>", end: "</signature>",
		open: "** SIG ** ", subject: subjectScriptFile, host: true, inner: true},
}

// oidSubjectInfo is SPC_SIPINFO: data signed by way of a Subject Interface Package.
var oidSubjectInfo = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 2, 1, 30)

// bind is the authenticode.Binding of scripts of this style.
func (s *style) bind(d *cms.SignedData) (authenticode.Signed, error) {
	data, err := cms.ParseIndirectData(d)
	if err != nil {
		return authenticode.Signed{}, err
	}
	if data.Kind != oidSubjectInfo {
		return authenticode.Signed{}, fmt.Errorf("it is a signature of something else than a script (%s)", data.Kind)
	}
	id, err := subject(data.Value)
	if err != nil {
		return authenticode.Signed{}, err
	}
	if !bytes.Equal(id, s.subject) {
		return authenticode.Signed{}, fmt.Errorf("it is a signature of another kind of file (%x)", id)
	}
	return authenticode.Signed{Hash: data.Digest.Hash(), Name: data.Digest.OID.String(), Sum: data.Sum}, nil
}

// subject reads an SpcSipInfo and returns the GUID in it; the numbers around it are versions and reserved.
func subject(der []byte) ([]byte, error) {
	var info, id cryptobyte.String
	s := cryptobyte.String(der)
	if !s.ReadASN1(&info, asn1.SEQUENCE) || !s.Empty() || !info.SkipASN1(asn1.INTEGER) || !info.ReadASN1(&id, asn1.OCTET_STRING) {
		return nil, errors.New("it does not say what kind of file it is of")
	}
	for range 5 {
		if !info.SkipASN1(asn1.INTEGER) {
			return nil, errors.New("it does not say what kind of file it is of")
		}
	}
	if !info.Empty() {
		return nil, errors.New("it says more than what kind of file it is of")
	}
	return id, nil
}
