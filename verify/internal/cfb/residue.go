package cfb

import (
	"bytes"
	"context"
	"fmt"
	"sort"
)

// Residue is a place of one kind whose bytes belong to no stream and mean nothing, and are not all zero.
type Residue struct {
	Kind   ResidueKind
	Where  string // for people: "reserved fields of the header"
	Offset int64  // in the file, in bytes, of the first such place
	Places int    // how many there are
	Bytes  int64  // in all these places together, zero or not
	Sample []byte // of the first place, at most MaxPiece bytes
	// Pieces are the bytes of every place, without the zeros before and behind where that leaves some; nil if there are
	// more than MaxPieces.
	Pieces [][]byte
}

// Limits of Residue.
const (
	MaxPiece  = 4096 // bytes, which is a sector at most
	MaxPieces = 64
	minPiece  = 16 // bytes
)

// ResidueKind says why bytes mean nothing.
type ResidueKind uint8

const (
	Reserved ResidueKind = iota // fields that the specification leaves unused
	Slack                       // between the end of a stream and the end of its last sector or mini sector
	Vacant                      // sectors and mini sectors that nothing uses
	Tail                        // from the end of the last sector in use to the end of the file
)

// span is a part of a structure.
type span struct{ from, to int }

// spares looks at unused parts of a structure at offset and keeps them as residue where they are not all zero.
func (f *File) spares(b []byte, offset int64, where string, parts ...span) {
	for _, p := range parts {
		if !allZero(b[p.from:p.to]) {
			f.spare = note(f.spare, Residue{Kind: Reserved, Where: where, Offset: offset + int64(p.from), Places: 1, Bytes: int64(p.to - p.from), Sample: b[p.from:p.to]})
		}
	}
}

// note adds a place to those of the same kind.
func note(all []Residue, r Residue) []Residue {
	for i := range all {
		if all[i].Kind == r.Kind && all[i].Where == r.Where {
			all[i].Places++
			all[i].Bytes += r.Bytes
			if all[i].Pieces = append(all[i].Pieces, piece(r.Sample)); all[i].Places > MaxPieces {
				all[i].Pieces = nil
			}
			return all
		}
	}
	r.Sample = bytes.Clone(r.Sample[:min(len(r.Sample), MaxPiece)])
	r.Pieces = [][]byte{piece(r.Sample)}
	return append(all, r)
}

// piece returns a copy of b without the zeros before and behind. Of little more than zeros all is kept, since a few
// bytes can be found anywhere.
func piece(b []byte) []byte {
	if p := bytes.Trim(b, "\x00"); len(p) >= minPiece {
		b = p
	}
	return bytes.Clone(b[:min(len(b), MaxPiece)])
}

// Residues reads everything that no stream and no structure uses, and returns what of it is not all zero, one Residue
// for each kind of place. Besides cancellation its errors are those of reading.
func (f *File) Residues(ctx context.Context) ([]Residue, error) {
	s := &sweep{file: f, ctx: ctx, found: append([]Residue{}, f.spare...)}
	for _, step := range []func() error{s.slack, s.vacant, s.tail} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return s.found, nil
}

// sweep is one run of Residues.
type sweep struct {
	file  *File
	ctx   context.Context
	found []Residue
}

// slack looks behind the end of every stream. Within the mini stream it looks at mini sectors, which the slack of a
// small stream lies in.
func (s *sweep) slack() error {
	f := s.file
	for _, e := range f.Entries {
		from, size := f.slack(e)
		if size == 0 {
			continue
		}
		b := make([]byte, size)
		if n, err := e.content.under.ReadAt(b, from); int64(n) < size {
			return fmt.Errorf("reading behind a stream: %w", err)
		}
		where := "the last sectors of streams"
		if e.Kind == Stream && e.Size < miniCutoff {
			where = "the last mini sectors of streams"
		}
		if !allZero(b) {
			s.found = note(s.found, Residue{Kind: Slack, Where: where, Offset: f.place(e.content, from), Places: 1, Bytes: size, Sample: b})
		}
	}
	return s.ctx.Err()
}

// slack returns the bytes between the end of a stream and the end of its last sector or mini sector: where they begin
// in what the content lies in, and how many they are.
func (f *File) slack(e *Entry) (from, size int64) {
	unit, limit := f.SectorSize, f.Size
	if e.Kind == Stream && e.Size < miniCutoff {
		unit, limit = miniSector, f.Root.Size
	}
	c := e.content
	if c == nil || len(c.extent) == 0 || e.Size%unit == 0 {
		return 0, 0
	}
	last := c.extent[len(c.extent)-1]
	from = last.under + last.size
	return from, min(unit-e.Size%unit, limit-from)
}

// Slack returns where in the file the bytes lie between the end of a stream and the end of its last sector or mini
// sector, and how many they are.
func (f *File) Slack(e *Entry) (offset, size int64) {
	from, size := f.slack(e)
	if size == 0 {
		return 0, 0
	}
	return f.place(e.content, from), size
}

// place returns where in the file a byte lies that is under a stream's content: in the mini stream or in the file.
func (f *File) place(c *Content, under int64) int64 {
	mini, ok := c.under.(*Content)
	if !ok {
		return under
	}
	i := sort.Search(len(mini.extent), func(i int) bool { return mini.extent[i].at+mini.extent[i].size > under })
	if i == len(mini.extent) {
		return 0
	}
	return mini.extent[i].under + under - mini.extent[i].at
}

// vacant looks at sectors and mini sectors without an owner, up to the last one that has one.
func (s *sweep) vacant() error {
	f := s.file
	end := f.lastOwned()
	for sector := 0; sector < end; sector++ {
		if f.owners[sector] != nobody {
			continue
		}
		if err := s.look(Vacant, "sectors that nothing uses", f.offset(sector), f.SectorSize); err != nil {
			return err
		}
	}
	b := make([]byte, miniSector)
	for i, o := range f.minis {
		if o != nobody {
			continue
		}
		at := int64(i) * miniSector
		size := min(miniSector, f.Root.Size-at)
		if n, err := f.Root.content.ReadAt(b[:size], at); int64(n) < size {
			return fmt.Errorf("reading an unused mini sector: %w", err)
		}
		if !allZero(b[:size]) {
			offset := f.place(&Content{under: f.Root.content}, at)
			s.found = note(s.found, Residue{Kind: Vacant, Where: "mini sectors that nothing uses", Offset: offset, Places: 1, Bytes: size, Sample: b[:size]})
		}
	}
	return s.ctx.Err()
}

// lastOwned returns the number of the first sector of the row without owners that ends the file.
func (f *File) lastOwned() int {
	end := f.sectors
	for end > 0 && f.owners[end-1] == nobody {
		end--
	}
	return end
}

// tail looks at what follows the last sector in use.
func (s *sweep) tail() error {
	from := s.file.offset(s.file.lastOwned())
	if from >= s.file.Size {
		return nil
	}
	return s.look(Tail, "what follows the last sector in use", from, s.file.Size-from)
}

// look reads size bytes at offset and notes them unless they are all zero.
func (s *sweep) look(kind ResidueKind, where string, offset, size int64) error {
	b := make([]byte, min(size, 64<<10))
	for at := int64(0); at < size; at += int64(len(b)) {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		part := b[:min(int64(len(b)), size-at)]
		if err := s.file.readFull(part, offset+at); err != nil {
			return err
		}
		if !allZero(part) {
			s.found = note(s.found, Residue{Kind: kind, Where: where, Offset: offset, Places: 1, Bytes: size, Sample: part})
			return nil
		}
	}
	return nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
