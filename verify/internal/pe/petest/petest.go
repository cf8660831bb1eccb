// Package petest puts small Windows programs with sections, resources and version information together, for tests.
package petest

import (
	"encoding/binary"
	"slices"
	"sort"
	"strconv"
	"unicode/utf16"
)

// Program says what a program should look like.
type Program struct {
	Sections  []Section
	Resources []Resource
	Overlay   []byte
	Imports   []Import
	DLL       bool
	Time      uint32 // TimeDateStamp
}

// Import is what a program takes from one library.
type Import struct {
	Library   string
	Functions []string // "#7" is the function number 7
}

// Section is one section besides that of the resources.
type Section struct {
	Name string
	Data []byte
}

// Resource is one leaf. Type and Name are numbers in digits, or texts.
type Resource struct {
	Type, Name string
	Data       []byte
}

var le = binary.LittleEndian

const (
	headers   = 1024 // bytes before the first section
	alignment = 512
	page      = 0x1000
)

// Build returns the program, without a signature.
func Build(p Program) []byte {
	b := make([]byte, headers)
	copy(b, "MZ")
	le.PutUint32(b[60:], 128)
	copy(b[128:], "PE\x00\x00")
	le.PutUint16(b[132:], 0x8664)
	le.PutUint32(b[136:], p.Time)
	le.PutUint16(b[148:], 240)
	le.PutUint16(b[150:], 0x22)
	if p.DLL {
		le.PutUint16(b[150:], 0x2022)
	}
	optional := b[152:]
	le.PutUint16(optional, 0x20b)
	le.PutUint32(optional[108:], 16)
	sections := slices.Clone(p.Sections)
	if len(sections) == 0 {
		sections = []Section{{".text", make([]byte, 512)}}
	}
	address := uint32(page)
	if len(p.Resources) > 0 {
		at := address
		for _, s := range sections {
			at += pages(len(s.Data))
		}
		tree := resourceTree(p.Resources, at)
		le.PutUint32(optional[112+16:], at)
		le.PutUint32(optional[112+20:], uint32(len(tree)))
		sections = append(sections, Section{".rsrc", tree})
	}
	if len(p.Imports) > 0 {
		at := address
		for _, s := range sections {
			at += pages(len(s.Data))
		}
		table := importTable(p.Imports, at)
		le.PutUint32(optional[112+8:], at)
		le.PutUint32(optional[112+12:], uint32(len(table)))
		sections = append(sections, Section{".idata", table})
	}
	le.PutUint16(b[134:], uint16(len(sections)))
	for i, s := range sections {
		head := b[152+240+40*i:]
		copy(head[:8], s.Name)
		le.PutUint32(head[8:], uint32(len(s.Data)))
		le.PutUint32(head[12:], address)
		le.PutUint32(head[20:], uint32(len(b)))
		b = append(b, s.Data...)
		for len(b)%alignment != 0 {
			b = append(b, 0)
		}
		le.PutUint32(b[152+240+40*i+16:], uint32(len(b))-le.Uint32(b[152+240+40*i+20:]))
		address += pages(len(s.Data))
	}
	return append(b, p.Overlay...)
}

func pages(n int) uint32 { return uint32((n+alignment+page-1)/page) * page }

// resourceTree writes folders of types and names, one language each, then names, leaves and data.
func resourceTree(all []Resource, address uint32) []byte {
	types := map[string][]Resource{}
	for _, r := range all {
		types[r.Type] = append(types[r.Type], r)
	}
	var order []string
	for t := range types {
		order = append(order, t)
	}
	sort.Strings(order)
	var b []byte
	folder := func(n int) (at int) {
		at = len(b)
		b = append(b, make([]byte, 16+8*n)...)
		le.PutUint16(b[at+14:], uint16(n))
		return at
	}
	name := func(text string) uint32 {
		if n, err := strconv.Atoi(text); err == nil {
			return uint32(n)
		}
		at := len(b)
		units := utf16.Encode([]rune(text))
		b = le.AppendUint16(b, uint16(len(units)))
		for _, u := range units {
			b = le.AppendUint16(b, u)
		}
		return uint32(at) | 1<<31
	}
	entry := func(folder, i int, id, to uint32) {
		le.PutUint32(b[folder+16+8*i:], id)
		le.PutUint32(b[folder+20+8*i:], to)
	}
	root := folder(len(order))
	for i, t := range order {
		names := folder(len(types[t]))
		entry(root, i, name(t), uint32(names)|1<<31)
		for k, r := range types[t] {
			languages := folder(1)
			leaf := len(b)
			b = append(b, make([]byte, 16)...)
			entry(names, k, name(r.Name), uint32(languages)|1<<31)
			entry(languages, 0, 1033, uint32(leaf))
			for len(b)%4 != 0 {
				b = append(b, 0)
			}
			le.PutUint32(b[leaf:], address+uint32(len(b)))
			le.PutUint32(b[leaf+4:], uint32(len(r.Data)))
			b = append(b, r.Data...)
		}
	}
	return b
}

// Version writes a version resource with the texts given, as pairs of name and value.
func Version(pairs ...string) []byte {
	fixed := make([]byte, 52)
	le.PutUint32(fixed, 0xfeef04bd)
	copy(fixed[8:], []byte{2, 0, 1, 0, 4, 0, 3, 0}) // 1.2.3.4
	var fields []byte
	for i := 0; i+1 < len(pairs); i += 2 {
		fields = pad(append(fields, node(pairs[i], 1, text(pairs[i+1]), nil)...))
	}
	language := node("040904b0", 1, nil, fields)
	return node("VS_VERSION_INFO", 0, fixed, node("StringFileInfo", 1, nil, language))
}

// node writes one block of a version resource.
func node(key string, kind uint16, value, children []byte) []byte {
	b := make([]byte, 6)
	le.PutUint16(b[4:], kind)
	b = pad(append(b, text(key)...))
	b = append(b, value...)
	n := len(value)
	if kind == 1 {
		n /= 2
	}
	le.PutUint16(b[2:], uint16(n))
	if children != nil {
		b = append(pad(b), children...)
	}
	le.PutUint16(b, uint16(len(b)))
	return b
}

func text(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s + "\x00")) {
		b = le.AppendUint16(b, u)
	}
	return b
}

func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
