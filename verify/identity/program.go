package identity

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/elffile"
	"github.com/sallyport-project/sallyport/verify/internal/machofile"
	"github.com/sallyport-project/sallyport/verify/internal/pe"
)

// machines are the architectures of Windows programs (Microsoft PE and COFF Specification, Machine Types).
var machines = map[uint16]string{0x14c: "x86", 0x8664: "x64", 0xaa64: "arm64", 0x1c4: "arm", 0x200: "ia64"}

// program reads a Windows program's version resource and imports.
func program(_ context.Context, a *verify.Artifact) (s said, err error) {
	info, err := pe.ReadInfo(a.Content, a.Size)
	if err != nil {
		return s, err
	}
	imports, err := info.Imports(a.Content)
	if errors.Is(err, pe.ErrMalformed) {
		s.fact("imports", "(they cannot be read)")
	} else if err != nil {
		return s, err
	}
	if len(imports.Libraries) > 0 {
		s.list("imports", imports.Libraries)
		s.fact("imports_digest", fmt.Sprintf("%s of %d functions", imports.Digest, imports.Functions))
	}
	if a.Inner {
		return s, nil
	}
	v, err := info.Version(a.Content)
	if err != nil {
		return s, err
	}
	if name := programName(v); name != "" {
		s.is("pe", withArchitecture(name, machines[info.Machine]), programVersion(v))
	}
	return s, nil
}

// programName is the product's name, or the program's own where that is the whole system or missing.
func programName(v *pe.VersionInfo) string {
	for _, name := range []string{v.ProductName, v.FileDescription, v.InternalName, v.OriginalFilename} {
		if name = strings.TrimSpace(name); name != "" && !strings.Contains(name, "Operating System") {
			return withoutRelease(name)
		}
	}
	return ""
}

// number is a version at the beginning of a text: numbers between dots or commas, and what is glued to them.
var number = regexp.MustCompile(`^[vV]?(\d+(?:\s*[.,]\s*\d+)*)(-?[A-Za-z][0-9A-Za-z.-]*)?`)

// programVersion is the product's version as a text, else the file's, else those in numbers. Zeros are no version: they are what
// compilers and installers put where nobody gave one.
func programVersion(v *pe.VersionInfo) string {
	for _, text := range []string{v.ProductVersion, v.FileVersion} {
		m := number.FindStringSubmatch(strings.TrimSpace(text))
		if m == nil || strings.Trim(m[1], "0., ") == "" {
			continue
		}
		return strings.ReplaceAll(strings.Join(strings.Fields(m[1]), ""), ",", ".") + m[2]
	}
	for _, n := range [][4]uint16{v.FixedProductVersion, v.FixedFileVersion} {
		if n != ([4]uint16{}) {
			return fmt.Sprintf("%d.%d.%d.%d", n[0], n[1], n[2], n[3])
		}
	}
	return ""
}

// elf reads what an ELF program loads. It says neither its product nor its version.
func elf(_ context.Context, a *verify.Artifact) (s said, err error) {
	info, err := elffile.Read(a.Content, a.Size)
	if errors.Is(err, elffile.ErrMalformed) {
		s.fact("imports", "(they cannot be read)")
	}
	if len(info.Needed) > 0 {
		s.list("imports", info.Needed)
	}
	return s, err
}

// macho reads what a Mach-O program loads and may do. It says neither its product nor its version.
func macho(_ context.Context, a *verify.Artifact) (s said, err error) {
	info, err := machofile.Read(a.Content, a.Size)
	if errors.Is(err, machofile.ErrMalformed) {
		s.fact("imports", "(they cannot be read)")
	}
	if len(info.Libraries) > 0 {
		s.list("imports", info.Libraries)
	}
	if len(info.Entitlements) > 0 {
		s.list("entitlements", info.Entitlements)
	}
	return s, err
}
