package policy

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/configs"
)

var fence = regexp.MustCompile("(?ms)^```([a-z ]+)\n(.*?)^```$")

// languageBlocks returns the fenced blocks of LANGUAGE.md as pairs of kind and text.
func languageBlocks(t testing.TB) [][2]string {
	t.Helper()
	data, err := os.ReadFile("LANGUAGE.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks [][2]string
	for _, m := range fence.FindAllStringSubmatch(string(data), -1) {
		blocks = append(blocks, [2]string{m[1], m[2]})
	}
	return blocks
}

// languageExamples returns the policies that LANGUAGE.md gives as good ones.
func languageExamples(t testing.TB) []string {
	var out []string
	for _, b := range languageBlocks(t) {
		if b[0] == "yaml" {
			out = append(out, b[1])
		}
	}
	return out
}

func TestEveryExampleInLanguageLoadsAndPassesItsTests(t *testing.T) {
	examples := languageExamples(t)
	if len(examples) < 5 {
		t.Fatalf("only %d examples were found", len(examples))
	}
	tests := 0
	for _, src := range examples {
		p, err := Parse("policy.yaml", testFiles(), []byte(src), WithCatalogue(configs.Files()))
		if err != nil {
			t.Errorf("%v in\n%s", err, src)
			continue
		}
		tests += len(p.tests)
	}
	if tests < 5 {
		t.Errorf("the examples have %d tests", tests)
	}
}

// A block "yaml wrong" is followed by a block "text" with exactly what is printed for it.
func TestEveryErrorQuotedInLanguageIsPrinted(t *testing.T) {
	blocks := languageBlocks(t)
	checked := 0
	for i, b := range blocks {
		if b[0] != "yaml wrong" {
			continue
		}
		if i+1 == len(blocks) || blocks[i+1][0] != "text" {
			t.Fatalf("no text follows\n%s", b[1])
		}
		_, err := Parse("policy.yaml", testFiles(), []byte(b[1]), WithCatalogue(configs.Files()))
		if err == nil {
			t.Errorf("this loads:\n%s", b[1])
		} else if got := err.Error() + "\n"; got != blocks[i+1][1] {
			t.Errorf("printed:\n%squoted:\n%s", got, blocks[i+1][1])
		}
		checked++
	}
	if checked < 3 {
		t.Errorf("only %d errors are quoted", checked)
	}
}

func TestLanguageNamesEveryKey(t *testing.T) {
	data, err := os.ReadFile("LANGUAGE.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[*shape]bool{}
	var walk func(s *shape)
	walk = func(s *shape) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		for _, k := range s.keys {
			if !strings.Contains(string(data), "`"+k.name+"`") && !strings.Contains(string(data), k.name+":") {
				t.Errorf("LANGUAGE.md does not name %s of %s", k.name, s.what)
			}
			walk(k.shape)
		}
		walk(s.list)
		walk(s.names)
	}
	walk(language)
}
