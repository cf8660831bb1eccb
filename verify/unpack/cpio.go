package unpack

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// CPIO opens cpio archives: the SVR4 formats "newc" and "crc", and the portable one of POSIX.1-1988.
type CPIO struct{}

// NewCpio returns an opener of cpio archives.
func NewCpio() *CPIO { return &CPIO{} }

// Method returns "cpio".
func (*CPIO) Method() string { return "cpio" }

const (
	cpioNewc     = "070701"
	cpioCRC      = "070702"
	cpioPortable = "070707"
	cpioStripped = "07070X" // rpm's own: an index into the header of the package in place of everything
	cpioTrailer  = "TRAILER!!!"
	maxCpioName  = 4096 // bytes, as in rpm
)

// Match reports whether a begins like a cpio archive.
func (*CPIO) Match(a *verify.Artifact) bool {
	if a.Size < 6 || a.Format != "" && a.Format != "cpio" {
		return false
	}
	var b [6]byte
	return readFull(a.Content, b[:], 0) == nil && slices.Contains([]string{cpioNewc, cpioCRC, cpioPortable}, string(b[:]))
}

// Open offers the archive's members. What follows its end is Invalid, unless it is zero.
func (c *CPIO) Open(ctx context.Context, a *verify.Artifact, inside verify.Inside) ([]verify.Finding, error) {
	s, err := openStream(ctx, a.Content, a.Size, "")
	if err != nil {
		return unpackedSoFar(c.Method(), nil, err)
	}
	w := &cpioWalk{reader: newCpioReader(s), offer: func(m *cpioMember, r io.Reader) error {
		return offerMember(inside, m.name, m.mode, m.size, r)
	}}
	err = w.walk()
	if err, ok := unwrapOffer(err); ok {
		return nil, err
	}
	return unpackedSoFar(c.Method(), nil, err)
}

// File types in a mode (stat(2)).
const (
	modeType    = 0xf000
	modeLink    = 0xa000
	modeRegular = 0x8000
	modeFolder  = 0x4000
)

// offerMember offers a member by what its mode says that it is.
func offerMember(inside verify.Inside, name string, mode uint32, size int64, r io.Reader) error {
	e := verify.Entry{Name: name, Size: size, Reader: r}
	switch mode & modeType {
	case modeFolder:
		e.Directory, e.Size, e.Reader = true, 0, nil
	case modeLink:
		if size > maxCpioName {
			return fmt.Errorf("the link %.80q has a target of %d bytes: %w", name, size, verify.ErrBroken)
		}
		target, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		e.Link, e.Size, e.Reader = string(bytes.TrimRight(target, "\x00")), 0, nil
	case modeRegular, 0:
	default:
		e.Size, e.Reader, e.Unread = 0, nil, "it is a device, a pipe or a socket"
	}
	if err := inside.Offer(e); err != nil {
		return offered{err}
	}
	return nil
}

// cpioMember is the header of one member.
type cpioMember struct {
	magic  string
	name   string
	mode   uint32
	inode  uint64 // device and inode, which members that are one file share
	links  uint32
	size   int64
	index  int    // stripped: into the package's files
	sum    uint32 // crc: of the bytes
	padded bool   // to multiples of four
}

// cpioReader reads members one after another from a stream that it reads to its end.
type cpioReader struct {
	r  *bufio.Reader
	at int64
}

func newCpioReader(r io.Reader) *cpioReader { return &cpioReader{r: bufio.NewReaderSize(r, 64<<10)} }

func cpioBroken(format string, args ...any) error {
	return fmt.Errorf("the cpio archive is broken: %s: %w", fmt.Sprintf(format, args...), verify.ErrBroken)
}

// full reads len(b) bytes; the end before that is the archive's fault.
func (c *cpioReader) full(b []byte) error {
	n, err := io.ReadFull(c.r, b)
	c.at += int64(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return cpioBroken("it ends in the middle, at byte %d", c.at)
	}
	return err
}

// pad passes over the zero bytes up to the next multiple of four.
func (c *cpioReader) pad() error {
	var b [4]byte
	n := (4 - c.at%4) % 4
	if err := c.full(b[:n]); err != nil {
		return err
	}
	if b != [4]byte{} {
		return cpioBroken("the padding before byte %d is not zero", c.at)
	}
	return nil
}

// next reads the next header. In rpm's own, stripped form it has nothing but an index.
func (c *cpioReader) next() (*cpioMember, error) {
	var magic [6]byte
	if err := c.full(magic[:]); err != nil {
		return nil, err
	}
	m := &cpioMember{magic: string(magic[:]), padded: true}
	switch m.magic {
	case cpioNewc, cpioCRC:
		return m, c.newc(m)
	case cpioPortable:
		m.padded = false
		return m, c.portable(m)
	case cpioStripped:
		n, err := c.numbers(1, 8, 16)
		if err != nil {
			return nil, err
		}
		m.index = int(n[0])
		return m, c.pad()
	}
	return nil, cpioBroken("no member begins at byte %d", c.at-6)
}

// numbers reads fields of a number of digits each.
func (c *cpioReader) numbers(count, digits, base int) ([]uint64, error) {
	b := make([]byte, count*digits)
	if err := c.full(b); err != nil {
		return nil, err
	}
	out := make([]uint64, count)
	for i := range out {
		n, err := strconv.ParseUint(string(b[i*digits:(i+1)*digits]), base, 36)
		if err != nil {
			return nil, cpioBroken("a field of the header before byte %d is no number", c.at)
		}
		out[i] = n
	}
	return out, nil
}

