package audit

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sallyport-project/sallyport/verify"
)

// fill sets every text of a struct.
func fill(v any, text string) {
	s := reflect.ValueOf(v).Elem()
	for i := range s.NumField() {
		s.Field(i).SetString(text)
	}
}

// Every text that statements have is bounded, made printable, and counted among those that may hold a URI or among the words.
func TestEveryTextOfAStatementIsBounded(t *testing.T) {
	long := "a\x1b[2J\n\u202e" + strings.Repeat("é", 5000)
	f := verify.Finding{Method: "sigstore", Signer: verify.Identity{Issuer: long}, Attestation: new(verify.Attestation), Workload: new(verify.Workload)}
	fill(f.Attestation, long)
	fill(f.Workload, long)
	got := FindingFrom(f)
	texts := []string{got.Issuer}
	for _, v := range []any{got.Attestation, got.Workload} {
		s := reflect.ValueOf(v).Elem()
		for i := range s.NumField() {
			texts = append(texts, s.Field(i).String())
		}
	}
	if len(texts) != 18 {
		t.Errorf("%d texts", len(texts))
	}
	for _, s := range texts {
		if strings.ContainsAny(s, "\x1b\n\u202e") || utf8.RuneCountInString(s) > maxName || s == "" {
			t.Errorf("%.60q has %d runes", s, utf8.RuneCountInString(s))
		}
	}
	if f.Attestation.Source != long || f.Workload.Run != long {
		t.Error("the finding itself was changed")
	}
	if FindingFrom(verify.Finding{Method: "authenticode", Signer: verify.Identity{Issuer: "CA"}}).Issuer != "" {
		t.Error("the issuer of a certificate is taken for that of an identity")
	}
}

func TestURIsOfStatementsHoldNothingSecret(t *testing.T) {
	for uri, want := range map[string]string{
		"https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1": "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1",
		"https://mobyproject.org/buildkit@v1#x":                                  "https://mobyproject.org/buildkit@v1#x",
		"pkg:npm/%40acme/app@1.2.3":                                              "pkg:npm/%40acme/app@1.2.3",
		"git@github.com:acme/app":                                                "git@github.com:acme/app",
		"https://token@git.example/acme":                                         "https://git.example/acme",
		"https://u:p@git.example/acme?token=secret#f":                            "https://git.example/acme?token=REDACTED",
		"https://git.example/acme?token=secret":                                  "https://git.example/acme?token=REDACTED",
		"pkg:npm/app@1?repository_url=x":                                         "pkg:npm/app@1?repository_url=REDACTED",
		"refs and spaces":                                                        "refs and spaces",
		"https://u:p@git.example/%zz":                                            "https://git.example/%zz",
	} {
		a, w := boundedAttestation(&verify.Attestation{Source: uri}), boundedWorkload(&verify.Workload{Run: uri})
		if a.Source != want || w.Run != want {
			t.Errorf("%s: %s and %s, want %s", uri, a.Source, w.Run, want)
		}
	}
}

// A record stays within its bound however much statements say.
func TestRecordsWithManyStatementsAreAppended(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	r := everyKind()[0]
	r.ID = ""
	text := strings.Repeat("\u00e9", maxName)
	for range maxList {
		f := Finding{Method: "sigstore", Status: verify.Valid, Issuer: text, Attestation: new(verify.Attestation), Workload: new(verify.Workload)}
		fill(f.Attestation, text)
		fill(f.Workload, text)
		r.Findings = append(r.Findings, f)
	}
	receipt := appendTest(t, l, r)
	got, err := Show(t.Context(), dir, receipt.ID())
	if err != nil {
		t.Fatal(err)
	}
	line, err := json.Marshal(got)
	kept := 0
	for _, f := range got.Findings {
		if f.Attestation != nil {
			kept++
		}
	}
	if err != nil || len(line) > maxRecord || kept == 0 || kept > shrunkStatements || len(got.Findings) != maxList {
		t.Errorf("%d bytes, %d statements in %d findings, %v", len(line), kept, len(got.Findings), err)
	}
	if r.Findings[len(r.Findings)-1].Attestation.Source != text {
		t.Error("the caller's record was changed")
	}
}
