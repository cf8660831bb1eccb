package vsix

import (
	"archive/zip"
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

const nsDS = "http://www.w3.org/2000/09/xmldsig#"

// world is a small public-key infrastructure and the moment in which it is looked at.
type world struct {
	root, stampRoot  *at.CA
	vendor, stranger *at.Signer
	tsa              *at.Signer
	env              verify.Env
}

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func newWorld() *world {
	w := &world{root: at.NewCA("Test Code Root"), stampRoot: at.NewCA("Test Stamp Root")}
	w.vendor = w.root.Intermediate("Test Issuing CA", x509.ExtKeyUsageCodeSigning).Issue(at.Leaf{Organization: "Extension Maker", RSA: true})
	w.stranger = at.NewCA("Other Root").Issue(at.Leaf{Organization: "Extension Maker", RSA: true})
	w.tsa = w.stampRoot.TSA("Test TSA")
	w.env = verify.Env{At: now, Trust: verify.Trust{
		CodeSigning:  []*x509.Certificate{w.root.Certificate},
		Timestamping: []*x509.Certificate{w.stampRoot.Certificate},
	}}
	return w
}

// file is one entry of a zip file.
type file struct{ name, content string }

// pack makes a zip file whose entries are stored as they are, without data descriptors.
func pack(t testing.TB, files []file) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Store, CRC32: crc32.ChecksumIEEE([]byte(f.content)), CompressedSize64: uint64(len(f.content)), UncompressedSize64: uint64(len(f.content))}
		w, err := z.CreateRaw(h)
		if err == nil {
			_, err = w.Write([]byte(f.content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// extension says what to sign, and what to do wrong while doing so.
type extension struct {
	signer *at.Signer
	stamp  *at.Timestamp
	hash   crypto.Hash // default SHA-256

	detached  bool                // certificates in parts of their own
	transform bool                // relationships are signed by the Relationships transform
	leave     string              // a part that is not listed
	change    func([]file) []file // of the finished package
	object    func(string) string // of the Object, before it is signed
	signature func(string) string // of the finished signature part
	kinds     map[string]string   // content types said in references
	extra     []file              // further parts
	payload   string              // of the library
}

const originName = "package/services/digital-signature/origin.psdor"
const signatureName = "package/services/digital-signature/xml-signature/s.psdsxs"

var digestURIs = map[crypto.Hash][2]string{
	crypto.SHA1:   {nsDS + "sha1", nsDS + "rsa-sha1"},
	crypto.SHA256: {"http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"},
	crypto.SHA512: {"http://www.w3.org/2001/04/xmlenc#sha512", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"},
}

func relationships(pairs ...string) string {
	var b strings.Builder
	b.WriteString(`<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`)
	for i := 0; i+1 < len(pairs); i += 2 {
		fmt.Fprintf(&b, `<Relationship Id="R%d" Target="/%s" TargetMode="Internal" Type="%s"></Relationship>`, i, pairs[i+1], pairs[i])
	}
	return b.String() + `</Relationships>`
}

var types = map[string]string{
	"rels": "application/vnd.openxmlformats-package.relationships+xml", "psdor": "application/vnd.openxmlformats-package.digital-signature-origin",
	"psdsxs": contentSignature, "cer": "application/vnd.openxmlformats-package.digital-signature-certificate",
	"vsixmanifest": "text/xml", "dll": "application/octet-stream", "js": "text/javascript",
}

// build makes a signed extension. It writes what it signs in canonical form, so that no canonicaliser is needed.
func (x extension) build(t testing.TB) []byte {
	t.Helper()
	if x.hash == 0 {
		x.hash = crypto.SHA256
	}
	if x.payload == "" {
		x.payload = "MZ library"
	}
	files := append([]file{
		{manifestName, `<PackageManifest xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011"/>`},
		{"lib/Library.dll", x.payload},
		{"_rels/.rels", relationships(typeOrigin, originName)},
		{originName, ""},
		{"package/services/digital-signature/_rels/origin.psdor.rels", relationships(typeSignature, signatureName)},
	}, x.extra...)
	part, value := x.sign(t, files)
	if x.stamp != nil {
		part = strings.Replace(part, "</Signature>", `<Object><TimeStamp xmlns="http://schemas.openxmlformats.org/package/2006/digital-signature" Id="idSignatureTimestamp"><Comment></Comment><EncodedTime>`+
			base64.StdEncoding.EncodeToString(token(t, x.signer, *x.stamp, value))+`</EncodedTime></TimeStamp></Object></Signature>`, 1)
	}
	if x.signature != nil {
		part = x.signature(part)
	}
	files = append(files, file{signatureName, part})
	if x.detached {
		files = append(files, file{"package/services/digital-signature/xml-signature/_rels/s.psdsxs.rels",
			relationships(typeCertificate, "package/services/digital-signature/certificate/a.cer", typeCertificate, "package/services/digital-signature/certificate/b.cer")},
			file{"package/services/digital-signature/certificate/a.cer", string(x.signer.Certificate.Raw)},
			file{"package/services/digital-signature/certificate/b.cer", string(x.signer.Chain[0])})
	}
	list := `<?xml version="1.0" encoding="utf-8"?><Types xmlns="` + nsTypes + `">`
	for _, ext := range []string{"rels", "psdor", "psdsxs", "cer", "vsixmanifest", "dll", "js"} {
		list += `<Default Extension="` + ext + `" ContentType="` + types[ext] + `"/>`
	}
	files = append(files, file{typesName, list + `</Types>`})
	if x.change != nil {
		files = x.change(files)
	}
	return pack(t, files)
}

// sign makes the signature part.
func (x extension) sign(t testing.TB, files []file) (part string, value []byte) {
	t.Helper()
	declared := ` xmlns="` + nsDS + `"`
	uris := digestURIs[x.hash]
	var manifest strings.Builder
	for _, f := range files {
		if f.name == x.leave {
			continue
		}
		transforms := ""
		if x.transform && strings.HasSuffix(f.name, ".rels") {
			transforms = `<Transforms><Transform Algorithm="http://schemas.openxmlformats.org/package/2006/RelationshipTransform"><RelationshipReference xmlns="http://schemas.openxmlformats.org/package/2006/digital-signature" SourceId="R0"></RelationshipReference></Transform><Transform Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"></Transform></Transforms>`
		}
		kind := types[f.name[strings.LastIndex(f.name, ".")+1:]]
		if said, ok := x.kinds[f.name]; ok {
			kind = said
		}
		fmt.Fprintf(&manifest, `<Reference URI="/%s?ContentType=%s">%s<DigestMethod Algorithm="%s"></DigestMethod><DigestValue>%s</DigestValue></Reference>`,
			f.name, kind, transforms, uris[0], x.digest(f.content))
	}
	object := `<Object Id="idPackageObject"><Manifest>` + manifest.String() + `</Manifest><SignatureProperties><SignatureProperty Id="idSignatureTime" Target=""><SignatureTime xmlns="http://schemas.openxmlformats.org/package/2006/digital-signature"><Format>YYYY-MM-DDThh:mm:ss.sTZD</Format><Value>2001-01-01T00:00:00.0Z</Value></SignatureTime></SignatureProperty></SignatureProperties></Object>`
	if x.object != nil {
		object = x.object(object)
	}
	info := fmt.Sprintf(`<SignedInfo><CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"></CanonicalizationMethod><SignatureMethod Algorithm="%s"></SignatureMethod><Reference Type="http://www.w3.org/2000/09/xmldsig#Object" URI="#idPackageObject"><Transforms><Transform Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"></Transform></Transforms><DigestMethod Algorithm="%s"></DigestMethod><DigestValue>%s</DigestValue></Reference></SignedInfo>`,
		uris[1], uris[0], x.digest(strings.Replace(object, "<Object", "<Object"+declared, 1)))
	h := x.hash.New()
	h.Write([]byte(strings.Replace(info, "<SignedInfo", "<SignedInfo"+declared, 1)))
	value, err := rsa.SignPKCS1v15(rand.Reader, x.signer.Key.(*rsa.PrivateKey), x.hash, h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	key := ""
	if !x.detached {
		for _, der := range append([][]byte{x.signer.Certificate.Raw}, x.signer.Chain...) {
			key += `<X509Certificate>` + base64.StdEncoding.EncodeToString(der) + `</X509Certificate>`
		}
		key = `<KeyInfo><X509Data>` + key + `</X509Data></KeyInfo>`
	}
	return `<?xml version="1.0" encoding="utf-8"?><Signature` + declared + `>` + info + `<SignatureValue>` + base64.StdEncoding.EncodeToString(value) + `</SignatureValue>` + key + object + `</Signature>`, value
}

func (x extension) digest(s string) string {
	h := x.hash.New()
	h.Write([]byte(s))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// token makes an RFC 3161 token over value.
func token(t testing.TB, signer *at.Signer, ts at.Timestamp, value []byte) []byte {
	t.Helper()
	if ts.Of == nil {
		ts.Of = value
	}
	d, err := cms.ParseContentInfo(at.SignedData(at.BuildPE(at.Image{Size: 512}), at.Signature{Signer: signer, Timestamp: &ts}))
	if err != nil {
		t.Fatal(err)
	}
	return d.Signers[0].Unsigned[0].Values[0]
}

// artifact makes what the gate would make of a file.
func artifact(name string, data []byte) *verify.Artifact {
	return &verify.Artifact{Name: name, Size: int64(len(data)), Content: bytes.NewReader(data), Digests: verify.Digests{SHA256: sha256.Sum256(data)},
		Format: verify.Sniff(data[:min(len(data), verify.SniffLen)], name)}
}
