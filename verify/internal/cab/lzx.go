package cab

import (
	"errors"
	"fmt"
	"math/bits"
)

// Numbers of the LZX format ("Microsoft LZX Data Compression Format").
const (
	minWindow, maxWindow = 15, 21 // binary logarithms

	literals      = 256
	lengthHeaders = 8   // in the main tree, for each position slot
	lengthSymbols = 249 // in the length tree
	preSymbols    = 20
	alignSymbols  = 8
	minMatch      = 2
	maxLength     = 16 // of a code, in bits

	translateEnd  = 10    // bytes at the end of a frame that are not translated
	translateLast = 32768 // frames that are translated at most
)

// Kinds of block.
const (
	blockVerbatim     = 1
	blockAligned      = 2
	blockUncompressed = 3
)

// slots is the number of position slots by the window's binary logarithm, less minWindow.
var slots = [...]int{30, 32, 34, 36, 38, 42, 50}

// extraBits and positionBase describe the position slots.
var extraBits, positionBase = func() (extra [50]uint, base [50]int) {
	at := 0
	for i := range extra {
		if i >= 4 {
			extra[i] = min(uint(i/2-1), 17)
		}
		base[i] = at
		at += 1 << extra[i]
	}
	return extra, base
}()

// errOverrun is what every step of the decoder may give: the compressed data ends too early.
var errOverrun = errors.New("the compressed data ends too early")

// lzx unpacks one folder. In a cabinet, a CFDATA holds the tokens of one frame of 32 KiB; window, trees and blocks go on
// from one to the next.
type lzx struct {
	window []byte
	mask   int
	at     int   // in the window
	total  int64 // bytes before this frame
	frames int

	started       bool // the header of the stream was read
	translateSize int32

	kind      int // of the current block
	remaining int // bytes of it
	skip      bool
	r0, r1    int
	r2        int

	mainLengths   [literals + lengthHeaders*50]uint8
	lengthLengths [lengthSymbols]uint8
	main, length  huffman
	aligned, pre  huffman
	mainSymbols   int
	bits          bitReader
}

// newLZX returns a decoder for a folder of so many bytes. The window is kept no larger than they need: a cabinet may
// have many small folders.
func newLZX(window int, unpacked int64) *lzx {
	size := 1 << min(window, bits.Len64(uint64(max(unpacked-1, 0))))
	l := &lzx{window: make([]byte, size), mask: size - 1, r0: 1, r1: 1, r2: 1}
	l.mainSymbols = literals + lengthHeaders*slots[window-minWindow]
	return l
}

// decode unpacks one frame.
func (l *lzx) decode(dst, src []byte) error {
	l.bits = bitReader{src: src}
	if l.skip {
		l.bits.skipByte()
		l.skip = false
	}
	if !l.started {
		if err := l.header(); err != nil {
			return err
		}
		l.started = true
	}
	for n := 0; n < len(dst); {
		for l.remaining == 0 {
			if err := l.startBlock(); err != nil {
				return err
			}
		}
		run := min(l.remaining, len(dst)-n)
		if err := l.run(run); err != nil {
			return err
		}
		l.remaining -= run
		n += run
		if l.kind == blockUncompressed && l.remaining == 0 {
			l.endUncompressed()
		}
	}
	if rest := l.bits.unread(); rest > 0 {
		return fmt.Errorf("%d bytes follow the compressed data", rest)
	}
	l.output(dst)
	l.translate(dst)
	l.total += int64(len(dst))
	l.frames++
	return nil
}

// header reads what stands once at the beginning of a folder.
func (l *lzx) header() error {
	if l.bits.read(1) == 1 {
		l.translateSize = int32(l.bits.read(16)<<16 | l.bits.read(16))
	}
	return l.bits.err()
}

// startBlock reads a block's header and its trees.
func (l *lzx) startBlock() error {
	b := &l.bits
	l.kind = int(b.read(3))
	l.remaining = int(b.read(16)<<8 | b.read(8))
	if err := b.err(); err != nil {
		return err
	}
	switch l.kind {
	case blockUncompressed:
		return l.startUncompressed()
	case blockAligned:
		var lengths [alignSymbols]uint8
		for i := range lengths {
			lengths[i] = uint8(b.read(3))
		}
		if err := l.aligned.build(lengths[:]); err != nil {
			return fmt.Errorf("tree of aligned offsets: %w", err)
		}
	case blockVerbatim:
	default:
		return fmt.Errorf("a block of kind %d", l.kind)
	}
	return l.readTrees()
}

