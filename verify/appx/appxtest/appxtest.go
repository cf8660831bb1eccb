// Package appxtest makes app packages and bundles of them, signed ones and wrong ones, for tests.
package appxtest

import (
	"bytes"
	"crypto"
	_ "crypto/sha256" // so that crypto.Hash.New knows them
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"

	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/internal/cms/cmstest"
	zt "github.com/sallyport-project/sallyport/verify/internal/zipfile/ziptest"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// File is a file of a package.
type File struct {
	Name    string // with "/"
	Content []byte
	Stored  bool
}

// Package says what to make. The zero Package is a small unsigned one.
type Package struct {
	Files     []File
	Publisher string      // default: that of authenticodetest's "Test Publisher"
	Version   string      // default "1.2.3.4"
	Hash      crypto.Hash // default SHA-256
	Catalogue bool        // with AppxMetadata/CodeIntegrity.cat
	Inner     []Inner     // makes it a bundle
	Manifest  string      // in place of the one made
	BlockMap  string      // in place of the one made

	Signer    *at.Signer // nil: unsigned
	Timestamp *at.Timestamp
	Digests   func([]byte) []byte // changes the list of digests before it is signed
	Container func(*zt.File)      // changes the zip file before it is hashed
	P7X       func([]byte) []byte // changes AppxSignature.p7x
	Kind      string              // GUID in SpcSipInfo, where it is not the right one
}

// Inner is a package in a bundle.
type Inner struct {
	Name, Version string
	Content       []byte
	Shift         int64 // added to the offset that the manifest states
}

// Publisher is the publisher's name as manifests have it, of a signer that authenticodetest made.
func Publisher(name string) string { return "CN=" + name + ", O=" + name + ", C=DE" }

var hashMethods = map[crypto.Hash]string{
	crypto.SHA256: "http://www.w3.org/2001/04/xmlenc#sha256",
	crypto.SHA384: "http://www.w3.org/2001/04/xmldsig-more#sha384",
	crypto.SHA512: "http://www.w3.org/2001/04/xmlenc#sha512",
}

const blockSize = 64 << 10

// Bytes makes the package.
func (p Package) Bytes() []byte {
	if p.Hash == 0 {
		p.Hash = crypto.SHA256
	}
	if p.Publisher == "" {
		p.Publisher = Publisher("Test Publisher")
	}
	if p.Version == "" {
		p.Version = "1.2.3.4"
	}
	if p.Files == nil && p.Inner == nil {
		p.Files = []File{{Name: "App.exe", Content: bytes.Repeat([]byte("app "), 40000)}, {Name: "Assets/My Logo.png", Content: []byte("logo"), Stored: true}}
	}
	z := p.container()
	if p.Container != nil {
		p.Container(&z)
	}
	b := z.Bytes()
	if p.Signer == nil {
		return b
	}
	p7x := append([]byte("PKCX"), p.sign(p.digests(b, z))...)
	if p.P7X != nil {
		p7x = p.P7X(p7x)
	}
	z.Entries = append(z.Entries, zt.Entry{Name: "AppxSignature.p7x", Content: p7x})
	return z.Bytes()
}

// container lays out the zip file without the signature.
func (p Package) container() zt.File {
	var entries []zt.Entry
	for _, i := range p.Inner {
		entries = append(entries, zt.Entry{Name: i.Name, Content: i.Content, Descriptor: true, Wide: true})
	}
	manifest := File{Name: "AppxManifest.xml", Content: []byte(p.manifest(entries))}
	if p.Inner != nil {
		manifest.Name = "AppxMetadata/AppxBundleManifest.xml"
	}
	var mapped strings.Builder
	for _, f := range append(p.Files, manifest) {
		e := zt.Entry{Name: strings.ReplaceAll(url.PathEscape(f.Name), "%2F", "/"), Content: f.Content, Deflate: !f.Stored, Blocks: blockSize, Descriptor: true, Wide: true}
		entries = append(entries, e)
		p.mapFile(&mapped, f, 30+len(e.Name))
	}
	blockMap := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8" standalone="no"?><BlockMap xmlns="http://schemas.microsoft.com/appx/2010/blockmap" HashMethod="%s">%s</BlockMap>`, hashMethods[p.Hash], mapped.String())
	if p.BlockMap != "" {
		blockMap = p.BlockMap
	}
	types := `<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/AppxSignature.p7x" ContentType="application/vnd.ms-appx.signature"/></Types>`
	entries = append(entries, zt.Entry{Name: "AppxBlockMap.xml", Content: []byte(blockMap), Deflate: true, Descriptor: true, Wide: true},
		zt.Entry{Name: "[Content_Types].xml", Content: []byte(types), Deflate: true})
	if p.Catalogue {
		entries = append(entries, zt.Entry{Name: "AppxMetadata/CodeIntegrity.cat", Content: []byte("a catalogue"), Deflate: true})
	}
	return zt.File{Entries: entries, Zip64: true}
}

func (p Package) mapFile(w *strings.Builder, f File, header int) {
	fmt.Fprintf(w, `<File Name="%s" Size="%d" LfhSize="%d">`, strings.ReplaceAll(f.Name, "/", `\`), len(f.Content), header)
	packed := len(zt.Deflate(f.Content, blockSize))
	for at := 0; at < len(f.Content); at += blockSize {
		block := f.Content[at:min(at+blockSize, len(f.Content))]
		size := ""
		if !f.Stored {
			n := packed // the last block has what is left
			if at+blockSize < len(f.Content) {
				n = len(zt.Deflate(f.Content[:at+blockSize], blockSize)) - len(zt.Deflate(f.Content[:at], blockSize))
				packed -= n
			}
			size = fmt.Sprintf(` Size="%d"`, n)
		}
		fmt.Fprintf(w, `<Block Hash="%s"%s/>`, base64.StdEncoding.EncodeToString(cmstest.Sum(p.Hash, block)), size)
	}
	w.WriteString("</File>")
}

func (p Package) manifest(inner []zt.Entry) string {
	if p.Manifest != "" {
		return p.Manifest
	}
	if p.Inner == nil {
		return fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?><Package xmlns="http://schemas.microsoft.com/appx/manifest/foundation/windows10"><Identity Name="Test.App" Publisher="%s" Version="%s" ProcessorArchitecture="x64"/></Package>`, p.Publisher, p.Version)
	}
	_, placed := zt.File{Entries: inner}.Build()
	var list strings.Builder
	for i, in := range p.Inner {
		fmt.Fprintf(&list, `<Package Type="application" Version="%s" FileName="%s" Offset="%d" Size="%d"/>`, in.Version, in.Name, placed[i].Data+in.Shift, len(in.Content))
	}
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><Bundle xmlns="http://schemas.microsoft.com/appx/2013/bundle"><Identity Name="Test.App" Publisher="%s" Version="%s"/><Packages>%s</Packages></Bundle>`, p.Publisher, p.Version, list.String())
}

// digests makes the list that is signed: of the entries, of the directory, of the footprint files.
func (p Package) digests(b []byte, z zt.File) []byte {
	end := len(b) - 22 - len(z.Comment)
	directory := int(binary.LittleEndian.Uint32(b[end+16:]))
	if z.Zip64 {
		directory = int(binary.LittleEndian.Uint64(b[end-20-8:]))
	}
	tail := bytes.Clone(b[directory:])
	if z.Zip64 {
		copy(tail[len(tail)-18-len(z.Comment):], []byte{0, 0, 0, 0}) // disk numbers count as zero
	}
	out := append([]byte("APPXAXPC"), cmstest.Sum(p.Hash, b[:directory])...)
	out = append(append(out, "AXCD"...), cmstest.Sum(p.Hash, tail)...)
	for _, part := range [][2]string{{"AXCT", "[Content_Types].xml"}, {"AXBM", "AppxBlockMap.xml"}, {"AXCI", "AppxMetadata/CodeIntegrity.cat"}} {
		for _, e := range z.Entries {
			if e.Name == part[1] {
				out = append(append(out, part[0]...), cmstest.Sum(p.Hash, e.Content)...)
			}
		}
	}
	if p.Digests != nil {
		out = p.Digests(out)
	}
	return out
}

// GUIDs in SpcSipInfo.
const (
	PackageGUID = "\x4b\xdf\xc5\x0a\x07\xce\xe2\x4d\xb7\x6e\x23\xc8\x39\xa0\x9f\xd1"
	BundleGUID  = "\xb3\x58\x5f\x0f\xde\xaa\x9a\x4b\xa4\x34\x95\x74\x2d\x92\xec\xeb"
)

func (p Package) sign(list []byte) []byte {
	guid := p.Kind
	if guid == "" {
		if guid = PackageGUID; p.Inner != nil {
			guid = BundleGUID
		}
	}
	content := cmstest.Build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			cmstest.AddOID(b, cms.NewOID(1, 3, 6, 1, 4, 1, 311, 2, 1, 30))
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(0x01010000)
				b.AddASN1OctetString([]byte(guid))
				for range 5 {
					b.AddASN1Int64(0)
				}
			})
		})
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			cmstest.AddHash(b, p.Hash)
			b.AddASN1OctetString(list)
		})
	})
	s := cmstest.Signature{Certificate: p.Signer.Certificate, Key: p.Signer.Key, Chain: p.Signer.Chain, Hash: p.Hash, Type: cms.OIDIndirectData, Content: content, Bare: true}
	if p.Timestamp != nil {
		s.Unsigned = func(value []byte) []cmstest.Attribute {
			return []cmstest.Attribute{{OID: cms.OIDTimestampToken, Value: at.Token(*p.Timestamp, value)}}
		}
	}
	return s.SignedData()
}
