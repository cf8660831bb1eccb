package policy

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// releaseOf is a report about an update with files that are each "path|bytes|who signed it|fact=value|code of what is wrong".
func releaseOf(signer string, files ...string) verify.Report {
	r := verify.Report{Size: 1000, Contents: &verify.Contents{}}
	if signer != "" {
		r.Findings = append(r.Findings, signedAs(signer))
	}
	for _, f := range files {
		parts := strings.Split(f, "|")
		in := verify.Inner{Path: parts[0], Format: verify.Sniff(nil, parts[0]), Size: int64(len(parts[1])), SHA256: sha256.Sum256([]byte(parts[1])), Facts: map[string]string{}}
		for _, part := range parts[2:] {
			key, value, fact := strings.Cut(part, "=")
			switch {
			case fact:
				in.Facts[key] = value
			case strings.Contains(part, "/"):
				r.Findings = append(r.Findings, verify.Finding{Subject: in.Path, Method: "authenticode", Status: verify.Invalid, Code: part})
			case part != "":
				s := signedAs(part)
				s.Subject = in.Path
				r.Findings = append(r.Findings, s)
			}
		}
		r.Contents.Inner = append(r.Contents.Inner, in)
	}
	r.Contents.Files = len(files)
	return r
}

var against = PastRelease{Name: "3CXDesktopApp-18.11.1213.msi", Version: "18.11.1213", At: time.Date(2022, 11, 30, 10, 0, 0, 0, time.UTC), Record: "R"}

// The shape of the attack on 3CX: two libraries that Electron brings along were replaced, of which one was signed by Microsoft and
// carried the payload beside its signature.
func TestThreeCXReadsClearly(t *testing.T) {
	before := releaseOf("3CX Ltd",
		"app-18.11.1213/3CXDesktopApp.exe|a|3CX Ltd", "app-18.11.1213/ffmpeg.dll|b|3CX Ltd|imports=kernel32.dll",
		"app-18.11.1213/d3dcompiler_47.dll|c|Microsoft Corporation", "app-18.11.1213/LICENSE.txt|l")
	after := releaseOf("3CX Ltd",
		"app-18.12.416/3CXDesktopApp.exe|a2|3CX Ltd", "app-18.12.416/ffmpeg.dll|b2|3CX Ltd|imports=kernel32.dll winhttp.dll",
		"app-18.12.416/d3dcompiler_47.dll|c and more|Microsoft Corporation|authenticode/padding-data", "app-18.12.416/LICENSE.txt|l")
	after.Size = 1100
	c := Compare("3cx", against, before, after)
	want := []string{
		`Without a valid signature, unlike the release before: app-18.12.416/d3dcompiler_47.dll (was signed by "Microsoft Corporation"; now its signature is wrong (authenticode/padding-data)).`,
		`Loads more, or may do more: app-18.12.416/ffmpeg.dll (winhttp.dll).`,
		`Changed: app-18.12.416/d3dcompiler_47.dll (authenticode/padding-data); app-18.12.416/3CXDesktopApp.exe; app-18.12.416/ffmpeg.dll.`,
		`It has 1.1 KiB; the release before had 1000 B (+10.0 %).`,
	}
	if got := c.Sentences(); !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := c.Adverse(); !slices.Equal(got, want[:1]) {
		t.Error(got)
	}
	if c.Counts != (ChangedCounts{Changed: 3, Unsigned: 1, Imports: 1}) || !c.Opened || c.Partly || c.LeftOut != 0 || c.Channel != "3cx" {
		t.Errorf("%+v", c)
	}
	if got := c.Since(); got != "3CXDesktopApp-18.11.1213.msi, version 18.11.1213, let through on 2022-11-30 10:00:00 UTC" {
		t.Error(got)
	}
}

