package msitest_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify/msi/msitest"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

func tool(t *testing.T, name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: the comparison with it is left out", name)
	}
	return path
}

// installer is a package with a real cabinet.
func installer(version4 bool) []byte {
	program, library := bytes.Repeat([]byte("program "), 2000), bytes.Repeat([]byte("library "), 900)
	return msitest.Package{
		Name: "Desktop App", Version: "18.12.416", Manufacturer: "Example Ltd", Version4: version4,
		Cabinet: cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{{Method: cabtest.MSZIP, Files: []cabtest.File{
			{Name: "filProgram", Data: program}, {Name: "filLibrary", Data: library},
		}}}}),
		Files:    []msitest.File{{Key: "filProgram", Path: "DesktopApp.exe", Size: len(program)}, {Key: "filLibrary", Path: "app/ffmpeg.dll", Size: len(library)}},
		Binaries: []msitest.Binary{{Name: "helper", Data: []byte("MZ helper")}},
		Actions:  []msitest.Action{{Name: "Script", Type: 37, Target: "var a = 1;"}},
	}.Build()
}

// TestMsitoolsRead has msiinfo and msiextract read what is written here.
func TestMsitoolsRead(t *testing.T) {
	for name, version4 := range map[string]bool{"version 3": false, "version 4": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "a.msi")
			if err := os.WriteFile(path, installer(version4), 0o600); err != nil {
				t.Fatal(err)
			}
			run := func(name string, args ...string) string {
				c := exec.CommandContext(t.Context(), tool(t, name), args...)
				c.Dir = dir
				out, err := c.CombinedOutput()
				if err != nil {
					t.Errorf("%s %v: %v\n%s", name, args, err, out)
				}
				return string(out)
			}
			for args, wanted := range map[string]string{
				"tables a.msi":              "FeatureComponents",
				"streams a.msi":             "disk1.cab",
				"suminfo a.msi":             "Author: Example Ltd",
				"export a.msi File":         "filLibrary\tcmpdir1\tFILE1.DLL|ffmpeg.dll\t7200\t\t\t512\t2",
				"export a.msi Property":     "ProductVersion\t18.12.416",
				"export a.msi CustomAction": "Script\t37\t\tvar a = 1;",
				"export a.msi Directory":    "dir1\tINSTALLDIR\tDIR2|app",
			} {
				if got := run("msiinfo", strings.Fields(args)...); !strings.Contains(got, wanted) {
					t.Errorf("msiinfo %s: %q is missing in\n%s", args, wanted, got)
				}
			}
			run("msiextract", "-C", "out", "a.msi")
			found := 0
			filepath.WalkDir(filepath.Join(dir, "out"), func(path string, d os.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				b, err := os.ReadFile(path)
				if strings.HasSuffix(path, "Desktop App/DesktopApp.exe") && len(b) == 16_000 || strings.HasSuffix(path, "Desktop App/app/ffmpeg.dll") && len(b) == 7200 {
					found++
				}
				return err
			})
			if found != 2 {
				t.Errorf("msiextract made %d of 2 files", found)
			}
		})
	}
}

func TestParseIsTheInverse(t *testing.T) {
	for _, version4 := range []bool{false, true} {
		file := installer(version4)
		version, root := msitest.Parse(file)
		if !bytes.Equal(msitest.WriteCompound(version, root), msitest.WriteCompound(msitest.Parse(msitest.WriteCompound(version, root)))) {
			t.Error("what is written is not what was read")
		}
	}
}
