// Package msitest makes Windows Installer packages for tests, benchmarks and drills, without any tool besides it:
// compound files ([MS-CFB] versions 3 and 4), installers' tables with files in an embedded cabinet, custom actions, and
// Authenticode signatures in both streams.
//
//	signer := authenticodetest.NewCA("Test Root").Issue(authenticodetest.Leaf{Organization: "3CX Ltd"})
//	file := msitest.Package{Name: "Desktop App", Version: "18.12.416", Cabinet: cabinet, Files: files}.Build()
//	file = msitest.Sign(file, authenticodetest.Signature{Signer: signer})
//
// What it writes does nothing when installed but copy files. Its inputs are its caller's own; where they make no sense
// it panics.
package msitest

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf16"

	"github.com/sallyport-project/sallyport/verify/internal/cfb"
)

// Node is a storage or a stream to be written. Of the root, Name, Created and Data are not used.
type Node struct {
	Name              string // as it stands in the directory; see msidb.EncodeName for names of installers
	Data              []byte // of a stream
	Storage           bool
	Children          []*Node // of a storage, in any order
	CLSID             [16]byte
	State             uint32
	Created, Modified uint64 // FILETIME
}

// Stream returns a Node for a stream.
func Stream(name string, data []byte) *Node { return &Node{Name: name, Data: data} }

const (
	endOfChain = 0xfffffffe
	free       = 0xffffffff
	fatMark    = 0xfffffffd
	difatMark  = 0xfffffffc
	cutoff     = 4096 // bytes from which on a stream has sectors of its own
	miniSize   = 64   // bytes of a mini sector
	inHeader   = 109  // FAT sectors that the header lists
)

// WriteCompound returns a compound file of version 3 or 4 with what is in root.
func WriteCompound(version int, root *Node) []byte {
	w := &writer{sector: 512, version: version}
	if version == 4 {
		w.sector = 4096
	}
	w.directory(root)
	for _, e := range w.entries[1:] {
		if !e.node.Storage {
			e.start = w.stream(e.node.Data)
			e.size = len(e.node.Data)
		}
	}
	w.entries[0].size = len(w.mini)
	w.entries[0].start = w.sectors(w.mini)
	miniFAT, miniSectors := w.table(w.miniFAT)
	directoryStart := w.sectors(w.directoryBytes())
	directorySectors := w.count(len(w.entries) * 128)
	return w.finish(miniFAT, miniSectors, directoryStart, directorySectors)
}

// writer is a compound file in the making.
type writer struct {
	version, sector int
	entries         []*entry
	body            []byte   // all sectors after the header
	fat, miniFAT    []uint32 // what follows each sector, each mini sector
	mini            []byte
}

// entry is a directory entry in the making.
type entry struct {
	node               *Node
	left, right, child uint32
	red                bool
	start              uint32
	size               int
}

func (w *writer) count(n int) int { return (n + w.sector - 1) / w.sector }

// directory numbers the nodes and puts those of each storage in a tree.
func (w *writer) directory(root *Node) {
	w.entries = []*entry{{node: root, left: free, right: free, child: free}}
	w.fill(0)
}

func (w *writer) fill(storage int) {
	children := slices.Clone(w.entries[storage].node.Children)
	slices.SortFunc(children, func(a, b *Node) int { return cfb.CompareNames(units(a), units(b)) })
	first := len(w.entries)
	for _, n := range children {
		if len(units(n)) == 0 || len(units(n)) > 31 {
			panic("msitest: a name of " + n.Name)
		}
		w.entries = append(w.entries, &entry{node: n, left: free, right: free, child: free, start: endOfChain})
	}
	w.entries[storage].child = w.tree(first, len(w.entries), bits.Len(uint(len(children))))
	for i := first; i < first+len(children); i++ {
		if w.entries[i].node.Storage {
			w.fill(i)
		}
	}
}

// tree makes a balanced tree of the entries from one number to before another. Those on its deepest level are red.
func (w *writer) tree(from, to, height int) uint32 {
	if from == to {
		return free
	}
	middle := (from + to) / 2
	e := w.entries[middle]
	e.red = height == 1 && to-from == 1
	e.left, e.right = w.tree(from, middle, height-1), w.tree(middle+1, to, height-1)
	return uint32(middle)
}

func units(n *Node) []uint16 { return utf16.Encode([]rune(n.Name)) }

// stream puts a stream's bytes where its size wants them and returns where they begin.
func (w *writer) stream(data []byte) uint32 {
	switch {
	case len(data) == 0:
		return endOfChain
	case len(data) >= cutoff:
		return w.sectors(data)
	}
	first := uint32(len(w.miniFAT))
	w.mini = append(w.mini, data...)
	w.mini = append(w.mini, make([]byte, (miniSize-len(w.mini)%miniSize)%miniSize)...)
	w.miniFAT = chain(w.miniFAT, len(w.mini)/miniSize)
	return first
}

