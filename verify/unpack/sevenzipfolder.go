package unpack

import (
	"encoding/binary"
	"fmt"
)

// folderOutputs is how many unpacked streams the coders of a folder have, and which of them is the folder's content.
type folderOutputs struct{ count, main int }

// Identifiers of methods ("Methods.txt" of the LZMA SDK).
const (
	szLZMA  = "\x03\x01\x01"
	szLZMA2 = "\x21"
	szPPMd  = "\x03\x04\x01"
	szAES   = "\x06\xf1\x07\x01"
)

// szPlain are the methods whose memory is small and does not depend on the archive, by identifier; and those that the
// library bounds itself.
var szPlain = map[string]uint64{
	"\x00": 0, "\x03": 0, "\x0a": 0, // stored, delta, ARM64
	"\x03\x03\x01\x03": 0, "\x03\x03\x01\x1b": 1 << 20, "\x03\x03\x02\x05": 0, "\x03\x03\x05\x01": 0, "\x03\x03\x08\x05": 0, // branch filters
	"\x04\x01\x08": 1 << 20, "\x04\x02\x02": 8 << 20, // deflate, bzip2
	"\x04\xf7\x11\x01": 64 << 20, // Zstandard
	"\x04\xf7\x11\x04": 8 << 20,  // LZ4
}

// folder reads the coders of one folder.
func (p *sevenZipParser) folder(first bool) (f sevenZipFolder, o folderOutputs) {
	coders := p.count(maxSevenZipCoders, "coders in a folder")
	in := 0
	for range coders {
		inputs := p.coder(&f, first && coders == 1)
		in += inputs
	}
	if p.err == nil && (coders == 0 || in > maxSevenZipStreams) {
		p.fail(sevenZipUnknown("%d coders with %d inputs in a folder", coders, in))
	}
	if f.memory > maxSevenZipMemory && f.unread == "" {
		f.unread = fmt.Sprintf("It needs %d bytes of memory to unpack, more than %d.", f.memory, uint64(maxSevenZipMemory))
	}
	if p.err != nil {
		return f, o
	}
	return f, p.bindings(&f, coders, in)
}

// coder reads one coder and returns its number of inputs. Every coder has one output.
func (p *sevenZipParser) coder(f *sevenZipFolder, alone bool) (inputs int) {
	flags := p.byte()
	id := string(p.bytes(uint64(flags & 15)))
	inputs = 1
	if flags&0x10 != 0 {
		inputs = p.count(maxSevenZipStreams, "inputs of a coder")
		if outputs := p.number(); p.err == nil && outputs != 1 {
			p.fail(sevenZipUnknown("a coder with %d outputs", outputs))
		}
	}
	var properties []byte
	if flags&0x20 != 0 {
		properties = p.bytes(p.number())
	}
	if flags&0xc0 != 0 {
		p.bad("flags %#x of a coder", flags)
	}
	memory, known := coderMemory(id, properties)
	f.memory += memory
	switch {
	case id == szAES:
		f.unread = "It is encrypted."
	case !known && f.unread == "":
		f.unread = fmt.Sprintf("It is packed with the method %x, which is not unpacked here.", id)
	}
	if alone && id == szLZMA {
		p.lzma = properties
	}
	return inputs
}

// coderMemory returns how many bytes a method needs; known is false of methods that are not unpacked here, or whose
// properties are not as they should be.
func coderMemory(id string, properties []byte) (memory uint64, known bool) {
	switch {
	case id == szLZMA && len(properties) == 5, id == szPPMd && len(properties) == 5:
		return uint64(binary.LittleEndian.Uint32(properties[1:])), true
	case id == szLZMA2 && len(properties) == 1 && properties[0] < 40:
		return uint64(2|properties[0]&1) << (properties[0]/2 + 11), true
	}
	memory, known = szPlain[id]
	return memory, known
}

