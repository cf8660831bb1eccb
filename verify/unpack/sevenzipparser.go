package unpack

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
)

// Identifiers of properties ("7zFormat.txt", Property IDs).
const (
	szEnd = iota
	szHeader
	szArchiveProperties
	szAdditionalStreams
	szMainStreams
	szFiles
	szPackInfo
	szUnpackInfo
	szSubStreams
	szSize
	szCRC
	szFolder
	szUnpackSize
	szNumUnpackStream
	szEmptyStream
	szEmptyFile
	szAnti
	szNames
	szCTime
	szATime
	szMTime
	szAttributes
	szComment
	szEncodedHeader
	szStartPos
	szDummy
)

// sevenZipParser reads a header from front to back. The first error stays, and everything after it is zero.
type sevenZipParser struct {
	b       []byte
	limit   uint64 // bytes of packed data
	err     error
	packAt  uint64
	packs   []uint64 // sizes of the packed streams
	folders []sevenZipFolder
	subs    []sevenZipFile // sizes and checksums of the folders' files
	lzma    []byte         // properties of the one LZMA coder of the first folder
}

func (p *sevenZipParser) bad(format string, args ...any) { p.fail(sevenZipBad(format, args...)) }

func (p *sevenZipParser) fail(err error) {
	if p.err == nil {
		p.err, p.b = err, nil
	}
}

func (p *sevenZipParser) bytes(n uint64) []byte {
	if p.err == nil && n > uint64(len(p.b)) {
		p.bad("%d bytes are due where %d are left", n, len(p.b))
	}
	if p.err != nil {
		return nil
	}
	b := p.b[:n:n]
	p.b = p.b[n:]
	return b
}

