package msitest

import (
	"encoding/binary"
	"fmt"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify/internal/msidb"
)

// Package says what an installer should hold. The zero Package installs nothing.
type Package struct {
	Name, Version, Manufacturer string // default: "Test Product", "1.0.0", "Test Publisher"
	UpgradeCode                 string // default: a fixed one
	Template                    string // platform and languages; default: "Intel;1033"

	Cabinet     []byte // with the files, called by their keys; nil for none
	CabinetName string // default: "disk1.cab"
	External    bool   // the cabinet lies beside the installer; Cabinet is not used
	Files       []File
	Media       []Medium          // default: Cabinet with all files
	Copies      map[string]string // DuplicateFile: by a file's key, what its copy is called

	Binaries []Binary
	Icons    []Binary
	Actions  []Action
	Setting  map[string]string // further rows of the table Property
	More     []*Node           // further streams and storages

	Version4 bool // sectors of 4096 bytes instead of 512
}

// File is a file that is installed.
type File struct {
	Key  string // its name in the cabinet
	Path string // below the product's folder, with "/"; not empty
	Size int    // bytes
	// Short is the short name; "" for one with as much of the name's ending as short names have.
	Short string
}

// Medium is a row of the table Media.
type Medium struct {
	Last    int    // number of its last file, counted from 1
	Cabinet string // its name, with "#" before it where it lies in the installer
}

// Binary is a row of the table Binary or Icon.
type Binary struct {
	Name string
	Data []byte
}

// Action is a row of the table CustomAction. No sequence calls it.
type Action struct {
	Name           string
	Type           int // as in Windows Installer's documentation: 37 is JScript in Target
	Source, Target string
}

const (
	productCode = "{6B1F5C43-8D0E-4B46-9C11-0D5B7E0A9F10}"
	packageCode = "{2E6C7E5A-1B0B-4F7B-8F0A-5D3C9B7A4E21}"
)

// Build returns the installer, unsigned.
func (p Package) Build() []byte {
	p = p.withDefaults()
	root := &Node{Storage: true, CLSID: msidb.ClassPackage}
	root.Children = (&database{tables: p.tables()}).encode()
	if p.Cabinet != nil && !p.External {
		root.Children = append(root.Children, Stream(packed(p.CabinetName, false), p.Cabinet))
	}
	for _, b := range p.Binaries {
		root.Children = append(root.Children, Stream(packed("Binary."+b.Name, false), b.Data))
	}
	for _, b := range p.Icons {
		root.Children = append(root.Children, Stream(packed("Icon."+b.Name, false), b.Data))
	}
	root.Children = append(root.Children, Stream(msidb.Summary, p.summary()))
	root.Children = append(root.Children, p.More...)
	if p.Version4 {
		return WriteCompound(4, root)
	}
	return WriteCompound(3, root)
}

func (p Package) withDefaults() Package {
	for _, d := range []struct {
		field *string
		value string
	}{
		{&p.Name, "Test Product"}, {&p.Version, "1.0.0"}, {&p.Manufacturer, "Test Publisher"},
		{&p.UpgradeCode, "{0F0B2B1E-7A5D-4E0C-9E52-3B7B7B3C1D42}"}, {&p.CabinetName, "disk1.cab"}, {&p.Template, "Intel;1033"},
	} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	return p
}

// tables returns the tables that Windows Installer needs to copy files.
func (p Package) tables() []*table {
	property := &table{"Property", []column{{"Property", key | text | 72}, {"Value", local}}, [][]any{
		{"ProductName", p.Name}, {"ProductVersion", p.Version}, {"Manufacturer", p.Manufacturer},
		{"ProductCode", productCode}, {"UpgradeCode", p.UpgradeCode}, {"ProductLanguage", "1033"},
	}}
	for name, value := range p.Setting {
		property.rows = append(property.rows, []any{name, value})
	}
	out := []*table{property, p.media(),
		{"Feature", []column{{"Feature", key | text | 38}, {"Feature_Parent", null | text | 38}, {"Title", null | local | 64},
			{"Description", null | local | 255}, {"Display", null | short}, {"Level", short}, {"Directory_", null | text | 72}, {"Attributes", short}},
			[][]any{{"Main", nil, p.Name, nil, 1, 1, "INSTALLDIR", 0}}},
	}
	out = append(out, p.files()...)
	for _, t := range []struct {
		name string
		list []Binary
	}{{"Binary", p.Binaries}, {"Icon", p.Icons}} {
		if len(t.list) > 0 {
			out = append(out, &table{t.name, []column{{"Name", key | text | 72}, {"Data", stream}}, nil})
			for _, b := range t.list {
				last := out[len(out)-1]
				last.rows = append(last.rows, []any{b.Name, true})
			}
		}
	}
	if len(p.Actions) > 0 {
		actions := &table{"CustomAction", []column{{"Action", key | text | 72}, {"Type", short}, {"Source", null | text | 72}, {"Target", null | text | 255}}, nil}
		for _, a := range p.Actions {
			actions.rows = append(actions.rows, []any{a.Name, a.Type, a.Source, a.Target})
		}
		out = append(out, actions)
	}
	if len(p.Copies) > 0 {
		copies := &table{"DuplicateFile", []column{{"FileKey", key | text | 72}, {"Component_", text | 72}, {"File_", text | 72}, {"DestName", null | local | 255}, {"DestFolder", null | text | 72}}, nil}
		for file, name := range p.Copies {
			copies.rows = append(copies.rows, []any{"copy" + file, "cmpINSTALLDIR", file, name, nil})
		}
		out = append(out, copies)
	}
	return append(out, sequence())
}

