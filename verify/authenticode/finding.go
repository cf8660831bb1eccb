package authenticode

import (
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// maxFindings bounds what is said about one file.
const maxFindings = 64

// one returns a single finding without a signer.
func one(status verify.Status, code, detail string) []verify.Finding {
	return []verify.Finding{{Method: method, Status: status, Code: method + "/" + code, Detail: detail}}
}

// findings returns what was found, signatures first. Should there be too much of it, what is Invalid stays.
func (x *examination) findings() []verify.Finding {
	all := append(x.verdicts, x.remarks...)
	if len(all) <= maxFindings {
		return all
	}
	var kept []verify.Finding
	for _, wanted := range []bool{true, false} {
		for _, f := range all {
			if (f.Status == verify.Invalid) == wanted && len(kept) < maxFindings {
				kept = append(kept, f)
			}
		}
	}
	return kept
}

// verdict adds a finding about a signature.
func (x *examination) verdict(f verify.Finding) {
	f.Method, f.Code = method, method+"/"+f.Code
	x.verdicts = append(x.verdicts, f)
}

// remark adds a finding about anything else.
func (x *examination) remark(status verify.Status, code, format string, args ...any) {
	x.remarks = append(x.remarks, one(status, code, fmt.Sprintf(format, args...))...)
}

// sentence makes a sentence for a person of an error about where.
func sentence(where string, err error) string {
	return fmt.Sprintf("The %s cannot be read: %s.", where, strings.TrimSuffix(err.Error(), "."))
}

// identity names the signer, with the root of its path where there is one.
func identity(leaf *cms.Certificate, path cms.Path) verify.Identity {
	id := verify.Identity{
		Name:         leaf.Subject.Best(),
		Organization: leaf.Subject.Organization,
		CommonName:   leaf.Subject.CommonName,
		Country:      leaf.Subject.Country,
		Issuer:       nameOf(leaf.Issuer),
		Fingerprint:  leaf.Fingerprint(),
	}
	if path != nil {
		id.Root = nameOf(path.Root().Subject)
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
