package reputation

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Subject is one thing to look up: an update or a file inside it, with what is known of it. Whatever is not set is not
// looked up.
type Subject struct {
	Path         string        // inside the update; empty for the update itself
	SHA256       verify.Digest // of all its bytes
	SHA1         []byte        // View.Kinds says whether a list needs these three
	MD5          []byte
	SHA512       []byte
	Certificates []Certificate // that signed it, or are in a chain that did
	URLs         []string      // where it came from, redirects included
	Packages     []Package     // what it is
	At           time.Time     // of the judgement: what ended before does not count; zero: nothing has ended
}

// Certificate is one that signed something, as far as it is known.
type Certificate struct {
	SHA256 []byte // of the certificate in DER
	SHA1   []byte
	Serial []byte // big-endian
	Issuer string // common name, or whole name
}

// NewCertificate returns what can be looked up of a certificate.
func NewCertificate(c *x509.Certificate) Certificate {
	long, short := sha256.Sum256(c.Raw), sha1.Sum(c.Raw)
	issuer := c.Issuer.CommonName
	if issuer == "" {
		issuer = c.Issuer.String()
	}
	return Certificate{SHA256: long[:], SHA1: short[:], Serial: c.SerialNumber.Bytes(), Issuer: issuer}
}

// Subjects returns what there is to look up of an update that was examined: the update itself with its URLs and packages,
// and every file inside. Certificates are those of all signers, whether their signatures are good or not.
func Subjects(update Subject, report verify.Report) []Subject {
	signers := map[string][]Certificate{}
	for _, f := range report.Findings {
		if sum, err := hex.DecodeString(f.Signer.Fingerprint); err == nil && len(sum) == 32 {
			signers[f.Subject] = append(signers[f.Subject], Certificate{SHA256: sum, Issuer: f.Signer.Issuer})
		}
	}
	update.Certificates = append(update.Certificates, signers[update.Path]...)
	delete(signers, update.Path)
	all := []Subject{update}
	if report.Contents != nil {
		for _, in := range report.Contents.Inner {
			all = append(all, Subject{Path: in.Path, SHA256: in.SHA256, Certificates: signers[in.Path], At: update.At})
			delete(signers, in.Path)
		}
	}
	for path, list := range signers { // of what is inside, but not among the files
		all = append(all, Subject{Path: path, Certificates: list, At: update.At})
	}
	return all
}

// query is one name to look for.
type query struct {
	kind Kind
	key  key
	text string // what of the subject it is
	item Package
}

// queries returns the names to look for among lists that have these kinds.
func (s *Subject) queries(has Kinds) (list []query) {
	add := func(kind Kind, sum []byte) {
		if has.Has(kind) && len(sum) == kind.digestSize() {
			list = append(list, query{kind: kind, key: digestKey(sum), text: hex.EncodeToString(sum)})
		}
	}
	if !s.SHA256.IsZero() {
		add(KindSHA256, s.SHA256[:])
	}
	add(KindSHA1, s.SHA1)
	add(KindMD5, s.MD5)
	add(KindSHA512, s.SHA512)
	for i := range s.Certificates {
		c := &s.Certificates[i]
		add(KindCertSHA256, c.SHA256)
		add(KindCertSHA1, c.SHA1)
		if text, err := serialText(c.Serial, c.Issuer); err == nil && has.Has(KindCertSerial) {
			list = append(list, query{kind: KindCertSerial, key: textKey(KindCertSerial, text), text: text})
		}
	}
	if has.Has(KindURL) || has.Has(KindDomain) || has.Has(KindHost) {
		for _, u := range s.URLs {
			list = append(list, locationQueries(u, has)...)
		}
	}
	for _, p := range s.Packages {
		if text, err := packageText(p); err == nil && has.Has(KindPackage) {
			list = append(list, query{kind: KindPackage, key: textKey(KindPackage, text), text: p.String(), item: p})
		}
	}
	return list
}

// locationQueries looks for a URL with and without its query, its host, and every domain that the host is in.
func locationQueries(u string, has Kinds) (list []query) {
	l, err := parseLocation(u)
	if err != nil {
		return nil // lists cannot name it either
	}
	add := func(kind Kind, name string) {
		if has.Has(kind) {
			list = append(list, query{kind: kind, key: textKey(kind, name), text: u})
		}
	}
	add(KindURL, l.whole)
	if l.bare != l.whole {
		add(KindURL, l.bare)
	}
	add(KindHost, l.host)
	if has.Has(KindDomain) && !isAddress(l.host) {
		add(KindDomain, l.host)
		for i := range len(l.host) {
			if l.host[i] == '.' {
				add(KindDomain, l.host[i+1:])
			}
		}
	}
	return list
}
