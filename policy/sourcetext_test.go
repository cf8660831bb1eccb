package policy

import (
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Each source holds the word updat once, which is no fact: the error has to stand exactly there.
func TestErrorsOfExpressionsStandWhereTheyAreWritten(t *testing.T) {
	for name, scalar := range map[string]string{
		"plain":              "updat.size < 5",
		"plain over lines":   "1 < 5 &&\n      2 < 6 &&\n\n      updat.size < 5",
		"double":             `"1 < 5 && updat.size < 5"`,
		"double, escapes":    `"'\"\x41\u00e9\U0001F600\t\\n' != 'x' && updat.size < 5"`,
		"double over lines":  "\"1 < 5 &&\n      2 < 6 && \\\n      \\  updat.size < 5\"",
		"single":             "'''a'' == '''' || updat.size < 5'",
		"single, quotes":     "'1 < 5 && ''a'' != ''b'' && updat.size < 5'",
		"single over lines":  "'1 < 5 &&\n\n\n      updat.size < 5'",
		"literal":            "|\n      1 < 5 &&\n\n        2 < 6 && updat.size < 5",
		"literal, stripped":  "|-\n      updat.size < 5",
		"literal, kept":      "|+ # a comment\n\n\n      1 < 5 &&   \n      updat.size < 5\n\n",
		"literal, indented":  "|1\n     updat.size < 5",
		"folded":             ">\n      1 < 5 &&\n      2 < 6 &&\n\n      updat.size < 5",
		"folded, more deep":  ">-\n      1 < 5 &&\n         2 < 6\n         &&\n      updat.size < 5",
		"wide characters":    "\"'ünïcödé 😀' != 'x' && updat.size < 5\"",
		"a tab":              "\"1 < 5 &&\tupdat.size < 5\"",
		"a comment behind":   "updat.size < 5 # updating",
		"folded with spaces": ">\n      1 < 5    &&\n      2   < 6 && updat.size < 5",
	} {
		for _, eol := range []string{"\n", "\r\n"} {
			src := strings.ReplaceAll("version: 1\nchannels:\n- name: c\n  hosts: [v.example]\n  require:\n  - if: "+scalar+"\n", "\n", eol)
			_, err := Parse("p", nil, []byte(src))
			es, ok := err.(Errors)
			if !ok || len(es) != 1 || !strings.Contains(es[0].Message, `no fact "updat"`) {
				t.Errorf("%s: %v", name, err)
				continue
			}
			lines := strings.Split(strings.ReplaceAll(src, "\r\n", "\n"), "\n")
			for i, l := range lines {
				if at := strings.Index(l, "updat."); at >= 0 {
					if want := utf8.RuneCountInString(l[:at]) + 1; es[0].Line != i+1 || es[0].Column != want {
						t.Errorf("%s: at %d:%d, want %d:%d in\n%s", name, es[0].Line, es[0].Column, i+1, want, src)
					}
				}
			}
		}
	}
}

// Wherever a character is said to stand, it does stand there, or an escape that may mean it.
func FuzzPlaces(f *testing.F) {
	for _, s := range []string{"a: b c\n", "a: \"x\\n\\x41 y\"\n", "a: 'it''s'\n", "a: |\n  x\n\n   y\n", "a: >-\n  x\n  y\n\n  z\n", "a: x\n  y\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 1<<14 {
			return
		}
		var doc yaml.Node
		if yaml.Load([]byte(src), &doc) != nil {
			return
		}
		text := newSourceText([]byte(src))
		var visit func(n *yaml.Node)
		visit = func(n *yaml.Node) {
			for _, c := range n.Content {
				visit(c)
			}
			if n.Kind != yaml.ScalarNode {
				return
			}
			places := text.places(n)
			value := []rune(n.Value)
			if places != nil && len(places) != len(value) {
				t.Fatalf("%d places of %d characters", len(places), len(value))
			}
			for i, p := range places {
				c := cursor{text, p.line - 1, p.column - 1}
				if r := c.next(); r != value[i] && r != '\\' && !blank(value[i]) {
					t.Fatalf("%q of %q stands at %+v, where %q is, in %q", value[i], n.Value, p, r, src)
				}
			}
		}
		visit(&doc)
	})
}
