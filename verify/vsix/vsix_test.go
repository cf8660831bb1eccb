package vsix

import (
	"bytes"
	"crypto"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

// want is a list of codes with their statuses, such as "valid:valid".
func want(list ...string) []verifytest.Want {
	statuses := map[string]verify.Status{"valid": verify.Valid, "invalid": verify.Invalid, "untrusted": verify.Untrusted, "absent": verify.Absent, "inconclusive": verify.Inconclusive}
	var out []verifytest.Want
	for _, item := range list {
		status, code, _ := strings.Cut(item, ":")
		out = append(out, verifytest.Want{Status: statuses[status], Code: "vsix/" + code})
	}
	return out
}

// TestSignedExtensions flips bits of good packages all over; the directory at the end has fields that say nothing.
func TestSignedExtensions(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	expired := w.root.Issue(at.Leaf{Organization: "Extension Maker", RSA: true, NotAfter: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)})
	stamp := &at.Timestamp{Authority: w.tsa, Time: time.Date(2022, 3, 1, 0, 0, 0, 0, time.UTC)}
	for name, x := range map[string]extension{
		"plain":                      {signer: w.vendor},
		"with timestamp":             {signer: expired, stamp: stamp},
		"SHA-512":                    {signer: w.vendor, hash: crypto.SHA512},
		"certificates in parts":      {signer: w.vendor, detached: true},
		"relationships by transform": {signer: w.vendor, transform: true},
	} {
		data := x.build(t)
		verifytest.Run(t, New(), verifytest.Case{Name: name, Artifact: verify.Artifact{Name: "a.vsix"}, Data: data, Env: w.env, Want: want("valid:valid"), Uncovered: uncovered(data), Flips: 200})
	}
}

// uncovered are the bytes of a package that may change: fields of the zip file that say nothing of its content.
func uncovered(data []byte) []verifytest.Range {
	var out []verifytest.Range
	each := func(mark string, fields map[int]int) {
		for at := 0; ; at += 4 {
			i := bytes.Index(data[at:], []byte(mark))
			if i < 0 {
				return
			}
			at += i
			for from, to := range fields {
				out = append(out, verifytest.Range{From: int64(at + from), To: int64(at + to),
					Why: "versions of programs, the flag that sizes follow an entry, its time and attributes in the file system it came from are not used"})
			}
		}
	}
	each("PK\x03\x04", map[int]int{4: 8, 10: 14})
	each("PK\x01\x02", map[int]int{4: 10, 12: 16, 34: 42})
	return out
}

