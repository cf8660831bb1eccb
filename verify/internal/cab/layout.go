package cab

import (
	"cmp"
	"slices"
)

// boundBlocks demands that the blocks of all folders have room in the cabinet beside each other. Folders that share
// their blocks would take as long to follow as all of them together.
func (c *Cabinet) boundBlocks() error {
	least := int64(0)
	for i := range c.Folders {
		least += int64(c.Folders[i].Blocks) * int64(blockSize+c.BlockReserve)
	}
	if least > c.Declared {
		return malformed("its folders have blocks of at least %d bytes, it has %d", least, c.Declared)
	}
	return nil
}

// followBlocks walks from CFDATA to CFDATA of a folder ([MS-CAB] 2.4) and adds up what they say.
func (c *Cabinet) followBlocks(i int) error {
	f := &c.Folders[i]
	if f.Offset > c.Declared {
		return malformed("folder %d begins at %d, beyond its end at %d", i, f.Offset, c.Declared)
	}
	at := f.Offset
	var buf [blockSize]byte
	for n := range f.Blocks {
		if at > c.Declared-blockSize {
			return malformed("block %d of folder %d at %d reaches beyond its end at %d", n, i, at, c.Declared)
		}
		if err := readAt(c.r, buf[:], at); err != nil {
			return err
		}
		b := readBlock(buf[:])
		at += blockSize + int64(c.BlockReserve) + int64(b.packed)
		last := n == f.Blocks-1
		f.Split = last && b.unpacked == 0 && c.Flags&FlagNext != 0
		switch {
		case at > c.Declared:
			return malformed("block %d of folder %d ends at %d, beyond its end at %d", n, i, at, c.Declared)
		case b.packed > maxPackedBlock || b.unpacked > maxUnpackedBlock:
			return malformed("block %d of folder %d has %d bytes for %d", n, i, b.packed, b.unpacked)
		case b.unpacked == 0 && !f.Split:
			return malformed("block %d of folder %d unpacks to nothing", n, i)
		case b.unpacked < maxUnpackedBlock && !last && f.Method() != Stored && c.fullBlocks(n):
			return malformed("block %d of folder %d unpacks to %d bytes, and is not the last", n, i, b.unpacked)
		}
		f.Unpacked += int64(b.unpacked)
	}
	f.End = at
	return nil
}

// fullBlocks reports whether the block with this number has to be full unless it is the last. The first ones of a set's
// later cabinets may be the ends of others.
func (c *Cabinet) fullBlocks(n int) bool { return n > 0 || c.Flags&FlagPrev == 0 }

// block is the header of a CFDATA.
type block struct {
	checksum         uint32
	packed, unpacked int
}

func readBlock(b []byte) block {
	return block{checksum: le.Uint32(b), packed: int(le.Uint16(b[4:])), unpacked: int(le.Uint16(b[6:]))}
}

// account finds what overlaps and what lies between the structures.
func (c *Cabinet) account() error {
	spans := []Span{{0, c.FoldersEnd}, {c.FilesOffset, c.FilesEnd}}
	for _, f := range c.Folders {
		spans = append(spans, Span{f.Offset, f.End})
	}
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	end := int64(0)
	for _, s := range spans {
		switch {
		case s.Len() == 0:
			continue
		case s.From < end:
			return malformed("%d bytes at %d belong to two structures", min(end, s.To)-s.From, s.From)
		case s.From > end:
			c.Gaps = append(c.Gaps, Span{end, s.From})
		}
		end = s.To
	}
	if end < c.Declared {
		c.Gaps = append(c.Gaps, Span{end, c.Declared})
	}
	return nil
}
