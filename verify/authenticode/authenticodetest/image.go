// Package authenticodetest makes signed Windows programs for tests and drills: small harmless PE images, certificate
// authorities that exist in memory only, Authenticode signatures with timestamps and nested signatures, and the
// defects that attackers bring along.
//
//	root := authenticodetest.NewCA("Test Root")
//	signer := root.Issue(authenticodetest.Leaf{Organization: "3CX Ltd"})
//	program := authenticodetest.Sign(authenticodetest.BuildPE(authenticodetest.Image{}), authenticodetest.Signature{Signer: signer})
//	trust := verify.Trust{CodeSigning: []*x509.Certificate{root.Certificate}}
//
// It writes its DER itself, apart from the code that it tests. Its inputs are its caller's own; where they make no
// sense it panics.
package authenticodetest

import (
	"encoding/binary"
	"math/rand/v2"
)

// Image says what a PE image should look like. The zero Image is a PE32+ of about 4 KiB.
type Image struct {
	PE32         bool   // the 32-bit kind of header
	Size         int    // bytes of its one section; 0 means 3 KiB
	Seed         uint64 // of the section's content
	HeaderOffset int    // where the PE header begins; 0 means 128
	Overlay      []byte // after the section, as installers have it
	Directories  int    // number of data directories; 0 means 16, negative none
}

const sectionAlignment = 512

// BuildPE returns an unsigned image. It is well-formed as far as its headers go; its section holds no program.
func BuildPE(o Image) []byte {
	directories, optional, magic := 16, 112, uint16(0x20b)
	if o.PE32 {
		optional, magic = 96, 0x10b
	}
	if o.Directories != 0 {
		directories = max(o.Directories, 0)
	}
	if o.HeaderOffset == 0 {
		o.HeaderOffset = 128
	}
	if o.Size == 0 {
		o.Size = 3 << 10
	}
	optionalSize := optional + 8*directories
	headers := align(o.HeaderOffset+24+optionalSize+40, sectionAlignment)
	size := align(o.Size, sectionAlignment)
	b := make([]byte, headers+size, headers+size+len(o.Overlay))
	le := binary.LittleEndian

	copy(b, "MZ")
	le.PutUint32(b[60:], uint32(o.HeaderOffset))
	coff := b[o.HeaderOffset:]
	copy(coff, "PE\x00\x00")
	le.PutUint16(coff[4:], 0x8664)                // machine
	le.PutUint16(coff[6:], 1)                     // sections
	le.PutUint16(coff[20:], uint16(optionalSize)) // size of the optional header
	le.PutUint16(coff[22:], 0x0022)               // characteristics: executable, large addresses
	opt := coff[24:]
	le.PutUint16(opt, magic)
	le.PutUint32(opt[32:], 4096)
	le.PutUint32(opt[36:], sectionAlignment)
	le.PutUint32(opt[56:], uint32(align(headers, 4096)+align(size, 4096)))
	le.PutUint32(opt[60:], uint32(headers))
	le.PutUint32(opt[optional-4:], uint32(directories))
	section := opt[optionalSize:]
	copy(section, ".text")
	le.PutUint32(section[8:], uint32(size))
	le.PutUint32(section[12:], 4096)
	le.PutUint32(section[16:], uint32(size))
	le.PutUint32(section[20:], uint32(headers))
	le.PutUint32(section[36:], 0x60000020) // code, executable, readable

	content := b[headers:]
	rng := rand.New(rand.NewPCG(o.Seed, 1))
	for i := 0; i+8 <= len(content); i += 8 {
		le.PutUint64(content[i:], rng.Uint64())
	}
	return append(b, o.Overlay...)
}

func align(n, to int) int { return (n + to - 1) / to * to }

// Offsets returns where an image's checksum field and security directory entry lie, and where its certificate table
// begins and how long it is (the image's end and 0 without one).
func Offsets(image []byte) (checksum, directory, table, tableSize int) {
	le := binary.LittleEndian
	optional := int(le.Uint32(image[60:])) + 24
	directory = optional + 112 + 4*8
	if le.Uint16(image[optional:]) == 0x10b {
		directory = optional + 96 + 4*8
	}
	table, tableSize = int(le.Uint32(image[directory:])), int(le.Uint32(image[directory+4:]))
	if table == 0 {
		table = len(image)
	}
	return optional + 64, directory, table, tableSize
}