func TestBadExtensions(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	stamp := func(year int) *at.Timestamp {
		return &at.Timestamp{Authority: w.tsa, Time: time.Date(year, 3, 1, 0, 0, 0, 0, time.UTC)}
	}
	add := func(name, content string) func([]file) []file {
		return func(f []file) []file { return append(f, file{name, content}) }
	}
	edit := func(name, old, by string) func([]file) []file {
		return func(list []file) []file {
			for i := range list {
				if list[i].name == name {
					if !strings.Contains(list[i].content, old) {
						t.Fatalf("%s does not contain %s", name, old)
					}
					list[i].content = strings.Replace(list[i].content, old, by, 1)
				}
			}
			return list
		}
	}
	drop := func(name string) func([]file) []file {
		return func(list []file) (out []file) {
			for _, f := range list {
				if f.name != name {
					out = append(out, f)
				}
			}
			return out
		}
	}
	sub := func(old, by string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				t.Fatalf("the signature does not contain %s", old)
			}
			return strings.Replace(s, old, by, 1)
		}
	}
	other := w.root.Issue(at.Leaf{Organization: "Extension Maker", RSA: true})
	for name, c := range map[string]struct {
		x    extension
		want []verifytest.Want
	}{
		"a stranger":                      {extension{signer: w.stranger}, want("untrusted:untrusted-root")},
		"SHA-1":                           {extension{signer: w.vendor, hash: crypto.SHA1}, want("untrusted:weak-digest")},
		"SHA-1 before 2021":               {extension{signer: w.vendor, hash: crypto.SHA1, stamp: stamp(2016)}, want("valid:valid", "valid:weak-digest")},
		"timestamp of something else":     {extension{signer: w.vendor, stamp: &at.Timestamp{Authority: w.tsa, Time: now.AddDate(-1, 0, 0), Of: []byte("else")}}, want("valid:valid", "invalid:bad-timestamp")},
		"changed part":                    {extension{signer: w.vendor, change: edit("lib/Library.dll", "library", "malware")}, want("invalid:digest-mismatch")},
		"changed manifest":                {extension{signer: w.vendor, change: edit(manifestName, "2011", "2012")}, want("invalid:digest-mismatch")},
		"added program":                   {extension{signer: w.vendor, change: add("lib/evil.dll", "MZ")}, want("invalid:uncovered-part")},
		"added text":                      {extension{signer: w.vendor, change: add("readme", "x")}, want("invalid:uncovered-part")},
		"part left out by the signer":     {extension{signer: w.vendor, leave: "lib/Library.dll"}, want("invalid:uncovered-part")},
		"removed part":                    {extension{signer: w.vendor, change: drop("lib/Library.dll")}, want("invalid:malformed")},
		"same name in other letters":      {extension{signer: w.vendor, change: add("LIB/library.DLL", "MZ evil")}, want("invalid:malformed")},
		"same name twice":                 {extension{signer: w.vendor, change: add("lib/Library.dll", "MZ evil")}, want("invalid:malformed")},
		"same name escaped":               {extension{signer: w.vendor, change: add("lib/%4cibrary.dll", "MZ evil")}, want("invalid:malformed")},
		"same name with a Kelvin sign":    {extension{signer: w.vendor, payload: "MZ", extra: []file{{"lib/k.dll", "x"}}, change: func(f []file) []file { f[5].name = "lib/\u212a.dll"; return f }}, want("invalid:malformed")},
		"escaped slash":                   {extension{signer: w.vendor, change: func(f []file) []file { f[1].name = "lib%2fLibrary.dll"; return f }}, want("invalid:malformed")},
		"path traversal":                  {extension{signer: w.vendor, change: add("../evil.dll", "MZ")}, want("invalid:malformed")},
		"another content type":            {extension{signer: w.vendor, change: edit(typesName, types["dll"], "text/html")}, want("invalid:malformed")},
		"content type signed wrongly":     {extension{signer: w.vendor, kinds: map[string]string{"lib/Library.dll": "text/plain"}}, want("invalid:malformed")},
		"content type twice":              {extension{signer: w.vendor, change: edit(typesName, "</Types>", `<Default Extension="DLL" ContentType="text/x"/></Types>`)}, want("invalid:malformed")},
		"no relationship to the origin":   {extension{signer: w.vendor, change: edit("_rels/.rels", typeOrigin, "urn:x")}, want("invalid:malformed")},
		"a relationship added":            {extension{signer: w.vendor, leave: "_rels/.rels", change: edit("_rels/.rels", "</Relationships>", `<Relationship Id="x" Type="urn:x" Target="/lib/Library.dll"/></Relationships>`)}, want("invalid:uncovered-part")},
		"a relationship not selected":     {extension{signer: w.vendor, transform: true, change: edit("_rels/.rels", "</Relationships>", `<Relationship Id="x" Type="urn:x" Target="/lib/Library.dll"/></Relationships>`)}, want("invalid:uncovered-part")},
		"signature removed":               {extension{signer: w.vendor, change: drop(signatureName)}, want("invalid:malformed")},
		"origin with content":             {extension{signer: w.vendor, change: func(f []file) []file { f[3].content = "MZ"; return f }}, want("invalid:malformed")},
		"signature without relationship":  {extension{signer: w.vendor, change: add("package/other.psdsxs", "<x/>")}, want("invalid:malformed")},
		"another certificate":             {extension{signer: w.vendor, signature: func(s string) string { return swapCertificate(s, other) }}, want("invalid:bad-signature")},
		"object added":                    {extension{signer: w.vendor, signature: sub("</Signature>", "<Object>MZ</Object></Signature>")}, want("invalid:malformed")},
		"object with the same identifier": {extension{signer: w.vendor, signature: sub("</Signature>", `<Object Id="idPackageObject"/></Signature>`)}, want("invalid:malformed")},
		"comment":                         {extension{signer: w.vendor, signature: sub("<SignatureValue>", "<!-- x --><SignatureValue>")}, want("invalid:malformed")},
		"no certificate":                  {extension{signer: w.vendor, signature: cutKeyInfo}, want("invalid:bad-signature")},
		"script as a certificate":         {extension{signer: w.vendor, change: certificate("lib/install.cmd", other.Certificate.Raw)}, want("invalid:malformed")},
		"signature under another name":    {extension{signer: w.vendor, leave: "package/services/digital-signature/_rels/origin.psdor.rels", change: renamed}, want("invalid:malformed")},
		"digest changed":                  {extension{signer: w.vendor, signature: sub("</DigestValue></Reference></Manifest>", "</DigestValue> </Reference></Manifest>")}, want("invalid:digest-mismatch")},
		"no list of parts":                {extension{signer: w.vendor, object: func(string) string { return `<Object Id="idPackageObject"></Object>` }}, want("invalid:malformed")},
		"part listed twice":               {extension{signer: w.vendor, object: twice}, want("invalid:malformed")},
		"library by a transform":          {extension{signer: w.vendor, object: func(s string) string { return s }, kinds: map[string]string{"lib/Library.dll": "application/octet-stream&x=y"}}, want("invalid:malformed")},
	} {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Artifact: verify.Artifact{Name: "a.vsix"}, Data: c.x.build(t), Env: w.env, Want: c.want, Flips: -1})
	}
}

