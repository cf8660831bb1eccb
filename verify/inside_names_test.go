package verify

import (
	"bytes"
	"strings"
	"testing"
)

// An allow_unsigned of "docs/**" must not cover what a link puts elsewhere.
func TestAFileBelowALinkDoesNotLieWhereItSays(t *testing.T) {
	data := tarOf(t,
		member{name: "docs/x", link: "../bin"}, member{name: `Docs\X/evil.exe`, content: "MZ"},
		member{name: "docs/xy/ok.exe", content: "MZ"}, member{name: "late/ok.exe", content: "MZ"}, member{name: "late", link: "bin"})
	got := said(lookInto(t, &Examiner{}, data))
	if strings.Count(got, "unpack/through-link") != 1 || !strings.Contains(got, `Docs\X/evil.exe invalid unpack/through-link`) {
		t.Errorf("findings:\n%s", got)
	}
}

// Whether a file is looked at must not depend on how much else is in memory.
func TestWhatLooksLikeNothingIsExaminedWhateverIsInMemory(t *testing.T) {
	large := strings.Repeat("x", 2<<20)
	for _, memory := range []int64{1, 48 << 20} {
		got := said(lookInto(t, &Examiner{Limits: Limits{Memory: memory}}, tarOf(t, member{name: "a.list", content: large})))
		if !strings.Contains(got, "a.list valid initials/valid") {
			t.Errorf("with %d bytes of memory the file is not examined:\n%s", memory, got)
		}
	}
}

func TestAContainerMaySayWhatItMakesOfAnEntry(t *testing.T) {
	for _, c := range []struct {
		name, content string
		format, want  Format
	}{
		{"readme.txt", "text", "script", "script"}, {"readme.txt", "text", "", ""}, {"readme.txt", "MZ", "script", "pe"}, {"a.zip", "text", "script", "zip"},
	} {
		e := Entry{Name: c.name, Format: c.format}
		if got := e.sniff([]byte(c.content)); got != c.want {
			t.Errorf("%s %q as %q: %q, want %q", c.name, c.content, c.format, got, c.want)
		}
	}
}

// What a cabinet calls a file is what everybody but its installer makes of it.
func TestAnInstalledNameHidesNoScript(t *testing.T) {
	inner := tarOf(t, member{name: "Evil.PS1", content: "text"}, member{name: "F2", content: "text"})
	o := renamingOpener{inner, map[string]Installed{"evil.ps1": {Path: "readme.txt"}, "f2": {Path: "run.bat"}}}
	e := &Examiner{Openers: []Opener{tarOpener{}, o}}
	r := e.Examine(t.Context(), &Artifact{Format: "msi", Content: bytes.NewReader(nil)}, Env{Inside: true})
	if r.Contents.Executables != 2 {
		t.Errorf("%d executables: %+v", r.Contents.Executables, r.Contents.Inner)
	}
}
