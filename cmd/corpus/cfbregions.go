package main

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

const cfbMagic = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

// compound is as much of a compound file ([MS-CFB]) as it takes to find what a signature does not cover.
type compound struct {
	data   []byte
	sector int
	fat    []uint32
}

// msiRegions: chapter "authenticode: Windows Installer packages", What is signed.
func msiRegions(data []byte) []region {
	le := binary.LittleEndian
	c := &compound{data: data, sector: 1 << le.Uint16(data[30:])}
	for i := range 109 {
		if n := le.Uint32(data[76+4*i:]); n < 0xfffffffa {
			c.fat = append(c.fat, c.words(int(n))...)
		}
	}
	out := []region{{24, 26, "MSI: the minor version", false}, {52, 56, "MSI: the number of the last transaction", false}}
	directory := c.chain(le.Uint32(data[48:]))
	extended, signature, length := false, uint32(0), 0
	for _, d := range directory {
		for at := c.offset(int(d)); at < c.offset(int(d))+c.sector && at+128 <= len(data); at += 128 {
			switch name := entryName(data[at:]); name {
			case "\x05MsiDigitalSignatureEx":
				extended = true
			case "\x05DigitalSignature":
				signature, length = le.Uint32(data[at+116:]), int(le.Uint32(data[at+120:]))
			}
		}
	}
	for _, d := range directory {
		for at := c.offset(int(d)); at < c.offset(int(d))+c.sector && at+128 <= len(data); at += 128 {
			out = append(out, entryRegions(data[at:at+128], at, extended)...)
		}
	}
	for _, n := range c.chain(le.Uint32(data[60:])) {
		at := c.offset(int(n))
		out = append(out, region{at, at + c.sector, "MSI: marks of mini sectors after the mini stream", false})
	}
	if length >= 4096 {
		var where []extent
		for i, n := range c.chain(signature) {
			where = append(where, extent{i * c.sector, c.offset(int(n)), min(c.sector, length-i*c.sector)})
		}
		out = append(out, place(cmsRegions(c.stream(where, length), []extent{{0, 0, length}}), where)...)
	}
	return out
}

// entryRegions is what nothing covers of a directory entry.
func entryRegions(e []byte, at int, extended bool) []region {
	out := []region{{at + 67, at + 68, "MSI: the colour of a directory entry", false}}
	name := entryName(e)
	switch {
	case e[66] == 5:
		out = append(out, region{at, at + 64, "MSI: the name of the root", false}, region{at + 100, at + 116, "MSI: the times of the root", false},
			region{at + 120, at + 124, "MSI: the end of the mini stream within its last sector", false})
	case e[66] == 0:
		return nil
	case strings.HasPrefix(name, "\x05DigitalS") || strings.HasPrefix(name, "\x05MsiDigitalS"):
		out = append(out, region{at + 96, at + 116, "MSI: state bits and times of the signature's streams", false})
	}
	if !extended && e[66] != 0 {
		out = append(out, region{at, at + 66, "MSI without MsiDigitalSignatureEx: names", false},
			region{at + 96, at + 116, "MSI without MsiDigitalSignatureEx: state bits and times", false})
	}
	return out
}

func entryName(e []byte) string {
	n := int(binary.LittleEndian.Uint16(e[64:]))
	if n < 2 || n > 64 {
		return ""
	}
	units := make([]uint16, n/2-1)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(e[2*i:])
	}
	return string(utf16.Decode(units))
}

func (c *compound) offset(sector int) int { return (sector + 1) * c.sector }

func (c *compound) words(sector int) (out []uint32) {
	for at := c.offset(sector); at < c.offset(sector)+c.sector && at+4 <= len(c.data); at += 4 {
		out = append(out, binary.LittleEndian.Uint32(c.data[at:]))
	}
	return out
}

func (c *compound) chain(first uint32) (out []uint32) {
	for n := first; int(n) < len(c.fat) && len(out) <= len(c.fat); n = c.fat[n] {
		out = append(out, n)
	}
	return out
}

func (c *compound) stream(where []extent, length int) []byte {
	out := make([]byte, 0, length)
	for _, e := range where {
		out = append(out, c.data[e.offset:min(len(c.data), e.offset+max(0, e.length))]...)
	}
	return out
}
