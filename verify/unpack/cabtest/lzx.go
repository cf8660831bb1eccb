package cabtest

import "bytes"

// LZXBlock is a kind of LZX block.
type LZXBlock int

// The kinds of block ("Microsoft LZX Data Compression Format").
const (
	Verbatim     LZXBlock = 1
	Aligned      LZXBlock = 2
	Uncompressed LZXBlock = 3
)

// lzx packs one folder: a block for each frame of 32 KiB, of the kinds that the folder names in turn.
type lzx struct {
	window   []byte // everything packed so far
	size     int
	slots    int
	kinds    []LZXBlock
	frames   int
	total    int // bytes of the folder
	call     bool
	r        [3]int
	main     []uint8 // lengths of the codes of the block before
	lengths  []uint8
	last     map[[3]byte]int // where three bytes stood last
	position []int           // base of each slot
	extra    []uint
	bits     bitWriter
}

func newLZX(f Folder, total int) *lzx {
	l := &lzx{size: 1 << f.window(), total: total, kinds: f.Blocks, call: f.Translate, r: [3]int{1, 1, 1}, last: map[[3]byte]int{}}
	l.slots = map[int]int{15: 30, 16: 32, 17: 34, 18: 36, 19: 38, 20: 42, 21: 50}[f.window()]
	for at, i := 0, 0; i < l.slots; i++ {
		extra := min(max(i/2-1, 0), 17)
		l.position, l.extra = append(l.position, at), append(l.extra, uint(extra))
		at += 1 << extra
	}
	if len(l.kinds) == 0 {
		l.kinds = []LZXBlock{Verbatim}
	}
	l.main, l.lengths = make([]uint8, 256+8*l.slots), make([]uint8, 249)
	return l
}

// frame packs the next at most 32 KiB.
func (l *lzx) frame(part []byte) []byte {
	l.bits = bitWriter{}
	if l.frames == 0 {
		l.header()
	}
	if l.call {
		part = l.absolute(part)
	}
	kind := l.kinds[l.frames%len(l.kinds)]
	start := len(l.window)
	l.window = append(l.window, part...)
	l.bits.write(uint32(kind), 3)
	l.bits.write(uint32(len(part))>>8, 16)
	l.bits.write(uint32(len(part)), 8)
	if kind == Uncompressed {
		l.raw(part)
	} else {
		l.block(kind, l.tokens(start))
	}
	l.frames++
	return l.bits.bytes()
}

func (l *lzx) header() {
	if !l.call {
		l.bits.write(0, 1)
		return
	}
	l.bits.write(1, 1)
	l.bits.write(uint32(l.total)>>16, 16)
	l.bits.write(uint32(l.total), 16)
}

// raw writes an uncompressed block.
func (l *lzx) raw(part []byte) {
	l.bits.align()
	for _, r := range l.r {
		l.bits.out = le.AppendUint32(l.bits.out, uint32(r))
	}
	l.bits.out = append(l.bits.out, part...)
	if len(part)%2 == 1 {
		l.bits.out = append(l.bits.out, 0)
	}
}

// absolute makes the relative targets of x86 calls absolute.
func (l *lzx) absolute(part []byte) []byte {
	part = bytes.Clone(part)
	for i := 0; i < len(part)-10; i++ {
		if part[i] != 0xe8 {
			continue
		}
		current, size := int32(len(l.window)+i), int32(l.total)
		switch target := int32(le.Uint32(part[i+1:])); {
		case target >= -current && target < size-current:
			le.PutUint32(part[i+1:], uint32(target+current))
		case target >= size-current && target < size:
			le.PutUint32(part[i+1:], uint32(target-size))
		}
		i += 4
	}
	return part
}

// token is a literal (length 0) or a match.
type token struct {
	literal        byte
	length, offset int
}

// tokens finds matches from start to the end of the window: the longest of the last offsets and of where the next three
// bytes stood before.
func (l *lzx) tokens(start int) []token {
	var out []token
	recent := l.r
	for at := start; at < len(l.window); {
		best := token{literal: l.window[at]}
		for _, offset := range append([]int{l.candidate(at)}, recent[:]...) {
			if n := l.matches(at, offset); n > best.length && n >= 3 {
				best.length, best.offset = n, offset
			}
		}
		out = append(out, best)
		if best.length > 0 && best.offset != recent[0] {
			recent = [3]int{best.offset, recent[0], recent[1]}
		}
		for end := at + max(best.length, 1); at < end; at++ {
			if at+3 <= len(l.window) {
				l.last[[3]byte(l.window[at:])] = at
			}
		}
	}
	return out
}

func (l *lzx) candidate(at int) int {
	if at+3 > len(l.window) {
		return 0
	}
	p, ok := l.last[[3]byte(l.window[at:])]
	if !ok {
		return 0
	}
	return at - p
}

// matches returns how many bytes at at stood offset bytes before.
func (l *lzx) matches(at, offset int) int {
	if offset <= 0 || offset > at || offset > l.size-3 {
		return 0
	}
	n := 0
	for n < 257 && at+n < len(l.window) && l.window[at+n] == l.window[at+n-offset] {
		n++
	}
	return n
}

// item is what a token becomes: symbols and the bits after them.
type item struct {
	main, length int // symbols; length -1: none
	footer       uint32
	extra        uint
}

// items chooses the symbols, with the last three offsets as the reader will keep them.
func (l *lzx) items(tokens []token) []item {
	var out []item
	for _, t := range tokens {
		if t.length == 0 {
			out = append(out, item{main: int(t.literal), length: -1})
			continue
		}
		it := item{length: -1}
		header := t.length - 2
		if header >= 7 {
			header, it.length = 7, t.length-9
		}
		slot := 0
		switch t.offset {
		case l.r[0]:
		case l.r[1]:
			slot = 1
			l.r[0], l.r[1] = l.r[1], l.r[0]
		case l.r[2]:
			slot = 2
			l.r[0], l.r[2] = l.r[2], l.r[0]
		default:
			for slot = 3; slot+1 < l.slots && l.position[slot+1] <= t.offset+2; slot++ {
			}
			it.footer, it.extra = uint32(t.offset+2-l.position[slot]), l.extra[slot]
			l.r = [3]int{t.offset, l.r[0], l.r[1]}
		}
		it.main = 256 + 8*slot + header
		out = append(out, it)
	}
	return out
}
