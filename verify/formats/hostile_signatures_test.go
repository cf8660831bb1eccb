package formats

import (
	"archive/zip"
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/pe/petest"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
	"github.com/sallyport-project/sallyport/verify/rpm/rpmtest"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

// hostileWorld is whose signatures there are: a trusted publisher, and a key.
type hostileWorld struct {
	root   *at.CA
	signer *at.Signer
	key    *rpmtest.Key
}

var theWorld = sync.OnceValue(func() hostileWorld {
	root := at.NewCA("Root")
	return hostileWorld{root, root.Issue(at.Leaf{Organization: "Vendor"}), must(rpmtest.NewRSAKey("a@example.org", time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)))}
})

func hostileTrust() verify.Trust {
	w := theWorld()
	pub := must(w.key.Public())
	return verify.Trust{Epoch: "1", CodeSigning: []*x509.Certificate{w.root.Certificate}, Timestamping: []*x509.Certificate{w.root.Certificate},
		Keyrings: []verify.Keyring{{Anchor: "key", Data: pub, Suites: []string{"stable"}}}}
}

// signedBesides is a signature with much that does not belong to it.
func signedBesides(change func(*at.Signature)) at.Signature {
	s := at.Signature{Signer: theWorld().signer}
	change(&s)
	return s
}

// clique are certificates that all signed each other, up to so many bytes.
func clique(size int) (out [][]byte) {
	ca := at.NewCA("Loop")
	for n := 0; n < size; {
		der := ca.AsLoop().Certificate.Raw
		out, n = append(out, der), n+len(der)
	}
	return out
}

// copies repeats one certificate that belongs to nobody.
func copies(size int) (out [][]byte) {
	der := at.NewCA("Nobody").Issue(at.Leaf{}).Certificate.Raw
	for n := 0; n < size; n += len(der) {
		out = append(out, der)
	}
	return out
}

func programWith(change func(*at.Signature)) func() []byte {
	return func() []byte { return at.Sign(at.BuildPE(at.Image{}), signedBesides(change)) }
}

// manyResources is a program whose resources are all large and overlap.
func manyResources() []byte {
	var p petest.Program
	data := append([]byte("opaque"), noiseOf(128<<10)...)
	for i := range 75 {
		p.Resources = append(p.Resources, petest.Resource{Type: "10", Name: fmt.Sprint(i + 1), Data: data})
	}
	return petest.Build(p)
}

func noiseOf(n int) []byte {
	b := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
}

func deepXML(root string) func() []byte {
	return func() []byte { return []byte("<" + root + ">" + strings.Repeat("<a>", hostileSize/3)) }
}

func wideXML(open, item, end string) func() []byte {
	return func() []byte { return []byte(open + string(full([]byte(item))) + end) }
}

func zipWith(name string, content func() []byte, others ...string) func() []byte {
	return func() []byte {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		must(must(w.Create(name)).Write(content()))
		for _, other := range others {
			must(must(w.Create(other)).Write([]byte("<a/>")))
		}
		if err := w.Close(); err != nil {
			panic(err)
		}
		return out.Bytes()
	}
}

