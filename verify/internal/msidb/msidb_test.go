package msidb_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/sallyport-project/sallyport/verify/internal/cfb"
	"github.com/sallyport-project/sallyport/verify/internal/msidb"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
)

func TestNames(t *testing.T) {
	for text, n := range map[string]int{"Property": 4, "Binary.helper": 7, "disk1.cab": 5, "a-b": 3, "_Tables": 4, "é": 1} {
		for _, table := range []bool{false, true} {
			units := msidb.EncodeName(text, table)
			if got := msidb.DecodeName(units); got.Text != text || got.Table != table || got.Odd {
				t.Errorf("%q, table %v: %+v", text, table, got)
			}
			if !table && len(units) != n {
				t.Errorf("%q has %d units, want %d", text, len(units), n)
			}
		}
	}
	for _, odd := range [][]uint16{{'a', 'b'}, {0x4800, 0x4801}, {0x3800, 'a'}} {
		if !msidb.DecodeName(odd).Odd {
			t.Errorf("%x is not called odd", odd)
		}
	}
}

func database(t *testing.T, file []byte) *msidb.Database {
	t.Helper()
	d, err := try(file)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func try(file []byte) (*msidb.Database, error) {
	f, err := cfb.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, err
	}
	return msidb.Open(f, f.Root)
}

func TestTables(t *testing.T) {
	file := msitest.Package{
		Name: "Größe", Version: "2.3", Manufacturer: "Example Ltd", Cabinet: []byte("cabinet"),
		Files: []msitest.File{{Key: "k1", Path: "a long name.exe", Size: 70_000}, {Key: "k2", Path: "lib/x/inner.dll", Size: 1}, {Key: "k3", Path: "A Long Name.exe"}},
		Actions: []msitest.Action{
			{Name: "Text", Type: 37, Target: "var a;"}, {Name: "Setting", Type: 54 + 0x400, Source: "SCRIPT"}, {Name: "Stream", Type: 6, Source: "helper", Target: "f"},
			{Name: "File", Type: 21, Source: "k1"}, {Name: "Program", Type: 2, Source: "helper"}, {Name: "Set", Type: 51, Source: "A", Target: "B"},
		},
		Binaries: []msitest.Binary{{Name: "helper", Data: []byte("x")}},
		Setting:  map[string]string{"SCRIPT": "MsgBox 1", "LONG": strings.Repeat("long", 50_000)},
	}.Build()
	d := database(t, file)
	media, err := d.Media()
	wanted := []msidb.Medium{{Cabinet: "disk1.cab", Embedded: true, Files: []msidb.File{
		{Key: "k1", Path: "ProgramFilesFolder/Größe/a long name.exe"}, {Key: "k2", Path: "ProgramFilesFolder/Größe/lib/x/inner.dll"},
		{Key: "k3", Path: "ProgramFilesFolder/Größe/A Long Name [k3].exe"},
	}}}
	if diff := cmp.Diff(wanted, media); diff != "" || err != nil {
		t.Errorf("media (-want +got):\n%s, error %v", diff, err)
	}
	scripts, err := d.Scripts()
	actions := []msidb.Action{{Name: "Text", Language: "js", Text: "var a;"}, {Name: "Setting", Language: "vbs", Text: "MsgBox 1"},
		{Name: "Stream", Language: "vbs", Stream: "Binary.helper"}, {Name: "File", Language: "js", File: "k1"}}
	if diff := cmp.Diff(actions, scripts); diff != "" || err != nil {
		t.Errorf("scripts (-want +got):\n%s, error %v", diff, err)
	}
	if names, err := d.Streams(); err != nil || len(names) != 1 || !names["Binary.helper"] {
		t.Errorf("streams %v, error %v", names, err)
	}
	if p, err := d.Properties(); err != nil || len(p["LONG"]) != 200_000 || p["SCRIPT"] != "MsgBox 1" {
		t.Errorf("LONG has %d bytes, error %v", len(p["LONG"]), err)
	}
	id, err := msidb.Identify(bytes.NewReader(file), int64(len(file)))
	if err != nil || id.ProductName != "Größe" || id.ProductVersion != "2.3" || id.Manufacturer != "Example Ltd" || len(id.UpgradeCode) != 38 || len(id.ProductCode) != 38 {
		t.Errorf("identity %+v, error %v", id, err)
	}
	if _, err := d.Table("None"); !errors.Is(err, msidb.ErrNoTable) {
		t.Errorf("a table that is not there: %v", err)
	}
}

// change gives the stream of a table other bytes.
func change(file []byte, table string, edit func([]byte) []byte) []byte {
	version, root := msitest.Parse(file)
	for _, n := range root.Children {
		var units []uint16
		for _, r := range n.Name {
			units = append(units, uint16(r))
		}
		if name := msidb.DecodeName(units); name.Table && name.Text == table {
			n.Data = edit(n.Data)
		}
	}
	return msitest.WriteCompound(version, root)
}

