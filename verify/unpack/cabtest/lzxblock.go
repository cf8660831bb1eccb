package cabtest

import "slices"

// block writes trees and tokens of a verbatim or aligned block.
func (l *lzx) block(kind LZXBlock, tokens []token) {
	items := l.items(tokens)
	main, length, aligned := make([]int, len(l.main)), make([]int, len(l.lengths)), make([]int, 8)
	for _, it := range items {
		main[it.main]++
		if it.length >= 0 {
			length[it.length]++
		}
		if kind == Aligned && it.extra >= 3 {
			aligned[it.footer&7]++
		}
	}
	mainLengths, lengthLengths := codeLengths(main, 16), codeLengths(length, 16)
	alignedLengths := codeLengths(aligned, 7)
	if kind == Aligned {
		for _, n := range alignedLengths {
			l.bits.write(uint32(n), 3)
		}
	}
	l.tree(l.main[:256], mainLengths[:256])
	l.tree(l.main[256:], mainLengths[256:])
	l.tree(l.lengths, lengthLengths)
	l.main, l.lengths = mainLengths, lengthLengths
	mainCodes, lengthCodes, alignedCodes := codes(mainLengths), codes(lengthLengths), codes(alignedLengths)
	for _, it := range items {
		l.bits.write(mainCodes[it.main], uint(mainLengths[it.main]))
		if it.length >= 0 {
			l.bits.write(lengthCodes[it.length], uint(lengthLengths[it.length]))
		}
		if kind == Aligned && it.extra >= 3 {
			l.bits.write(it.footer>>3, it.extra-3)
			l.bits.write(alignedCodes[it.footer&7], uint(alignedLengths[it.footer&7]))
		} else {
			l.bits.write(it.footer, it.extra)
		}
	}
}

// step is one symbol of a pretree, with what follows it.
type step struct {
	symbol int
	value  uint32 // of the bits after it
	bits   uint
	next   int // of symbol 19: the symbol after it, else -1
}

// tree writes lengths as differences to those before.
func (l *lzx) tree(before, lengths []uint8) {
	var steps []step
	for i := 0; i < len(lengths); {
		run := 1
		for i+run < len(lengths) && lengths[i+run] == lengths[i] {
			run++
		}
		difference := (int(before[i]) - int(lengths[i]) + 17) % 17
		switch {
		case lengths[i] == 0 && run >= 20:
			run = min(run, 51)
			steps = append(steps, step{18, uint32(run - 20), 5, -1})
		case lengths[i] == 0 && run >= 4:
			run = min(run, 19)
			steps = append(steps, step{17, uint32(run - 4), 4, -1})
		case run >= 4:
			run = min(run, 5)
			steps = append(steps, step{19, uint32(run - 4), 1, difference})
		default:
			run = 1
			steps = append(steps, step{difference, 0, 0, -1})
		}
		i += run
	}
	counts := make([]int, 20)
	for _, s := range steps {
		counts[s.symbol]++
		if s.next >= 0 {
			counts[s.next]++
		}
	}
	pre := codeLengths(counts, 15)
	for _, n := range pre {
		l.bits.write(uint32(n), 4)
	}
	code := codes(pre)
	for _, s := range steps {
		l.bits.write(code[s.symbol], uint(pre[s.symbol]))
		l.bits.write(s.value, s.bits)
		if s.next >= 0 {
			l.bits.write(code[s.next], uint(pre[s.next]))
		}
	}
}

// codeLengths returns the lengths of a complete prefix code for the counts, none longer than limit. Where only one symbol
// is used, another one gets a code too.
func codeLengths(counts []int, limit int) []uint8 {
	used := 0
	for _, n := range counts {
		if n > 0 {
			used++
		}
	}
	out := make([]uint8, len(counts))
	if used == 0 {
		return out
	}
	counts = slices.Clone(counts)
	for i := 0; used < 2; i++ {
		if counts[i] == 0 {
			counts[i] = 1
			used++
		}
	}
	for !huffman(counts, out, limit) {
		for i, n := range counts {
			counts[i] = (n + 1) / 2
		}
	}
	return out
}

// huffman reports whether no code is longer than limit.
func huffman(counts []int, lengths []uint8, limit int) bool {
	type node struct {
		count  int
		leaves []int
	}
	var nodes []node
	clear(lengths)
	for i, n := range counts {
		if n > 0 {
			nodes = append(nodes, node{n, []int{i}})
		}
	}
	for len(nodes) > 1 {
		slices.SortStableFunc(nodes, func(a, b node) int { return a.count - b.count })
		merged := node{nodes[0].count + nodes[1].count, append(slices.Clone(nodes[0].leaves), nodes[1].leaves...)}
		for _, leaf := range merged.leaves {
			lengths[leaf]++
		}
		nodes = append(nodes[2:], merged)
	}
	return int(slices.Max(lengths)) <= limit
}

// codes returns the canonical code of each symbol.
func codes(lengths []uint8) []uint32 {
	out := make([]uint32, len(lengths))
	code := uint32(0)
	for n := uint8(1); n <= 16; n++ {
		for i, have := range lengths {
			if have == n {
				out[i] = code
				code++
			}
		}
		code <<= 1
	}
	return out
}

// bitWriter writes 16-bit little-endian words, the highest bit first.
type bitWriter struct {
	out  []byte
	word uint32
	n    uint
}

func (b *bitWriter) write(value uint32, n uint) {
	for n > 0 {
		n--
		b.word = b.word<<1 | value>>n&1
		if b.n++; b.n == 16 {
			b.out = le.AppendUint16(b.out, uint16(b.word))
			b.word, b.n = 0, 0
		}
	}
}

// align fills the word up, with 1 to 16 bits.
func (b *bitWriter) align() { b.write(0, 16-b.n) }

// bytes returns what was written, whole words.
func (b *bitWriter) bytes() []byte {
	if b.n > 0 {
		b.align()
	}
	return b.out
}
