package unpack

import (
	"slices"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

// scriptsIn returns the paths of what is taken for a script in an installer, on all levels.
func scriptsIn(t *testing.T, file []byte) []string {
	t.Helper()
	e := verify.Examiner{Openers: []verify.Opener{NewMSI(), NewCAB(), NewZip()}}
	r := e.Examine(t.Context(), msiArtifact(file), verify.Env{Inside: true})
	var out []string
	for _, in := range r.Contents.Inner {
		if in.Format == "script" {
			out = append(out, in.Path)
		}
	}
	return out
}

// Windows Installer finds a file in whichever cabinet by its key, without regard to case, and may give it other names
// than its long one; and its custom actions run scripts whatever they are called.
func TestMSIScriptsAreFoundUnderTheNamesTheyGet(t *testing.T) {
	text := []byte("Start-Process calc\r\n")
	in := func(names ...string) []byte {
		var files []cabtest.File
		for _, n := range names {
			files = append(files, cabtest.File{Name: n, Data: text})
		}
		return cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{{Method: cabtest.Stored, Files: files}}})
	}
	run := []msitest.File{{Key: "Key1", Path: "run.ps1", Size: len(text)}}
	readme := []msitest.File{{Key: "Key1", Path: "readme.txt", Size: len(text)}}
	const folder = "disk1.cab/ProgramFilesFolder/App/"
	for name, c := range map[string]struct {
		p    msitest.Package
		want []string
	}{
		"its own name":                {msitest.Package{Cabinet: in("Key1"), Files: run}, []string{folder + "run.ps1"}},
		"no script":                   {msitest.Package{Cabinet: in("Key1"), Files: readme}, nil},
		"a key in another case":       {msitest.Package{Cabinet: in("kEY1"), Files: run}, []string{folder + "run.ps1"}},
		"dots at the end":             {msitest.Package{Cabinet: in("Key1"), Files: []msitest.File{{Key: "Key1", Path: "run.ps1. ."}}}, []string{folder + "run.ps1. ."}},
		"two rows for one key":        {msitest.Package{Cabinet: in("Key1"), Files: []msitest.File{run[0], readme[0]}}, []string{folder + "run.ps1"}},
		"two keys but for case":       {msitest.Package{Cabinet: in("Key1"), Files: []msitest.File{run[0], {Key: "KEY1", Path: "other.txt"}}}, []string{folder + "run.ps1"}},
		"a short name":                {msitest.Package{Cabinet: in("Key1"), Files: []msitest.File{{Key: "Key1", Path: "readme.txt", Short: "RUN.BAT"}}}, []string{folder + "readme.txt"}},
		"a copy":                      {msitest.Package{Cabinet: in("Key1"), Files: readme, Copies: map[string]string{"Key1": "R.BAT|run.bat"}}, []string{folder + "readme.txt"}},
		"run by a custom action":      {msitest.Package{Cabinet: in("Key1"), Files: readme, Actions: []msitest.Action{{Name: "A", Type: 22, Source: "Key1"}}}, []string{folder + "readme.txt"}},
		"a script to who unpacks it":  {msitest.Package{Cabinet: in("run.ps1"), Files: []msitest.File{{Key: "run.ps1", Path: "readme.txt"}}}, []string{folder + "readme.txt"}},
		"JScript in the database":     {msitest.Package{Actions: []msitest.Action{{Name: "A", Type: 37, Target: "var a;"}}}, []string{"CustomAction.A.js"}},
		"JScript in a stream":         {msitest.Package{Binaries: []msitest.Binary{{Name: "b.txt", Data: text}}, Actions: []msitest.Action{{Name: "A", Type: 5, Source: "b.txt"}}}, []string{"Binary.b.txt.js"}},
		"a property that actions set": {msitest.Package{Actions: []msitest.Action{{Name: "A", Type: 53, Source: "P"}, {Name: "S", Type: 51, Source: "P", Target: "var a;"}}}, []string{"CustomAction.A.js"}},
		"in the cabinet of another medium": {msitest.Package{Cabinet: in("Key1"), Files: run,
			Media: []msitest.Medium{{Last: 0, Cabinet: "#disk1.cab"}, {Last: 1, Cabinet: "#other.cab"}}}, []string{folder + "run.ps1"}},
	} {
		c.p.Name = "App"
		if got := scriptsIn(t, c.p.Build()); !slices.Equal(got, c.want) {
			t.Errorf("%s: scripts %q, want %q", name, got, c.want)
		}
	}
}

func TestMSIScriptThatNobodyKnows(t *testing.T) {
	p := msiPackage()
	p.Actions = []msitest.Action{{Name: "A", Type: 54, Source: "NOWHERE"}}
	if _, codes := openMSI(t, p.Build()); !slices.Equal(codes, []string{"inconclusive msi/not-looked-into CustomAction.A.vbs"}) {
		t.Errorf("findings %q", codes)
	}
}

// Installers call the icons that they keep .exe or .ico, whatever they are.
func TestMSIIconsAreNoPrograms(t *testing.T) {
	p := msitest.Package{Icons: []msitest.Binary{{Name: "a.exe", Data: []byte("\x00\x00\x01\x00\x01\x00 picture")}, {Name: "b.exe", Data: []byte("MZ program")}}}
	in, codes := openMSI(t, p.Build())
	if !slices.Equal(in.names, []string{"Icon.a.exe.ico", "Icon.b.exe"}) || len(codes) > 0 {
		t.Errorf("offered %q, findings %q", in.names, codes)
	}
}
