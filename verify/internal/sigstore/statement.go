package sigstore

import (
	"encoding/hex"
	"encoding/json"
	"slices"
)

// inTotoPayload is the DSSE payload type of in-toto statements.
const inTotoPayload = "application/vnd.in-toto+json"

// statementTypes are the versions of the in-toto Statement that are known.
var statementTypes = []string{"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"}

// Statement is the in-toto statement of a DSSE envelope (in-toto attestation framework, spec/v1/statement.md). It is the
// signer's word at best.
type Statement struct {
	Type          string
	PredicateType string
	Subjects      []Subject
	predicate     json.RawMessage
}

// Subject is an artifact that a statement is about (ResourceDescriptor).
type Subject struct {
	Name   string
	URI    string
	Digest map[string]string // algorithm to hexadecimal digits, as written
}

// The names that a statement and a ResourceDescriptor have. Others are refused, as sigstore-go does.
var (
	statementNames = []string{"_type", "subject", "predicateType", "predicate"}
	resourceNames  = []string{"name", "uri", "digest", "content", "downloadLocation", "mediaType", "annotations"}
)

func (o object) only(names []string) error {
	for name := range o {
		if !slices.Contains(names, name) {
			return fail(Malformed, "the statement has an unknown field %s", quote(name))
		}
	}
	return nil
}

// parseStatement reads the payload of an envelope. Its error is an *Error.
func parseStatement(payload []byte) (*Statement, error) {
	if err := checkJSON(payload, maxStatementDepth, maxStatement); err != nil {
		return nil, err
	}
	o, ok := readObject(payload)
	if !ok {
		return nil, fail(Malformed, "the statement is no JSON object")
	}
	if err := o.only(statementNames); err != nil {
		return nil, err
	}
	s := &Statement{Type: o.text("_type"), PredicateType: o.text("predicateType"), predicate: o["predicate"]}
	if !slices.Contains(statementTypes, s.Type) {
		return nil, fail(Unsupported, "statements of type %s are not known", quote(s.Type))
	}
	if s.PredicateType == "" {
		return nil, fail(Malformed, "the statement names no type of predicate")
	}
	subjects := o.list("subject")
	if len(subjects) == 0 {
		return nil, fail(Malformed, "the statement is about nothing")
	}
	if len(subjects) > maxSubjects {
		return nil, fail(TooLarge, "the statement has %d subjects, %d are read", len(subjects), maxSubjects)
	}
	for _, raw := range subjects {
		subject, err := parseSubject(raw)
		if err != nil {
			return nil, err
		}
		s.Subjects = append(s.Subjects, subject)
	}
	return s, nil
}

func parseSubject(raw []byte) (Subject, error) {
	o, ok := readObject(raw)
	if !ok {
		return Subject{}, fail(Malformed, "a subject of the statement is no JSON object")
	}
	if err := o.only(resourceNames); err != nil {
		return Subject{}, err
	}
	subject := Subject{Name: o.text("name"), URI: o.text("uri")}
	if raw := o["digest"]; len(raw) > 0 {
		if json.Unmarshal(raw, &subject.Digest) != nil {
			return Subject{}, fail(Malformed, "the digests of a subject are no JSON object of strings")
		}
	}
	if len(subject.Digest) > maxDigests {
		return Subject{}, fail(TooLarge, "a subject has %d digests, %d are read", len(subject.Digest), maxDigests)
	}
	for _, alg := range subjectDigests {
		if _, err := hex.DecodeString(subject.Digest[alg]); err != nil {
			return Subject{}, fail(Malformed, "a subject's %s is not hexadecimal", alg)
		}
	}
	return subject, nil
}

// subjectDigests are the algorithms by which a subject can be an artifact, the cheapest first.
var subjectDigests = []string{"sha256", "sha512", "sha384"}

// Names reports whether a subject of s has the SHA-256, SHA-512 or SHA-384 digest of a, and what that subject is called. The
// latter two are computed only if SHA-256 names nothing and a subject has them. An error is about reading the artifact.
func (s *Statement) Names(a Artifact) (name string, ok bool, err error) {
	for _, alg := range subjectDigests {
		if !slices.ContainsFunc(s.Subjects, func(s Subject) bool { return s.Digest[alg] != "" }) {
			continue
		}
		sum, err := a.digest(alg)
		if err != nil {
			return "", false, err
		}
		if sum == nil {
			continue
		}
		for _, subject := range s.Subjects {
			if d, err := hex.DecodeString(subject.Digest[alg]); err == nil && string(d) == string(sum) {
				return subject.Name, true, nil
			}
		}
	}
	return "", false, nil
}