func TestCompare(t *testing.T) {
	old := []string{"bin/app.exe|a|V Ltd", "bin/lib.dll|b|V Ltd", "readme.txt|r"}
	for name, c := range map[string]struct {
		before, after verify.Report
		counts        ChangedCounts
		says          []string // in the sentences
	}{
		"nothing": {releaseOf("V Ltd", old...), releaseOf("V Ltd", old...), ChangedCounts{}, []string{"No file inside was added, removed or changed."}},
		"a library is no longer signed": {releaseOf("V Ltd", old...), releaseOf("V Ltd", "bin/app.exe|a|V Ltd", "bin/lib.dll|b2", "readme.txt|r"), ChangedCounts{Changed: 1, Unsigned: 1},
			[]string{`bin/lib.dll (was signed by "V Ltd"; now by nobody)`}},
		"a catalogue that vouched is gone": {releaseOf("V Ltd", old...), releaseOf("V Ltd", "bin/app.exe|a|V Ltd", "bin/lib.dll|b", "readme.txt|r"), ChangedCounts{Unsigned: 1}, nil},
		"another signer inside": {releaseOf("V Ltd", old...), releaseOf("V Ltd", "bin/app.exe|a|V Ltd", "bin/lib.dll|b2|Evil Ltd", "readme.txt|r"), ChangedCounts{Changed: 1, Resigned: 1},
			[]string{`Signed by somebody else: bin/lib.dll (by "Evil Ltd", before by "V Ltd").`}},
		"another signer":             {releaseOf("V Ltd", old...), releaseOf("Evil Ltd", old...), ChangedCounts{}, []string{`It is signed by "Evil Ltd"; the release before was signed by "V Ltd".`}},
		"no signer":                  {releaseOf("V Ltd", old...), releaseOf("", old...), ChangedCounts{Unsigned: 1}, []string{`the update itself (was signed by "V Ltd"; now by nobody)`}},
		"a new library not signed":   {releaseOf("V Ltd", old...), releaseOf("V Ltd", append(old, "bin/new.dll|n")...), ChangedCounts{Added: 1, Unsigned: 1}, []string{"bin/new.dll (new, and not signed, as every file of its kind was)"}},
		"a new script not signed":    {releaseOf("V Ltd", old...), releaseOf("V Ltd", append(old, "bin/new.ps1|n")...), ChangedCounts{Added: 1}, []string{"Added: bin/new.ps1 (not signed)."}},
		"a new library among others": {releaseOf("V Ltd", append(old, "u.dll|u")...), releaseOf("V Ltd", append(old, "u.dll|u", "bin/new.dll|n")...), ChangedCounts{Added: 1}, nil},
		"a file moved":               {releaseOf("V Ltd", old...), releaseOf("V Ltd", "bin/app.exe|a|V Ltd", "plugins/lib.dll|b|V Ltd", "readme.txt|r"), ChangedCounts{Added: 1, Removed: 1}, []string{"plugins/lib.dll (the same bytes as bin/lib.dll had)", "Removed: bin/lib.dll."}},
		"a version in paths": {releaseOf("", "app-1.2/a.dll|1", "a-1.2.jar|2", "{0F0B2B1E-7A5D-4E0C-9E52-3B7B7B3C1D42}/x|3", "main.8d3f2ab.js|4"),
			releaseOf("", "app-1.10.3/a.dll|1", "a-1.10.3.jar|2b", "{1F0B2B1E-7A5D-4E0C-9E52-3B7B7B3C1D42}/x|3", "main.77aa001.js|4b"), ChangedCounts{Changed: 2}, []string{"a-1.10.3.jar; main.77aa001.js"}},
		"numbers that tell files apart":   {releaseOf("", "d3dcompiler_46.dll|1", "d3dcompiler_47.dll|2"), releaseOf("", "d3dcompiler_47.dll|2", "d3dcompiler_48.dll|3"), ChangedCounts{Changed: 1}, []string{"Changed: d3dcompiler_48.dll."}},
		"containers count by their files": {releaseOf("", "a.cab|1", "a.cab/x.txt|x"), releaseOf("", "a.cab|2", "a.cab/x.txt|x2"), ChangedCounts{Changed: 1}, []string{"Changed: a.cab/x.txt."}},
		"an import":                       {releaseOf("", "a.exe|1|imports=a.dll b.dll"), releaseOf("", "a.exe|2|imports=b.dll c.dll"), ChangedCounts{Changed: 1, Imports: 1}, []string{"a.exe (c.dll)"}},
		"imports that cannot be read":     {releaseOf("", "a.exe|1|imports=a.dll"), releaseOf("", "a.exe|2|imports=(they cannot be read)"), ChangedCounts{Changed: 1, Imports: 1}, []string{"a.exe (what it loads cannot be read any more)"}},
		"an entitlement":                  {releaseOf("", "a|1|entitlements=x"), releaseOf("", "a|2|entitlements=x y"), ChangedCounts{Changed: 1, Imports: 1}, []string{"a (may: y)"}},
		"an action of a package inside": {releaseOf("", "p/package.json|1|action install=node a"), releaseOf("", "p/package.json|2|action install=node b|action postinstall=node c"), ChangedCounts{Changed: 1, Actions: 2},
			[]string{"Runs when it is installed, and did not before: p/package.json: postinstall: node c.", "Runs something else when it is installed: p/package.json: install: node b."}},
		"an action of a new package": {releaseOf("", old...), releaseOf("", append(old, "p/package.json|2|action install=node b")...), ChangedCounts{Added: 1, Actions: 1}, []string{"p/package.json: install: node b"}},
		"facts that were left out":   {releaseOf("", "a.exe|1|left_out=true"), releaseOf("", "a.exe|2|imports=x.dll"), ChangedCounts{Changed: 1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := Compare("c", against, c.before, c.after)
			if got.Counts != c.counts {
				t.Errorf("%+v want %+v", got.Counts, c.counts)
			}
			text := strings.Join(got.Sentences(), "\n")
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
		})
	}
}

