package unpack

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/rpmfile"
)

// rpmFiles are the files that a package's header lists.
type rpmFiles struct {
	names  []string
	byName map[string]int
	sizes  []uint64
	modes  []uint16
	to     []string // targets of symbolic links
	flags  []uint32
	inodes []uint64 // device and inode
	links  map[uint64]uint32
	seen   []bool // in the payload
}

func rpmBroken(format string, args ...any) error {
	return fmt.Errorf("the package is broken: %s: %w", fmt.Sprintf(format, args...), verify.ErrBroken)
}

// readRPMFiles reads the list of files of a header.
func readRPMFiles(h *rpmfile.Header) (*rpmFiles, error) {
	f := &rpmFiles{}
	if err := f.readNames(h); err != nil {
		return nil, err
	}
	modes, err := h.Uint16s(rpmfile.TagFileModes)
	if err != nil {
		return nil, rpmBroken("%v", err)
	}
	small, err := h.Uint32s(rpmfile.TagFileSizes)
	if err != nil {
		return nil, rpmBroken("%v", err)
	}
	if f.sizes, err = h.Uint64s(rpmfile.TagLongFileSizes); err != nil {
		return nil, rpmBroken("%v", err)
	}
	if f.sizes == nil {
		for _, n := range small {
			f.sizes = append(f.sizes, uint64(n))
		}
	}
	f.modes = modes
	if len(f.modes) != len(f.names) || len(f.sizes) != len(f.names) {
		return nil, rpmBroken("it lists %d names, %d modes and %d sizes", len(f.names), len(f.modes), len(f.sizes))
	}
	if f.to, err = h.Strings(rpmfile.TagFileLinks); err != nil {
		return nil, rpmBroken("%v", err)
	}
	if f.flags, err = h.Uint32s(rpmfile.TagFileFlags); err != nil {
		return nil, rpmBroken("%v", err)
	}
	f.seen = make([]bool, len(f.names))
	f.byName = make(map[string]int, len(f.names))
	for i, n := range f.names {
		f.byName[n] = i
	}
	return f, f.readInodes(h)
}

func (f *rpmFiles) readNames(h *rpmfile.Header) error {
	var err error
	if f.names, err = h.Strings(rpmfile.TagOldFileNames); err != nil {
		return rpmBroken("%v", err)
	}
	if f.names != nil {
		if h.Has(rpmfile.TagBaseNames) || h.Has(rpmfile.TagDirNames) {
			return rpmBroken("it lists its files in the old way and in the new; rpm follows the new one")
		}
		return nil
	}
	base, err := h.Strings(rpmfile.TagBaseNames)
	if err != nil {
		return rpmBroken("%v", err)
	}
	dirs, err := h.Strings(rpmfile.TagDirNames)
	if err != nil {
		return rpmBroken("%v", err)
	}
	indexes, err := h.Uint32s(rpmfile.TagDirIndexes)
	if err != nil || len(indexes) != len(base) {
		return rpmBroken("it lists %d names in %d folders", len(base), len(indexes))
	}
	total := 0
	for i, name := range base {
		if int(indexes[i]) >= len(dirs) {
			return rpmBroken("%.80q lies in folder %d of %d", name, indexes[i], len(dirs))
		}
		// A folder's name of megabytes shared by a million files is the way to make much of little.
		if total += len(dirs[indexes[i]]) + len(name); total > maxRPMNames {
			return rpmBroken("its names have more than %d bytes in all", maxRPMNames)
		}
		f.names = append(f.names, dirs[indexes[i]]+name)
	}
	return nil
}

// maxRPMNames is how many bytes the names of a package may have in all.
const maxRPMNames = 128 << 20

