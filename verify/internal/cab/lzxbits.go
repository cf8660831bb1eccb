package cab

import "errors"

// bitReader reads bits from 16-bit little-endian words, the highest bit first. Beyond the end it gives zeros and keeps
// count, so that what ends too early is noticed once for many reads.
type bitReader struct {
	src  []byte
	at   int    // of the next word
	bits uint64 // the next bits, from the highest down
	n    uint   // how many of them are there
	over uint   // how many of them stand for nothing
}

// fill makes at least 32 bits available.
func (b *bitReader) fill() {
	for b.n <= 48 {
		var word uint64
		switch left := len(b.src) - b.at; {
		case left <= 0:
			b.over += 16
			b.at -= 2
		case left == 1:
			word = uint64(b.src[b.at])
		default:
			word = uint64(b.src[b.at]) | uint64(b.src[b.at+1])<<8
		}
		b.at += 2
		b.bits |= word << (48 - b.n)
		b.n += 16
	}
}

// read returns the next n bits, at most 17.
func (b *bitReader) read(n uint) uint32 {
	if b.n < n {
		b.fill()
	}
	v := uint32(b.bits >> 32 >> (32 - n))
	b.drop(n)
	return v
}

func (b *bitReader) drop(n uint) {
	b.bits <<= n
	b.n -= n
}

// err returns errOverrun if bits were read that are not there.
func (b *bitReader) err() error {
	if b.over > b.n {
		return errOverrun
	}
	return nil
}

// alignBlock goes to the next word as before an uncompressed block: 1 to 16 bits are skipped.
func (b *bitReader) alignBlock() {
	if b.n%16 == 0 {
		b.read(16)
	} else {
		b.drop(b.n % 16)
	}
	b.bytes()
}

// bytes gives whole words that were read ahead back, so that bytes can be taken. The bits are aligned.
func (b *bitReader) bytes() {
	ahead := int(b.n/16*2) - int(b.over/16*2)
	b.at -= max(ahead, 0)
	b.bits, b.n = 0, 0
	if ahead >= 0 {
		b.over = 0
	} else {
		b.over = 1 // bits were read that are not there
	}
}

// take returns the next n bytes, nil if there are fewer. The bits are aligned and nothing was read ahead.
func (b *bitReader) take(n int) []byte {
	if n > len(b.src)-b.at || b.over > 0 {
		return nil
	}
	b.at += n
	return b.src[b.at-n : b.at : b.at]
}

// skipByte skips a byte where nothing was read ahead.
func (b *bitReader) skipByte() { b.at = min(b.at+1, len(b.src)) }

// unread returns how many bytes stand after the word that was read last.
func (b *bitReader) unread() int {
	return max(0, len(b.src)-b.at+int(b.n/16*2)-int(b.over/16*2))
}

// huffman is a canonical code of at most 16 bits, decoded by a table of its first bits and, for longer codes, by
// comparison.
type huffman struct {
	table   [1 << tableBits]uint16 // symbol<<4 | length; 0: a longer code
	limit   [maxLength + 2]uint32  // by length: the first code, filled up to 16 bits, that is longer
	offset  [maxLength + 1]int32   // by length: what added to the code gives the index into sorted
	sorted  [literals + lengthHeaders*50]uint16
	empty   bool
	longest int
}

const tableBits = 10

var (
	errCode = errors.New("the lengths of codes make no complete code")
	errNone = errors.New("a code is used that has no symbols")
)

// build makes the code of which the lengths are given; 0 is a symbol without code. All of them may be 0.
func (h *huffman) build(lengths []uint8) error {
	var count [maxLength + 1]int
	for _, n := range lengths {
		count[n]++
	}
	h.empty = count[0] == len(lengths)
	if h.empty {
		return nil
	}
	count[0] = 0
	var next [maxLength + 1]int // index into sorted of the first symbol, by length
	code, index := uint32(0), 0
	for n := 1; n <= maxLength; n++ {
		next[n] = index
		h.offset[n] = int32(index) - int32(code)
		code += uint32(count[n])
		index += count[n]
		if code > 1<<n {
			return errCode
		}
		h.limit[n] = code << (maxLength - n)
		code <<= 1
	}
	if code != 2<<maxLength {
		return errCode
	}
	for symbol, n := range lengths {
		if n > 0 {
			h.sorted[next[n]] = uint16(symbol)
			next[n]++
		}
	}
	h.fillTable(count)
	return nil
}

// fillTable enters the codes of at most tableBits bits.
func (h *huffman) fillTable(count [maxLength + 1]int) {
	at, index := 0, 0
	for n := 1; n <= tableBits; n++ {
		for range count[n] {
			entry := h.sorted[index]<<4 | uint16(n)
			index++
			for range 1 << (tableBits - n) {
				h.table[at] = entry
				at++
			}
		}
	}
	clear(h.table[at:])
}

// read returns the next symbol.
func (h *huffman) read(b *bitReader) (int, error) {
	if b.n < maxLength {
		b.fill()
		if b.over > 64 {
			return 0, errOverrun
		}
	}
	if h.empty {
		return 0, errNone
	}
	if e := h.table[b.bits>>(64-tableBits)]; e != 0 {
		b.drop(uint(e & 15))
		return int(e >> 4), nil
	}
	code := uint32(b.bits >> (64 - maxLength))
	for n := tableBits + 1; n <= maxLength; n++ {
		if code < h.limit[n] {
			b.drop(uint(n))
			return int(h.sorted[int32(code>>(maxLength-n))+h.offset[n]]), nil
		}
	}
	return 0, errCode
}
