package unpack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/sallyport-project/sallyport/verify/internal/pe"
)

// innoTable is how Inno Setup's table of offsets begins, the resource RCDATA 11111.
const (
	innoTable    = "rDlPtS"
	innoResource = "11111"
)

func (s *search) hasInnoTable() bool {
	all, _ := s.info.Resources(s.r)
	for _, res := range all {
		if res.Type == pe.ResourceRCData && res.Name == innoResource && s.begins(res.Offset, res.Size, innoTable) {
			return true
		}
	}
	return false
}

// begins reports whether size bytes at an offset begin with a magic.
func (s *search) begins(offset, size int64, magic string) bool {
	b := make([]byte, len(magic))
	return size >= int64(len(magic)) && readFull(s.r, b, offset) == nil && string(b) == magic
}

// carried are the kinds of content that are looked for where they have a beginning of their own.
var carried = []struct{ magic, suffix string }{
	{"MSCF\x00\x00\x00\x00", ".cab"},
	{"PK\x03\x04", ".zip"},
	{sevenZipMagic, ".7z"},
	{"Rar!\x1a\x07", ".rar"},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".msi"},
	{"MZ", ".exe"},
	{"\x1f\x8b\x08", ".gz"},
	{"\xfd7zXZ\x00", ".xz"},
	{"MSWIM\x00\x00\x00", ".wim"},
	{"\x7fELF", ".elf"},
}

// kind returns the suffix for what begins at an offset, "" if it is nothing that is looked for.
func (s *search) kind(offset, size int64) (string, error) {
	for _, c := range carried {
		if !s.begins(offset, size, c.magic) {
			continue
		}
		if c.magic != "MZ" {
			return c.suffix, nil
		}
		end, err := programEnd(s, offset, offset+size)
		if err != nil {
			return "", err
		}
		if end > 0 {
			return c.suffix, nil
		}
	}
	return "", nil
}

// minCarried is the smallest resource or section that is looked at, in bytes.
const minCarried = 64

// sections looks at the beginning of each section, where WinZip's self-extractors have their archive.
func (s *search) sections() error {
	for _, section := range s.info.Sections {
		if section.Size < minCarried || section.Name == ".wixburn" {
			continue
		}
		suffix, err := s.kind(section.Offset, section.Size)
		if err != nil {
			return err
		}
		if suffix != "" && len(s.found) < maxEmbedded {
			s.add(embedded{from: section.Offset, to: section.Offset + section.Size}, "sections/"+section.Name, suffix)
		}
	}
	return nil
}

// resourceTypes are Windows' names of the types of resources that may hold anything.
var resourceTypes = map[string]string{pe.ResourceRCData: "RCDATA", "23": "HTML"}

// resources looks at the resources of all types but those that have a form of their own, such as icons and dialogs.
func (s *search) resources() error {
	all, err := s.info.Resources(s.r)
	if errors.Is(err, pe.ErrMalformed) {
		s.broken = fmt.Sprintf("The program's resources cannot be read: %s.", err)
	} else if err != nil {
		return err
	}
	for _, res := range all {
		kind, named := resourceTypes[res.Type]
		if !named {
			if n, err := strconv.Atoi(res.Type); err == nil && n < 25 {
				continue
			}
			kind = res.Type
		}
		if res.Size < minCarried {
			continue
		}
		suffix, err := s.kind(res.Offset, res.Size)
		if err != nil {
			return err
		}
		if suffix == "" {
			continue
		}
		if len(s.found) >= maxEmbedded {
			s.broken = fmt.Sprintf("The program carries more than %d archives and programs.", maxEmbedded)
			break
		}
		s.add(embedded{from: res.Offset, to: res.Offset + res.Size}, fmt.Sprintf("resources/%s/%s", kind, res.Name), "")
	}
	return nil
}

// The section .wixburn of a WiX bundle (Burn): where its containers lie.
const (
	burnMagic  = 0x00f14300
	burnHeader = 48 // bytes before the sizes of the containers
	maxBurn    = 32 // containers
)

// bundle adds the containers of a WiX bundle: the first, of the user interface and the manifest, stands after the
// program's sections, the others after that or after the signature that the bundle had before they were attached.
func (s *search) bundle() error {
	section := s.info.Section(".wixburn")
	if section == nil || section.Size < burnHeader {
		return nil
	}
	b := make([]byte, min(section.Size, burnHeader+4*maxBurn))
	if err := readFull(s.r, b, section.Offset); err != nil {
		return err
	}
	le := binary.LittleEndian
	count := int(le.Uint32(b[44:]))
	if le.Uint32(b) != burnMagic || count > maxBurn || len(b) < burnHeader+4*count {
		s.broken = "The program has a section .wixburn that is not a WiX bundle's."
		return nil
	}
	at := int64(le.Uint32(b[24:]))
	signature := int64(le.Uint32(b[32:])) + int64(le.Uint32(b[36:]))
	for i := range count {
		size := int64(le.Uint32(b[burnHeader+4*i:]))
		if i == 1 && signature > 0 {
			at = signature
		}
		if at < s.info.OverlayAt || size > s.size-at {
			s.broken = fmt.Sprintf("Container %d of the WiX bundle, %d bytes at %d, is not in the file.", i+1, size, at)
			return nil
		}
		name := "bundle/attached"
		if i == 0 {
			name = "bundle/ux"
		}
		s.add(embedded{from: at, to: at + size}, name, ".cab")
		s.claim(at, at+size)
		at += size
	}
	return nil
}

// claim takes a stretch out of the tails, which are searched in pieces from then on.
func (s *search) claim(from, to int64) {
	var tails []tail
	for _, t := range s.tails {
		if to <= t.from || from >= t.to {
			tails = append(tails, t)
			continue
		}
		if from > t.from {
			tails = append(tails, tail{from: t.from, to: from})
		}
		if to < t.to {
			tails = append(tails, tail{from: to, to: t.to})
		}
	}
	s.tails = tails
}
