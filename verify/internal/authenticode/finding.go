package authenticode

import (
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// MaxFindings bounds what is said about one file.
const MaxFindings = 64

// Findings returns what was found, signatures first. Should there be too much of it, what is Invalid stays.
func (x *Examination) Findings() []verify.Finding {
	all := append(x.verdicts, x.remarks...)
	if len(all) <= MaxFindings {
		return all
	}
	var kept []verify.Finding
	for _, wanted := range []bool{true, false} {
		for _, f := range all {
			if (f.Status == verify.Invalid) == wanted && len(kept) < MaxFindings {
				kept = append(kept, f)
			}
		}
	}
	return kept
}

// Verdict adds a finding about a signature. Its Code is without the method.
func (x *Examination) Verdict(f verify.Finding) {
	f.Method, f.Code = x.method, x.method+"/"+f.Code
	x.verdicts = append(x.verdicts, f)
}

// Remark adds a finding about anything else. code is without the method, detail is made as by fmt.Sprintf.
func (x *Examination) Remark(status verify.Status, code, format string, args ...any) {
	x.remarks = append(x.remarks, verify.Finding{Method: x.method, Status: status, Code: x.method + "/" + code, Detail: fmt.Sprintf(format, args...)})
}

// Unreadable makes a sentence for a person of an error about where.
func Unreadable(where string, err error) string {
	return fmt.Sprintf("The %s cannot be read: %s.", where, strings.TrimSuffix(err.Error(), "."))
}

// identity names the signer, with the root of its path where there is one.
func (x *Examination) identity(leaf *cms.Certificate, path cms.Path) verify.Identity {
	id := verify.Identity{
		Name:         leaf.Subject.Best(),
		Organization: leaf.Subject.Organization,
		CommonName:   leaf.Subject.CommonName,
		Country:      leaf.Subject.Country,
		Issuer:       nameOf(leaf.Issuer),
		Fingerprint:  leaf.Fingerprint(),
	}
	if path != nil {
		root := path.Root()
		id.Root, id.RootFingerprint = nameOf(root.Subject), root.Fingerprint()
		id.PrivateRoot = !x.trust.general.Contains(root)
	}
	return id
}

// nameOf returns the common name, or what else there is: the oldest roots have none.
func nameOf(n cms.Name) string {
	if n.CommonName != "" {
		return n.CommonName
	}
	return n.Best()
}

// day formats a time for a sentence.
func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
