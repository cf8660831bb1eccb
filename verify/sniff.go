package verify

import (
	"bytes"
	"encoding/binary"
	"path"
	"strings"
)

// Format names what kind of file an artifact is, in the words that policies and records use: "pe", "deb", "msi".
// The zero Format is unknown.
type Format string

// SniffLen is how many of an artifact's first bytes Sniff makes use of.
const SniffLen = 4096

// magics are the formats that their first bytes give away. Longer and rarer ones stand first.
var magics = []struct {
	offset int
	magic  string
	format Format
}{
	{0, "!<arch>\ndebian-binary", "deb"},
	{0, "!<arch>\n", "ar"},
	{0, "\xed\xab\xee\xdb", "rpm"},
	{0, "\x7fELF", "elf"},
	{0, "\xfe\xed\xfa\xce", "macho"},
	{0, "\xfe\xed\xfa\xcf", "macho"},
	{0, "\xce\xfa\xed\xfe", "macho"},
	{0, "\xcf\xfa\xed\xfe", "macho"},
	{0, "\xca\xfe\xba\xbf", "macho"},               // universal, with 64-bit offsets
	{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "msi"}, // OLE compound file; an .msi unless it is an old Office document
	{0, "MSCF", "cab"},                             // what follows is reserved; Windows reads on whatever it is
	{0, "ISc(", "cab"},                             // InstallShield cabinet
	{0, "xar!", "pkg"},
	{0, "Cr24", "crx"},
	{0, "MAR1", "mar"},
	{0, "PK\x03\x04", "zip"},
	{0, "PK\x05\x06", "zip"},
	{0, "PK\x07\x08", "zip"},
	{0, "7z\xbc\xaf\x27\x1c", "7z"},
	{0, "Rar!\x1a\x07", "rar"},
	{0, "\xfd7zXZ\x00", "xz"},
	{0, "\x28\xb5\x2f\xfd", "zstd"},
	{0, "\x04\x22\x4d\x18", "lz4"},
	{0, "LZIP", "lzip"},
	{0, "\x1f\x9d", "compress"},
	{0, "\x5d\x00\x00", "lzma"},
	{0, "\x1f\x8b\x08", "gzip"},
	{0, "BZh", "bzip2"},
	{0, "hsqs", "squashfs"},
	{0, "dex\n03", "dex"},
	{0, "\x00asm\x01\x00\x00\x00", "wasm"},
	{0, "#!", "script"},
	{0, "MSWIM\x00\x00\x00", "wim"},
	{0, "PA30", "msdelta"},
	{0, "\xd0\x0d\xfe\xed", "firmware"}, // flattened device tree image
	{0, "\x7fOLF", "elf"},
	{257, "ustar", "tar"},
	{0x8001, "CD001", "iso"},
}

// skippedFrame is how a zstd frame that is skipped begins (RFC 8878 section 3.1.2), after a byte from 0x50 to 0x5f.
const skippedFrame = "\x2a\x4d\x18"

// byExtension are the formats that a name alone gives away, for content that has no magic of its own.
var byExtension = map[string]Format{
	".exe": "pe", ".dll": "pe", ".sys": "pe", ".efi": "pe", ".scr": "pe", ".com": "pe", ".cpl": "pe", ".ocx": "pe",
	".msi": "msi", ".msp": "msi", ".msu": "cab", ".cab": "cab", ".msix": "msix", ".appx": "msix",
	".msixbundle": "msix", ".appxbundle": "msix", ".appinstaller": "appinstaller", ".nupkg": "nupkg", ".vsix": "vsix",
	".deb": "deb", ".udeb": "deb", ".rpm": "rpm", ".drpm": "rpm", ".apk": "apk", ".jar": "jar", ".war": "jar",
	".dmg": "dmg", ".pkg": "pkg", ".mpkg": "pkg", ".crx": "crx", ".xpi": "xpi", ".mar": "mar", ".snap": "squashfs",
	".flatpak": "flatpak", ".appimage": "elf", ".whl": "whl", ".gem": "gem", ".crate": "crate",
	".ps1": "script", ".psm1": "script", ".psd1": "script", ".bat": "script", ".cmd": "script", ".vbs": "script",
	".vbe": "script", ".jse": "script", ".wsf": "script", ".wsh": "script", ".wsc": "script", ".sct": "script",
	".ps1xml": "script", ".psc1": "script", ".cdxml": "script", ".hta": "script", ".sh": "script", ".run": "script",
	".command": "script", ".reg": "script", ".lnk": "lnk", ".iso": "iso", ".img": "iso", ".vhd": "vhd", ".vhdx": "vhd",
	".zip": "zip", ".7z": "7z", ".rar": "rar", ".tar": "tar", ".tgz": "gzip", ".txz": "xz", ".tbz2": "bzip2",
	".gz": "gzip", ".xz": "xz", ".bz2": "bzip2", ".zst": "zstd", ".wim": "wim", ".esd": "wim", ".psf": "msdelta",
	".class": "class", ".dex": "dex", ".bin": "firmware", ".fw": "firmware",
}

