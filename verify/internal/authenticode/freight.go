package authenticode

import (
	"slices"

	"github.com/sallyport-project/sallyport/verify"
)

// maxFreight is how many bytes of their makers' choice the signatures of one file may hold if different people signed it.
// Anybody who can buy a certificate can add a signature to somebody else's signed program, which breaks nothing; the
// program stays that publisher's, and must not become a place where a stranger keeps something. Honest signers state a
// name and a URL.
const maxFreight = 16 << 10

// severalSigners reports whether trusted signatures by different organizations are on the file; where one has none,
// certificates are compared.
func (x *Examination) severalSigners() bool {
	var first *verify.Identity
	for i := range x.verdicts {
		f := &x.verdicts[i]
		switch {
		case f.Status != verify.Valid || f.Signer.IsZero():
		case first == nil:
			first = &f.Signer
		case first.Organization != f.Signer.Organization || first.Organization == "" && first.Fingerprint != f.Signer.Fingerprint:
			return true
		}
	}
	return false
}

// freight reports what could be carried in that part of the signatures which is signed and says nothing of the file.
func (x *Examination) freight() {
	size := 0
	for _, s := range x.signatures {
		var chosen [][]byte
		for _, a := range s.signer.Signed {
			size += a.Size
			chosen = append(chosen, a.Values...)
		}
		if !s.of.Inside {
			size += len(s.data.Content) - s.of.Checked
			chosen = append(chosen, s.data.Content)
		}
		if what := slices.IndexFunc(chosen, func(v []byte) bool { return Active(v) != "" }); what >= 0 {
			x.Remark(verify.Invalid, "hidden-data", "The %s, on a file that several have signed, holds %s.", s.label, Active(chosen[what]))
		}
	}
	if size > maxFreight {
		x.Remark(verify.Invalid, "hidden-data", "The signatures hold %d bytes that their makers chose, more than %d, although several have signed the file: one signer's words have no place in another's file.",
			size, maxFreight)
	}
}
