package policy

import (
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

// comparedFacts are of an update whose product has a release before it, with what is different.
func comparedFacts(t testing.TB, c *Changes) Facts {
	f := richFacts(t)
	f.History = History{Known: true, Editions: []Edition{{Channel: "c", Product: "App", Version: "1.0", System: "name"}},
		Past: map[string]Past{"c": {Product: "App", Releases: []PastRelease{{Name: "App-0.9.msi", Version: "0.9", Record: "R"}}}}}
	if c != nil {
		f.Changes = []Changes{{Channel: "other"}, *c}
	}
	return f
}

func TestExpressionsOverChanges(t *testing.T) {
	c := &Changes{Channel: "c", Opened: true, Against: PastRelease{Name: "App-0.9.msi"}, Size: [2]int64{7, 8}, Signers: [2][]string{{"V Ltd"}, {"V Ltd", "W"}}}
	c.list(&ChangedFiles{Added: []ChangedFile{{Path: "new.dll"}}, Changed: make([]ChangedFile, 100), Unsigned: []ChangedFile{{Path: ""}},
		Imports: []ChangedFile{{Path: "a.exe", Notes: []string{"winhttp.dll"}}}, Actions: []string{"postinstall (new): node x"}})
	for expression, want := range map[string]outcome{
		"changes.against == 'App-0.9.msi' && changes.size_before == 7 && !changes.signers_changed": holds,
		"changes.files_added == 1 && changes.files_removed == 0 && changes.files_changed == 100":   holds,
		"changes.newly_unsigned == 0":                                        fails,
		"changes.resigned == 0 && changes.imports_added == 1":                holds,
		"changes.actions_added > 0 && changes.actions[0].startsWith('post')": holds,
		"changes.added == ['new.dll'] && changes.unsigned == ['']":           holds,
		"changes.imports == ['a.exe: winhttp.dll']":                          holds,
		"has(changes.added) && !has(changes.files_removed)":                  holds,
	} {
		if got, why := judged(t, expression, comparedFacts(t, c)); got != want {
			t.Errorf("%s: %v (%s), want %v", expression, got, why, want)
		}
	}
	another := *c
	another.Signers[1] = []string{"W"}
	if got, why := judged(t, "changes.signers_changed", comparedFacts(t, &another)); got != holds {
		t.Errorf("another signer: %v (%s)", got, why)
	}
	f := comparedFacts(t, &another)
	f.Report.Findings = append(f.Report.Findings, verify.Finding{Method: "authenticode", Status: verify.Inconclusive, Code: "authenticode/failed"})
	if got, why := judged(t, "changes.signers_changed", f); got != undecided {
		t.Errorf("a signature that could not be told: %v (%s)", got, why)
	}
}

func TestWhatIsNotKnownOfChanges(t *testing.T) {
	opened := &Changes{Channel: "c", Opened: true}
	closed, partly := &Changes{Channel: "c"}, &Changes{Channel: "c", Opened: true, Partly: true}
	many := &Changes{Channel: "c", Opened: true}
	many.list(&ChangedFiles{Added: make([]ChangedFile, 25), Actions: make([]string, 25), Imports: make([]ChangedFile, 25), Unsigned: make([]ChangedFile, 25)})
	first := comparedFacts(t, nil)
	first.History.Past = nil
	forgotten := comparedFacts(t, opened)
	forgotten.History.Known = false
	elsewhere := comparedFacts(t, opened)
	elsewhere.Changes[1].Channel = "d"
	for name, c := range map[string]struct {
		facts      Facts
		expression string
		why        string
	}{
		"the first release":             {first, "changes.newly_unsigned == 0", "no release was let through before"},
		"no history":                    {forgotten, "changes.size_before > 0", "the history of this gate is not known"},
		"a report that is gone":         {comparedFacts(t, nil), "changes.newly_unsigned == 0", "what was known of the release before is gone"},
		"changes on another channel":    {elsewhere, "changes.newly_unsigned == 0", "what was known of the release before is gone"},
		"one that was not opened":       {comparedFacts(t, closed), "changes.files_added == 0", "were not both looked into"},
		"one that was not all opened":   {comparedFacts(t, partly), "changes.unsigned == []", "not everything in this release"},
		"more files than are listed":    {comparedFacts(t, many), "changes.added != ['x']", "25 files are different, of which 24 are listed"},
		"more actions than are listed":  {comparedFacts(t, many), "!changes.actions.exists(a, a == 'x')", "of which 24 are listed"},
		"more imports than are listed":  {comparedFacts(t, many), "!changes.imports.exists(a, a == 'x')", "are listed"},
		"more unsigned than are listed": {comparedFacts(t, many), "!changes.unsigned.exists(a, a == 'x')", "of which 24 are listed"},
	} {
		if got, why := judged(t, c.expression, c.facts); got != undecided || !strings.Contains(why, c.why) {
			t.Errorf("%s: %v (%s), want %q", name, got, why, c.why)
		}
	}
	if got, why := judged(t, "past.releases == 0 || changes.newly_unsigned == 0", first); got != holds {
		t.Errorf("a way out for the first release: %v (%s)", got, why)
	}
	if got, why := judged(t, "has(changes.newly_unsigned)", first); got != fails || !strings.Contains(why, "not known") {
		t.Errorf("has: %v (%s)", got, why)
	}
	for expression, want := range map[string]bool{"changes.size_before > 1": true, "update.size > 1": false} {
		p := withIf(t, expression)
		if got := p.Plan(first.Request).Contents; got != want {
			t.Errorf("%s: contents are opened: %t", expression, got)
		}
	}
}
