package unpack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/msidb"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

// msiInside keeps what is offered.
type msiInside struct {
	names   []string
	content map[string]string
	inner   map[string]map[string]verify.Installed
	fail    error
}

func (in *msiInside) Offer(e verify.Entry) error {
	b, err := io.ReadAll(io.NewSectionReader(e.Content, 0, e.Size))
	if err != nil {
		return err
	}
	if in.content == nil {
		in.content, in.inner = map[string]string{}, map[string]map[string]verify.Installed{}
	}
	in.names = append(in.names, e.Name)
	in.content[e.Name] = string(b)
	in.inner[e.Name] = e.Names
	return in.fail
}

func msiArtifact(file []byte) *verify.Artifact {
	return &verify.Artifact{Name: "a.msi", Format: "msi", Size: int64(len(file)), Content: bytes.NewReader(file)}
}

func openMSI(t *testing.T, file []byte) (*msiInside, []string) {
	t.Helper()
	o := NewMSI()
	a := msiArtifact(file)
	if !o.Match(a) {
		t.Fatal("the installer is not matched")
	}
	in := &msiInside{}
	found, err := o.Open(t.Context(), a, in)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, f := range found {
		if f.Method != "msi" || f.Detail == "" {
			t.Errorf("finding %+v", f)
		}
		codes = append(codes, f.Status.String()+" "+f.Code+" "+f.Subject)
	}
	return in, codes
}

// msiPackage is an installer with one of everything.
func msiPackage() msitest.Package {
	return msitest.Package{
		Name: "App",
		Cabinet: cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{{Method: cabtest.MSZIP, Files: []cabtest.File{
			{Name: "k1", Data: []byte("MZ program")}, {Name: "k2", Data: []byte("MZ library")}}}}}),
		Files:    []msitest.File{{Key: "k1", Path: "app.exe", Size: 10}, {Key: "k2", Path: "lib/ffmpeg.dll", Size: 10}},
		Binaries: []msitest.Binary{{Name: "helper", Data: []byte("MZ helper")}, {Name: "code", Data: []byte("var b = 2;")}, {Name: "code.vbs", Data: []byte("MsgBox 2")}},
		Icons:    []msitest.Binary{{Name: "icon.exe", Data: []byte("MZ icon")}},
		Actions: []msitest.Action{
			{Name: "Run", Type: 2, Source: "helper"}, {Name: "InStream", Type: 5, Source: "code"}, {Name: "InStreamToo", Type: 6, Source: "code.vbs"},
			{Name: "InText", Type: 37, Target: "var a = 1;"}, {Name: "InSetting", Type: 54, Source: "SCRIPT"}, {Name: "Empty", Type: 38},
		},
		Setting: map[string]string{"SCRIPT": "MsgBox 1"},
	}
}

func TestMSIOffersWhatRuns(t *testing.T) {
	p := msiPackage()
	signed := msitest.Sign(p.Build(), at.Signature{Signer: at.NewCA("Root").Issue(at.Leaf{})})
	in, codes := openMSI(t, signed)
	if len(codes) != 0 {
		t.Errorf("findings %q", codes)
	}
	want := map[string]string{
		"disk1.cab": string(p.Cabinet), "Binary.helper": "MZ helper", "Binary.code.js": "var b = 2;", "Binary.code.vbs": "MsgBox 2", "Icon.icon.exe": "MZ icon",
		"CustomAction.InText.js": "var a = 1;", "CustomAction.InSetting.vbs": "MsgBox 1",
	}
	if diff := cmp.Diff(want, in.content); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	names := map[string]verify.Installed{"k1": {Path: "ProgramFilesFolder/App/app.exe"}, "k2": {Path: "ProgramFilesFolder/App/lib/ffmpeg.dll"}}
	if diff := cmp.Diff(names, in.inner["disk1.cab"]); diff != "" {
		t.Errorf("names in the cabinet (-want +got):\n%s", diff)
	}
}