// certificate adds a part, and a relationship that says it is a certificate of the signature.
func certificate(name string, content []byte) func([]file) []file {
	return func(list []file) []file {
		at := len(list) - 1
		list[at].content = strings.Replace(list[at].content, "</Types>", `<Default Extension="cmd" ContentType="`+types["cer"]+`"/></Types>`, 1)
		return append(list, file{"package/services/digital-signature/xml-signature/_rels/s.psdsxs.rels", relationships(typeCertificate, name)}, file{name, string(content)})
	}
}

// renamed moves the signature part.
func renamed(list []file) []file {
	for i := range list {
		list[i].content = strings.ReplaceAll(list[i].content, signatureName, "lib/install.hta")
		list[i].content = strings.ReplaceAll(list[i].content, "</Types>", `<Default Extension="hta" ContentType="`+contentSignature+`"/></Types>`)
		if list[i].name == signatureName {
			list[i].name = "lib/install.hta"
		}
	}
	return list
}

func twice(s string) string {
	from, to := strings.Index(s, "<Reference "), strings.Index(s, "</Reference>")+len("</Reference>")
	return s[:from] + s[from:to] + s[from:]
}

func cutKeyInfo(s string) string {
	from, to := strings.Index(s, "<KeyInfo>"), strings.Index(s, "</KeyInfo>")+len("</KeyInfo>")
	return s[:from] + s[to:]
}

// swapCertificate puts another signer's certificate in place of the signer's.
func swapCertificate(s string, other *at.Signer) string {
	from, to := strings.Index(s, "<X509Certificate>")+len("<X509Certificate>"), strings.Index(s, "</X509Certificate>")
	return s[:from] + encode(other.Certificate.Raw) + s[to:]
}

func TestUnsignedExtension(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	data := pack(t, []file{{manifestName, "<x/>"}, {"extension/main.js", "x"}})
	verifytest.Run(t, New(),
		verifytest.Case{Name: "unsigned.vsix", Data: data, Want: want("absent:unsigned")},
		verifytest.Case{Name: "vspackage", Data: data, Want: want("absent:unsigned")},
		verifytest.Case{Name: "other.zip", Data: pack(t, []file{{"readme", "x"}})},
		verifytest.Case{Name: "text.vsix", Data: []byte("PK but no zip file at all"), Want: want("invalid:malformed")},
		verifytest.Case{Name: "two.vsix", Data: pack(t, []file{{manifestName, "<x/>"}, {manifestName, "<y/>"}}), Want: want("invalid:malformed")},
	)
}
