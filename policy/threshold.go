package policy

import (
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// count returns how many different ones of the anchors are vouched for by different signers, and says who they are.
// One signer never counts for two anchors, nor one anchor for two signers: it is the size of a maximum matching.
func (s *signedBy) count(e *evidence, v sorted) (int, string) {
	edges := make([][]int, len(s.anchors)) // by anchor: the signers that it accepts
	names := map[int]string{}              // by signer
	ids := identities(slices.Concat(v.valid, untrusted(v.rest)))
	pinned := len(v.valid) // the signer that stands for the file's own digest
	for i, a := range s.anchors {
		if a.pins[e.sum] && !e.sum.IsZero() {
			edges[i] = append(edges[i], pinned)
			names[pinned] = "its digest"
		}
		for j, f := range v.valid {
			if a.kind != "digest" && a.vouches(f) {
				edges[i] = append(edges[i], ids[j])
				names[ids[j]] = who(f)
			}
		}
	}
	holder := map[int]int{} // by signer: the anchor that has it
	n := 0
	for i := range s.anchors {
		if augment(i, edges, holder, map[int]bool{}) {
			n++
		}
	}
	var parts []string
	for i, a := range s.anchors {
		for _, j := range edges[i] {
			if h, ok := holder[j]; ok && h == i {
				if j == pinned {
					parts = append(parts, "the file is listed in "+a.String())
				} else {
					parts = append(parts, "the file is signed by "+names[j]+", which is "+a.String())
				}
				break
			}
		}
	}
	return n, strings.Join(parts, ", and ")
}

// enough reports whether as many as are wanted count, without saying who they are.
func (s *signedBy) enough(e *evidence, v sorted) bool {
	if s.threshold != 1 {
		n, _ := s.count(e, v)
		return n >= s.threshold
	}
	return slices.ContainsFunc(s.anchors, func(a *anchor) bool {
		if a.kind == "digest" {
			return a.pins[e.sum] && !e.sum.IsZero()
		}
		return slices.ContainsFunc(v.valid, a.vouches)
	})
}

// untrusted returns those of the findings that name who signed. They vouch for nobody, but may show two signers to be one.
func untrusted(findings []*verify.Finding) []*verify.Finding {
	var out []*verify.Finding
	for _, f := range findings {
		if f.Status == verify.Untrusted && !f.Signer.IsZero() && len(out) < maxSigners {
			out = append(out, f)
		}
	}
	return out
}

// augment finds anchor i a signer, moving other anchors to other signers where that frees one.
func augment(i int, edges [][]int, holder map[int]int, tried map[int]bool) bool {
	for _, j := range edges[i] {
		if tried[j] {
			continue
		}
		tried[j] = true
		other, taken := holder[j]
		if !taken || augment(other, edges, holder, tried) {
			holder[j] = i
			return true
		}
	}
	return false
}

// identities numbers the signers of findings so that findings by one and the same signer have one number. Two are the
// same where they share a fingerprint or an organization, or are one identity of Sigstore, whose certificates live for
// minutes; findings that name nobody are one per method.
func identities(findings []*verify.Finding) []int {
	ids := make([]int, len(findings))
	first := map[string]int{}
	for i, f := range findings {
		ids[i] = i
		for _, key := range identityKeys(f) {
			j, known := first[key]
			if !known {
				first[key] = ids[i]
				continue
			}
			// Everything that was numbered ids[i] so far turns out to be j.
			from := ids[i]
			for k := 0; k <= i; k++ {
				if ids[k] == from {
					ids[k] = j
				}
			}
			for k, v := range first {
				if v == from {
					first[k] = j
				}
			}
		}
	}
	return ids
}

func identityKeys(f *verify.Finding) []string {
	var keys []string
	if f.Signer.Fingerprint != "" {
		keys = append(keys, "fingerprint "+strings.ToLower(f.Signer.Fingerprint))
	}
	if f.Signer.Organization != "" {
		keys = append(keys, "organization "+f.Signer.Organization)
	}
	if f.Method == "sigstore" && f.Signer.Name != "" {
		keys = append(keys, "sigstore "+sigstoreIdentity(f.Signer))
	}
	if len(keys) == 0 && f.Signer.Name != "" {
		keys = append(keys, "name "+f.Signer.Name)
	}
	if len(keys) == 0 {
		keys = append(keys, "method "+f.Method)
	}
	return keys
}

// sigstoreIdentity names an identity of Sigstore in one way: a workflow is one whatever ref it runs at, and capitals, which neither
// forges nor mail servers mind, make no other identity of one.
func sigstoreIdentity(id verify.Identity) string {
	name := strings.ToLower(id.Name)
	if strings.Contains(name, "://") {
		name, _, _ = strings.Cut(name, "@")
	}
	return id.Issuer + " " + name
}
