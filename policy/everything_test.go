package policy

import (
	"strings"
	"testing"
)

// One of each kind of mistake: all are told in one run, each where it is, also the test that fails although nothing else is in order, and
// the exception that has expired.
func TestEveryMistakeIsToldInOneRun(t *testing.T) {
	src := `version: 1
defualts: {mode: observe}
clients: {büro: [10.0.0.0/8], lab: 10.0.0.0/8}
anchors:
  good: {authenticode: {organization: Good Ltd}}
  archive: {openpgp: {keyring: anchors/debian-archiv.gpg}}
feeds:
  bad: {file: feeds/bad.txt, max_stale: soon}
channels:
- name: fine
  hosts: [fine.example]
  require: [{signed_by: [good]}]
- name: tools
  hosts: [tools.example]
  paths: ["/{a,b"]
  require:
  - signed_by: [gud]
  - {if: "'日本' == update.nam"}
- {name: tools, hosts: ["*.tools.example"], require: [{signed_by: [good]}]}
exceptions:
- {name: old, channel: fine, sha256: [` + sum(1).String() + `], reason: r, owner: o, expires: 2020-01-31}
- {name: never, channel: fine, sha256: [` + sum(2).String() + `], reason: r, owner: o, expires: 31.12.2020}
tests:
- {name: fails for certain, url: "https://fine.example/x.exe", want: allow}
- {name: holds, url: "https://fine.example/x.exe", want: quarantine}
- {name: cannot be told, url: "https://tools.example/a/x.exe", want: allow}
- {name: rests on an exception, url: "https://fine.example/x.exe", sha256: ` + sum(2).String() + `, want: allow}
`
	c := Check("p.yaml", testFiles(), []byte(src))
	want := `p.yaml:2:1: a policy has no key "defualts"; did you mean "defaults"?
p.yaml:3:11: "büro" is no name: a name has 1 to 128 of a-z, 0-9, dot, dash and underscore
p.yaml:3:36: lab is a list, this is the text "10.0.0.0/8"; write [10.0.0.0/8]
p.yaml:6:32: the keyring "anchors/debian-archiv.gpg" cannot be read: file does not exist; did you mean "anchors/debian-archive.gpg"?; file names are relative to the policy file
p.yaml:8:41: "soon" is no duration: write a number and one of s, m, h, d, w, such as 25s or 14d
p.yaml:15:11: "/{a,b" is no glob: a bracket or brace does not close, or a backslash ends it
p.yaml:17:17: there is no anchor "gud"; did you mean "good"?
p.yaml:18:26: an update has no fact "nam"; did you mean "name"?
p.yaml:19:10: another channel is called "tools", on line 13; give one of them another name
p.yaml:22:`
	got := c.Errors.Error()
	if !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, want := range []string{
		`"31.12.2020" is no date: write one such as 2026-12-31`,
		`p.yaml:24:3: test "fails for certain" fails: wanted allow, got quarantine by channel fine (`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if len(c.Errors) != 11 || c.Policy != nil {
		t.Errorf("%d errors:\n%s", len(c.Errors), got)
	}
	var untried []string
	for _, u := range c.Untried {
		untried = append(untried, u.String())
	}
	for _, want := range []string{
		`p.yaml:26:3: test "cannot be told" could not be run: `,
		`p.yaml:27:3: test "rests on an exception" could not be run: an exception has errors`,
	} {
		if !strings.Contains(strings.Join(untried, "\n"), want) {
			t.Errorf("no %s in\n%s", want, strings.Join(untried, "\n"))
		}
	}
	var warnings []string
	for _, w := range c.Warnings {
		warnings = append(warnings, w.String())
	}
	if !strings.Contains(strings.Join(warnings, "\n"), `p.yaml:21:3: exception "old" ("o") expired on 2020-01-31`) {
		t.Errorf("the exception that has expired is not named in\n%s", strings.Join(warnings, "\n"))
	}
}
