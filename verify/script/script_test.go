package script

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/binary"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"
	"unicode/utf16"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// world is a small public-key infrastructure and the moment in which it is looked at.
type world struct {
	vendor, expired, stranger, tsa *at.Signer

	env verify.Env
}

func newWorld() *world {
	root, stampRoot := at.NewCA("Test Code Root"), at.NewCA("Test Stamp Root")
	w := &world{vendor: root.Issue(at.Leaf{Organization: "3CX Ltd", RSA: true}), tsa: stampRoot.TSA("Test TSA")}
	w.expired = root.Issue(at.Leaf{Organization: "3CX Ltd", NotAfter: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)})
	w.stranger = at.NewCA("Other Root").Issue(at.Leaf{Organization: "3CX Ltd"})
	w.env = verify.Env{At: now, Trust: verify.Trust{CodeSigning: []*x509.Certificate{root.Certificate}, Timestamping: []*x509.Certificate{stampRoot.Certificate}}}
	return w
}

func want(list ...string) []verifytest.Want {
	statuses := map[string]verify.Status{"valid": verify.Valid, "invalid": verify.Invalid, "untrusted": verify.Untrusted, "absent": verify.Absent, "inconclusive": verify.Inconclusive}
	var out []verifytest.Want
	for _, item := range list {
		status, code, _ := strings.Cut(item, ":")
		out = append(out, verifytest.Want{Status: statuses[status], Code: "authenticode/" + code})
	}
	return out
}

// wide encodes text as UTF-16 in an order.
func wide(s string, order binary.AppendByteOrder) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = order.AppendUint16(out, u)
	}
	return out
}

func named(name string) verify.Artifact { return verify.Artifact{Name: name} }

const hello = "Write-Host \"hello\"\r\nexit 0"

func TestGoodSignatures(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	s := at.Signature{Signer: w.vendor}
	stamped := at.Signature{Signer: w.expired, Timestamp: &at.Timestamp{Authority: w.tsa, Time: time.Date(2022, 3, 1, 0, 0, 0, 0, time.UTC)}}
	le, be := binary.AppendByteOrder(binary.LittleEndian), binary.AppendByteOrder(binary.BigEndian)
	for name, c := range map[string]struct {
		file string
		data []byte
	}{
		"PowerShell":                  {"a.ps1", []byte(at.SignScript(at.PowerShell, hello, "", s))},
		"a module, with timestamp":    {"A.PSM1", []byte(at.SignScript(at.PowerShell, hello, "", stamped))},
		"a manifest, dots at the end": {"a.psd1. .", []byte(at.SignScript(at.PowerShell, hello, "", s))},
		"SHA-384":                     {"a.ps1", []byte(at.SignScript(at.PowerShell, hello, "", at.Signature{Signer: w.vendor, Hash: crypto.SHA384}))},
		"UTF-8 with its mark":         {"a.ps1", []byte(at.SignScript(at.PowerShell, "\ufeff# gr\u00fc\u00df \U0001f600\r\n", "", s))},
		"UTF-16, little endian":       {"a.ps1", wide(at.SignScript(at.PowerShell, "\ufeff# gr\u00fc\u00df\r\n", "", s), le)},
		"UTF-16, big endian":          {"a.ps1", wide(at.SignScript(at.PowerShell, "\ufeff# gr\u00fc\u00df\r\n", "", s), be)},
		"UTF-8, told by its start":    {"a.ps1", []byte(at.SignScript(at.PowerShell, "# \u00a9 3CX\r\n", "", s))},
		"line ends of Unix":           {"a.ps1", []byte(at.SignScript(at.PowerShell, "a\nb\n", "", s))},
		"XML":                         {"a.format.ps1xml", []byte(at.SignScript(at.PowerShellXML, "<a/>\r\n", "", s))},
		"console":                     {"a.psc1", []byte(at.SignScript(at.PowerShellXML, "<a/>", "", s))},
		"cdxml":                       {"a.cdxml", []byte(at.SignScript(at.PowerShellXML, "<a/>", "", s))},
		"MOF":                         {"a.mof", []byte(at.SignScript(at.MOF, "class A {};", "", s))},
		"VBScript":                    {"a.vbs", []byte(at.SignScript(at.VBScript, "MsgBox 1\r\n", "", s))},
		"JScript":                     {"a.js", []byte(at.SignScript(at.JScript, "var a;\r\n", "", s))},
		"JScript, UTF-8 with mark":    {"a.js", []byte(at.SignScript(at.JScript, "\ufeffvar a = '\u00fc';\r\n", "", s))},
		"JScript, UTF-16":             {"a.js", wide(at.SignScript(at.JScript, "\ufeffvar a = '\u00fc';\r\n", "", s), le)},
		"a script file":               {"a.wsf", []byte(at.SignScript(at.ScriptFile, "<job><script language='JScript'>1</script>", "\r\n</job>\r\n", s))},
	} {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Artifact: named(c.file), Data: c.data, Env: w.env, Want: want("valid:valid"), Flips: 50})
	}
	// The characters of a text that is signed in the ANSI code page.
	ansi := at.SignScript(at.PowerShell, "# gr\u00fc\u00df", "", s)
	verifytest.Run(t, New(), verifytest.Case{Name: "Windows-1252", Artifact: named("a.ps1"), Data: []byte(strings.NewReplacer("\u00fc", "\xfc", "\u00df", "\xdf").Replace(ansi)), Env: w.env, Want: want("valid:valid"), Flips: -1})
}

