package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

func TestStatementsAreShown(t *testing.T) {
	f := audit.Finding{
		Method: "sigstore", Status: verify.Valid, Code: "sigstore/valid", Signer: "https://github.com/acme/app/.github/workflows/r.yml@refs/tags/v1",
		Issuer: "https://issuer.example", Detail: "verifies",
		Attestation: &verify.Attestation{
			PredicateType: "https://slsa.dev/provenance/v1", Predicate: "slsa", Builder: "https://builder.example", BuildType: "https://type.example",
			Source: "https://github.com/acme/app", Ref: "refs/tags/v1", Commit: "c0ffee", Package: "pkg:npm/app@1.0.0",
		},
		Workload: &verify.Workload{Run: "https://run.example/1", Runner: "github-hosted", Trigger: "release\x1b[31m", Source: "https://source.example", Ref: "refs/tags/v2", Commit: "bead", BuildSigner: "https://signer.example"},
	}
	var out strings.Builder
	paragraph{&out}.findings([]audit.Finding{f, {Method: "digest", Status: verify.Absent, Code: "digest/unpinned"}})
	for _, want := range []string{
		"  signer   https://github.com/acme/app/.github/workflows/r.yml@refs/tags/v1, issuer https://issuer.example, status valid\n",
		"  states   slsa (https://slsa.dev/provenance/v1), package pkg:npm/app@1.0.0, source https://github.com/acme/app, ref refs/tags/v1, commit c0ffee, builder https://builder.example, build type https://type.example\n",
		`  run      https://run.example/1, source https://source.example, ref refs/tags/v2, commit bead, build signer https://signer.example, runner github-hosted, set off by release\x1b[31m` + "\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no line %q in\n%s", want, out.String())
		}
	}
	if strings.Count(out.String(), "signer ") != 2 { // the line's word, and the build signer
		t.Errorf("a finding without a statement has one:\n%s", out.String())
	}
}

func TestStatementsAreBounded(t *testing.T) {
	var list []audit.Finding
	for i := range 500 {
		list = append(list, audit.Finding{Code: fmt.Sprint(i), Issuer: strings.Repeat("i", 10_000), Attestation: &verify.Attestation{Result: "FAILED", Predicate: "vsa"}})
	}
	var out strings.Builder
	paragraph{&out}.statements(list)
	if n := strings.Count(out.String(), "\n"); n != 2*shownStatements+1 || out.Len() > 8000 || !strings.Contains(out.String(), "vsa, result FAILED") {
		t.Errorf("%d lines, %d bytes:\n%.500s", n, out.Len(), out.String())
	}
}
