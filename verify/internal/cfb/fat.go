package cfb

import (
	"encoding/binary"
)

// readFAT finds the sectors of the FAT through the DIFAT (section 2.5) and reads it (section 2.3).
func (f *File) readFAT() error {
	perSector := int(f.SectorSize / 4)
	if int64(f.header.fatSectors) > int64(f.sectors) || f.header.fatSectors == 0 {
		return malformed("%d FAT sectors in a file of %d sectors", f.header.fatSectors, f.sectors)
	}
	list, err := f.readDIFAT(perSector)
	if err != nil {
		return err
	}
	f.fat = make([]uint32, 0, len(list)*perSector)
	b := make([]byte, f.SectorSize)
	for _, sector := range list {
		if err := f.claim(sector, ownedByFAT, false); err != nil {
			return err
		}
		if err := f.readFull(b, f.offset(int(sector))); err != nil {
			return err
		}
		for i := range perSector {
			f.fat = append(f.fat, binary.LittleEndian.Uint32(b[4*i:]))
		}
	}
	return f.checkMarks(list)
}

// readDIFAT returns the numbers of the FAT's sectors. The lists must be filled from their beginning, and hold nothing
// behind the last number.
func (f *File) readDIFAT(perSector int) ([]uint32, error) {
	want := int(f.header.fatSectors)
	list := make([]uint32, 0, want)
	take := func(numbers []uint32) error {
		for _, n := range numbers {
			switch {
			case len(list) < want:
				list = append(list, n)
			case n != free:
				return malformed("the DIFAT lists more than the %d FAT sectors that there are", want)
			}
		}
		return nil
	}
	if err := take(f.header.listed[:]); err != nil {
		return nil, err
	}
	b := make([]byte, f.SectorSize)
	numbers := make([]uint32, perSector)
	next := f.header.difat
	for range f.header.difatSectors {
		if err := f.claim(next, ownedByDIFAT, false); err != nil {
			return nil, err
		}
		if err := f.readFull(b, f.offset(int(next))); err != nil {
			return nil, err
		}
		for i := range numbers {
			numbers[i] = binary.LittleEndian.Uint32(b[4*i:])
		}
		if err := take(numbers[:perSector-1]); err != nil {
			return nil, err
		}
		next = numbers[perSector-1]
	}
	// Some writers end an empty or a last list with "free" instead of "end of chain".
	if next != endOfChain && next != free {
		return nil, malformed("the DIFAT goes on at sector %#x after its %d sectors", next, f.header.difatSectors)
	}
	if len(list) != want {
		return nil, malformed("the DIFAT lists %d of %d FAT sectors", len(list), want)
	}
	return list, nil
}

// checkMarks demands that the FAT marks its own sectors and the DIFAT's as such, and nothing beyond the end of the file
// as used.
func (f *File) checkMarks(list []uint32) error {
	for _, sector := range list {
		if int(sector) < len(f.fat) && f.fat[sector] != fatMark {
			return malformed("sector %d belongs to the FAT, which says %#x of it", sector, f.fat[sector])
		}
	}
	for i, next := range f.fat {
		switch {
		case i >= f.sectors && next != free:
			return malformed("the FAT says %#x of sector %d, but the file has %d", next, i, f.sectors)
		case i < f.sectors && f.owners[i] == ownedByDIFAT && next != difatMark:
			return malformed("sector %d belongs to the DIFAT, the FAT says %#x of it", i, next)
		case next == fatMark && f.owners[i] != ownedByFAT, next == difatMark && f.owners[i] != ownedByDIFAT:
			return malformed("the FAT takes sector %d, of %s, for its own", i, f.ownerName(f.owners[i]))
		}
	}
	return nil
}