func TestBlocksThatAreWrong(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	s := at.Signature{Signer: w.vendor}
	good := at.SignScript(at.PowerShell, hello, "", s)
	begin, end := at.PowerShell.Begin+"\r\n", at.PowerShell.End+"\r\n"
	host := at.SignScript(at.VBScript, "MsgBox 1\r\n", "", s)
	middle := strings.Index(good, begin) + len(begin) + 100
	replace := func(old, by string) string { return strings.Replace(good, old, by, 1) }
	for name, c := range map[string]struct {
		file, data string
		want       []verifytest.Want
	}{
		"unsigned":                              {"a.ps1", hello, want("absent:unsigned")},
		"empty":                                 {"a.ps1", "", want("absent:unsigned")},
		"unsigned VBScript":                     {"a.vbs", "MsgBox 1", want("absent:unsigned")},
		"a changed character":                   {"a.ps1", replace("hello", "hullo"), want("invalid:digest-mismatch")},
		"line ends turned into those of Unix":   {"a.ps1", strings.ReplaceAll(good, "\r\n", "\n"), want("invalid:digest-mismatch", "invalid:malformed")},
		"by somebody unknown":                   {"a.ps1", at.SignScript(at.PowerShell, hello, "", at.Signature{Signer: w.stranger}), want("untrusted:untrusted-root")},
		"a signature that does not fit":         {"a.ps1", at.SignScript(at.PowerShell, hello, "", at.Signature{Signer: w.vendor, Breaks: true}), want("invalid:bad-signature")},
		"a command after the block":             {"a.ps1", good + "calc.exe", want("valid:valid", "invalid:trailing-data")},
		"an empty line after the block":         {"a.ps1", good + "\r\n", want("valid:valid", "invalid:trailing-data")},
		"a command after the block of VBScript": {"a.vbs", host + "MsgBox 2", want("valid:valid", "invalid:trailing-data")},
		"a command before the block":            {"a.ps1", replace(begin, "calc\r\n"+begin), want("invalid:digest-mismatch")},
		"a command within the block":            {"a.ps1", good[:middle] + "\r\ncalc\r\n# " + good[middle:], want("invalid:malformed")},
		"a comment within the block":            {"a.ps1", replace(begin, begin+"# calc.exe\r\n"), want("invalid:malformed")},
		"an empty line within the block":        {"a.ps1", replace(begin, begin+"\r\n"), want("invalid:malformed")},
		"two blocks":                            {"a.ps1", good + good[strings.Index(good, begin):], want("invalid:malformed")},
		"no end":                                {"a.ps1", replace(end, ""), want("invalid:malformed")},
		"no beginning":                          {"a.ps1", replace(begin, ""), want("invalid:malformed")},
		"end before beginning":                  {"a.ps1", hello + "\r\n" + end + begin, want("invalid:malformed")},
		"an empty block":                        {"a.ps1", hello + "\r\n" + begin + end, want("invalid:malformed")},
		"a block and nothing else":              {"a.ps1", strings.TrimPrefix(at.SignScript(at.PowerShell, "", "", s), "\r\n"), want("invalid:malformed")},
		"bytes after the signature":             {"a.ps1", hello + at.PowerShell.Block(append(at.SignedData(nil, at.Signature{Signer: w.vendor, Digest: make([]byte, 32)}), 0)), want("invalid:malformed")},
		"base64 text that is not canonical":     {"a.ps1", strings.Replace(hello+at.PowerShell.Block(make([]byte, 49)), "AA==", "AB==", 1), want("invalid:malformed")},
		"a line of the block ends with LF":      {"a.ps1", good[:middle] + strings.Replace(good[middle:], "\r\n", "\n", 1), want("valid:valid", "invalid:malformed")},
		"no line end before the block":          {"a.ps1", strings.Replace(at.SignScript(at.PowerShell, "a\n", "", s), "\r\n"+begin, begin, 1), want("valid:valid", "invalid:malformed")},
		"the signature of VBScript":             {"a.ps1", at.SignScript(at.PowerShell, hello, "", at.Signature{Signer: w.vendor, Data: at.SubjectInfo(at.VBScript.Subject)}), want("invalid:malformed")},
		"the signature of a program":            {"a.ps1", at.SignScript(at.PowerShell, hello, "", at.Signature{Signer: w.vendor, Kind: cms.OIDPEImageData, Data: at.ImageData(nil)}), want("invalid:malformed")},
		"MD5":                                   {"a.ps1", at.SignScript(at.PowerShell, hello, "", at.Signature{Signer: w.vendor, Hash: crypto.MD5}), want("invalid:weak-digest")},
		"a moved block":                         {"a.wsf", strings.Replace(at.SignScript(at.ScriptFile, "<job>", "</job>", s), "<job>", "", 1) + "<job>", want("invalid:digest-mismatch")},
		"an element in the XML block's comment": {"a.ps1xml", strings.Replace(at.SignScript(at.PowerShellXML, "<a/>", "", s), " -->\r\n<!-- ", " --><b/>\r\n<!-- ", 1), want("invalid:malformed")},
	} {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Artifact: named(c.file), Data: []byte(c.data), Env: w.env, Want: c.want, Flips: -1})
	}
}

