package pe_test

import (
	"bytes"
	debugpe "debug/pe"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-project/sallyport/verify/internal/pe"
	"github.com/sallyport-project/sallyport/verify/internal/pe/petest"
)

// program is one with everything.
func program() []byte {
	return petest.Build(petest.Program{DLL: true, Time: 1700000000, Overlay: []byte("overlay"),
		Sections: []petest.Section{{Name: ".text", Data: make([]byte, 700)}, {Name: ".wixburn", Data: []byte("x")}},
		Resources: []petest.Resource{
			{Type: "10", Name: "102", Data: []byte("data of 102")}, {Type: "10", Name: "PAYLOAD", Data: []byte("payload")}, {Type: "BIN", Name: "7", Data: []byte("bin")},
			{Type: "16", Name: "1", Data: petest.Version("CompanyName", "3CX Ltd", "ProductName", "Größe", "FileVersion", "1.2", "OriginalFilename", "a.exe")},
		}})
}

func TestInfo(t *testing.T) {
	b := program()
	i, err := pe.ReadInfo(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if !i.IsDLL() || i.TimeDateStamp != 1700000000 || i.Reproducible || i.OverlayAt != int64(len(b)-7) || len(i.Sections) != 3 || i.Section(".wixburn") == nil {
		t.Errorf("%+v", i)
	}
	all, err := i.Resources(bytes.NewReader(b))
	if err != nil || len(all) != 4 {
		t.Fatalf("%v, %v", all, err)
	}
	for n, want := range []string{"10/102:data of 102", "10/PAYLOAD:payload"} {
		r := all[n]
		if got := r.Type + "/" + r.Name + ":" + string(b[r.Offset:r.Offset+r.Size]); got != want || r.Language != "1033" {
			t.Errorf("resource %d: %q, want %q", n, got, want)
		}
	}
	v, err := i.Version(bytes.NewReader(b))
	if err != nil || v.CompanyName != "3CX Ltd" || v.ProductName != "Größe" || v.FileVersion != "1.2" || v.OriginalFilename != "a.exe" || v.FixedFileVersion != [4]uint16{1, 2, 3, 4} {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestInfoOfDamagedPrograms(t *testing.T) {
	le := binary.LittleEndian
	resources := func(b []byte) int { // where the tree lies
		return int(le.Uint32(b[152+240+80+20:]))
	}
	for defect, change := range map[string]func(b []byte) []byte{
		"more sections than allowed":       func(b []byte) []byte { le.PutUint16(b[134:], 97); return b },
		"sections beyond the file":         func(b []byte) []byte { return b[:152+240+20] },
		"folder of too many resources":     func(b []byte) []byte { le.PutUint16(b[resources(b)+14:], 0xffff); return b },
		"folders in a circle":              func(b []byte) []byte { le.PutUint32(b[resources(b)+20:], 1<<31); return b },
		"entry beyond the tree":            func(b []byte) []byte { le.PutUint32(b[resources(b)+20:], 1<<30); return b },
		"name beyond the tree":             func(b []byte) []byte { le.PutUint32(b[resources(b)+16:], 1<<31|1<<30); return b },
		"version resource of another kind": func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("V\x00S\x00_"), []byte("V\x00X\x00_")) },
	} {
		b := change(program())
		i, err := pe.ReadInfo(bytes.NewReader(b), int64(len(b)))
		if err == nil {
			_, err = i.Version(bytes.NewReader(b))
		}
		if !errors.Is(err, pe.ErrMalformed) {
			t.Errorf("%s: error %v", defect, err)
		}
	}
	plain := petest.Build(petest.Program{})
	i, err := pe.ReadInfo(bytes.NewReader(plain), int64(len(plain)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.Version(bytes.NewReader(plain)); !errors.Is(err, pe.ErrNoVersion) {
		t.Errorf("no resources: error %v", err)
	}
}

// The standard library's reader sees the same sections in every real program.
func TestSectionsAgreeWithDebugPE(t *testing.T) {
	root := os.Getenv("SALLYPORT_SAMPLES")
	if root == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real programs are left out; .ci/test fetches them")
	}
	seen := 0
	for _, pattern := range []string{"*", "*/*"} {
		files, _ := filepath.Glob(filepath.Join(root, "authenticode-pe", pattern))
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				continue
			}
			theirs, err := debugpe.NewFile(bytes.NewReader(b))
			if err != nil {
				continue
			}
			ours, err := pe.ReadInfo(bytes.NewReader(b), int64(len(b)))
			if err != nil || len(ours.Sections) != len(theirs.Sections) || ours.TimeDateStamp != theirs.TimeDateStamp {
				t.Errorf("%s: %+v, %v", file, ours, err)
				continue
			}
			seen++
			for i, s := range theirs.Sections {
				if o := ours.Sections[i]; o.VirtualAddress != s.VirtualAddress || o.Characteristics != s.Characteristics || len(s.Name) <= 8 && s.Name[0] != '/' && o.Name != s.Name {
					t.Errorf("%s: section %d is %+v, not %+v", file, i, o, s)
				}
			}
			if _, err := ours.Version(bytes.NewReader(b)); err != nil && !errors.Is(err, pe.ErrNoVersion) {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	t.Logf("%d programs", seen)
}

// FuzzInfo looks for programs on which the parsers panic, or give places outside the file.
func FuzzInfo(f *testing.F) {
	f.Add(program())
	f.Add(petest.Build(petest.Program{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := pe.ReadInfo(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if !errors.Is(err, pe.ErrNotPE) && !errors.Is(err, pe.ErrMalformed) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if i.OverlayAt < 0 || i.OverlayAt > int64(len(b)) {
			t.Fatalf("overlay at %d of %d", i.OverlayAt, len(b))
		}
		all, err := i.Resources(bytes.NewReader(b))
		if err != nil && !errors.Is(err, pe.ErrMalformed) {
			t.Fatalf("error of another kind: %v", err)
		}
		for _, r := range all {
			if r.Offset < 0 || r.Size < 0 || r.Offset+r.Size > int64(len(b)) {
				t.Fatalf("%+v of %d", r, len(b))
			}
		}
		if _, err := i.Version(bytes.NewReader(b)); err != nil && !errors.Is(err, pe.ErrMalformed) && !errors.Is(err, pe.ErrNoVersion) {
			t.Fatalf("error of another kind: %v", err)
		}
	})
}
