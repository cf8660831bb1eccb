package sigstore

import (
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

func statementWith(predicateType, subject, predicate string) []byte {
	return []byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[` + subject + `],"predicateType":"` + predicateType + `","predicate":` + predicate + `}`)
}

func TestWhatPredicatesSay(t *testing.T) {
	const file = `{"name":"app.tgz","digest":{"sha256":"00"}}`
	for _, tt := range []struct {
		name string
		data []byte
		want verify.Attestation
	}{
		{"SLSA 0.1", statementWith("https://slsa.dev/provenance/v0.1", file, `{"builder":{"id":"b"},"recipe":{"type":"t","definedInMaterial":1},
			"materials":[{"uri":"git+https://x.example/other"},{"uri":"git+https://github.com/acme/app.git@refs/heads/main","digest":{"sha1":"ABCD"}}]}`),
			verify.Attestation{Predicate: "slsa", Builder: "b", BuildType: "t", Source: "https://github.com/acme/app", Ref: "refs/heads/main", Commit: "abcd"}},
		{"SLSA 1 with a source", statementWith("https://slsa.dev/provenance/v1", file, `{"buildDefinition":{"buildType":"t","externalParameters":{"source":"https://gitlab.com/acme/app"},
			"resolvedDependencies":[{"uri":"https://gitlab.com/acme/app","digest":{"gitCommit":"abcd"}}]},"runDetails":{"builder":{"id":"b"}}}`),
			verify.Attestation{Predicate: "slsa", Builder: "b", BuildType: "t", Source: "https://gitlab.com/acme/app", Commit: "abcd"}},
		{"SLSA 1 with two commits", statementWith("https://slsa.dev/provenance/v1", file, `{"buildDefinition":{"buildType":"t","externalParameters":{"workflow":{"repository":"https://github.com/acme/app","ref":"refs/heads/main"}},
			"resolvedDependencies":[{"uri":"git+https://github.com/acme/app@refs/heads/main","digest":{"gitCommit":"ab"}},{"uri":"git+https://github.com/acme/app","digest":{"gitCommit":"cd"}}]}}`),
			verify.Attestation{Predicate: "slsa", BuildType: "t", Source: "https://github.com/acme/app", Ref: "refs/heads/main"}},
		{"VSA 1", statementWith("https://slsa.dev/verification_summary/v1", file, `{"verifier":{"id":"v"},"resourceUri":"pkg:npm/app@1","verificationResult":"PASSED","verifiedLevels":["SLSA_BUILD_LEVEL_3","X"]}`),
			verify.Attestation{Predicate: "vsa", Builder: "v", Source: "pkg:npm/app@1", Package: "pkg:npm/app@1", Result: "PASSED", Levels: "SLSA_BUILD_LEVEL_3 X"}},
		{"VSA 0.1", statementWith("https://slsa.dev/verification_summary/v0.1", file, `{"verifier":{"id":"v"},"resource_uri":"git+https://x.example/a","verification_result":"FAILED","policy_level":"SLSA_LEVEL_3"}`),
			verify.Attestation{Predicate: "vsa", Builder: "v", Source: "https://x.example/a", Result: "FAILED", Levels: "SLSA_LEVEL_3"}},
		{"npm", statementWith("https://github.com/npm/attestation/tree/main/specs/publish/v0.1", `{"name":"pkg:npm/%40acme/app@1.0.0","digest":{"sha512":"00"}}`, `{"name":"@acme/app","version":"1.0.0"}`),
			verify.Attestation{Predicate: "npm-publish", Package: "pkg:npm/%40acme/app@1.0.0"}},
		{"a release", statementWith("https://in-toto.io/attestation/release/v0.1", `{"uri":"pkg:github/acme/app@v5","digest":{"sha1":"c5e1"}},`+file, `{"purl":"pkg:github/acme/app@v5","repository":"acme/app","tag":"v5"}`),
			verify.Attestation{Predicate: "github-release", Package: "pkg:github/acme/app@v5", Source: "https://github.com/acme/app", Ref: "refs/tags/v5", Commit: "c5e1"}},
		{"PyPI", statementWith("https://docs.pypi.org/attestations/publish/v1", file, "null"), verify.Attestation{Predicate: "publish"}},
		{"a bill of materials", statementWith("https://spdx.dev/Document/v2.3", file, `{"builder":{"id":"b"}}`), verify.Attestation{}},
		{"provenance that is none", statementWith("https://slsa.dev/provenance/v1", file, `[1,"a",{"buildDefinition":7}]`), verify.Attestation{Predicate: "slsa"}},
		{"long text", statementWith("https://slsa.dev/provenance/v0.2", file, `{"builder":{"id":"`+strings.Repeat("b", maxText+1)+`"},"buildType":"t"}`),
			verify.Attestation{Predicate: "slsa", BuildType: "t"}},
	} {
		s, err := parseStatement(tt.data)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		tt.want.PredicateType = s.PredicateType
		if got := s.attestation(); *got != tt.want {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.name, *got, tt.want)
		}
	}
}

func TestSourceIsSplit(t *testing.T) {
	for uri, want := range map[string][2]string{
		"git+https://github.com/acme/app@refs/tags/v1": {"https://github.com/acme/app", "refs/tags/v1"},
		"https://github.com/acme/app.git":              {"https://github.com/acme/app", ""},
		"git+ssh://git@github.com/acme/app.git@main":   {"ssh://git@github.com/acme/app", "main"},
		"ssh://git@github.com/acme/app":                {"ssh://git@github.com/acme/app", ""},
		"git@github.com":                               {"git@github.com", ""},
		"":                                             {"", ""},
		"https://":                                     {"https://", ""},
	} {
		if repository, ref := splitSource(uri); repository != want[0] || ref != want[1] {
			t.Errorf("%s is %q at %q, want %q", uri, repository, ref, want)
		}
	}
}

func TestStatementsThatAreRefused(t *testing.T) {
	const file = `{"name":"app.tgz","digest":{"sha256":"00"}}`
	for name, data := range map[string]string{
		"names that differ in case": `{"_type":"https://in-toto.io/Statement/v1","subject":[` + file + `],"Subject":[],"predicateType":"x"}`,
		"a subject twice":           `{"_type":"https://in-toto.io/Statement/v1","subject":[` + file + `],"subject":[],"predicateType":"x"}`,
		"no type of predicate":      `{"_type":"https://in-toto.io/Statement/v1","subject":[` + file + `]}`,
		"no digits":                 `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"xyz"}}],"predicateType":"x"}`,
		"a digest of numbers":       `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":1}}],"predicateType":"x"}`,
		"a subject that is text":    `{"_type":"https://in-toto.io/Statement/v1","subject":["a"],"predicateType":"x"}`,
		"too many subjects":         `{"_type":"https://in-toto.io/Statement/v1","subject":[` + strings.Repeat(file+",", maxSubjects) + file + `],"predicateType":"x"}`,
		"an array":                  `[]`,
		"nothing":                   `null`,
	} {
		if _, err := parseStatement([]byte(data)); code(err) == "" {
			t.Errorf("%s: %v, want an *Error", name, err)
		}
	}
}

