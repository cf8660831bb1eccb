package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/configs"
)

// everyMistake has one of each kind, and a test that fails and rests on none of them.
const everyMistake = `version: 1
use: [catalogue/debain]
defaults: {unmatchd: block}
anchors:
  vendor: {authenticode: {organization: Vendor Ltd}}
  keys: {openpgp: {keyring: no-such.gpg}}
channels:
- name: vendor
  hosts: [dl.example]
  require:
  - signed_by: vendor
  - signed_by: [vendr]
  - if: "updte.size > 3"
- name: vendor
  hosts: [two.example]
  paths: ["/x[/**"]
  require: [{signed_by: [vendor]}]
- name: three
  hosts: [three.example]
  require: [{signed_by: [vendor]}]
exceptions:
- {name: E1, channel: three, sha256: ["59e1edf4d82fae4978e97512b0331b7eb21dd4b838b850ba46794d9c7a2c0983"], reason: r, owner: o, expires: 2026-13-40}
- {name: E2, channel: three, sha256: ["59e1edf4d82fae4978e97512b0331b7eb21dd4b838b850ba46794d9c7a2c0983"], reason: r, owner: o, expires: 2025-01-01}
tests:
- {name: it fails, url: "https://three.example/x.exe", findings: [{method: authenticode, status: valid, signer: Vendor Ltd}], want: block}
`

func TestEveryKindOfMistakeIsToldInOneRun(t *testing.T) {
	for name, src := range map[string]string{
		"as it is": everyMistake,
		"CRLF":     strings.ReplaceAll(everyMistake, "\n", "\r\n"),
		"CR":       strings.ReplaceAll(everyMistake, "\n", "\r"),
		"a mark":   "\uFEFF" + everyMistake,
	} {
		c := Check("p.yaml", testFiles(), []byte(src), WithCatalogue(configs.Files()))
		var got []string
		for _, e := range c.Errors {
			got = append(got, fmt.Sprintf("%d:%d %s; %s", e.Line, e.Column, e.Message, e.Hint))
		}
		text := strings.Join(got, "\n")
		for _, want := range []string{
			`2:7 there is no fragment "catalogue/debain": file does not exist; did you mean "catalogue/debian"?`,
			`3:12 the defaults has no key "unmatchd"; did you mean "unmatched"?`,
			`6:29 the keyring "no-such.gpg" cannot be read`,
			`11:16 signed_by is a list or a mapping with anchors, threshold, this is the text "vendor"; write [vendor]`,
			`12:17 there is no anchor "vendr"; did you mean "vendor"?`,
			`13:10 there is no fact "updte"; did you mean "update"?`,
			`14:9 another channel is called "vendor", on line 8; give one of them another name`,
			`16:11 "/x[/**" is no glob`,
			`22:138 "2026-13-40" is no date`,
			`25:3 test "it fails" fails: wanted block, got allow`,
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not among\n%s", name, want, text)
			}
		}
		if len(got) != 10 {
			t.Errorf("%s: %d errors:\n%s", name, len(got), text)
		}
		expired := false
		for _, w := range c.Warnings {
			expired = expired || w.Line == 23 && strings.Contains(w.Message, `"E2" ("o") expired on 2025-01-01`) && w.Hint != ""
		}
		if !expired {
			t.Errorf("%s: the exception that has expired is not told: %v", name, c.Warnings)
		}
	}
}

func TestWhatIsNoYAMLIsToldWithPlaceAndHint(t *testing.T) {
	for src, want := range map[string]string{
		"version: 1\nchannels:\n\t- name: x\n":                 "3:1 indent with spaces",
		"version: 1\nchannels:\n- name: \"é\xff\"\n":           "3:11 remove the character",
		"version: 1\r\nchannels:\r\n- name: \"a\x01\"\r\n":     "3:11 remove the character",
		"version: \u2028 1\nname: \x00\n":                      "2:7 remove the character",
		"version: 1\nchannels:\n- hosts: [*.x.example]\n":      "3:11 put it in quotes",
		"version: 1\nchannels:\n- hosts: [@x.example]\n":       "3:11 put it in quotes",
		"version: 1\nchannels:\n- name: \"a\n  hosts: [x]\n":   "3:9 close the quotes",
		"version: 1\nchannels:\n- name: a: b\n":                "3:10 put a text in quotes",
		"version: 1\nchannels:\n- name: a\n hosts: [x]\n":      "4:2 begin the keys",
		"version: 1\nchannels:\n- name: a\n  require: [a, b\n": "4:12 close the bracket",
		"version: 1\nfeeds: {a: b}: c\n":                       "2:14 put a text in quotes",
	} {
		c := Check("p.yaml", nil, []byte(src))
		if len(c.Errors) != 1 {
			t.Errorf("%q: %v", src, c.Errors)
			continue
		}
		e := c.Errors[0]
		if got := fmt.Sprintf("%d:%d %s", e.Line, e.Column, e.Hint); !strings.HasPrefix(got, want) || !strings.HasPrefix(e.Message, "this is no YAML: ") {
			t.Errorf("%q: %s: %s, want %s", src, got, e.Message, want)
		}
	}
}

// Of very many mistakes the first are listed and all are counted, and no test is judged by a policy of which so little is known.
func TestVeryManyMistakes(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\nchannels:\n- {name: good, hosts: [good.example], require: []}\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "- {name: c%d, hosts: [h%d.example], require: [{signed_by: [x]}]}\n", i, i)
	}
	b.WriteString("tests: [{name: t, url: \"https://good.example/x.exe\", want: block}]\n")
	began := time.Now()
	c := Check("p.yaml", nil, []byte(b.String()))
	if len(c.Errors) != maxErrors || c.More != 5000-maxErrors || c.Errors[0].Line != 4 || len(c.Untried) != 1 {
		t.Errorf("%d errors, %d more, %v, not run: %v", len(c.Errors), c.More, c.Errors[0], c.Untried)
	}
	if !strings.HasSuffix(c.err().Error(), fmt.Sprintf("p.yaml: and %d more errors", 5000-maxErrors)) {
		t.Error("the rest is not told")
	}
	t.Log(time.Since(began))
}