// readMiniFAT reads the mini FAT (section 2.4) and the place of the mini stream, which is the root's.
func (f *File) readMiniFAT() error {
	runs, err := f.chain(chainStart(f.header.miniFAT, f.header.miniFATSectors), int64(f.header.miniFATSectors), ownedByMiniFAT, false)
	if err != nil {
		return err
	}
	root := f.Root
	if root.Size > 0 && f.header.miniFATSectors == 0 {
		return malformed("a mini stream of %d bytes without a mini FAT", root.Size)
	}
	mini, err := f.chain(chainStart(root.start, uint32(min(root.Size, 1))), sectorsFor(root.Size, f.SectorSize), ownedByEntry, true)
	if err != nil {
		return err
	}
	if root.content, err = f.sectorContent(root, mini); err != nil {
		return err
	}
	f.minis = make([]owner, sectorsFor(root.Size, miniSector))
	return f.readMiniTable(runs)
}

// readMiniTable reads the mini FAT's sectors into place behind the FAT's numbers.
func (f *File) readMiniTable(runs []run) error {
	total := int64(0)
	for _, r := range runs {
		total += int64(r.count) * f.SectorSize
	}
	b := make([]byte, total)
	at := b
	for _, r := range runs {
		n := int64(r.count) * f.SectorSize
		if err := f.readFull(at[:n], f.offset(r.first)); err != nil {
			return err
		}
		at = at[n:]
	}
	f.miniFAT = make([]uint32, len(b)/4)
	for i := range f.miniFAT {
		f.miniFAT[i] = binary.LittleEndian.Uint32(b[4*i:])
		// osslsigncode marks the mini sectors between the end of the mini stream and the end of its last sector as ends
		// of chains.
		filler := int64(i) < sectorsFor(f.Root.Size, f.SectorSize)*f.SectorSize/miniSector && f.miniFAT[i] == endOfChain
		if next := f.miniFAT[i]; i >= len(f.minis) && next != free && !filler {
			return malformed("the mini FAT says %#x of mini sector %d, but there are %d", next, i, len(f.minis))
		}
	}
	return nil
}

// chainStart returns where a chain of count sectors begins. Of an empty chain writers say "end of chain", "free", or 0.
func chainStart(first, count uint32) uint32 {
	if count == 0 && (first == free || first == 0) {
		return endOfChain
	}
	return first
}

// miniChain follows the mini FAT from first and claims want mini sectors for o.
func (f *File) miniChain(first uint32, want int64, o owner) ([]run, error) {
	var runs []run
	at := first
	for range want {
		if int64(at) >= int64(len(f.minis)) || int64(at) >= int64(len(f.miniFAT)) {
			return nil, malformed("mini sector %#x of %s does not exist: there are %d", at, f.ownerName(o), len(f.minis))
		}
		if f.minis[at] != nobody {
			return nil, malformed("mini sector %d belongs to %s and to %s", at, f.ownerName(f.minis[at]), f.ownerName(o))
		}
		f.minis[at] = o
		if l := len(runs) - 1; l >= 0 && runs[l].first+runs[l].count == int(at) {
			runs[l].count++
		} else {
			runs = append(runs, run{int(at), 1})
		}
		at = f.miniFAT[at]
	}
	if at != endOfChain {
		return nil, malformed("the chain of %s goes on after its %d mini sectors", f.ownerName(o), want)
	}
	return runs, nil
}

// rangeLock is the byte whose sector files of version 4 keep free for locking (section 2.7): an end of chain that is
// nobody's.
const rangeLock = 0x7fffff00

// checkOrphans demands that what the tables call used is somebody's.
func (f *File) checkOrphans() error {
	for i, o := range f.owners {
		locks := f.Version == 4 && f.offset(i) == rangeLock/f.SectorSize*f.SectorSize
		if o == nobody && i < len(f.fat) && f.fat[i] != free && !(locks && f.fat[i] == endOfChain) {
			return malformed("the FAT says %#x of sector %d, which belongs to nobody", f.fat[i], i)
		}
	}
	for i, o := range f.minis {
		if o == nobody && i < len(f.miniFAT) && f.miniFAT[i] != free {
			return malformed("the mini FAT says %#x of mini sector %d, which belongs to nobody", f.miniFAT[i], i)
		}
	}
	return nil
}