// readTrees reads the lengths of the codes as differences to those of the block before.
func (l *lzx) readTrees() error {
	for _, part := range [][]uint8{l.mainLengths[:literals], l.mainLengths[literals:l.mainSymbols], l.lengthLengths[:]} {
		if err := l.readLengths(part); err != nil {
			return err
		}
	}
	if err := l.main.build(l.mainLengths[:l.mainSymbols]); err != nil {
		return fmt.Errorf("main tree: %w", err)
	}
	if err := l.length.build(l.lengthLengths[:]); err != nil {
		return fmt.Errorf("tree of lengths: %w", err)
	}
	return l.bits.err()
}

func (l *lzx) readLengths(lengths []uint8) error {
	var pre [preSymbols]uint8
	for i := range pre {
		pre[i] = uint8(l.bits.read(4))
	}
	if err := l.pre.build(pre[:]); err != nil {
		return fmt.Errorf("pretree: %w", err)
	}
	for i := 0; i < len(lengths); {
		symbol, err := l.pre.read(&l.bits)
		if err != nil {
			return err
		}
		count, value := 1, uint8(0)
		switch symbol {
		case 17:
			count = 4 + int(l.bits.read(4))
		case 18:
			count = 20 + int(l.bits.read(5))
		case 19:
			count = 4 + int(l.bits.read(1))
			if symbol, err = l.pre.read(&l.bits); err != nil {
				return err
			}
			if symbol > maxLength {
				return fmt.Errorf("pretree code %d is repeated", symbol)
			}
			value = difference(lengths[i], symbol)
		default:
			value = difference(lengths[i], symbol)
		}
		if count > len(lengths)-i {
			return errors.New("lengths of codes run past their table")
		}
		for ; count > 0; count-- {
			lengths[i] = value
			i++
		}
	}
	return l.bits.err()
}

func difference(length uint8, symbol int) uint8 { return uint8((int(length) - symbol + 17) % 17) }

// startUncompressed reads the offsets that stand before the bytes.
func (l *lzx) startUncompressed() error {
	l.bits.alignBlock()
	for _, r := range []*int{&l.r0, &l.r1, &l.r2} {
		b := l.bits.take(4)
		if b == nil {
			return errOverrun
		}
		*r = int(int32(le.Uint32(b)))
	}
	l.skip = l.remaining&1 == 1
	if l.remaining == 0 {
		l.endUncompressed()
	}
	return nil
}

// endUncompressed skips the byte that makes the length even; where the frame ends before it, it stands in the next.
func (l *lzx) endUncompressed() {
	if l.skip && l.bits.unread() > 0 {
		l.bits.skipByte()
		l.skip = false
	}
}

// run unpacks n bytes of the current block into the window.
func (l *lzx) run(n int) error {
	if l.kind == blockUncompressed {
		b := l.bits.take(n)
		if b == nil {
			return errOverrun
		}
		for len(b) > 0 {
			k := copy(l.window[l.at:], b)
			l.at = (l.at + k) & l.mask
			b = b[k:]
		}
		return nil
	}
	return l.tokens(n)
}

// output copies the frame from the window, before whose end it lies.
func (l *lzx) output(dst []byte) {
	from := (l.at - len(dst)) & l.mask
	n := copy(dst, l.window[from:])
	copy(dst[n:], l.window)
}

// translate turns the absolute targets of x86 calls back into relative ones.
func (l *lzx) translate(b []byte) {
	if l.translateSize == 0 || l.frames >= translateLast || len(b) <= translateEnd {
		return
	}
	for i := 0; i < len(b)-translateEnd; i++ {
		if b[i] != 0xe8 {
			continue
		}
		current := int32(l.total) + int32(i)
		target := int32(le.Uint32(b[i+1:]))
		if target >= -current && target < l.translateSize {
			if target >= 0 {
				target -= current
			} else {
				target += l.translateSize
			}
			le.PutUint32(b[i+1:], uint32(target))
		}
		i += 4
	}
}
