package clickonce

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
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
	w.vendor = w.root.Intermediate("Test Issuing CA", x509.ExtKeyUsageCodeSigning).Issue(at.Leaf{Organization: "Deployer", RSA: true})
	w.stranger = at.NewCA("Other Root").Issue(at.Leaf{Organization: "Deployer", RSA: true})
	w.tsa = w.stampRoot.Issue(at.Leaf{Organization: "Test TSA", Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}, RSA: true})
	w.env = verify.Env{At: now, Trust: verify.Trust{
		CodeSigning:  []*x509.Certificate{w.root.Certificate},
		Timestamping: []*x509.Certificate{w.stampRoot.Certificate},
	}}
	return w
}

// deployment says what to sign, and what to do wrong while doing so.
type deployment struct {
	signer *at.Signer
	strong *at.Signer  // whose key makes the strong-name signature; default: signer
	hash   crypto.Hash // default SHA-256
	files  map[string]string
	stamp  func(value []byte) []byte // makes a timestamp

	strongOnly bool
	token      string              // in place of the right one
	body       string              // further content of the manifest
	license    func(string) string // of the license, before it is signed
	manifest   func(string) string // of the finished manifest
}

// names of the hash functions as ClickOnce's tools write them.
var hashNames = map[crypto.Hash]string{crypto.SHA1: "sha1", crypto.SHA256: "sha256", crypto.SHA512: "sha512"}

// build makes a signed manifest. It writes what it signs in exclusive canonical form, but for the namespaces that an
// element inherits, so that no canonicaliser is needed.
func (d deployment) build(t testing.TB) []byte {
	t.Helper()
	if d.hash == 0 {
		d.hash = crypto.SHA256
	}
	if d.strong == nil {
		d.strong = d.signer
	}
	strong := d.strong.Key.(*rsa.PrivateKey)
	if d.token == "" {
		d.token = publicKeyToken(&strong.PublicKey)
	}
	identity := fmt.Sprintf(`language="neutral" name="App.exe" processorArchitecture="msil" publicKeyToken="%s" type="win32" version="1.0.0.0"`, d.token)
	name := "CN=Deployer"
	body := `<assemblyIdentity ` + identity + `></assemblyIdentity>` + d.listing() + d.body +
		`<publisherIdentity xmlns="` + nsV2 + `" issuerKeyHash="00" name="` + name + `"></publisherIdentity>`
	open, end := `<assembly xmlns="`+nsV1+`" manifestVersion="1.0">`, `</assembly>`
	sum := d.sum(open + body + end)
	license := ""
	if !d.strongOnly {
		license = `<msrel:RelData xmlns:msrel="` + nsRelData + `">` + d.licensed(t, sum, identity, name) + `</msrel:RelData>`
	}
	signature := `<Signature xmlns="` + nsDS + `" Id="StrongNameSignature">` + d.signed(t, strong, sum) +
		`<KeyInfo Id="StrongNameKeyInfo">` + keyValue(&strong.PublicKey) + license + `</KeyInfo></Signature>`
	out := `<?xml version="1.0"?>` + "\n" + open + body + signature + end
	if d.manifest != nil {
		out = d.manifest(out)
	}
	return []byte(out)
}

// listing lists the files.
func (d deployment) listing() string {
	var names []string
	for name := range d.files {
		names = append(names, name)
	}
	slices.Sort(names)
	out := ""
	for _, name := range names {
		hash := fmt.Sprintf(`<hash><dsig:Transforms xmlns:dsig="%s"><dsig:Transform Algorithm="urn:schemas-microsoft-com:HashTransforms.Identity"></dsig:Transform></dsig:Transforms><dsig:DigestMethod xmlns:dsig="%s" Algorithm="%s%s"></dsig:DigestMethod><dsig:DigestValue xmlns:dsig="%s">%s</dsig:DigestValue></hash>`,
			nsDS, nsDS, nsDS, hashNames[d.hash], nsDS, base64.StdEncoding.EncodeToString(d.sum(d.files[name])))
		if strings.HasSuffix(name, ".exe") {
			out += fmt.Sprintf(`<dependency xmlns="%s"><dependentAssembly codebase="%s" dependencyType="install" size="%d">%s</dependentAssembly></dependency>`, nsV2, name, len(d.files[name]), hash)
		} else {
			out += fmt.Sprintf(`<file xmlns="%s" name="%s" size="%d">%s</file>`, nsV2, name, len(d.files[name]), hash)
		}
	}
	return out
}

