package policy

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// A test that passes once a mistake is mended is never said to fail because of it. Every key of every example is misspelt in turn: the
// tests of the example hold, so none may be called a failure.
func TestAMistakeNeverMakesAnotherTestFail(t *testing.T) {
	tried, untried := 0, 0
	for _, src := range languageExamples(t) {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(src), &doc); err != nil {
			t.Fatal(err)
		}
		for i, key := range keysBelow(&doc) {
			if i%4 != 0 { // enough of them
				continue
			}
			bad := misspelt(src, key)
			c := Check("p.yaml", testFiles(), []byte(bad), WithCatalogue(vendorCatalogue()))
			if len(c.Errors) == 0 {
				continue // a name of the writer's choice that nothing refers to
			}
			tried++
			untried += len(c.Untried)
			for _, e := range c.Errors {
				if strings.HasPrefix(e.Message, "test ") && strings.Contains(e.Message, " fails: ") {
					t.Errorf("%s misspelt on line %d: %s\n%v", key.Value, key.Line, e.Message, c.Errors)
				}
			}
		}
	}
	if tried < 80 || untried < 100 {
		t.Errorf("%d mistakes were tried, and %d tests not run", tried, untried)
	}
}

func keysBelow(n *yaml.Node) []*yaml.Node {
	var out []*yaml.Node
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			out = append(out, c)
			continue
		}
		out = append(out, keysBelow(c)...)
	}
	return out
}

// misspelt returns a text in which a letter more stands at the end of a key.
func misspelt(src string, key *yaml.Node) string {
	lines := strings.Split(src, "\n")
	line := []rune(lines[key.Line-1])
	at := key.Column - 1 + len([]rune(key.Value))
	lines[key.Line-1] = string(line[:at]) + "x" + string(line[at:])
	return strings.Join(lines, "\n")
}

func TestWhichTestsAreRun(t *testing.T) {
	const head = `version: 1
anchors: {a: {authenticode: {organization: A}}, b: {authenticode: {organization: B}}}
`
	const channels = `channels:
- {name: one, hosts: [one.example], paths: ["/x"], require: [{signed_by: [a]}]}
- {name: two, hosts: [one.example], require: [{signed_by: [b]}]}
`
	const tests = `tests:
- {name: first, url: "https://one.example/x", want: allow}
- {name: second, url: "https://one.example/y", want: allow}
- {name: none, url: "https://else.example/y", want: block}
`
	for _, c := range []struct{ what, src, failing, untried string }{
		{"the judgement of a channel", head + strings.Replace(channels, "signed_by: [a]", "signd_by: [a]", 1) + tests, "second none", "first"},
		{"for what a channel is", head + strings.Replace(channels, `paths: ["/x"]`, `path: ["/x"]`, 1) + tests, "none", "first second"},
		{"a name that another channel has", head + strings.Replace(channels, "name: two, hosts: [one.example]", "name: one, hosts: [two.example]", 1) + tests, "second none", "first"},
		{"a host", head + strings.Replace(channels, "name: two, hosts: [one.example]", "name: two, hosts: [two.example, \"x y\"]", 1) + tests, "first", "second none"},
		{"the later channel", head + strings.Replace(channels, "{name: two, hosts", "{name: two, host", 1) + tests, "first", "second none"},
		{"an anchor", strings.Replace(head, "organization: B", "organisation: B", 1) + channels + tests, "first none", "second"},
		{"the defaults", head + "defaults: {unproven: never}\n" + channels + tests, "first second", "none"},
		{"a deny rule", head + "deny: [{name: d, hosts: [other.example], path: [/x]}]\n" + channels + tests, "first second", "none"},
		{"the hosts", head + "hosts: {inspekt: [else.example]}\n" + channels + tests, "", "first second none"},
		{"an exception", head + channels + "exceptions: [{name: e}]\n" + tests, "first second none", ""},
		{"a key nobody knows", head + channels + tests + "zzzzzzzzzzzz: 1\n", "first second none", ""},
		{"a test", head + channels + tests + "- {name: broken, url: \"https://one.example/y\", want: allow, findings: 3}\n", "first second none", "broken"},
		{"the version", strings.Replace(head, "version: 1", "version: 2", 1) + channels + tests, "first second none", ""},
	} {
		got := Check("p.yaml", nil, []byte(c.src))
		var failing, untried []string
		for _, e := range got.Errors {
			if rest, ok := strings.CutPrefix(e.Message, `test "`); ok {
				failing = append(failing, rest[:strings.IndexByte(rest, '"')])
			}
		}
		for _, u := range got.Untried {
			rest := strings.TrimPrefix(u.Message, `test "`)
			untried = append(untried, rest[:strings.IndexByte(rest, '"')])
		}
		if strings.Join(failing, " ") != c.failing || strings.Join(untried, " ") != c.untried {
			t.Errorf("%s: %q fail and %q are not run, want %q and %q\n%v\n%v", c.what, failing, untried, c.failing, c.untried, got.Errors, got.Untried)
		}
	}
}
