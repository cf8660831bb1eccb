package unpack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/sallyport-project/sallyport/verify/internal/cab"
	"github.com/sallyport-project/sallyport/verify/internal/pe"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
)

// Limits of the search after a program's sections.
const (
	searchWindow  = 1 << 20 // bytes from the beginning, or from the end of what was found last
	closeBy       = 8 << 10 // of them, which are searched first
	longestMark   = 64      // bytes, at least: what begins within a window is seen whole
	maxCandidates = 64      // in a window; each is looked at
	maxCabinets   = 256     // beginnings of cabinets in a program; each is followed through all its headers
	maxZipEnds    = 16      // ends of zip files at the end of a program; for each a whole directory is read
	maxEmbedded   = 1024
	zipEndSize    = 22
)

// mark is how something begins that a program carries.
type mark struct {
	magic  string
	back   int64  // how many bytes before the magic it begins
	suffix string // of the entry's name
	why    string // it cannot be unpacked
	// end returns where it ends, given where it begins and where it ends at the latest; 0: it is none.
	end func(s *search, from, limit int64) (int64, error)
}

// marks are in the order in which they are preferred where they begin at the same place.
var marks = []mark{
	{magic: "\xef\xbe\xad\xdeNullsoftInst", back: 4, suffix: ".nsis", end: toLimit,
		why: "an installer made with NSIS, which nothing here unpacks."},
	{magic: "Inno Setup Setup Data (", suffix: ".inno", end: toLimit,
		why: "an installer made with Inno Setup, which nothing here unpacks."},
	{magic: "zlb\x1a", suffix: ".inno", end: innoData, why: "an installer made with Inno Setup, which nothing here unpacks."},
	{magic: "idska32\x1a", suffix: ".inno", end: innoData, why: "an installer made with Inno Setup, which nothing here unpacks."},
	{magic: "InstallShield\x00", suffix: ".installshield", end: toLimit, why: "an installer made with InstallShield, which nothing here unpacks."},
	{magic: "ISSetupStream\x00", suffix: ".installshield", end: toLimit, why: "an installer made with InstallShield, which nothing here unpacks."},
	{magic: "Rar!\x1a\x07\x00", suffix: ".rar", end: toLimit, why: "a RAR archive, which nothing here unpacks."},
	{magic: "Rar!\x1a\x07\x01\x00", suffix: ".rar", end: toLimit, why: "a RAR archive, which nothing here unpacks."},
	{magic: sevenZipMagic, suffix: ".7z", end: sevenZipEnd},
	{magic: "MSCF\x00\x00\x00\x00", suffix: ".cab", end: cabinetEnd},
	{magic: "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", suffix: ".msi", end: toLimit},
	{magic: "MZ", suffix: ".exe", end: programEnd},
}

func toLimit(_ *search, _, limit int64) (int64, error) { return limit, nil }

// innoData takes short marks for Inno Setup's only where its table of offsets is among the resources.
func innoData(s *search, _, limit int64) (int64, error) {
	if s.hasInnoTable() {
		return limit, nil
	}
	return 0, nil
}

// overlay searches one tail from front to back. A zip file is looked for from its end first.
func (s *search) overlay(t *tail) error {
	limit := t.to
	z, err := s.zipAtEnd(t)
	if err != nil {
		return err
	}
	if z != nil {
		limit = max(t.from, z.from)
	}
	for at := t.from; at < limit; {
		if len(s.found) >= maxEmbedded {
			s.broken = fmt.Sprintf("The program carries more than %d archives and programs.", maxEmbedded)
			break
		}
		e, suffix, err := s.next(at, limit)
		if err != nil {
			return err
		}
		if e == nil {
			break
		}
		t.claimed += e.to - e.from
		s.add(*e, "overlay", suffix)
		at = e.to
	}
	if z != nil {
		t.claimed += z.to - max(z.from, t.from)
		s.add(*z, "overlay", ".zip")
	}
	return nil
}

// next returns the first thing at or after at, within the search's window. Most follow closely on the one before.
func (s *search) next(at, limit int64) (*embedded, string, error) {
	for _, reach := range []int64{closeBy, searchWindow} {
		window := make([]byte, min(reach+longestMark, limit-at))
		if err := readFull(s.r, window, at); err != nil {
			return nil, "", err
		}
		e, suffix, err := s.first(window, at, limit)
		if err != nil || e != nil && e.from < at+reach || int64(len(window)) == limit-at {
			return e, suffix, err
		}
	}
	return nil, "", nil
}

