package policy

import (
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// Names of facts that reviewers know of a file; see verify/FORMATS.md.
const (
	factImports      = "imports"
	factEntitlements = "entitlements"
	factAction       = "action "
	unreadable       = "(they cannot be read)"
)

// told compares what is known of a file: what it loads, what it may do, what it has run when it is installed.
func (x *comparison) told(f ChangedFile, before, after map[string]string) {
	if !x.facts || before[verify.FactsLeftOut] != "" {
		return
	}
	if after[verify.FactsLeftOut] != "" {
		if !x.before.factsLeftOut() {
			x.out.Imports = append(x.out.Imports, f.with("what it loads and runs is not known: more is said inside than is kept"))
		}
		return
	}
	var notes []string
	if after[factImports] == unreadable && before[factImports] != unreadable {
		notes = append(notes, "what it loads cannot be read any more")
	} else {
		notes = append(notes, more(before[factImports], after[factImports])...)
	}
	for _, e := range more(before[factEntitlements], after[factEntitlements]) {
		notes = append(notes, "may: "+e)
	}
	if len(notes) > 0 {
		x.out.Imports = append(x.out.Imports, f.with(notes...))
	}
	for _, key := range sortedKeys(after) {
		name, isAction := strings.CutPrefix(key, factAction)
		if !isAction || after[key] == before[key] || x.ofWhole(f.Path, key, after[key]) {
			continue
		}
		if f.Path != "" {
			name = f.Path + ": " + name
		}
		how := actionNew
		if _, was := before[key]; was {
			how = actionChanged
		}
		x.out.Actions = append(x.out.Actions, name+how+after[key])
	}
}

// ofWhole reports whether an action of a file inside is the update's own, which is told once: that of the package.json in the
// outermost folder of a package of npm.
func (x *comparison) ofWhole(path, key, value string) bool {
	return strings.HasSuffix(path, "/package.json") && strings.Count(path, "/") == 1 && x.after.report.Facts[key] == value
}

// How a new action is told from one that has changed, between its name and what it runs.
const (
	actionNew     = " (new): "
	actionChanged = " (changed): "
)

// more returns the words that are new, of two lists with spaces between them. "…9" is how many words there was no room for.
func more(before, after string) []string {
	was := strings.Fields(before)
	slices.Sort(was)
	var out []string
	for _, word := range strings.Fields(after) {
		if _, there := slices.BinarySearch(was, word); !there && word != "more" {
			out = append(out, word)
		}
	}
	return out
}

// onlyActions leaves out what a file loads.
func onlyActions(facts map[string]string) map[string]string {
	var out map[string]string
	for key, value := range facts {
		if strings.HasPrefix(key, factAction) || key == verify.FactsLeftOut {
			if out == nil {
				out = map[string]string{}
			}
			out[key] = value
		}
	}
	return out
}