// sectors appends whole sectors with data and returns the first one's number.
func (w *writer) sectors(data []byte) uint32 {
	if len(data) == 0 {
		return endOfChain
	}
	first := uint32(len(w.fat))
	w.body = append(w.body, data...)
	w.body = append(w.body, make([]byte, (w.sector-len(w.body)%w.sector)%w.sector)...)
	w.fat = chain(w.fat, len(w.body)/w.sector)
	return first
}

// chain extends a table to n entries that follow each other.
func chain(table []uint32, n int) []uint32 {
	for len(table) < n-1 {
		table = append(table, uint32(len(table)+1))
	}
	return append(table, endOfChain)
}

// table appends sectors with numbers, the rest of the last one free, and returns the first and how many there are.
func (w *writer) table(numbers []uint32) (first uint32, n int) {
	b := w.numbers(numbers)
	return w.sectors(b), len(b) / w.sector
}

func (w *writer) numbers(list []uint32) []byte {
	var b []byte
	for _, n := range list {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	for len(b)%w.sector != 0 {
		b = binary.LittleEndian.AppendUint32(b, free)
	}
	return b
}

// directoryBytes returns the directory, filled up with unused entries.
func (w *writer) directoryBytes() []byte {
	le := binary.LittleEndian
	out := make([]byte, w.count(len(w.entries)*128)*w.sector)
	for i := 0; i < len(out); i += 128 {
		b := out[i : i+128]
		if i/128 >= len(w.entries) {
			for at := 68; at < 80; at++ {
				b[at] = 0xff
			}
			continue
		}
		e := w.entries[i/128]
		name := units(e.node)
		kind := byte(2)
		if e.node.Storage {
			kind = 1
		}
		if i == 0 {
			name, kind = utf16.Encode([]rune("Root Entry")), 5
		}
		for j, u := range name {
			le.PutUint16(b[2*j:], u)
		}
		le.PutUint16(b[64:], uint16(2*len(name)+2))
		b[66], b[67] = kind, 1
		if e.red {
			b[67] = 0
		}
		le.PutUint32(b[68:], e.left)
		le.PutUint32(b[72:], e.right)
		le.PutUint32(b[76:], e.child)
		copy(b[80:], e.node.CLSID[:])
		le.PutUint32(b[96:], e.node.State)
		le.PutUint64(b[100:], e.node.Created)
		le.PutUint64(b[108:], e.node.Modified)
		if kind != 1 {
			le.PutUint32(b[116:], e.start)
			le.PutUint64(b[120:], uint64(e.size))
		}
	}
	return out
}

// finish appends FAT and DIFAT and puts the header before it all.
func (w *writer) finish(miniFAT uint32, miniSectors int, directory uint32, directorySectors int) []byte {
	per := w.sector / 4
	fats, difats := 0, 0
	for {
		total := len(w.fat) + fats + difats
		needFAT := (total + per - 1) / per
		needDIFAT := max(0, (needFAT-inHeader+per-2)/(per-1))
		if needFAT == fats && needDIFAT == difats {
			break
		}
		fats, difats = needFAT, needDIFAT
	}
	first := len(w.fat)
	var list []uint32
	for i := range fats {
		list = append(list, uint32(first+i))
		w.fat = append(w.fat, fatMark)
	}
	for range difats {
		w.fat = append(w.fat, difatMark)
	}
	w.body = append(w.body, w.numbers(w.fat)...)
	for i := range difats {
		part := list[inHeader+i*(per-1):]
		numbers := slices.Clone(part[:min(len(part), per-1)])
		for len(numbers) < per-1 {
			numbers = append(numbers, free)
		}
		next := uint32(first + fats + i + 1)
		if i == difats-1 {
			next = endOfChain
		}
		w.body = append(w.body, w.numbers(append(numbers, next))...)
	}
	return append(w.header(list, first+fats, difats, miniFAT, miniSectors, directory, directorySectors), w.body...)
}

func (w *writer) header(list []uint32, difat, difats int, miniFAT uint32, miniSectors int, directory uint32, directorySectors int) []byte {
	le := binary.LittleEndian
	b := make([]byte, w.sector)
	copy(b, cfb.Magic)
	le.PutUint16(b[24:], 0x3e)
	le.PutUint16(b[26:], uint16(w.version))
	le.PutUint16(b[28:], 0xfffe)
	le.PutUint16(b[30:], uint16(bits.TrailingZeros(uint(w.sector))))
	le.PutUint16(b[32:], 6)
	if w.version == 4 {
		le.PutUint32(b[40:], uint32(directorySectors))
	}
	le.PutUint32(b[44:], uint32(len(list)))
	le.PutUint32(b[48:], directory)
	le.PutUint32(b[56:], cutoff)
	le.PutUint32(b[60:], miniFAT)
	le.PutUint32(b[64:], uint32(miniSectors))
	le.PutUint32(b[68:], endOfChain)
	if difats > 0 {
		le.PutUint32(b[68:], uint32(difat))
	}
	le.PutUint32(b[72:], uint32(difats))
	for i := range inHeader {
		n := uint32(free)
		if i < len(list) {
			n = list[i]
		}
		le.PutUint32(b[76+4*i:], n)
	}
	return b
}
