package main

import "strings"

// explanation is a disagreement that is meant.
type explanation struct {
	kind      string // prefix of the kind
	code      string // of the finding that decides on our side
	reference bool   // whether the reference tool accepts
	said      string // what the reference tool must have said
	reason    string // one sentence
	chapter   string // its heading in verify/FORMATS.md
}

var explanations = []explanation{
	{"authenticode-pe", "authenticode/padding-data", true, "", "osslsigncode does not look at bytes after the signature inside the certificate table (CVE-2013-3900)",
		"authenticode: Windows programs (PE)"},
	{"rpm", "rpm/valid", false, "the key is not taken", "this rpm does not import the key, because of its subkeys, and so cannot tell; gpgv accepts the header's signature under it",
		"rpm: packages"},
}

// explain returns why a disagreement is meant, or nil.
func explain(r *result) *explanation {
	for i, e := range explanations {
		if strings.HasPrefix(r.kind, e.kind) && strings.Contains(r.ours.text, " "+e.code) && r.reference.accepted == e.reference && strings.Contains(r.reference.detail, e.said) {
			return &explanations[i]
		}
	}
	return nil
}
