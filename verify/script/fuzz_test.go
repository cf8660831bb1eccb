package script

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
)

var names = []string{"a.ps1", "a.ps1xml", "a.mof", "a.vbs", "a.js", "a.wsf"}

// FuzzVerify looks for scripts on which Verify panics, fails, keeps silent or says too much; and for those that are valid
// without reserve although their text is none of the signed ones.
func FuzzVerify(f *testing.F) {
	w := newWorld()
	known := map[string]bool{}
	le := binary.AppendByteOrder(binary.LittleEndian)
	for i, style := range []at.ScriptStyle{at.PowerShell, at.PowerShellXML, at.MOF, at.VBScript, at.JScript, at.ScriptFile} {
		for _, text := range []string{"a\r\nb", "\ufeffgr\u00fc\u00df"} {
			signed := at.SignScript(style, text, "", at.Signature{Signer: w.vendor})
			f.Add(i, []byte(signed))
			f.Add(i, wide(signed, le))
			f.Add(i, []byte(signed+"calc"))
			known[strings.TrimPrefix(text, "\ufeff")] = true
		}
	}
	if dir := os.Getenv("SALLYPORT_SAMPLES"); dir != "" {
		real, _ := filepath.Glob(filepath.Join(dir, "powershell", "*", "*.ps1*"))
		for _, path := range real {
			if b, err := os.ReadFile(path); err == nil {
				f.Add(0, b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, kind int, b []byte) {
		name := names[uint(kind)%uint(len(names))]
		a := &verify.Artifact{Name: name, Size: int64(len(b)), Content: bytes.NewReader(b)}
		found, err := New().Verify(t.Context(), a, w.env)
		if err != nil || len(found) == 0 || len(found) > authenticode.MaxFindings {
			t.Fatalf("%d findings, error %v", len(found), err)
		}
		if !allValid(found) {
			return
		}
		s := styleOf(name)
		text, err := decode(b, s)
		if err != nil {
			t.Fatal(err)
		}
		k, err := s.find(text.units)
		if err != nil || k == nil {
			t.Fatal("valid without a signature block")
		}
		var covered strings.Builder
		for _, u := range append(text.units[:k.from:k.from], text.units[k.to:]...) {
			covered.WriteRune(rune(u))
		}
		if !known[strings.TrimPrefix(covered.String(), "\ufeff")] {
			t.Fatalf("another text is vouched for: %q", covered.String())
		}
	})
}

// FuzzDecode looks for two files that are read as the same text although they differ in more than their encoding.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"plain", "\ufeffmarked \u20ac", "\xff\xfea\x00", "\xfe\xff\x00a", "# \u00e9", "\x93quotes\x94", "\xc3"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := styleOf("a.ps1")
		text, err := decode(b, s)
		if err != nil {
			return
		}
		if back := encode(text, b); !bytes.Equal(back, b) {
			t.Fatalf("%q is read as %q (%s), which is written %q", b, string(back), text.encoding, back)
		}
	})
}

// encode writes a text in its encoding, b telling the order of UTF-16.
func encode(t text, b []byte) []byte {
	var out []byte
	switch t.encoding {
	case encodingUTF16:
		for _, u := range t.units {
			if b[0] == 0xff {
				out = binary.LittleEndian.AppendUint16(out, u)
			} else {
				out = binary.BigEndian.AppendUint16(out, u)
			}
		}
	case encodingUTF8, encodingBareUTF8:
		for i := 0; i < len(t.units); i++ {
			r := rune(t.units[i])
			if r >= 0xd800 && r < 0xdc00 {
				r = 0x10000 + (r-0xd800)<<10 + rune(t.units[i+1]) - 0xdc00
				i++
			}
			out = utf8.AppendRune(out, r)
		}
	default:
		for _, u := range t.units {
			for c := range 256 {
				if windows1252(byte(c)) == u {
					out = append(out, byte(c))
					break
				}
			}
		}
	}
	return out
}

// BenchmarkVerify verifies a script of 1 MiB.
func BenchmarkVerify(b *testing.B) {
	w := newWorld()
	data := []byte(at.SignScript(at.PowerShell, strings.Repeat("Write-Host 'hello'\r\n", 50_000), "", at.Signature{Signer: w.vendor}))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		a := &verify.Artifact{Name: "a.ps1", Size: int64(len(data)), Content: bytes.NewReader(data)}
		if found, err := New().Verify(b.Context(), a, w.env); err != nil || !allValid(found) {
			b.Fatal(found, err)
		}
	}
}