func TestEncodingsThatReadersDisagreeOn(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	s := at.Signature{Signer: w.vendor}
	utf8Late := at.SignScript(at.PowerShell, strings.Repeat("# comment\r\n", 5)+"'\u00fc'", "", s)
	ansiQuote := strings.ReplaceAll(at.SignScript(at.PowerShell, "echo \u201chello\u201d", "", s), "\u201c", "\x93")
	ansiQuote = strings.ReplaceAll(ansiQuote, "\u201d", "\x94")
	marked := at.SignScript(at.PowerShell, "\ufeffecho 1", "", s)
	le := binary.AppendByteOrder(binary.LittleEndian)
	for name, c := range map[string]struct {
		file string
		data []byte
		want []verifytest.Want
	}{
		"UTF-8 that Windows reads as ANSI":        {"a.ps1", []byte(utf8Late), want("invalid:digest-mismatch", "invalid:encoding")},
		"quotes in the ANSI code page":            {"a.ps1", []byte(ansiQuote), want("valid:valid", "untrusted:encoding")},
		"ANSI text turned into UTF-8":             {"a.ps1", []byte(at.SignScript(at.PowerShell, "echo \u201chello\u201d", "", s)), want("valid:valid", "untrusted:encoding")},
		"the mark removed":                        {"a.ps1", []byte(strings.TrimPrefix(marked, "\ufeff")), want("invalid:digest-mismatch")},
		"a mark added":                            {"a.ps1", []byte("\ufeff" + at.SignScript(at.PowerShell, "echo 1", "", s)), want("invalid:digest-mismatch")},
		"a second mark":                           {"a.ps1", []byte("\ufeff" + marked), want("invalid:digest-mismatch")},
		"UTF-8 that is none":                      {"a.ps1", []byte(strings.Replace(marked, "echo", "\xff", 1)), want("invalid:encoding")},
		"UTF-16 with a zero character, as UTF-32": {"a.ps1", wide("\ufeff\x00"+marked, le), want("invalid:encoding")},
		"UTF-16 with half a character":            {"a.ps1", append(wide(marked, le), 0), want("invalid:encoding")},
		"UTF-16 without its mark":                 {"a.ps1", wide(strings.TrimPrefix(marked, "\ufeff"), le), want("invalid:encoding")},
		"a zero character":                        {"a.ps1", []byte("a\x00b"), want("invalid:encoding")},
	} {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Artifact: named(c.file), Data: c.data, Env: w.env, Want: c.want, Flips: -1})
	}
}

func TestMatch(t *testing.T) {
	for name, c := range map[string]struct {
		file, data string
		want       bool
	}{
		"PowerShell":           {"a.ps1", "x", true},
		"no script":            {"a.txt", "# SIG # Begin signature block", false},
		"JavaScript":           {"a.js", "var a", false},
		"JavaScript, signed":   {"a.js", "var a\r\n// SIG // Begin signature block\r\n", true},
		"MOF":                  {"a.mof", "class A", false},
		"no name":              {"", "x", false},
		"a signature far away": {"a.js", "// SIG //" + strings.Repeat(" ", tailSize), false},
	} {
		a := verify.Artifact{Name: c.file, Size: int64(len(c.data)), Content: strings.NewReader(c.data)}
		if got := New().Match(&a); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestLargeScriptsAreNotRead(t *testing.T) {
	a := &verify.Artifact{Name: "a.ps1", Size: maxScript + 1, Content: bytes.NewReader(nil)}
	found, err := New().Verify(t.Context(), a, verify.Env{At: now})
	if err != nil || len(found) != 1 || found[0].Status != verify.Inconclusive {
		t.Errorf("%+v, %v", found, err)
	}
}

// TestDigestOfTheScriptHost writes the hashed bytes out: the text without its mark, then the block's place.
func TestDigestOfTheScriptHost(t *testing.T) {
	text := utf16.Encode([]rune("\ufeffab\r\ncd"))
	h := crypto.SHA256.New()
	h.Write([]byte("a\x00b\x00\r\x00\n\x00c\x00d\x00\x06\x00\x00\x00"))
	k := &block{from: len(text), to: len(text)}
	if got := styleOf("a.vbs").digest(text, k, crypto.SHA256); !bytes.Equal(got, h.Sum(nil)) {
		t.Errorf("digest %x", got)
	}
}
