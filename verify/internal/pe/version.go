package pe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Limits of a version resource.
const (
	maxVersionSize   = 256 << 10 // bytes
	maxVersionFields = 256
	maxVersionNodes  = 4096
	fixedInfoSize    = 52
	fixedInfoMagic   = 0xfeef04bd
)

// VersionInfo is what a program says of itself in its version resource (VS_VERSIONINFO). Nothing but the program's
// own signature, where there is one, stands for it. Texts come from strangers.
type VersionInfo struct {
	CompanyName, ProductName, FileDescription string
	FileVersion, ProductVersion               string // as texts
	OriginalFilename, InternalName, Copyright string
	FixedFileVersion, FixedProductVersion     [4]uint16         // as numbers; zero if there are none
	Strings                                   map[string]string // all of them, of the first language that has the name
}

// ErrNoVersion is returned for an image without a version resource.
var ErrNoVersion = errors.New("no version resource")

// Version reads the first version resource. Errors are ErrNoVersion, wrap ErrMalformed, or are r's.
func (i *Info) Version(r io.ReaderAt) (*VersionInfo, error) {
	all, err := i.Resources(r)
	for _, res := range all {
		if res.Type != ResourceVersion {
			continue
		}
		if res.Size > maxVersionSize {
			return nil, fmt.Errorf("%w: a version resource of %d bytes", ErrMalformed, res.Size)
		}
		b := make([]byte, res.Size)
		if err := readAt(r, b, res.Offset); err != nil {
			return nil, err
		}
		return parseVersion(b)
	}
	if err == nil {
		err = ErrNoVersion
	}
	return nil, err
}

// versionNode is one block of the resource: length, length of the value, kind of it, key, value, children.
type versionNode struct {
	key      string
	text     bool
	value    []byte
	children []byte
}

// parseVersion reads the tree VS_VERSION_INFO / StringFileInfo / language / name.
func parseVersion(b []byte) (*VersionInfo, error) {
	v := &VersionInfo{Strings: map[string]string{}}
	nodes := 0
	root, _, err := nextVersionNode(b, &nodes)
	if err != nil {
		return nil, err
	}
	if root.key != "VS_VERSION_INFO" {
		return nil, fmt.Errorf("%w: a version resource that begins with %q", ErrMalformed, root.key)
	}
	if f := root.value; len(f) >= fixedInfoSize && binary.LittleEndian.Uint32(f) == fixedInfoMagic {
		v.FixedFileVersion, v.FixedProductVersion = fixedVersion(f[8:]), fixedVersion(f[16:])
	}
	err = eachVersionNode(root.children, &nodes, func(info versionNode) error {
		if info.key != "StringFileInfo" {
			return nil
		}
		return eachVersionNode(info.children, &nodes, func(language versionNode) error {
			return eachVersionNode(language.children, &nodes, func(field versionNode) error {
				if _, there := v.Strings[field.key]; !there && len(v.Strings) < maxVersionFields {
					v.Strings[field.key] = untilZero(field.value)
				}
				return nil
			})
		})
	})
	if err != nil {
		return nil, err
	}
	for name, to := range map[string]*string{
		"CompanyName": &v.CompanyName, "ProductName": &v.ProductName, "FileDescription": &v.FileDescription,
		"FileVersion": &v.FileVersion, "ProductVersion": &v.ProductVersion, "OriginalFilename": &v.OriginalFilename,
		"InternalName": &v.InternalName, "LegalCopyright": &v.Copyright,
	} {
		*to = v.Strings[name]
	}
	return v, nil
}

// fixedVersion reads the two words of a version as its four numbers.
func fixedVersion(b []byte) [4]uint16 {
	le := binary.LittleEndian
	return [4]uint16{le.Uint16(b[2:]), le.Uint16(b), le.Uint16(b[6:]), le.Uint16(b[4:])}
}

// eachVersionNode calls f for the nodes in b, which are aligned to 4 bytes.
func eachVersionNode(b []byte, nodes *int, f func(versionNode) error) error {
	for len(b) >= 6 {
		n, rest, err := nextVersionNode(b, nodes)
		if err != nil {
			return err
		}
		if err := f(n); err != nil {
			return err
		}
		b = rest
	}
	return nil
}

// nextVersionNode splits b after its first node.
func nextVersionNode(b []byte, nodes *int) (n versionNode, rest []byte, err error) {
	if *nodes++; *nodes > maxVersionNodes {
		return n, nil, fmt.Errorf("%w: a version resource of more than %d blocks", ErrMalformed, maxVersionNodes)
	}
	bad := func() (versionNode, []byte, error) {
		return versionNode{}, nil, fmt.Errorf("%w: a block of %d bytes in the version resource", ErrMalformed, len(b))
	}
	if len(b) < 6 {
		return bad()
	}
	length, valueLength := int(binary.LittleEndian.Uint16(b)), int(binary.LittleEndian.Uint16(b[2:]))
	if length < 6 || length > len(b) {
		return bad()
	}
	n.text = binary.LittleEndian.Uint16(b[4:]) == 1
	at := 6
	for ; ; at += 2 {
		if at+2 > length {
			return bad()
		}
		if b[at] == 0 && b[at+1] == 0 {
			break
		}
	}
	n.key = decodeUTF16(b[6:at])
	at = min(align4(at+2), length)
	if n.text {
		valueLength *= 2
	}
	// Some compilers count a text's bytes, others its characters: it ends with its block at the latest.
	end := min(at+valueLength, length)
	n.value, n.children = b[at:end], b[min(align4(end), length):length]
	return n, b[min(align4(length), len(b)):], nil
}

func align4(n int) int { return (n + 3) &^ 3 }

// untilZero decodes a text up to its first zero character.
func untilZero(b []byte) string {
	for i := 0; i+2 <= len(b); i += 2 {
		if b[i] == 0 && b[i+1] == 0 {
			return decodeUTF16(b[:i])
		}
	}
	return decodeUTF16(b)
}
