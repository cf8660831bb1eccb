package pe_test

import (
	"bytes"
	debugpe "debug/pe"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify/internal/pe"
	"github.com/sallyport-project/sallyport/verify/internal/pe/petest"
)

// importer is a program that imports.
func importer(more ...petest.Import) []byte {
	return petest.Build(petest.Program{Imports: append([]petest.Import{
		{Library: "KERNEL32.dll", Functions: []string{"CreateFileW", "VirtualAlloc", "#7"}},
		{Library: "advapi32.dll", Functions: []string{"RegOpenKeyExW"}},
	}, more...)})
}

func imports(b []byte) (pe.Imports, error) {
	i, err := pe.ReadInfo(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return pe.Imports{}, err
	}
	return i.Imports(bytes.NewReader(b))
}

func TestImports(t *testing.T) {
	got, err := imports(importer())
	if err != nil || !slices.Equal(got.Libraries, []string{"advapi32.dll", "kernel32.dll"}) || got.Functions != 4 || len(got.Digest) != 16 {
		t.Errorf("%+v, %v", got, err)
	}
	more, err := imports(importer(petest.Import{Library: "WINHTTP.dll", Functions: []string{"WinHttpOpen"}}))
	if err != nil || !slices.Equal(more.Libraries, []string{"advapi32.dll", "kernel32.dll", "winhttp.dll"}) || more.Digest == got.Digest {
		t.Errorf("%+v, %v", more, err)
	}
	if none, err := imports(petest.Build(petest.Program{})); err != nil || none.Libraries != nil || none.Digest != "" {
		t.Errorf("without imports: %+v, %v", none, err)
	}
}

func TestDamagedImports(t *testing.T) {
	le := binary.LittleEndian
	table := func(b []byte) int { return int(le.Uint32(b[152+240+40+20:])) } // where the directory lies
	for defect, change := range map[string]func(b []byte){
		"a directory nowhere":       func(b []byte) { le.PutUint32(b[152+112+8:], 1<<30) },
		"a name nowhere":            func(b []byte) { le.PutUint32(b[table(b)+12:], 1<<30) },
		"functions nowhere":         func(b []byte) { le.PutUint32(b[table(b):], 1<<30) },
		"a function's name nowhere": func(b []byte) { le.PutUint64(b[int(le.Uint32(b[table(b):]))-0x2000+table(b):], 1<<30) },
		"a directory that never ends": func(b []byte) {
			for i := table(b); i < len(b); i++ {
				b[i] |= 1
			}
		},
	} {
		b := importer()
		change(b)
		if got, err := imports(b); !errors.Is(err, pe.ErrMalformed) {
			t.Errorf("%s: %+v, %v", defect, got, err)
		}
	}
}

// A file of a few bytes in which all libraries share their functions must not keep the reader busy.
func TestImportsAreBounded(t *testing.T) {
	le := binary.LittleEndian
	many := make([]string, 9000)
	for i := range many {
		many[i] = "#1"
	}
	b := petest.Build(petest.Program{Imports: []petest.Import{{Library: "a.dll", Functions: many}, {Library: "b.dll"}, {Library: "c.dll"}, {Library: "d.dll"}}})
	at := int(le.Uint32(b[152+240+40+20:]))
	for i := range 4 {
		copy(b[at+20*i:], b[at:at+4])
	}
	if _, err := imports(b); !errors.Is(err, pe.ErrMalformed) || !strings.Contains(err.Error(), "more than 32768 imported functions") {
		t.Error(err)
	}
}

// The standard library's reader sees the same libraries in every real program.
func TestImportsAgreeWithDebugPE(t *testing.T) {
	root := os.Getenv("SALLYPORT_SAMPLES")
	if root == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real programs are left out; .ci/test fetches them")
	}
	files, _ := filepath.Glob(filepath.Join(root, "authenticode-pe", "*", "*"))
	seen := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		theirs, err := debugpe.NewFile(bytes.NewReader(b))
		if err != nil {
			continue
		}
		symbols, err := theirs.ImportedSymbols() // "function:library"; without functions by number and libraries loaded late
		if err != nil {
			continue
		}
		got, err := imports(b)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		seen++
		for _, s := range symbols {
			_, library, _ := strings.Cut(s, ":")
			if !slices.Contains(got.Libraries, strings.ToLower(library)) {
				t.Errorf("%s: %v has no %s", file, got.Libraries, library)
			}
		}
		if got.Functions < len(symbols) {
			t.Errorf("%s: %d functions, of %d", file, got.Functions, len(symbols))
		}
	}
	t.Logf("%d programs", seen)
}

// FuzzImports looks for programs on which the reader panics, or fails in another way.
func FuzzImports(f *testing.F) {
	f.Add(importer())
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := imports(b)
		if err != nil && !errors.Is(err, pe.ErrNotPE) && !errors.Is(err, pe.ErrMalformed) {
			t.Fatalf("error of another kind: %v", err)
		}
		if (got.Digest == "") != (len(got.Libraries) == 0) || len(got.Libraries) > 2048 || !slices.IsSorted(got.Libraries) {
			t.Fatalf("%+v", got)
		}
	})
}
