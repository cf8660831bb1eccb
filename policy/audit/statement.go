package audit

import (
	"net/url"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
)

// What a signed statement and its signer's certificate say is a stranger's text: it is bounded as all is, and what may be secret in its URIs goes as
// it does from other URLs.

// eachAttested calls uri and word for every text of an attestation.
func eachAttested(a *verify.Attestation, uri, word func(*string)) {
	for _, s := range []*string{&a.PredicateType, &a.Builder, &a.BuildType, &a.Source, &a.Package} {
		uri(s)
	}
	for _, s := range []*string{&a.Predicate, &a.Ref, &a.Commit, &a.Levels, &a.Result} {
		word(s)
	}
}

// eachCertified calls uri and word for every text of a workload.
func eachCertified(w *verify.Workload, uri, word func(*string)) {
	for _, s := range []*string{&w.BuildSigner, &w.Source, &w.Run} {
		uri(s)
	}
	for _, s := range []*string{&w.Runner, &w.Ref, &w.Commit, &w.Trigger} {
		word(s)
	}
}

func boundedAttestation(a *verify.Attestation) *verify.Attestation {
	if a == nil {
		return nil
	}
	b := *a
	eachAttested(&b, boundURI, boundWord)
	return &b
}

func boundedWorkload(w *verify.Workload) *verify.Workload {
	if w == nil {
		return nil
	}
	b := *w
	eachCertified(&b, boundURI, boundWord)
	return &b
}

func boundURI(s *string) { *s = printable.Text(redactURI(*s), maxName) }

func boundWord(s *string) { *s = printable.Text(*s, maxWord) }

// redactURI is RedactURL for names that are URIs: such as hold nothing secret stay as they are, fragments included.
func redactURI(s string) string {
	if u, err := url.Parse(s); err == nil && u.User == nil && u.RawQuery == "" || !strings.ContainsAny(s, "?@") {
		return s
	}
	return RedactURL(s)
}

// How much a record that is too large keeps of statements.
const (
	shrunkStatements = 16  // findings that keep theirs
	shrunkText       = 160 // runes of each text
)

// shrinkStatements cuts what findings say of statements, in place; the findings themselves are the caller's own.
func shrinkStatements(list []Finding) {
	cut := func(s *string) { *s = printable.Text(*s, shrunkText) }
	kept := 0
	for i := range list {
		f := &list[i]
		if f.Attestation == nil && f.Workload == nil {
			continue
		}
		if kept++; kept > shrunkStatements {
			f.Attestation, f.Workload = nil, nil
			continue
		}
		if f.Attestation = boundedAttestation(f.Attestation); f.Attestation != nil {
			eachAttested(f.Attestation, cut, cut)
		}
		if f.Workload = boundedWorkload(f.Workload); f.Workload != nil {
			eachCertified(f.Workload, cut, cut)
		}
	}
}