func (p Package) media() *table {
	t := &table{"Media", []column{{"DiskId", key | short}, {"LastSequence", short}, {"DiskPrompt", null | local | 64},
		{"Cabinet", null | text | 255}, {"VolumeLabel", null | text | 32}, {"Source", null | text | 72}}, nil}
	cabinet := "#" + p.CabinetName
	if p.External {
		cabinet = p.CabinetName
	}
	if p.Cabinet != nil || p.External {
		t.rows = [][]any{{1, len(p.Files), nil, cabinet, nil, nil}}
	}
	for i, m := range p.Media {
		if i == 0 {
			t.rows = nil
		}
		t.rows = append(t.rows, []any{i + 1, m.Last, nil, m.Cabinet, nil, nil})
	}
	return t
}

// files returns Directory, Component, FeatureComponents and File: a component for each folder that has files.
func (p Package) files() []*table {
	directory := &table{"Directory", []column{{"Directory", key | text | 72}, {"Directory_Parent", null | text | 72}, {"DefaultDir", local | 255}},
		[][]any{{"TARGETDIR", nil, "SourceDir"}, {"ProgramFilesFolder", "TARGETDIR", "."}, {"INSTALLDIR", "ProgramFilesFolder", shortName("APP", 0) + "|" + p.Name}}}
	component := &table{"Component", []column{{"Component", key | text | 72}, {"ComponentId", null | text | 38}, {"Directory_", text | 72},
		{"Attributes", short}, {"Condition", null | text | 255}, {"KeyPath", null | text | 72}}, nil}
	feature := &table{"FeatureComponents", []column{{"Feature_", key | text | 38}, {"Component_", key | text | 72}}, nil}
	file := &table{"File", []column{{"File", key | text | 72}, {"Component_", text | 72}, {"FileName", local | 255}, {"FileSize", long},
		{"Version", null | text | 72}, {"Language", null | text | 20}, {"Attributes", null | short}, {"Sequence", short}}, nil}
	folders := map[string]string{".": "INSTALLDIR"}
	components := map[string]bool{}
	var folder func(string) string
	folder = func(dir string) string {
		if id := folders[dir]; id != "" {
			return id
		}
		id := fmt.Sprintf("dir%d", len(folders))
		folders[dir] = id
		directory.rows = append(directory.rows, []any{id, folder(path.Dir(dir)), shortName("DIR", len(folders)) + "|" + path.Base(dir)})
		return id
	}
	for i, f := range p.Files {
		dir := folder(path.Dir(f.Path))
		id := "cmp" + dir
		if !components[id] {
			components[id] = true
			guid := fmt.Sprintf("{7D1E0C8B-52A0-4F5E-9A77-%012X}", len(components))
			component.rows = append(component.rows, []any{id, guid, dir, 0, nil, f.Key})
			feature.rows = append(feature.rows, []any{"Main", id})
		}
		name := f.Short + "|" + path.Base(f.Path)
		if f.Short == "" {
			name = shortName("FILE", i) + strings.ToUpper(path.Ext(f.Path))[:min(4, len(path.Ext(f.Path)))] + "|" + path.Base(f.Path)
		}
		file.rows = append(file.rows, []any{f.Key, id, name, f.Size, nil, nil, 512, i + 1})
	}
	return []*table{directory, component, feature, file}
}

func shortName(stem string, n int) string { return fmt.Sprintf("%s%d", stem, n) }

func sequence() *table {
	t := &table{"InstallExecuteSequence", []column{{"Action", key | text | 72}, {"Condition", null | text | 255}, {"Sequence", null | short}}, nil}
	for _, a := range []struct {
		name string
		at   int
	}{{"CostInitialize", 800}, {"FileCost", 900}, {"CostFinalize", 1000}, {"InstallValidate", 1400}, {"InstallInitialize", 1500},
		{"InstallFiles", 4000}, {"RegisterProduct", 6100}, {"InstallFinalize", 6600}} {
		t.rows = append(t.rows, []any{a.name, nil, a.at})
	}
	return t
}

// summary returns the property set SummaryInformation ([MS-OLEPS]).
func (p Package) summary() []byte {
	le := binary.LittleEndian
	texts := []struct {
		id    uint32
		value string
	}{{2, "Installation Database"}, {3, p.Name}, {4, p.Manufacturer}, {7, p.Template}, {9, packageCode}}
	var index, values []byte
	count := len(texts) + 3
	start := 8 + 8*count
	add := func(id uint32, value []byte) {
		index = le.AppendUint32(le.AppendUint32(index, id), uint32(start+len(values)))
		values = append(values, value...)
	}
	number := func(kind, n uint32) []byte { return le.AppendUint32(le.AppendUint32(nil, kind), n) }
	add(1, number(2, 1252)) // code page
	for _, t := range texts {
		b := number(30, uint32(len(t.value)+1))
		b = append(b, t.value...)
		b = append(b, make([]byte, 4-len(t.value)%4)...)
		add(t.id, b)
	}
	add(14, number(3, 200)) // version of Windows Installer
	add(15, number(3, 2))   // long names, compressed
	section := append(le.AppendUint32(le.AppendUint32(nil, uint32(start+len(values))), uint32(count)), append(index, values...)...)
	header := append([]byte{0xfe, 0xff, 0, 0, 5, 1, 2, 0}, make([]byte, 16)...)
	header = le.AppendUint32(header, 1)
	header = append(header, "\xe0\x85\x9f\xf2\xf9\x4f\x68\x10\xab\x91\x08\x00\x2b\x27\xb3\xd9"...)
	return append(le.AppendUint32(header, 48), section...)
}