func TestClaims(t *testing.T) {
	slsa := func(change func(a *verify.Attestation)) *verify.Attestation {
		a := &verify.Attestation{Predicate: "slsa", Builder: "https://github.com/actions/runner", Source: workload.Source, Ref: workload.Ref, Commit: workload.Commit}
		change(a)
		return a
	}
	for _, tt := range []struct {
		name string
		a    *verify.Attestation
		want Code
	}{
		{"the same", slsa(func(*verify.Attestation) {}), ""},
		{"other capitals", slsa(func(a *verify.Attestation) { a.Source = "https://github.com/Acme/App.git" }), ""},
		{"another source", slsa(func(a *verify.Attestation) { a.Source = "https://github.com/acme/other" }), ClaimsDisagree},
		{"another ref", slsa(func(a *verify.Attestation) { a.Ref = "refs/heads/main" }), ClaimsDisagree},
		{"another commit", slsa(func(a *verify.Attestation) { a.Commit = "00" }), ClaimsDisagree},
		{"no ref", slsa(func(a *verify.Attestation) { a.Ref = "" }), ""},
		{"its own builder and another commit", slsa(func(a *verify.Attestation) { a.Builder, a.Commit = workload.BuildSigner, "00" }), ClaimsDisagree},
		{"about another run", slsa(func(a *verify.Attestation) {
			a.Builder, a.Commit = "https://github.com/acme/upstream/.github/workflows/x.yml@refs/heads/main", "00"
		}), ""},
		{"another predicate", slsa(func(a *verify.Attestation) { a.Predicate, a.Commit = "vsa", "00" }), ""},
	} {
		if err := checkClaims(ci.Identity, &workload, tt.a); code(err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