func TestMSIOddities(t *testing.T) {
	packed := func(name string, table bool) string {
		var out []rune
		for _, u := range msidb.EncodeName(name, table) {
			out = append(out, rune(u))
		}
		return string(out)
	}
	with := func(change func(*msitest.Package)) []byte {
		p := msiPackage()
		change(&p)
		return p.Build()
	}
	add := func(n ...*msitest.Node) []byte { return with(func(p *msitest.Package) { p.More = n }) }
	_, inner := msitest.Parse(msiPackage().Build())
	for name, c := range map[string]struct {
		file    []byte
		codes   []string
		offered string
	}{
		"external cabinet":             {with(func(p *msitest.Package) { p.External = true }), []string{"inconclusive msi/external-cabinet disk1.cab"}, ""},
		"missing cabinet":              {without(msiPackage().Build(), packed("disk1.cab", false)), []string{"inconclusive msi/missing-cabinet disk1.cab"}, ""},
		"loose files":                  {with(func(p *msitest.Package) { p.Cabinet = nil }), []string{"inconclusive msi/external-files ProgramFilesFolder/App/app.exe"}, ""},
		"a stream that no table names": {add(msitest.Stream(packed("Extra", false), []byte("MZ extra"))), []string{"valid msi/unlisted-stream Extra"}, "Extra"},
		"a name that is not packed":    {add(msitest.Stream("Extra", []byte("MZ extra"))), []string{"invalid msi/odd-name Extra", "valid msi/unlisted-stream Extra"}, "Extra"},
		"another property set":         {add(msitest.Stream("\x05Document", []byte("data"))), nil, "[5]Document"},
		"a program for a table":        {add(msitest.Stream(packed("Extra", true), []byte("MZ extra"))), nil, "Extra"},
		"a storage with a program":     {add(&msitest.Node{Name: "Folder", Storage: true, Children: []*msitest.Node{msitest.Stream(packed("Tool", false), []byte("MZ tool"))}}), nil, "Folder/Tool"},
		"an installer inside":          {add(&msitest.Node{Name: "Inner", Storage: true, CLSID: msidb.ClassPackage, Children: inner.Children}), nil, "Inner/CustomAction.InText.js"},
		"a transform inside":           {add(&msitest.Node{Name: "Trans", Storage: true, CLSID: msidb.ClassTransform, Children: inner.Children}), []string{"valid msi/transform Trans"}, "Trans/Binary.helper"},
		"a broken table":               {brokenTable(), []string{"invalid msi/malformed "}, "Binary.helper"},
		"no tables at all":             {msitest.WriteCompound(3, &msitest.Node{Storage: true, CLSID: msidb.ClassPackage}), []string{"invalid msi/malformed "}, ""},
		"a cut file":                   {msiPackage().Build()[:3000], []string{"invalid msi/malformed "}, ""},
		"a patch with a cabinet":       {msitest.WriteCompound(3, &msitest.Node{Storage: true, CLSID: msidb.ClassPatch, Children: []*msitest.Node{msitest.Stream("PCW", []byte("MSCF"))}}), []string{"invalid msi/odd-name PCW"}, "PCW"},
	} {
		in, codes := openMSI(t, c.file)
		if !slices.Equal(codes, c.codes) {
			t.Errorf("%s: findings %q, want %q", name, codes, c.codes)
		}
		if c.offered != "" && !slices.Contains(in.names, c.offered) {
			t.Errorf("%s: offered %q, not %q", name, in.names, c.offered)
		}
	}
}

// without removes a stream.
func without(file []byte, name string) []byte {
	version, root := msitest.Parse(file)
	root.Children = slices.DeleteFunc(root.Children, func(n *msitest.Node) bool { return n.Name == name })
	return msitest.WriteCompound(version, root)
}

func brokenTable() []byte {
	version, root := msitest.Parse(msiPackage().Build())
	for _, n := range root.Children {
		if n.Storage || len(n.Data) == 0 {
			continue
		}
		var units []uint16
		for _, r := range n.Name {
			units = append(units, uint16(r))
		}
		if name := msidb.DecodeName(units); name.Table && name.Text == "_StringData" {
			n.Data = n.Data[:10]
		}
	}
	return msitest.WriteCompound(version, root)
}

func TestMSIMatch(t *testing.T) {
	document := msitest.WriteCompound(3, &msitest.Node{Storage: true, Children: []*msitest.Node{msitest.Stream("WordDocument", []byte("text"))}})
	for name, file := range map[string][]byte{"a document": document, "text": []byte(strings.Repeat("text", 400)), "nothing": nil} {
		if NewMSI().Match(msiArtifact(file)) {
			t.Errorf("%s is matched", name)
		}
	}
}

func TestMSIEndsWhenToldTo(t *testing.T) {
	stop := errors.New("enough")
	in := &msiInside{fail: stop}
	if _, err := NewMSI().Open(t.Context(), msiArtifact(msiPackage().Build()), in); err != stop || len(in.names) != 1 {
		t.Errorf("error %v after %d entries", err, len(in.names))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewMSI().Open(ctx, msiArtifact(msiPackage().Build()), &msiInside{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// FuzzMSI looks for panics and for errors that are not the installer's.
func FuzzMSI(f *testing.F) {
	f.Add(msiPackage().Build())
	f.Add(msitest.Package{Version4: true}.Build())
	f.Fuzz(func(t *testing.T, b []byte) {
		a := msiArtifact(b)
		if !NewMSI().Match(a) {
			return
		}
		found, err := NewMSI().Open(t.Context(), a, &msiInside{})
		if err != nil || len(found) > maxMSIFindings+1 {
			t.Fatalf("%d findings, error %v", len(found), err)
		}
	})
}

func BenchmarkMSI(b *testing.B) {
	p := msitest.Package{Cabinet: make([]byte, 1<<20)}
	for i := range 2000 {
		key := "file" + string(rune('a'+i%26)) + strings.Repeat("x", i/26)
		p.Files = append(p.Files, msitest.File{Key: key, Path: "folder/" + key + ".dll", Size: 1})
	}
	file := p.Build()
	sum := sha256.Sum256(file)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		a := msiArtifact(file)
		a.Digests.SHA256 = sum
		if found, err := NewMSI().Open(b.Context(), a, msiNothing{}); err != nil || len(found) != 0 {
			b.Fatal(found, err)
		}
	}
}

// msiNothing looks at nothing.
type msiNothing struct{}

func (msiNothing) Offer(verify.Entry) error { return nil }
