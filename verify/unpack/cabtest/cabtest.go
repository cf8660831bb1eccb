// Package cabtest writes Microsoft cabinets ([MS-CAB]) for tests and drills: stored, MSZIP ([MS-MCI]) and LZX, with
// reserves, in sets, and signed. It shares no code with what reads them. Its inputs are its caller's own; where they
// make no sense it panics.
//
//	b := cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{{Method: cabtest.MSZIP, Files: []cabtest.File{{Name: "a.txt", Data: text}}}}})
package cabtest

import (
	"encoding/binary"
)

var le = binary.LittleEndian

// Method is how a folder is compressed.
type Method uint16

// The methods that can be written. Quantum only claims to be it: its blocks are stored.
const (
	Stored Method = iota
	MSZIP
	Quantum
	LZX
)

// Cabinet says what a cabinet should look like.
type Cabinet struct {
	Folders []Folder
	SetID   uint16
	Index   uint16
	Prev    [2]string // cabinet and disk; empty: it is the first of its set
	Next    [2]string

	Reserve       []byte // of the header
	FolderReserve []byte // after each CFFOLDER
	BlockReserve  []byte // after each CFDATA header
	NoChecksums   bool

	Gap int // zero bytes between the table of files and the first folder's data
}

// Folder is a stream of files compressed together.
type Folder struct {
	Method Method
	Files  []File

	Window    int  // LZX: binary logarithm of the window; 0 means 17
	Translate bool // LZX: the targets of x86 calls are made absolute
	Blocks    []LZXBlock
}

// File is one file.
type File struct {
	Name       string // as it is written: parts with "\" between them
	Data       []byte
	Attributes uint16 // 0x80: the name is UTF-8
	Folder     uint16 // where it is not 0: this folder index instead of the right one
}

// blockUnpacked is how many bytes a CFDATA holds.
const blockUnpacked = 32 << 10

// Build writes a cabinet.
func Build(c Cabinet) []byte {
	var stream [][]byte // of each folder, its CFDATA
	for _, f := range c.Folders {
		stream = append(stream, c.data(f))
	}
	head := c.header()
	folderSize := 8 + len(c.FolderReserve)
	files := c.files()
	filesAt := len(head) + folderSize*len(c.Folders)
	at := filesAt + len(files) + c.Gap
	out := head
	for i, f := range c.Folders {
		out = le.AppendUint32(out, uint32(at))
		out = le.AppendUint16(out, uint16(f.blocks()))
		out = le.AppendUint16(out, f.kind())
		out = append(out, c.FolderReserve...)
		at += len(stream[i])
	}
	out = append(out, files...)
	out = append(out, make([]byte, c.Gap)...)
	for _, s := range stream {
		out = append(out, s...)
	}
	le.PutUint32(out[8:], uint32(len(out)))
	le.PutUint32(out[16:], uint32(filesAt))
	return out
}

// header writes CFHEADER; the sizes are filled in later.
func (c Cabinet) header() []byte {
	b := make([]byte, 36)
	copy(b, "MSCF")
	b[24], b[25] = 3, 1
	count := 0
	for _, f := range c.Folders {
		count += len(f.Files)
	}
	le.PutUint16(b[26:], uint16(len(c.Folders)))
	le.PutUint16(b[28:], uint16(count))
	var flags uint16
	if c.Prev != [2]string{} {
		flags |= 1
	}
	if c.Next != [2]string{} {
		flags |= 2
	}
	if c.Reserve != nil || c.FolderReserve != nil || c.BlockReserve != nil {
		flags |= 4
		b = le.AppendUint16(b, uint16(len(c.Reserve)))
		b = append(b, byte(len(c.FolderReserve)), byte(len(c.BlockReserve)))
		b = append(b, c.Reserve...)
	}
	le.PutUint16(b[30:], flags)
	le.PutUint16(b[32:], c.SetID)
	le.PutUint16(b[34:], c.Index)
	for _, n := range [][2]string{c.Prev, c.Next} {
		if n != [2]string{} {
			b = append(b, n[0]+"\x00"+n[1]+"\x00"...)
		}
	}
	return b
}

// files writes the table of CFFILE.
func (c Cabinet) files() []byte {
	var b []byte
	for i, f := range c.Folders {
		start := 0
		for _, file := range f.Files {
			folder := uint16(i)
			if file.Folder != 0 {
				folder = file.Folder
			}
			b = le.AppendUint32(b, uint32(len(file.Data)))
			b = le.AppendUint32(b, uint32(start))
			b = le.AppendUint16(b, folder)
			b = le.AppendUint16(b, 0x5821) // 1 January 2024
			b = le.AppendUint16(b, 0x6000) // 12:00
			b = le.AppendUint16(b, file.Attributes|0x20)
			b = append(b, file.Name+"\x00"...)
			start += len(file.Data)
		}
	}
	return b
}

func (f Folder) content() []byte {
	var b []byte
	for _, file := range f.Files {
		b = append(b, file.Data...)
	}
	return b
}

func (f Folder) blocks() int { return (len(f.content()) + blockUnpacked - 1) / blockUnpacked }

func (f Folder) kind() uint16 {
	switch f.Method {
	case LZX:
		return uint16(LZX) | uint16(f.window())<<8
	case Quantum:
		return uint16(Quantum) | 7<<4 | 20<<8
	}
	return uint16(f.Method)
}

func (f Folder) window() int {
	if f.Window == 0 {
		return 17
	}
	return f.Window
}
