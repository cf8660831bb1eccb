package reputation

import "fmt"

// Kind is what an entry of a list names, and how it is compared.
type Kind uint8

const (
	KindNone          Kind = iota // nothing: as an option, whatever the list says
	KindSHA256                    // SHA-256 of a whole file
	KindSHA1                      // SHA-1 of a whole file; see Weak
	KindMD5                       // MD5 of a whole file; see Weak
	KindSHA512                    // SHA-512 of a whole file
	KindCertSHA256                // SHA-256 of a certificate in DER
	KindCertSHA1                  // SHA-1 of a certificate in DER, which Windows calls its thumbprint
	KindCertSerial                // serial number of a certificate, with its issuer where it is short
	KindURL                       // a URL, whatever its scheme; without a query, whatever its query
	KindDomain                    // a host name and everything below it
	KindHost                      // exactly this host name or address
	KindPackage                   // versions of a package
	KindVulnerability             // a vulnerability by its CVE identifier; no file is one
	kinds                         // how many there are; at most 16, see record
)

var kindNames = [kinds]string{"", "sha256", "sha1", "md5", "sha512", "cert-sha256", "cert-sha1", "cert-serial", "url", "domain", "host", "package", "vulnerability"}

// String returns the kind as records and policies spell it, such as "cert-sha256".
func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return ""
}

// MarshalText implements encoding.TextMarshaler as String does.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Kind) UnmarshalText(b []byte) error {
	for i, name := range kindNames {
		if name == string(b) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("unknown kind of entry %q", b)
}

// Weak reports whether two different files or certificates can be made to share one value, which is practical for MD5
// and SHA-1. On a list of what is bad that does no harm worth speaking of; to call something good it is not enough.
func (k Kind) Weak() bool { return k == KindSHA1 || k == KindMD5 || k == KindCertSHA1 }

// digestSize returns how many bytes the digest has that an entry of this kind is; 0 for kinds that are no digests.
func (k Kind) digestSize() int {
	switch k {
	case KindSHA256, KindCertSHA256:
		return 32
	case KindSHA1, KindCertSHA1:
		return 20
	case KindMD5:
		return 16
	case KindSHA512:
		return 64
	}
	return 0
}

// fileKind returns the kind of a file's digest of n bytes.
func fileKind(n int) Kind {
	switch n {
	case 16:
		return KindMD5
	case 20:
		return KindSHA1
	case 32:
		return KindSHA256
	case 64:
		return KindSHA512
	}
	return KindNone
}

// certificateKind returns the kind of a certificate's digest of n bytes.
func certificateKind(n int) Kind {
	switch n {
	case 20:
		return KindCertSHA1
	case 32:
		return KindCertSHA256
	}
	return KindNone
}

// Kinds is a set of kinds.
type Kinds uint32

// Has reports whether k is in the set.
func (s Kinds) Has(k Kind) bool { return s&(1<<k) != 0 }

func (s Kinds) with(k Kind) Kinds { return s | 1<<k }