// first returns the first thing that begins in a window, which lies at at.
func (s *search) first(window []byte, at, limit int64) (*embedded, string, error) {
	var best *embedded
	suffix := ""
	for _, m := range marks {
		candidates := 0
		for i := 0; candidates < maxCandidates; candidates++ {
			k := bytes.Index(window[i:], []byte(m.magic))
			if k < 0 {
				break
			}
			from := at + int64(i+k) - m.back
			i += k + 1
			if from < at || best != nil && from >= best.from {
				if from < at {
					continue
				}
				break
			}
			to, err := m.end(s, from, limit)
			if err != nil {
				return nil, "", err
			}
			if to > from {
				best, suffix = &embedded{from: from, to: to, why: m.why}, m.suffix
				break
			}
		}
	}
	return best, suffix, nil
}

// sevenZipEnd reads the start header of an archive.
func sevenZipEnd(s *search, from, limit int64) (int64, error) {
	var b [sevenZipStart]byte
	if limit-from < sevenZipStart {
		return 0, nil
	}
	if err := readFull(s.r, b[:], from); err != nil {
		return 0, err
	}
	offset, length := binary.LittleEndian.Uint64(b[12:]), binary.LittleEndian.Uint64(b[20:])
	rest := uint64(limit - from - sevenZipStart)
	if crc32.ChecksumIEEE(b[12:]) != binary.LittleEndian.Uint32(b[8:]) || offset > rest || length > rest-offset {
		return 0, nil
	}
	return from + sevenZipStart + int64(offset+length), nil
}

// cabinetEnd reads a cabinet's headers; its signature belongs to it.
func cabinetEnd(s *search, from, limit int64) (int64, error) {
	if s.cabinets++; s.cabinets > maxCabinets {
		s.broken = fmt.Sprintf("The program has more than %d places where a cabinet may begin.", maxCabinets)
		return 0, nil
	}
	c, err := cab.Parse(io.NewSectionReader(s.r, from, limit-from), limit-from)
	if errors.Is(err, cab.ErrMalformed) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if p, ok := c.Signature(); ok && p.From >= c.Declared && p.To <= limit-from {
		return from + p.To, nil
	}
	return from + c.Declared, nil
}

// programEnd reads a program's headers.
func programEnd(s *search, from, limit int64) (int64, error) {
	r, size := io.NewSectionReader(s.r, from, limit-from), limit-from
	info, err := pe.ReadInfo(r, size)
	if errors.Is(err, pe.ErrNotPE) || errors.Is(err, pe.ErrMalformed) || err == nil && len(info.Sections) == 0 {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if l, err := pe.Parse(r, size); err == nil && l.Signed() {
		return from + l.Table + l.TableSize, nil
	}
	return from + info.OverlayAt, nil
}

// zipAtEnd looks for a zip file that ends with a tail, or shortly before, where a signature was aligned.
func (s *search) zipAtEnd(t *tail) (*embedded, error) {
	const reach = zipEndSize + 0xffff + 512
	b := make([]byte, min(reach, t.to-t.from))
	if err := readFull(s.r, b, t.to-int64(len(b))); err != nil {
		return nil, err
	}
	for end, tried := len(b), 0; ; {
		k := bytes.LastIndex(b[:end], []byte("PK\x05\x06"))
		if k < 0 {
			return nil, nil
		}
		end = k
		if len(b)-k < zipEndSize {
			continue
		}
		stop := k + zipEndSize + int(binary.LittleEndian.Uint16(b[k+20:]))
		if stop > len(b) {
			continue
		}
		if tried++; tried > maxZipEnds {
			s.broken = fmt.Sprintf("The program has more than %d places where a zip file may end.", maxZipEnds)
			return nil, nil
		}
		to := t.to - int64(len(b)-stop)
		f, err := zipfile.Open(io.NewSectionReader(s.r, 0, to), to)
		if errors.Is(err, zipfile.ErrNotZip) || errors.Is(err, zipfile.ErrMalformed) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return zipBegin(f, t, to), nil
	}
}

// zipBegin tells where a zip file begins: offsets count from there, or from the program's beginning.
func zipBegin(f *zipfile.File, t *tail, to int64) *embedded {
	if f.Base > 0 {
		return &embedded{from: f.Base, to: to}
	}
	first := f.Directory
	for _, e := range f.Entries {
		first = min(first, e.Local)
	}
	return &embedded{from: max(first, t.from), to: to, whole: true}
}