func (p *sevenZipParser) byte() byte {
	if b := p.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// number reads a number of one to nine bytes.
func (p *sevenZipParser) number() uint64 {
	first := p.byte()
	more := bits.LeadingZeros8(^first)
	var v uint64
	for i, b := range p.bytes(uint64(more)) {
		v |= uint64(b) << (8 * i)
	}
	if more < 7 {
		v |= uint64(first&(1<<(7-more)-1)) << (8 * more)
	}
	return v
}

// count reads a number that is at most limit; more is not looked into.
func (p *sevenZipParser) count(limit int, what string) int {
	n := p.number()
	if n > uint64(limit) {
		p.fail(sevenZipUnknown("%d %s", n, what))
		return 0
	}
	return int(n)
}

// defined reads a vector of n bits, before which may stand that all of them are set.
func (p *sevenZipParser) defined(n int, optional bool) []bool {
	out := make([]bool, n)
	if optional && p.byte() != 0 {
		for i := range out {
			out[i] = true
		}
		return out
	}
	for i, b := range p.bytes(uint64(n+7) / 8) {
		for k := range min(8, n-8*i) {
			out[8*i+k] = b>>(7-k)&1 == 1
		}
	}
	return out
}

// sums reads CRC-32s of n things.
func (p *sevenZipParser) sums(n int, set func(i int, sum uint32)) {
	for i, there := range p.defined(n, true) {
		if !there {
			continue
		}
		if b := p.bytes(4); b != nil {
			set(i, binary.LittleEndian.Uint32(b))
		}
	}
}

func (p *sevenZipParser) expect(id byte, what string) {
	if got := p.byte(); p.err == nil && got != id {
		p.bad("property %d where %s is due", got, what)
	}
}

// streams reads a StreamsInfo.
func (p *sevenZipParser) streams() {
	id := p.byte()
	if id == szPackInfo {
		p.packInfo()
		id = p.byte()
	}
	if id == szUnpackInfo {
		p.unpackInfo()
		id = p.byte()
	}
	if id == szSubStreams {
		p.subStreams()
		id = p.byte()
	} else {
		for i := range p.folders {
			p.addWhole(i)
		}
	}
	if p.err == nil && id != szEnd {
		p.bad("property %d at the end of the streams", id)
	}
	total := 0
	for _, f := range p.folders {
		total += f.packed
	}
	if p.err == nil && total != len(p.packs) {
		p.bad("its folders have %d packed streams, of which there are %d", total, len(p.packs))
	}
}

func (p *sevenZipParser) packInfo() {
	p.packAt = p.number()
	n := p.count(maxSevenZipFolders*2, "packed streams")
	id := p.byte()
	at := p.packAt
	if id == szSize {
		for range n {
			size := p.number()
			if at > p.limit || size > p.limit-at {
				p.bad("a packed stream of %d bytes at %d reaches beyond the content", size, at)
			}
			if p.err != nil {
				return
			}
			at += size
			p.packs = append(p.packs, size)
		}
		id = p.byte()
	}
	if id == szCRC {
		p.sums(n, func(int, uint32) {})
		id = p.byte()
	}
	if p.err == nil && (id != szEnd || len(p.packs) != n) {
		p.bad("property %d at the end of the packed streams", id)
	}
}

func (p *sevenZipParser) unpackInfo() {
	p.expect(szFolder, "a folder")
	n := p.count(maxSevenZipFolders, "folders")
	if p.byte() != 0 {
		p.fail(sevenZipUnknown("folders that are described elsewhere"))
	}
	var outputs []folderOutputs
	for range n {
		f, o := p.folder(len(p.folders) == 0)
		if p.err != nil {
			return
		}
		p.folders, outputs = append(p.folders, f), append(outputs, o)
	}
	p.expect(szUnpackSize, "the size of what is unpacked")
	for i := range p.folders {
		for k := range outputs[i].count {
			if size := p.number(); k == outputs[i].main {
				p.folders[i].size = size
			}
		}
		if p.folders[i].size > 1<<62 {
			p.bad("a folder of %d bytes", p.folders[i].size)
		}
	}
	p.boundMemory()
	id := p.byte()
	if id == szCRC {
		p.sums(n, func(i int, sum uint32) { p.folders[i].sum, p.folders[i].hasSum = sum, true })
		id = p.byte()
	}
	if p.err == nil && id != szEnd {
		p.bad("property %d at the end of the folders", id)
	}
}

// boundMemory leaves those folders unread for which, one after the other, too much memory would be cleared.
func (p *sevenZipParser) boundMemory() {
	var total uint64
	for i := range p.folders {
		f := &p.folders[i]
		if total += f.memory; total > maxSevenZipTotal && f.unread == "" {
			f.unread = fmt.Sprintf("The archive's folders need %d bytes of memory up to here, one after the other, more than %d.", total, uint64(maxSevenZipTotal))
		}
	}
}

// addWhole makes of a folder one file.
func (p *sevenZipParser) addWhole(i int) {
	f := &p.folders[i]
	f.files = 1
	p.subs = append(p.subs, sevenZipFile{size: int64(f.size), sum: f.sum, hasSum: f.hasSum, unread: f.unread})
}

// subStreams reads how the folders are divided into files.
func (p *sevenZipParser) subStreams() {
	id, total := p.byte(), 0
	for i := range p.folders {
		p.folders[i].files = 1
		if id == szNumUnpackStream {
			p.folders[i].files = p.count(maxSevenZipFiles, "files")
		}
		if total += p.folders[i].files; total > maxSevenZipFiles {
			p.fail(sevenZipUnknown("more than %d files", maxSevenZipFiles))
			return
		}
	}
	if id == szNumUnpackStream {
		id = p.byte()
	}
	p.subSizes(id == szSize)
	if id == szSize {
		id = p.byte()
	}
	if id == szCRC {
		p.subSums()
		id = p.byte()
	}
	if p.err == nil && id != szEnd {
		p.bad("property %d at the end of the files' streams", id)
	}
}

// subSizes reads the sizes of all files but the last of each folder, which gets the rest.
func (p *sevenZipParser) subSizes(given bool) {
	for _, f := range p.folders {
		rest := f.size
		for k := range f.files {
			size := rest
			if k < f.files-1 {
				if !given {
					p.bad("the sizes of files are missing")
				}
				size = p.number()
			}
			if size > rest {
				p.bad("a file of %d bytes in a folder that has %d left", size, rest)
			}
			if p.err != nil {
				return
			}
			rest -= size
			p.subs = append(p.subs, sevenZipFile{size: int64(size), unread: f.unread})
		}
	}
}

// subSums reads the checksums of those files that have none of their folder.
func (p *sevenZipParser) subSums() {
	var without []int
	at := 0
	for _, f := range p.folders {
		if f.files == 1 && f.hasSum {
			p.subs[at].sum, p.subs[at].hasSum = f.sum, true
		} else {
			for k := range f.files {
				without = append(without, at+k)
			}
		}
		at += f.files
	}
	p.sums(len(without), func(i int, sum uint32) { p.subs[without[i]].sum, p.subs[without[i]].hasSum = sum, true })
}

// header reads the whole header of an archive.
func (p *sevenZipParser) header(a *sevenZip) {
	id := p.byte()
	switch id {
	case szArchiveProperties, szAdditionalStreams:
		p.fail(sevenZipUnknown("property %d of the archive", id))
	case szMainStreams:
		p.streams()
		p.ownStreams(a)
		id = p.byte()
	}
	a.folders = p.folders
	if id == szFiles && p.err == nil {
		p.files(a)
		id = p.byte()
	}
	switch {
	case p.err != nil:
	case id != szEnd:
		p.bad("property %d at the end of the header", id)
	case len(p.b) > 0:
		p.bad("%d bytes follow the header", len(p.b))
	}
}

// utf16Names splits names that end with a zero.
func utf16Names(b []byte) []string {
	var out []string
	var name []uint16
	for ; len(b) >= 2; b = b[2:] {
		if c := binary.LittleEndian.Uint16(b); c != 0 {
			name = append(name, c)
			continue
		}
		out = append(out, string(utf16.Decode(name)))
		name = name[:0]
	}
	if len(name) > 0 || len(b) > 0 {
		return append(out, fmt.Sprintf("\x00%d", len(out))) // what has no end makes the count wrong
	}
	return out
}
