package machofile

import (
	"bytes"
	"debug/macho"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const plist = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict><key>com.apple.security.cs.allow-jit</key><true/><key>com.apple.security.app-sandbox</key><false/>
<key>com.apple.security.application-groups</key><array><string>a</string></array></dict></plist>`

// program is a 64-bit program that loads libraries, with a signature that holds entitlements.
func program(libraries ...string) []byte {
	le, be := binary.LittleEndian, binary.BigEndian
	var commands []byte
	for _, name := range libraries {
		c := make([]byte, 24+len(name)+8-len(name)%8)
		le.PutUint32(c, loadLibrary)
		le.PutUint32(c[4:], uint32(len(c)))
		le.PutUint32(c[8:], 24)
		copy(c[24:], name)
		commands = append(commands, c...)
	}
	at := header64 + len(commands) + 16
	c := make([]byte, 16)
	le.PutUint32(c, loadSignature)
	le.PutUint32(c[4:], 16)
	le.PutUint32(c[8:], uint32(at))
	le.PutUint32(c[12:], uint32(28+len(plist)))
	commands = append(commands, c...)
	head := make([]byte, header64)
	copy(head, "\xcf\xfa\xed\xfe")
	le.PutUint32(head[16:], uint32(len(libraries)+1))
	le.PutUint32(head[20:], uint32(len(commands)))
	b := append(head, commands...)
	for _, n := range []uint32{signatureMagic, uint32(28 + len(plist)), 1, entitlementsInPlace, 20, entitlementsMagic, uint32(8 + len(plist))} {
		b = be.AppendUint32(b, n)
	}
	return append(b, plist...)
}

// universal puts programs into one file.
func universal(programs ...[]byte) []byte {
	be := binary.BigEndian
	b := be.AppendUint32(be.AppendUint32(nil, universalMagic), uint32(len(programs)))
	at := 8 + 20*len(programs)
	for _, p := range programs {
		for _, n := range []uint32{7, 3, uint32(at), uint32(len(p)), 0} {
			b = be.AppendUint32(b, n)
		}
		at += len(p)
	}
	return append(b, bytes.Join(programs, nil)...)
}

func TestRead(t *testing.T) {
	want := Info{[]string{"/usr/lib/libSystem.B.dylib", "@rpath/libffmpeg.dylib"},
		[]string{"com.apple.security.application-groups", "com.apple.security.cs.allow-jit"}}
	for name, b := range map[string][]byte{
		"one architecture": program("@rpath/libffmpeg.dylib", "/usr/lib/libSystem.B.dylib"),
		"two":              universal(program("@rpath/libffmpeg.dylib"), program("/usr/lib/libSystem.B.dylib")),
	} {
		got, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil || !slices.Equal(got.Libraries, want.Libraries) || !slices.Equal(got.Entitlements, want.Entitlements) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		for n := range len(b) - len(plist) {
			if _, err := Read(bytes.NewReader(b[:n]), int64(n)); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%s: the first %d bytes of %d: %v", name, n, len(b), err)
			}
		}
	}
}

// The standard library's reader sees the same libraries in every real program.
func TestLibrariesAgreeWithDebugMacho(t *testing.T) {
	root := os.Getenv("SALLYPORT_SAMPLES")
	if root == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real programs are left out; .ci/test fetches them")
	}
	files, _ := filepath.Glob(filepath.Join(root, "macho", "*", "*"))
	seen := 0
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		var want []string
		if fat, err := macho.NewFatFile(bytes.NewReader(b)); err == nil {
			for _, a := range fat.Arches {
				more, _ := a.ImportedLibraries()
				want = append(want, more...)
			}
		} else if one, err := macho.NewFile(bytes.NewReader(b)); err == nil {
			want, _ = one.ImportedLibraries()
		} else {
			continue
		}
		seen++
		got, err := Read(bytes.NewReader(b), int64(len(b)))
		for _, w := range want {
			if err != nil || !slices.Contains(got.Libraries, w) {
				t.Errorf("%s: %v, %v; want %v", name, got.Libraries, err, want)
			}
		}
		t.Logf("%s: %v", filepath.Base(name), got.Entitlements)
	}
	t.Logf("%d programs", seen)
}

// FuzzRead looks for files on which the parser panics, fails in another way, or returns more than it may.
func FuzzRead(f *testing.F) {
	f.Add(program("a"))
	f.Add(universal(program("a"), program("b")))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatalf("error of another kind: %v", err)
		}
		if len(got.Libraries) > maxArchitectures*maxLibraries || len(got.Entitlements) > maxArchitectures*maxBlobs*maxKeys {
			t.Fatalf("%d libraries, %d entitlements", len(got.Libraries), len(got.Entitlements))
		}
	})
}
