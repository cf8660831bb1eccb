package policy

import (
	"strings"
	"testing"
)

func TestWarningsNameRepositoriesWhoseTargetsLieElsewhere(t *testing.T) {
	for _, c := range []struct{ hosts, require, targets, want string }{
		{"v.example", "{signed_by: [repo]}", "https://v.example/t", ""},
		{"v.example", "{signed_by: [repo]}", "https://V.example./t", ""},
		{"'*.example'", "{not: {signed_by: [repo]}}", "https://v.example/t", ""},
		{"[::1]", "{signed_by: [repo]}", "http://[::1]:8000/t", ""},
		{"v.example", "{any: [{signed_by: [repo]}]}", "https://dl.example/t", "anchor repo: its targets are at https://dl.example/t/, and no channel that asks for it (c) has that host"},
		{"'*.v.example'", "{contents: {signed_by: [repo]}}", "https://v.example/t", "(c) has that host"},
		{"v.example", "{signed_by: [key]}", "https://dl.example/t", ""},
	} {
		p := mustParse(t, `version: 1
anchors:
  key: {sigstore: {key: keys/cosign.pub}}
  repo: {tuf: {root: anchors/acme-root.json, metadata: "https://m.example", targets: "`+c.targets+`"}}
channels:
- {name: c, hosts: [`+quoteHost(c.hosts)+`], require: [`+c.require+`]}
`)
		got := oddities(p)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s asks for %s of %s: %q, want %q", c.hosts, c.require, c.targets, got, c.want)
		}
	}
}

func quoteHost(s string) string {
	if strings.HasPrefix(s, "[") {
		return "'" + strings.Trim(s, "[]") + "'"
	}
	return s
}

func TestWarningsNameClaimsThatNoStatementMakes(t *testing.T) {
	for _, c := range []struct{ asked, want string }{
		{"source: 'https://git.example/acme/app', ref: 'refs/tags/v*'", ""},
		{"source: 'https://git.example/acme/*', ref: '*/v1'", ""},
		{"source: '*/acme/app'", ""},
		{"source: '*'", ""},
		{"source: 'pkg:github/acme/app'", ""},
		{"source: 'github.com/acme/app'", `the source "github.com/acme/app" is no URL, as sources are`},
		{"source: 'https://git.example/acme*'", `the source "https://git.example/acme*" fits more than one owner's repositories`},
		{"source: 'https://git.example*'", "more than one owner's"},
		{"ref: v1", `the ref "v1" is none in full, as statements name them, such as refs/tags/v1`},
		{"ref: 'tags/*'", "none in full"},
	} {
		p := withProvenance(t, "{provenance: {"+c.asked+", signed_by: [ci]}}")
		got := oddities(p)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.asked, got, c.want)
		}
	}
}

func TestMapFilesThatAreSomethingElse(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"[]", "it is an object with repositories and mapping, this is of kind array"},
		{`{"repositories": {"A": "https://a.example"}, "mapping": []}`, "repositories cannot be of kind string"},
		{`{"repositories": {}, "mappings": []}`, `unknown field`},
		{`{"repositories": `, "unexpected EOF"},
	} {
		_, err := parseTUFMap([]byte(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "json:") || strings.Contains(err.Error(), "Go ") {
			t.Errorf("%s: %v, want %q", c.file, err, c.want)
		}
	}
}