func hostileSignatures() []hostile {
	many := func(certs func(int) [][]byte) func(*at.Signature) {
		return func(s *at.Signature) { s.Certificates = certs(hostileSize - 100_000) }
	}
	attribute := func(s *at.Signature) {
		s.Unsigned = append(s.Unsigned, at.Unsigned{OID: "\x2a\x03\x04", Value: append([]byte{4, 0x83, 0x80, 0, 0}, zeros(8<<20)...)})
	}
	signature := func() []byte {
		return must(theWorld().key.Sign([]byte("x"), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 5))
	}
	armoured := func(b []byte) []byte { return must(rpmtest.Armour(b)) }
	clear := "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
	lists := text("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n")
	return []hostile{
		{name: "a.exe", about: "a clique of certificates", make: programWith(many(clique))},
		{name: "b.exe", about: "copies of a certificate", make: programWith(many(copies))},
		{name: "c.exe", about: "a large unsigned attribute", make: programWith(attribute)},
		{name: "d.exe", about: "empty entries in the table", make: func() []byte {
			return at.WithTable(at.Strip(at.BuildPE(at.Image{})), full([]byte{8, 0, 0, 0, 0, 2, 2, 0}))
		}},
		{name: "e.exe", about: "signatures", make: func() []byte {
			image := at.Strip(at.BuildPE(at.Image{}))
			return at.WithTable(image, full(at.Entry(at.SignedData(image, at.Signature{Signer: theWorld().signer}))))
		}},
		{name: "f.exe", about: "nested signatures", make: func() []byte {
			s := at.Signature{Signer: theWorld().signer}
			for range 200 {
				s.Nested = append(s.Nested, at.Signature{Signer: theWorld().signer, Nested: []at.Signature{{Signer: theWorld().signer}}})
			}
			return at.Sign(at.BuildPE(at.Image{}), s)
		}},
		{name: "g.exe", about: "opaque resources", make: manyResources},
		{name: "h.exe", about: "end records of zip files", make: func() []byte {
			return at.BuildPE(at.Image{Overlay: text("PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00\x2e\x00\x00\x00\x00\x00\x00\x00\x00\x00")()})
		}},
		{name: "i.exe", about: "marks of cabinets", make: func() []byte { return at.BuildPE(at.Image{Overlay: text("MSCF\x00\x00\x00\x00\xff\x00\x00\x00")()}) }},
		{name: "j.exe", about: "marks of programs", make: func() []byte { return at.BuildPE(at.Image{Overlay: text("MZ7z\xbc\xaf\x27\x1c\x00\x04PK\x03\x04")()}) }},
		{name: "k.exe", about: "empty cabinets", make: func() []byte {
			return at.BuildPE(at.Image{Overlay: full(cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{{Files: []cabtest.File{{Name: "a", Data: []byte("x")}}}}}))})
		}},
		{name: "e.msi", about: "a clique of certificates", make: func() []byte {
			return msitest.Sign(msitest.Package{}.Build(), signedBesides(many(clique)))
		}},
		{name: "a.cat", about: "members", make: func() []byte {
			c := at.Catalog{}
			for i := range 60_000 {
				c.Members = append(c.Members, at.Member{Sum: []byte(fmt.Sprintf("%032d", i))})
			}
			return c.Sign(at.Signature{Signer: theWorld().signer})
		}},
		{name: "b.cat", about: "deep DER", make: text("\x30\x80")},
		{name: "c.p7s", about: "deep DER", make: text("\x30\x84\x00\x9f\xff\xff")},
		{name: "a.ps1", about: "marks of a signature", make: text("# SIG # Begin signature block\r\n")},
		{name: "b.ps1", about: "a large signature", make: func() []byte {
			return []byte("x\r\n# SIG # Begin signature block\r\n" + string(full([]byte("# MIIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"))) + "# SIG # End signature block\r\n")
		}},
		{name: "c.vbs", about: "marks of a signature", make: text("'' SIG '' Begin signature block\r\n'' SIG '' End signature block\r\n")},
		{name: "d.js", about: "one line", make: text("a")},
		{name: "a.xml", about: "a script's signature in XML", make: text("<!-- SIG # Begin signature block -->\r\n")},
		{name: "a.application", about: "deep XML", make: deepXML("asmv1:assembly xmlns:asmv1=\"urn:schemas-microsoft-com:asm.v1\"")},
		{name: "b.application", about: "wide XML", make: wideXML(`<assembly xmlns="urn:schemas-microsoft-com:asm.v1">`, `<a xmlns:b="c" d="e"/>`, `</assembly>`)},
		{name: "c.manifest", about: "attributes", make: wideXML(`<assembly xmlns="urn:schemas-microsoft-com:asm.v1" `, `a="b" `, `/>`)},
		{name: "d.manifest", about: "namespaces", make: func() []byte {
			var b strings.Builder
			b.WriteString(`<asmv1:assembly xmlns:asmv1="urn:schemas-microsoft-com:asm.v1"`)
			for i := 0; b.Len() < hostileSize/2; i++ {
				fmt.Fprintf(&b, ` xmlns:n%d="u%d"`, i, i)
			}
			return []byte(b.String() + ">" + strings.Repeat("<a/>", hostileSize/8) + "</asmv1:assembly>")
		}},
		{name: "a.msix", about: "deep manifest", make: zipWith("AppxManifest.xml", deepXML("Package"), "AppxBlockMap.xml", "AppxSignature.p7x")},
		{name: "b.msix", about: "wide block map", make: zipWith("AppxBlockMap.xml", wideXML(`<BlockMap xmlns="http://schemas.microsoft.com/appx/2010/blockmap" HashMethod="http://www.w3.org/2001/04/xmlenc#sha256">`,
			`<File Name="a" Size="1" LfhSize="1"><Block Hash="a"/></File>`, `</BlockMap>`), "AppxManifest.xml", "AppxSignature.p7x")},
		{name: "a.nupkg", about: "wide manifest", make: zipWith("a.nuspec", wideXML(`<package>`, `<metadata/>`, `</package>`), ".signature.p7s")},
		{name: "a.vsix", about: "wide signature", make: zipWith("package/services/digital-signature/xml-signature/a.psdsxs", wideXML(`<Signature>`, `<Reference URI="#a"/>`, `</Signature>`), "extension.vsixmanifest", "[Content_Types].xml")},
		{name: "a.asc", about: "armour", make: text("-----BEGIN PGP SIGNATURE-----\n\n")},
		{name: "a.sig", about: "packets", make: func() []byte { return full(signature()) }},
		{name: "InRelease", about: "a clear text", make: func() []byte { return []byte(clear + string(full([]byte("- a\n"))) + string(armoured(signature()))) }},
		{name: "InRelease", about: "headers", make: text(clear)},
		{name: "Release", about: "a long list", make: func() []byte {
			return append([]byte("Suite: stable\nSHA256:\n"), full([]byte(" e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 1 main/binary-amd64/Packages\n"))...)
		}, beside: signature},
		{name: "Packages", about: "stanzas", make: text("Package: a\nVersion: 1\nFilename: pool/a.deb\nSHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\n")},
		{name: "repomd.xml", about: "deep XML", make: deepXML(`repomd xmlns="http://linux.duke.edu/metadata/repo"`), beside: signature},
		{name: "repomd.xml", about: "wide XML", make: wideXML(`<repomd xmlns="http://linux.duke.edu/metadata/repo">`, `<data type="primary"><location href="a"/></data>`, `</repomd>`), beside: signature},
		{name: "primary.xml", about: "packages", make: wideXML(`<metadata xmlns="http://linux.duke.edu/metadata/common">`, `<package type="rpm"><name>a</name></package>`, `</metadata>`), beside: signature},
		{name: "primary.xml.gz", about: "packages, a bomb", make: func() []byte {
			return full(gz(bytes.Repeat([]byte(`<package type="rpm"><name>a</name></package>`), 500_000)))
		}, beside: signature},
		{name: "SHA256SUMS", about: "a list", make: lists, beside: signature},
		{name: "tool.bin", about: "beside 10 MB of packets", make: text("tool"), beside: func() []byte { return full(signature()) }},
		{name: "tool.bin", about: "beside 1 MB of packets", make: text("tool"), beside: func() []byte { return full(signature())[:len(signature())*3000] }},
		{name: "tool.bin", about: "beside 60 KB of packets", make: text("tool"), beside: func() []byte { return full(signature())[:len(signature())*150] }},
		{name: "tool.bin", about: "beside armour", make: text("tool"), beside: func() []byte { return armoured(full(signature())[:len(signature())*2000]) }},
		{name: "tool.bin", about: "beside 10 MB of digests", make: text("tool"), beside: lists},
		{name: "tool.bin", about: "beside 1 MB of digests", make: text("tool"), beside: func() []byte { return lists()[:1<<20] }},
		{name: "tool.bin", about: "beside base64", make: text("tool"), beside: func() []byte {
			return []byte("untrusted comment: a\n" + base64.StdEncoding.EncodeToString(zeros(1<<20)) + "\n")
		}},
		{name: "a.rpm", about: "beside a list", make: manyRPMFiles(""), beside: wideXML(`<repomd xmlns="http://linux.duke.edu/metadata/repo">`, `<data type="primary"><location href="a"/></data>`, `</repomd>`)},
		{name: "noise.exe", about: "noise", make: func() []byte { return append([]byte("MZ"), noiseOf(hostileSize)...) }},
		{name: "noise.msi", about: "noise", make: func() []byte { return append([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), noiseOf(hostileSize)...) }},
		{name: "zeros", about: "zeros", make: func() []byte { return zeros(hostileSize) }},
		{name: "ones", about: "ones", make: text("\xff")},
	}
}

func allHostile() []hostile { return append(hostileArchives(), hostileSignatures()...) }