// readInodes finds the files that are one: rpm packs the content once, with the last of them.
func (f *rpmFiles) readInodes(h *rpmfile.Header) error {
	inodes, err := h.Uint32s(rpmfile.TagFileInodes)
	if err != nil {
		return rpmBroken("%v", err)
	}
	devices, err := h.Uint32s(rpmfile.TagFileDevices)
	if err != nil {
		return rpmBroken("%v", err)
	}
	if len(inodes) != len(f.names) || len(devices) != len(f.names) {
		return nil // then none are linked
	}
	f.links = map[uint64]uint32{}
	for i := range inodes {
		key := uint64(devices[i])<<32 | uint64(inodes[i])
		f.inodes = append(f.inodes, key)
		if f.modes[i]&modeType == modeRegular {
			f.links[key]++
		}
	}
	return nil
}

// describe completes a member of the payload from the header, against which it is held.
func (f *rpmFiles) describe(m *cpioMember) error {
	i := m.index
	if m.magic != cpioStripped {
		var ok bool
		if i, ok = f.find(m.name); !ok {
			return rpmBroken("its payload holds %.120q, which its header does not list", m.name)
		}
	}
	if i < 0 || i >= len(f.names) {
		return rpmBroken("its payload holds file %d of %d", i, len(f.names))
	}
	if f.seen[i] {
		return rpmBroken("its payload holds %.120q twice", f.names[i])
	}
	f.seen[i] = true
	m.index, m.name = i, f.names[i]
	if !strings.HasPrefix(m.name, "/") {
		m.name = "/" + m.name // source packages have bare names
	}
	if m.magic == cpioStripped {
		return f.describeStripped(m, i)
	}
	if m.mode&modeType != uint32(f.modes[i])&modeType {
		return rpmBroken("%.120q is of mode %o in its payload and %o in its header", m.name, m.mode, f.modes[i])
	}
	if m.mode&modeType == modeRegular && m.size != int64(f.sizes[i]) && !(m.size == 0 && m.links > 1) {
		return rpmBroken("%.120q has %d bytes in its payload and %d in its header", m.name, m.size, f.sizes[i])
	}
	return nil
}

func (f *rpmFiles) describeStripped(m *cpioMember, i int) error {
	m.mode = uint32(f.modes[i])
	if kind := m.mode & modeType; kind != modeRegular && kind != modeLink {
		return nil
	}
	if f.sizes[i] > 1<<40 {
		return rpmBroken("%.120q has %d bytes", m.name, f.sizes[i])
	}
	m.size, m.links = int64(f.sizes[i]), 1
	if f.inodes == nil || m.mode&modeType != modeRegular {
		return nil
	}
	// Of files that are one, only the last that is packed has content.
	m.inode = f.inodes[i]
	if m.links = max(f.links[m.inode], 1); m.links > 1 {
		if f.links[m.inode]--; f.links[m.inode] > 0 {
			m.size = 0
		}
	}
	return nil
}

// offer offers a member. A symbolic link leads where the header says: rpm does not read what the payload says of it.
func (f *rpmFiles) offer(inside verify.Inside, m *cpioMember, r io.Reader) error {
	if uint32(f.modes[m.index])&modeType == modeLink {
		target, err := io.ReadAll(io.LimitReader(r, maxCpioName+1))
		if err != nil {
			return err
		}
		if m.index >= len(f.to) || string(target) != f.to[m.index] {
			return rpmBroken("the link %.120q leads to %.120q in its payload and elsewhere in its header", m.name, target)
		}
		r = bytes.NewReader(target)
	}
	return offerMember(inside, "files"+m.name, m.mode, m.size, r)
}

const flagGhost = 1 << 6 // RPMFILE_GHOST: listed, and not packed

// missing says which file the header lists and the payload does not hold.
func (f *rpmFiles) missing() error {
	for i, seen := range f.seen {
		if !seen && !(i < len(f.flags) && f.flags[i]&flagGhost != 0) {
			return rpmBroken("its payload lacks %.120q, which its header lists", f.names[i])
		}
	}
	return nil
}

// find returns the file of a name in the payload: "./usr/bin/x", or "x" in a source package.
func (f *rpmFiles) find(name string) (int, bool) {
	for _, n := range []string{strings.TrimPrefix(name, "."), name, path.Join("/", name)} {
		if i, ok := f.byName[n]; ok {
			return i, true
		}
	}
	return 0, false
}