func TestMalformed(t *testing.T) {
	file := msitest.Package{Cabinet: []byte("cabinet"), Files: []msitest.File{{Key: "k1", Path: "a.exe"}}}.Build()
	set := func(at int, v byte) func([]byte) []byte {
		return func(b []byte) []byte { b[at] = v; return b }
	}
	for name, c := range map[string]struct {
		table string
		edit  func([]byte) []byte
	}{
		"no strings":                   {"_StringPool", func([]byte) []byte { return nil }},
		"half an entry of the pool":    {"_StringPool", func(b []byte) []byte { return b[:len(b)-2] }},
		"a string beyond the data":     {"_StringPool", set(5, 0xff)},
		"a long string without length": {"_StringPool", func(b []byte) []byte { return append(b, 0, 0, 1, 0) }},
		"bytes behind the strings":     {"_StringData", func(b []byte) []byte { return append(b, 1) }},
		"half a row":                   {"_Tables", func(b []byte) []byte { return append(b, 1) }},
		"a reference to no string":     {"_Tables", set(1, 0xff)},
		"columns out of order":         {"_Columns", func(b []byte) []byte { b[len(b)/4] ^= 7; return b }},
	} {
		if _, err := try(change(file, c.table, c.edit)); !errors.Is(err, msidb.ErrMalformed) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	d := database(t, change(file, "File", func(b []byte) []byte { return append(b, 1, 2) }))
	if _, err := d.Media(); !errors.Is(err, msidb.ErrMalformed) {
		t.Errorf("half a row of File: error %v", err)
	}
}

// TestFoldersInACircle gives a folder itself for a grandparent.
func TestFoldersInACircle(t *testing.T) {
	file := msitest.Package{Cabinet: []byte("cabinet"), Files: []msitest.File{{Key: "k1", Path: "x/y/a.exe"}}}.Build()
	d := database(t, change(file, "Directory", func(b []byte) []byte {
		rows := len(b) / 6
		for i := range rows { // every folder's parent is the one in the next row
			copy(b[rows*2+2*i:rows*2+2*i+2], b[2*((i+1)%rows):])
		}
		return b
	}))
	media, err := d.Media()
	if err != nil || len(media) != 1 || len(media[0].Files[0].Path) > 1024 {
		t.Errorf("media %+v, error %v", media, err)
	}
}

// TestReadsWhatMsibuildWrites compares a table with msitools' idea of it, a string of more than 64 KiB included.
func TestReadsWhatMsibuildWrites(t *testing.T) {
	tool, err := exec.LookPath("msibuild")
	if err != nil {
		t.Skip("msibuild is not installed: the comparison with it is left out")
	}
	path := filepath.Join(t.TempDir(), "a.msi")
	if err := os.WriteFile(path, msitest.Package{}.Build(), 0o600); err != nil {
		t.Fatal(err)
	}
	idt := filepath.Join(t.TempDir(), "p.idt")
	text := "Property\tValue\r\ns72\tl0\r\nProperty\tProperty\r\nLONG\t" + strings.Repeat("0123456789", 9000) + "\r\nAFTER\tshort\r\n"
	if err := os.WriteFile(idt, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), tool, path, "-i", idt).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := database(t, file).Properties()
	if err != nil || len(p["LONG"]) != 90_000 || p["AFTER"] != "short" || len(p) != 2 {
		t.Errorf("%d properties, LONG has %d bytes, AFTER is %q, error %v", len(p), len(p["LONG"]), p["AFTER"], err)
	}
}

// FuzzDatabase looks for panics and for errors that are not the database's, in tables whose bytes it chooses.
func FuzzDatabase(f *testing.F) {
	file := msitest.Package{
		Cabinet: []byte("cabinet"), Files: []msitest.File{{Key: "k1", Path: "x/a.exe"}}, Binaries: []msitest.Binary{{Name: "b", Data: []byte("x")}},
		Actions: []msitest.Action{{Name: "A", Type: 37, Target: "1"}},
	}.Build()
	tables := []string{"_StringPool", "_StringData", "_Tables", "_Columns", "File", "Directory", "Media", "CustomAction", "Property"}
	for i := range tables {
		f.Add(i, []byte{1, 2, 3, 4, 5, 6, 7, 8})
		change(file, tables[i], func(b []byte) []byte { f.Add(i, b); return b })
	}
	f.Fuzz(func(t *testing.T, which int, content []byte) {
		d, err := try(change(file, tables[uint(which)%uint(len(tables))], func([]byte) []byte { return content }))
		if err == nil {
			_, err = d.Media()
		}
		if err == nil {
			_, err = d.Scripts()
		}
		if err == nil {
			_, err = d.Streams()
		}
		if err != nil && !errors.Is(err, msidb.ErrMalformed) {
			t.Fatal(err)
		}
	})
}

func TestStreamsAreThoseThatAreThere(t *testing.T) {
	file := msitest.Package{Binaries: []msitest.Binary{{Name: "here", Data: []byte("x")}, {Name: "gone", Data: []byte("x")}}}.Build()
	version, root := msitest.Parse(file)
	root.Children = slices.DeleteFunc(root.Children, func(n *msitest.Node) bool {
		return msidb.DecodeName(utf16.Encode([]rune(n.Name))).Text == "Binary.gone"
	})
	names, err := database(t, msitest.WriteCompound(version, root)).Streams()
	if err != nil || len(names) != 1 || !names["Binary.here"] {
		t.Errorf("streams %v, error %v", names, err)
	}
}

// Each of many actions may run each of many texts.
func TestScriptsAreBounded(t *testing.T) {
	p := msitest.Package{}
	for i := range 255 {
		p.Actions = append(p.Actions, msitest.Action{Name: fmt.Sprintf("s%d", i), Type: 51, Source: "P", Target: fmt.Sprint(i)})
		p.Actions = append(p.Actions, msitest.Action{Name: fmt.Sprintf("a%d", i), Type: 53, Source: "P"})
	}
	if scripts, err := database(t, p.Build()).Scripts(); err != nil || len(scripts) != 255*255 {
		t.Errorf("%d scripts, error %v", len(scripts), err)
	}
	for i := range 10 {
		p.Actions = append(p.Actions, msitest.Action{Name: fmt.Sprintf("b%d", i), Type: 53, Source: "P"})
	}
	if _, err := database(t, p.Build()).Scripts(); !errors.Is(err, msidb.ErrMalformed) {
		t.Errorf("error %v", err)
	}
}