// inZip are the kinds of zip file that their name tells apart.
var inZip = map[Format]bool{
	"msix": true, "nupkg": true, "vsix": true, "apk": true, "jar": true, "xpi": true, "whl": true,
}

// Sniff tells an artifact's format by its first bytes, and where they say little, by its name. It returns "" for
// what looks like no update. The content type that a server claims is not asked.
func Sniff(head []byte, name string) Format {
	ext := sniffName(name)
	switch f := sniffContent(head); {
	case ext == "script" && !f.Executable():
		return ext // it runs by its name, whatever else it is as well
	case f == "" && looksLikeHTML(head):
		return "" // a page on the way to the file it is named after; nothing but a script runs it
	case f == "":
		return ext
	case f == "zip" && inZip[ext]:
		return ext
	default:
		return f
	}
}

// sniffName tells a format by a name alone. Windows drops dots and spaces at a name's end, and takes what follows a
// colon for a stream of the file before it: "a.bat.", "a.bat::$DATA" and "a.txt:b.vbs" are what they are without that.
func sniffName(name string) (f Format) {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	for part := range strings.SplitSeq(name, ":") {
		if g := byExtension[strings.ToLower(path.Ext(strings.TrimRight(part, ". ")))]; g != "" && !f.Executable() {
			f = g
		}
	}
	return f
}

// sniffContent tells a format by the first bytes alone.
func sniffContent(head []byte) Format {
	if f := sniffMZ(head); f != "" {
		return f
	}
	if len(head) >= 4 && head[0]&0xf0 == 0x50 && string(head[1:4]) == skippedFrame {
		return "zstd"
	}
	for _, m := range magics {
		if len(head) >= m.offset+len(m.magic) && string(head[m.offset:m.offset+len(m.magic)]) == m.magic {
			return m.format
		}
	}
	if len(head) >= 8 && binary.BigEndian.Uint32(head) == 0xcafebabe {
		// A universal Mach-O counts its architectures where a Java class has its version (45 and up).
		if n := binary.BigEndian.Uint32(head[4:]); n < 40 {
			return "macho"
		}
		return "class"
	}
	if bytes.HasPrefix(trimText(head), []byte("#!")) {
		return "script"
	}
	return sniffArchive(head)
}

func looksLikeHTML(head []byte) bool {
	b := bytes.ToLower(trimText(head)[:min(16, len(trimText(head)))])
	return bytes.HasPrefix(b, []byte("<!doctype html")) || bytes.HasPrefix(b, []byte("<html"))
}

// trimText removes what may stand before the text of a text file.
func trimText(b []byte) []byte {
	return bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
}

// Undecided reports whether more bytes after head could still turn it into a format that begins with a magic: a
// stream that is passed on as it arrives must be kept back until this is false.
func Undecided(head []byte) bool {
	if len(head) >= SniffLen || sniffContent(head) != "" {
		return false
	}
	text := trimText(head)
	if len(text) < 2 && strings.HasPrefix("#!", string(text)) || strings.HasPrefix("\xef\xbb\xbf", string(head)) {
		return true
	}
	if len(head) > 0 && len(head) < 4 && head[0]&0xf0 == 0x50 && strings.HasPrefix(skippedFrame, string(head[1:])) {
		return true
	}
	for _, m := range magics {
		if m.offset == 0 && len(head) < len(m.magic) && strings.HasPrefix(m.magic, string(head)) {
			return true
		}
	}
	return undecidedArchive(head) || len(head) < 8 && (strings.HasPrefix("MZ", string(head)) || strings.HasPrefix("ZM", string(head)) ||
		strings.HasPrefix("\xca\xfe\xba\xbe", string(head[:min(4, len(head))])))
}

// sniffMZ recognises programs that begin with a DOS header. Every loader that runs a PE file wants "MZ" first, so
// that is enough, wherever the PE header lies.
func sniffMZ(head []byte) Format {
	if len(head) >= 2 && (string(head[:2]) == "MZ" || string(head[:2]) == "ZM") {
		return "pe"
	}
	return ""
}
