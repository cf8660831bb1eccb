package cab

import (
	"errors"
	"fmt"
)

var errFarMatch = errors.New("a match refers to before the beginning")

// tokens unpacks literals and matches until exactly n bytes have come of them.
func (l *lzx) tokens(n int) error {
	bits, window, at := &l.bits, l.window, l.at
	end := l.total + int64(l.done(at))
	for left := n; left > 0; {
		symbol, err := l.main.read(bits)
		if err != nil {
			return err
		}
		if symbol < literals {
			window[at] = byte(symbol)
			at = (at + 1) & l.mask
			left--
			continue
		}
		length, offset, err := l.match(symbol - literals)
		if err != nil {
			return err
		}
		if length > left {
			return fmt.Errorf("a match of %d bytes reaches beyond its block or frame by %d", length, length-left)
		}
		if offset <= 0 || offset > len(window) || int64(offset) > end+int64(n-left) {
			return errFarMatch
		}
		at = l.copyMatch(at, offset, length)
		left -= length
	}
	l.at = at
	return bits.err()
}

// done returns how many bytes of the current frame are unpacked when the window stands at at.
func (l *lzx) done(at int) int { return (at - int(l.total)) & l.mask }

// copyMatch repeats length bytes from offset bytes before at, which may overlap, and returns where the window stands then.
func (l *lzx) copyMatch(at, offset, length int) int {
	from := (at - offset) & l.mask
	if offset >= length && from+length <= len(l.window) && at+length <= len(l.window) {
		copy(l.window[at:at+length], l.window[from:])
		return (at + length) & l.mask
	}
	for range length {
		l.window[at] = l.window[from]
		at, from = (at+1)&l.mask, (from+1)&l.mask
	}
	return at
}

// match reads the rest of a match whose main symbol, less the literals, is given.
func (l *lzx) match(symbol int) (length, offset int, err error) {
	bits := &l.bits
	length = symbol&(lengthHeaders-1) + minMatch
	if symbol&(lengthHeaders-1) == lengthHeaders-1 {
		more, err := l.length.read(bits)
		if err != nil {
			return 0, 0, err
		}
		length += more
	}
	switch slot := symbol / lengthHeaders; slot {
	case 0:
		offset = l.r0
	case 1:
		offset = l.r1
		l.r1, l.r0 = l.r0, offset
	case 2:
		offset = l.r2
		l.r2, l.r0 = l.r0, offset
	default:
		if offset, err = l.offset(slot); err != nil {
			return 0, 0, err
		}
		l.r2, l.r1, l.r0 = l.r1, l.r0, offset
	}
	return length, offset, nil
}

// offset reads the footer of a position slot.
func (l *lzx) offset(slot int) (int, error) {
	extra := extraBits[slot]
	offset := positionBase[slot] - 2
	if l.kind != blockAligned || extra < 3 {
		return offset + int(l.bits.read(extra)), nil
	}
	offset += int(l.bits.read(extra-3)) << 3
	low, err := l.aligned.read(&l.bits)
	return offset + low, err
}