func (d deployment) sum(s string) []byte {
	h := d.hash.New()
	h.Write([]byte(s))
	return h.Sum(nil)
}

// licensed makes the license with the publisher's signature.
func (d deployment) licensed(t testing.TB, sum []byte, identity, name string) string {
	reversed := slices.Clone(sum)
	slices.Reverse(reversed)
	license := `<r:license xmlns:r="` + nsLicense + `"><r:grant>` +
		`<as:ManifestInformation xmlns:as="` + nsAuthent + `" Description="" Hash="` + hex.EncodeToString(reversed) + `" Url=""><as:assemblyIdentity ` + identity + `></as:assemblyIdentity></as:ManifestInformation>` +
		`<as:SignedBy xmlns:as="` + nsAuthent + `"></as:SignedBy><as:AuthenticodePublisher xmlns:as="` + nsAuthent + `"><as:X509SubjectName>` + name + `</as:X509SubjectName></as:AuthenticodePublisher></r:grant><r:issuer></r:issuer></r:license>`
	if d.license != nil {
		license = d.license(license)
	}
	key := d.signer.Key.(*rsa.PrivateKey)
	signed := d.signed(t, key, d.sum(license))
	certs := ""
	for _, der := range append([][]byte{d.signer.Certificate.Raw}, d.signer.Chain...) {
		certs += `<X509Certificate>` + base64.StdEncoding.EncodeToString(der) + `</X509Certificate>`
	}
	object := ""
	if d.stamp != nil {
		text := signed[strings.Index(signed, "<SignatureValue>")+len("<SignatureValue>") : strings.Index(signed, "</SignatureValue>")]
		value, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		object = `<Object><as:Timestamp xmlns:as="` + nsAuthent + `">` + base64.StdEncoding.EncodeToString(d.stamp(value)) + `</as:Timestamp></Object>`
	}
	signature := `<Signature xmlns="` + nsDS + `" Id="AuthenticodeSignature">` + signed + `<KeyInfo>` + keyValue(&key.PublicKey) + `<X509Data>` + certs + `</X509Data></KeyInfo>` + object + `</Signature>`
	return strings.Replace(license, "</r:issuer>", signature+"</r:issuer>", 1)
}

// signed makes a SignedInfo over a digest, and the SignatureValue.
func (d deployment) signed(t testing.TB, key *rsa.PrivateKey, sum []byte) string {
	t.Helper()
	info := fmt.Sprintf(`<SignedInfo><CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></CanonicalizationMethod><SignatureMethod Algorithm="%srsa-%s"></SignatureMethod><Reference URI=""><Transforms><Transform Algorithm="%senveloped-signature"></Transform><Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></Transform></Transforms><DigestMethod Algorithm="%s%s"></DigestMethod><DigestValue>%s</DigestValue></Reference></SignedInfo>`,
		nsDS, hashNames[d.hash], nsDS, nsDS, hashNames[d.hash], base64.StdEncoding.EncodeToString(sum))
	value, err := rsa.SignPKCS1v15(rand.Reader, key, d.hash, d.sum(strings.Replace(info, "<SignedInfo", `<SignedInfo xmlns="`+nsDS+`"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return info + `<SignatureValue>` + base64.StdEncoding.EncodeToString(value) + `</SignatureValue>`
}

func keyValue(k *rsa.PublicKey) string {
	return `<KeyValue><RSAKeyValue><Modulus>` + base64.StdEncoding.EncodeToString(k.N.Bytes()) + `</Modulus><Exponent>AQAB</Exponent></RSAKeyValue></KeyValue>`
}

// token makes a maker of RFC 3161 tokens.
func (w *world) token(t testing.TB, year int) func([]byte) []byte {
	return func(value []byte) []byte {
		ts := at.Timestamp{Authority: w.tsa, Time: time.Date(year, 3, 1, 0, 0, 0, 0, time.UTC), Of: value}
		d, err := cms.ParseContentInfo(at.SignedData(at.BuildPE(at.Image{Size: 512}), at.Signature{Signer: w.vendor, Timestamp: &ts}))
		if err != nil {
			t.Fatal(err)
		}
		return d.Signers[0].Unsigned[0].Values[0]
	}
}

// artifact makes what the gate would make of a file.
func artifact(name string, data []byte) *verify.Artifact {
	return &verify.Artifact{Name: name, Size: int64(len(data)), Content: bytes.NewReader(data), Digests: verify.Digests{SHA256: sha256.Sum256(data)},
		Format: verify.Sniff(data[:min(len(data), verify.SniffLen)], name)}
}