// bindings reads which outputs are whose inputs. All but one output must be bound, to different inputs.
func (p *sevenZipParser) bindings(f *sevenZipFolder, coders, in int) folderOutputs {
	boundIn, boundOut := make([]bool, in), make([]bool, coders)
	take := func(list []bool) {
		i := p.number()
		if p.err == nil && (i >= uint64(len(list)) || list[i]) {
			p.bad("stream %d of a folder is bound twice, or is not there", i)
		}
		if p.err == nil {
			list[i] = true
		}
	}
	for range coders - 1 {
		take(boundIn)
		take(boundOut)
	}
	if f.packed = in - (coders - 1); f.packed < 1 {
		p.bad("a folder without packed streams")
		return folderOutputs{}
	}
	if f.packed > 1 {
		for range f.packed {
			take(boundIn)
		}
	}
	o := folderOutputs{count: coders}
	for i, bound := range boundOut {
		if !bound {
			o.main = i
		}
	}
	return o
}

// files reads the list of files.
func (p *sevenZipParser) files(a *sevenZip) {
	n := p.count(maxSevenZipFiles, "files")
	var names []string
	var attributes []uint32
	emptyStream, seen := make([]bool, n), map[byte]bool{}
	var emptyFile []bool
	for p.err == nil {
		id := p.byte()
		if id == szEnd {
			break
		}
		body := &sevenZipParser{b: p.bytes(p.number()), err: p.err}
		if seen[id] && id != szDummy {
			p.bad("property %d of the files is there twice", id)
		}
		seen[id] = true
		switch id {
		case szEmptyStream:
			emptyStream = body.defined(n, false)
		case szEmptyFile:
			emptyFile = body.defined(count(emptyStream), false)
		case szNames:
			if body.byte() != 0 {
				p.fail(sevenZipUnknown("names that stand elsewhere"))
			}
			names = utf16Names(body.b)
		case szAttributes:
			attributes = body.attributes(n)
		case szAnti, szStartPos, szComment:
			p.fail(sevenZipUnknown("property %d of the files", id))
		}
		if body.err != nil {
			p.fail(body.err)
		}
	}
	if p.err == nil && len(names) != n {
		p.bad("%d files and %d names", n, len(names))
	}
	if p.err == nil {
		p.assemble(a, names, attributes, emptyStream, emptyFile)
	}
}

func count(list []bool) (n int) {
	for _, b := range list {
		if b {
			n++
		}
	}
	return n
}

func (p *sevenZipParser) attributes(n int) []uint32 {
	there := p.defined(n, true)
	if p.byte() != 0 {
		p.fail(sevenZipUnknown("attributes that stand elsewhere"))
	}
	out := make([]uint32, n)
	for i := range out {
		if there[i] {
			if b := p.bytes(4); b != nil {
				out[i] = binary.LittleEndian.Uint32(b)
			}
		}
	}
	return out
}

// Attributes of files: Windows', and in the upper half the mode of Unix.
const (
	szDirectory = 0x10
	szUnixType  = 0xf000
	szUnixLink  = 0xa000
)

// assemble joins files with what the streams say of them.
func (p *sevenZipParser) assemble(a *sevenZip, names []string, attributes []uint32, emptyStream, emptyFile []bool) {
	sub, empty := 0, 0
	for i, name := range names {
		f := sevenZipFile{name: name}
		if emptyStream[i] {
			f.empty = true
			f.directory = empty >= len(emptyFile) || !emptyFile[empty]
			empty++
		} else {
			if sub == len(p.subs) {
				p.bad("more files than the folders have")
				return
			}
			f = p.subs[sub]
			f.name = name
			sub++
		}
		if attributes != nil {
			f.directory = f.directory || f.empty && attributes[i]&szDirectory != 0
			f.link = !f.empty && attributes[i]>>16&szUnixType == szUnixLink
		}
		a.files = append(a.files, f)
	}
	if sub != len(p.subs) {
		p.bad("the folders have %d files, the list %d", len(p.subs), sub)
	}
}
