package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

// Whoever makes a release brings along as much as it takes to push what matters off the lists. What matters most is named all the same.
func TestTheWorstIsNotPushedOffTheLists(t *testing.T) {
	flood := func(n int, format string) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf(format, i))
		}
		return out
	}
	signed := []string{"bin/app.exe|a|V Ltd", "bin/z.dll|b|V Ltd", "u.dll|u"}
	long := "a" + strings.Repeat("é", 390)
	scripts := flood(40, "a%03d/package.json|1|action install=node a")
	altered := flood(40, "a%03d/package.json|2|action install=node b")
	for name, c := range map[string]struct {
		before, after []string
		adverse       bool
		says          string
	}{
		"a lost signature among new files": {[]string{"a.exe|1|V Ltd", "z.dll|2|V Ltd"}, append(flood(500, "a%04d.dll|n%[1]d"), "a.exe|1|V Ltd", "z.dll|evil"), true, "z.dll (was signed by"},
		"a new file among signed ones":     {signed, append(flood(500, "a%04d.dll|n%[1]d|V Ltd"), "bin/app.exe|a|V Ltd", "bin/z.dll|b|V Ltd", "u.dll|u", "zz.dll|evil"), false, "Added: zz.dll (not signed); "},
		"a new file among moved ones": {append(flood(100, "a/%04d.dll|n%[1]d|V Ltd"), "u.dll|u"), append(flood(100, "b/%04d-moved.dll|n%[1]d|V Ltd"), "u.dll|u", "zz.dll|evil"),
			false, "Added: zz.dll (not signed); "},
		"a new action among changed ones": {scripts, append(altered, "z/package.json|3|action postinstall=evil"), true, "did not before: z/package.json: postinstall: evil."},
		"an action behind long names":     {[]string{"x.exe|1|V Ltd"}, append(flood(100, long+"%03d.exe|n"), "x.exe|1|V Ltd", "z/package.json|3|action postinstall=evil"), true, "postinstall: evil"},
		"a file that is there twice":      {[]string{"a.exe|1|V Ltd"}, []string{"a.exe|1|V Ltd|unpack/duplicate", "a.exe|evil"}, true, "a.exe (was signed by"},
		"more than is kept of files":      {[]string{"a.exe|1|imports=a.dll"}, []string{"a.exe|2|left_out=true"}, false, "a.exe (what it loads and runs is not known"},
		"more than is kept of a new file": {[]string{"a.txt|1"}, []string{"a.txt|1", "package.json|2|left_out=true"}, false, "package.json (what it loads and runs is not known"},
		"behind the end of a list":        {[]string{"a.exe|1|imports=a.dll …2 more"}, []string{"a.exe|2|imports=a.dll …3 more"}, false, "a.exe (…3)"},
	} {
		t.Run(name, func(t *testing.T) {
			changes := Compare("c", against, releaseOf("V Ltd", c.before...), withDuplicates(releaseOf("V Ltd", c.after...)))
			text := strings.Join(changes.Sentences(), "\n")
			if c.adverse {
				text = strings.Join(changes.Adverse(), "\n")
			}
			if !strings.Contains(text, c.says) {
				t.Errorf("no %q in\n%.3000s", c.says, text)
			}
			size := 0
			for _, s := range changes.Files.Actions {
				size += len(s)
			}
			if size > maxShare || len(changes.Sentences()) > 12 {
				t.Errorf("%d bytes of actions, %d sentences", size, len(changes.Sentences()))
			}
		})
	}
}

// withDuplicates makes the findings of a container's entries of one name as they are made of real ones.
func withDuplicates(r verify.Report) verify.Report {
	for i := range r.Findings {
		if r.Findings[i].Code == severalOfName {
			r.Findings[i].Status, r.Findings[i].Method = verify.Untrusted, "unpack"
		}
	}
	return r
}

// More actions than are listed are counted as new where all that are listed are.
func TestActionsThatAreNotListedAreCounted(t *testing.T) {
	var after []string
	for i := range 100 {
		after = append(after, fmt.Sprintf("a%03d/package.json|%[1]d|action install=node a", i))
	}
	c := Compare("c", against, releaseOf(""), releaseOf("", after...))
	if got := strings.Join(c.Adverse(), "\n"); !strings.Contains(got, "and 95 more.") {
		t.Error(got)
	}
	c.Files.Actions = nil // of a record from which lists were cut
	if got := strings.Join(c.Adverse(), "\n"); got != "Runs when it is installed, and did not before: 100 things." {
		t.Error(got)
	}
}
