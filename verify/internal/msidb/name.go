// Package msidb reads the databases of Windows Installer, which lie in compound files: the packed names of streams, the
// string pool and the tables. The format is not published by Microsoft; what is here follows what the streams of real
// installers hold, and agrees with msitools and Wine.
//
// Every number in a database comes from a stranger: streams are read up to fixed limits and every reference is checked.
package msidb

import (
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/sallyport-project/sallyport/verify/internal/cfb"
)

// Names of the streams that hold an installer's signature, and of the one with title, author and dates.
const (
	Signature   = "\x05DigitalSignature"
	SignatureEx = "\x05MsiDigitalSignatureEx"
	Summary     = "\x05SummaryInformation"
)

// Units of packed names: one or two characters of the alphabet, or the mark before the name of a table.
const (
	packedPair   = 0x3800
	packedSingle = 0x4800
	tableMark    = 0x4840
)

// alphabet is what names can be packed of.
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._"

// StreamName is the name of a stream as the installer's tables spell it.
type StreamName struct {
	Text  string
	Table bool // the stream is a table's
	// Odd says that Windows Installer would not have packed the name like this, and does not find the stream by it.
	Odd bool
}

// DecodeName unpacks a stream's name.
func DecodeName(units []uint16) StreamName {
	var n StreamName
	rest := units
	if len(rest) > 0 && rest[0] == tableMark {
		n.Table, rest = true, rest[1:]
	}
	var out []uint16
	for _, u := range rest {
		switch {
		case u >= packedPair && u < packedSingle:
			out = append(out, uint16(alphabet[(u-packedPair)&63]), uint16(alphabet[(u-packedPair)>>6]))
		case u >= packedSingle && u < tableMark:
			out = append(out, uint16(alphabet[u-packedSingle]))
		default:
			out = append(out, u)
		}
	}
	n.Text = string(utf16.Decode(out))
	// Property sets and signatures have names of the container's own kind, which are never packed.
	n.Odd = units[0] >= ' ' && !slices.Equal(EncodeName(n.Text, n.Table), units)
	return n
}

// EncodeName packs a stream's name.
func EncodeName(text string, table bool) []uint16 {
	var out []uint16
	if table {
		out = append(out, tableMark)
	}
	units := utf16.Encode([]rune(text))
	for i := 0; i < len(units); i++ {
		first := letter(units[i])
		if first < 0 {
			out = append(out, units[i])
			continue
		}
		if i+1 < len(units) {
			if second := letter(units[i+1]); second >= 0 {
				out = append(out, uint16(packedPair+first+second<<6))
				i++
				continue
			}
		}
		out = append(out, uint16(packedSingle+first))
	}
	return out
}

// letter returns the place of a unit in the alphabet, or -1.
func letter(u uint16) int {
	if u >= 0x80 {
		return -1
	}
	return strings.IndexByte(alphabet, byte(u))
}

// SameName reports whether Windows would find the entry under this name, which is not packed.
func SameName(e *cfb.Entry, name string) bool {
	return cfb.CompareNames(e.Units, utf16.Encode([]rune(name))) == 0
}

// IsSignature reports whether an entry of the root is one of the signature's streams.
func IsSignature(e *cfb.Entry) bool {
	return e.Kind == cfb.Stream && (e.Name() == Signature || e.Name() == SignatureEx)
}

// Classes of the storages of Windows Installer, as they stand in a directory entry.
var (
	ClassTransform = class(0x82) // {000C1082-0000-0000-C000-000000000046}
	ClassPackage   = class(0x84)
	ClassPatch     = class(0x86)
)

func class(n byte) [16]byte {
	return [16]byte{n, 0x10, 0x0c, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46}
}

// IsInstaller reports whether Windows Installer could take a compound file for its own: by the class of the root, or
// because there are tables.
func IsInstaller(f *cfb.File) bool {
	switch f.Root.CLSID {
	case ClassTransform, ClassPackage, ClassPatch:
		return true
	}
	return slices.ContainsFunc(f.Root.Children, func(e *cfb.Entry) bool { return e.Units[0] == tableMark })
}
