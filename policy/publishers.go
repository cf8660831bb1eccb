package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
)

// maxEvidenced is how many publishers, and how many kinds of proof, one update has at most.
const maxEvidenced = 32

// Publishers names who signed an update itself, sorted, in words that stay the same from release to release: the organization of
// a certificate with its country, whichever authority issued it; the identity of a workflow without the ref at which it ran; else the
// anchor whose key it is. It is empty where nobody signed, and where something is wrong with the update, which defeats every signature.
func Publishers(rep verify.Report) []string {
	e := evidence{findings: rep.Findings}
	return e.publishers()
}

// publishers names who signed the update itself by findings that are current.
func (e *evidence) publishers() []string {
	v := e.sort()
	if len(v.invalid) > 0 {
		return nil
	}
	var out []string
	for _, f := range v.valid {
		out = append(out, publishersOf(f)...)
	}
	return few(out)
}

func few(names []string) []string {
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), maxEvidenced)]
}

// publishersOf names whom one valid finding names. A list of digests has nobody who publishes.
func publishersOf(f *verify.Finding) []string {
	id := f.Signer
	var name string
	switch {
	case f.Method == "digest":
		return nil
	case f.Method == "sigstore" && id.Issuer != "" && id.Name != "":
		name = workflowName(id)
	case id.Organization != "":
		name = subjectName(id.Organization, id)
	case len(f.Anchors) > 0:
		out := make([]string, len(f.Anchors))
		for i, a := range f.Anchors {
			out[i] = "anchor " + shortened(a)
		}
		return out
	case id.CommonName != "":
		name = subjectName("CN "+id.CommonName, id)
	case id.Fingerprint != "":
		name = "key " + strings.ToLower(id.Fingerprint)
	default:
		name = id.Name
	}
	if id.Organization == "" || len(f.Anchors) == 0 {
		return []string{shortened(name)}
	}
	out := make([]string, len(f.Anchors)) // one for each: a policy that has one more anchor for the same signer makes nobody a stranger
	for i, a := range f.Anchors {
		out[i] = shortened(name + " under " + a)
	}
	return out
}

// subjectName is a certificate's subject. A name under a root that is not trusted for everybody is another name.
func subjectName(name string, id verify.Identity) string {
	if id.Country != "" {
		name += ", " + id.Country
	}
	if id.PrivateRoot {
		name += " under the root " + strings.ToLower(id.RootFingerprint)
	}
	return name
}

// workflowName is an identity of Sigstore without the ref at which a workflow ran.
func workflowName(id verify.Identity) string {
	issuer, name, _ := strings.Cut(sigstoreIdentity(id), " ")
	return name + " by " + issuer
}

// maxEvidence is how long the name of a publisher, a product or a version is at most, in characters.
const maxEvidence = 200

// shortened makes a text from strangers safe to show and to keep. Different texts stay different.
func shortened(s string) string {
	shown := printable.Text(s, maxEvidence)
	if shown == s {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return printable.Text(s, maxEvidence-20) + " #" + hex.EncodeToString(sum[:8])
}