func (c *cpioReader) newc(m *cpioMember) error {
	f, err := c.numbers(13, 8, 16)
	if err != nil {
		return err
	}
	m.inode, m.mode, m.links, m.size, m.sum = f[7]<<48^f[8]<<40^f[0], uint32(f[1]), uint32(f[4]), int64(f[6]), uint32(f[12])
	if err := c.memberName(m, f[11]); err != nil {
		return err
	}
	return c.pad()
}

// portable reads a header of octal digits: device, inode, mode, owner, group, links, device, time, name, size.
func (c *cpioReader) portable(m *cpioMember) error {
	f, err := c.numbers(7, 6, 8)
	if err != nil {
		return err
	}
	var b [11]byte
	if err := c.full(b[:]); err != nil { // the time, which nobody needs here
		return err
	}
	length, err := c.numbers(1, 6, 8)
	if err != nil {
		return err
	}
	size, err := c.numbers(1, 11, 8)
	if err != nil {
		return err
	}
	m.inode, m.mode, m.links, m.size = f[0]<<32|f[1], uint32(f[2]), uint32(f[5]), int64(size[0])
	return c.memberName(m, length[0])
}

func (c *cpioReader) memberName(m *cpioMember, length uint64) error {
	if length < 1 || length > maxCpioName {
		return cpioBroken("a name has %d bytes", length)
	}
	b := make([]byte, length)
	if err := c.full(b); err != nil {
		return err
	}
	if b[length-1] != 0 || bytes.IndexByte(b, 0) != len(b)-1 {
		return cpioBroken("the name %.80q does not end where it should", b)
	}
	m.name = string(b[:length-1])
	return nil
}

// content returns a reader of a member's bytes.
func (c *cpioReader) content(m *cpioMember) *cpioContent { return &cpioContent{c: c, left: m.size} }

// cpioContent reads the bytes of one member and adds them up.
type cpioContent struct {
	c    *cpioReader
	left int64
	sum  uint32
}

func (r *cpioContent) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.c.r.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	r.c.at += int64(n)
	for _, b := range p[:n] {
		r.sum += uint32(b)
	}
	if errors.Is(err, io.EOF) {
		if err = nil; r.left > 0 {
			err = cpioBroken("it ends in the middle, at byte %d", r.c.at)
		}
	}
	return n, err
}

// cpioWalk goes over an archive. describe, where set, completes a header from elsewhere; offer gets each member.
type cpioWalk struct {
	reader   *cpioReader
	describe func(*cpioMember) error
	offer    func(m *cpioMember, r io.Reader) error
	links    map[uint64][]*cpioMember // names whose content comes with the last of them
	content  map[uint64]string        // the name with which the content came
}

const maxPendingLinks = 1 << 16

func (w *cpioWalk) walk() error {
	pending := 0
	for {
		m, err := w.reader.next()
		if err != nil {
			return err
		}
		if m.name == cpioTrailer {
			break
		}
		if w.describe != nil {
			if err := w.describe(m); err != nil {
				return err
			}
		}
		if m.links > 1 && m.size == 0 && m.mode&modeType == modeRegular {
			if to, ok := w.content[m.inode]; ok {
				if err := w.link(m, to); err != nil {
					return err
				}
				continue
			}
			if pending++; pending > maxPendingLinks {
				return cpioBroken("more than %d names wait for their content", maxPendingLinks)
			}
			if w.links == nil {
				w.links = map[uint64][]*cpioMember{}
			}
			w.links[m.inode] = append(w.links[m.inode], m)
			continue
		}
		if err := w.member(m); err != nil {
			return err
		}
	}
	if err := w.emptyLinks(); err != nil {
		return err
	}
	return onlyZeros(w.reader.r)
}

// member offers a member, then the names that are links to it.
func (w *cpioWalk) member(m *cpioMember) error {
	r := w.reader.content(m)
	if err := w.offer(m, r); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	if m.magic == cpioCRC && m.mode&modeType == modeRegular && r.sum != m.sum {
		return cpioBroken("the bytes of %.80q add up to %08x, not %08x", m.name, r.sum, m.sum)
	}
	if m.padded {
		if err := w.reader.pad(); err != nil {
			return err
		}
	}
	if m.links < 2 || m.size == 0 {
		return nil
	}
	for _, other := range w.links[m.inode] {
		if err := w.link(other, m.name); err != nil {
			return err
		}
	}
	delete(w.links, m.inode)
	if w.content == nil {
		w.content = map[uint64]string{}
	}
	w.content[m.inode] = m.name
	return nil
}

// link offers a name as a link to the one with which the content came.
func (w *cpioWalk) link(m *cpioMember, to string) error {
	link := *m
	link.mode, link.size = modeLink, int64(len(to))
	return w.offer(&link, strings.NewReader(to))
}

// emptyLinks offers the names whose file is empty.
func (w *cpioWalk) emptyLinks() error {
	var left []*cpioMember
	for _, list := range w.links {
		left = append(left, list...)
	}
	slices.SortFunc(left, func(a, b *cpioMember) int { return strings.Compare(a.name, b.name) })
	for _, m := range left {
		if err := w.offer(m, strings.NewReader("")); err != nil {
			return err
		}
	}
	return nil
}
