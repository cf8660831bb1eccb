package msidb_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/sallyport-project/sallyport/verify/internal/cfb"
	"github.com/sallyport-project/sallyport/verify/internal/msidb"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
)

func TestPrograms(t *testing.T) {
	file := msitest.Package{Actions: []msitest.Action{
		{Name: "Library", Type: 1 + 0x400 + 0x800, Source: "helper", Target: "Install"},
		{Name: "Installed", Type: 18, Source: "updater.exe", Target: "/quiet"},
		{Name: "Command", Type: 34, Source: "INSTALLDIR", Target: "powershell -enc AAAA"},
		{Name: "Script", Type: 38, Target: "MsgBox 1"},
		{Name: "SetProperty", Type: 51, Source: "P", Target: "v"},
		{Name: "Fails", Type: 19, Target: "no"},
	}}.Build()
	d := open(t, file)
	got, err := d.Programs()
	want := []msidb.Program{
		{Name: "Library", Kind: "library", From: "Binary", Source: "helper", Target: "Install", System: true},
		{Name: "Installed", Kind: "program", From: "File", Source: "updater.exe", Target: "/quiet"},
		{Name: "Command", Kind: "program", From: "Directory", Source: "INSTALLDIR", Target: "powershell -enc AAAA"},
		{Name: "Script", Kind: "script", Target: "MsgBox 1"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := open(t, msitest.Package{}.Build()).Programs(); err != nil || got != nil {
		t.Errorf("without the table: %v, %v", got, err)
	}
}

func open(t *testing.T, file []byte) *msidb.Database {
	t.Helper()
	f, err := cfb.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	d, err := msidb.Open(f, f.Root)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTemplate(t *testing.T) {
	for _, template := range []string{"Intel;1033", "x64;0", "Arm64;1031,1033"} {
		file := msitest.Package{Template: template}.Build()
		id, err := msidb.Identify(bytes.NewReader(file), int64(len(file)))
		if err != nil || id.Template != template || id.Language != "1033" {
			t.Errorf("%q: %+v, %v", template, id, err)
		}
	}
}

// FuzzSummary looks for summaries on which the reader panics, or fails in another way.
func FuzzSummary(f *testing.F) {
	version, root := msitest.Parse(msitest.Package{}.Build())
	at := slices.IndexFunc(root.Children, func(n *msitest.Node) bool { return n.Name == msidb.Summary })
	f.Add(root.Children[at].Data)
	f.Fuzz(func(t *testing.T, summary []byte) {
		root.Children[at].Data = summary
		file := msitest.WriteCompound(version, root)
		id, err := msidb.Identify(bytes.NewReader(file), int64(len(file)))
		if err != nil && !errors.Is(err, msidb.ErrMalformed) && !errors.Is(err, cfb.ErrMalformed) {
			t.Fatalf("error of another kind: %v", err)
		}
		if len(id.Template) > 256 || !bytes.Contains(summary, []byte(id.Template)) {
			t.Fatalf("%q is not in the summary", id.Template)
		}
	})
}