func TestActionsOfTheUpdateItself(t *testing.T) {
	before, after := releaseOf(""), releaseOf("")
	after.Facts = map[string]string{"action postinstall": "node bundle.js", "imports": "a.dll"}
	c := Compare("c", against, before, after)
	want := []string{"Runs when it is installed, and did not before: postinstall: node bundle.js.", "Loads more, or may do more: the update itself (a.dll).", "No file inside was added, removed or changed."}
	if got := c.Sentences(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	inner := releaseOf("", "package/package.json|1|action postinstall=node bundle.js", "package/node_modules/a/package.json|2|action postinstall=node bundle.js")
	inner.Facts = after.Facts
	if c := Compare("c", against, releaseOf(""), inner); c.Counts.Actions != 2 || c.Files.Actions[1] != "postinstall (new): node bundle.js" {
		t.Errorf("the package's own action is told twice, or another's is not: %q", c.Files.Actions)
	}
	before.Size = 0 // as of a report from before such facts were noted
	if c := Compare("c", against, before, after); c.Counts != (ChangedCounts{}) {
		t.Errorf("%+v", c.Counts)
	}
}

func TestCompareWhatWasNotOpened(t *testing.T) {
	opened, closed := releaseOf("V Ltd", "a.exe|1"), releaseOf("V Ltd")
	closed.Contents = nil
	for _, pair := range [][2]verify.Report{{opened, closed}, {closed, opened}, {closed, closed}} {
		c := Compare("c", against, pair[0], pair[1])
		if c.Opened || c.Counts != (ChangedCounts{}) || c.Sentences()[0] != "The files inside are not compared: not both releases were looked into." {
			t.Errorf("%+v: %q", c, c.Sentences())
		}
	}
	unread := releaseOf("V Ltd", "a.exe|1")
	unread.Contents.Unread = 1
	if c := Compare("c", against, opened, unread); !c.Partly || !strings.Contains(strings.Join(c.Sentences(), " "), "there may be more") {
		t.Errorf("%+v", c)
	}
}

// However much there is, what is kept is bounded, and counted in full; what matters most is what is kept.
func TestChangesAreBounded(t *testing.T) {
	var old, fresh []string
	for i := range 5000 {
		old = append(old, fmt.Sprintf("%s\u202e/%c%c%c.dll|1|V Ltd", strings.Repeat("d", 900), 'a'+i%26, 'a'+i/26%26, 'a'+i/676))
		fresh = append(fresh, fmt.Sprintf("%s\u202e/%c%c%c.dll|2|imports=%s|action x=%s", strings.Repeat("d", 900), 'a'+i%26, 'a'+i/26%26, 'a'+i/676, strings.Repeat("y ", 2000), strings.Repeat("<", 200)))
	}
	c := Compare("c", against, releaseOf("V Ltd", old...), releaseOf("V Ltd", fresh...))
	b, err := json.Marshal(c)
	if err != nil || len(b) > 40<<10 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if c.Counts.Unsigned != 5000 || c.Counts.Changed != 5000 || len(c.Files.Unsigned) == 0 || c.LeftOut == 0 || strings.Contains(string(b), "\u202e") {
		t.Errorf("%+v, %d unsigned, %d left out", c.Counts, len(c.Files.Unsigned), c.LeftOut)
	}
	for _, s := range c.Sentences() {
		if len([]rune(s)) > 3000 || strings.ContainsAny(s, "\u202e\n") {
			t.Errorf("%d characters: %q", len([]rune(s)), s)
		}
	}
}

// The order in which files and findings come changes nothing.
func TestCompareIsStable(t *testing.T) {
	before := releaseOf("V Ltd", "a-1/x.dll|1|V Ltd", "a-1/y.dll|2|V Ltd", "b.txt|3", "a-2/x.dll|5")
	after := releaseOf("V Ltd", "a-3/x.dll|1b|V Ltd", "a-3/y.dll|2b", "c.txt|3", "a-4/x.dll|6")
	want, _ := json.Marshal(Compare("c", against, before, after))
	for range 5 {
		slices.Reverse(before.Contents.Inner)
		slices.Reverse(after.Findings)
		if got, _ := json.Marshal(Compare("c", against, before, after)); string(got) != string(want) {
			t.Fatalf("%s\n%s", got, want)
		}
		slices.Reverse(after.Contents.Inner)
	}
}

func BenchmarkCompare(b *testing.B) {
	var old, fresh []string
	for i := range 10000 {
		old = append(old, fmt.Sprintf("app-1.2.3/resources/node_modules/m%d/f%d.js|%d", i%100, i, i))
		fresh = append(fresh, fmt.Sprintf("app-1.2.4/resources/node_modules/m%d/f%d.js|%d", i%100, i, i+i%2))
	}
	before, after := releaseOf("V Ltd", old...), releaseOf("V Ltd", fresh...)
	for b.Loop() {
		Compare("c", against, before, after)
	}
}

// FuzzPlaceOf demands that a path keeps its place when its numbers change.
func FuzzPlaceOf(f *testing.F) {
	f.Add("app-1.2/a.dll")
	f.Add("{0F0B2B1E-7A5D-4E0C-9E52-3B7B7B3C1D42}\\x")
	f.Fuzz(func(t *testing.T, path string) {
		place := placeOf(path)
		if strings.ContainsAny(place, "0123456789") || placeOf(place) != place {
			t.Fatalf("%q: %q: %q", path, place, placeOf(place))
		}
	})
}
