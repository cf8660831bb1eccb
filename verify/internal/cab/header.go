package cab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

var le = binary.LittleEndian

// Sizes of structures in bytes ([MS-CAB] 2.1 to 2.4), without what is optional.
const (
	headerSize = 36
	folderSize = 8
	fileSize   = 16
	blockSize  = 8
)

// Limits of [MS-CAB].
const (
	maxHeaderReserve = 60000
	maxString        = 256 // bytes, the final zero included
	maxUnpackedBlock = 32 << 10
	maxPackedBlock   = 32<<10 + 6144
)

// Parse reads the headers of a cabinet of size bytes, follows every folder's blocks and accounts for all bytes. Its
// errors wrap ErrMalformed or are r's.
func Parse(r io.ReaderAt, size int64) (*Cabinet, error) {
	c := &Cabinet{Size: size, r: r}
	in := &cursor{r: r, limit: size}
	var folders, files int
	if err := c.readHeader(in, &folders, &files); err != nil {
		return nil, err
	}
	if err := c.readReserve(in); err != nil {
		return nil, err
	}
	if err := c.readNeighbours(in); err != nil {
		return nil, err
	}
	if err := c.readFolders(in, folders); err != nil {
		return nil, err
	}
	if err := c.readFiles(files); err != nil {
		return nil, err
	}
	if err := c.boundBlocks(); err != nil {
		return nil, err
	}
	for i := range c.Folders {
		if err := c.followBlocks(i); err != nil {
			return nil, err
		}
	}
	if err := c.account(); err != nil {
		return nil, err
	}
	return c, c.checkFiles()
}

func (c *Cabinet) readHeader(in *cursor, folders, files *int) error {
	b, err := in.next(headerSize)
	if err != nil {
		return err
	}
	if string(b[:4]) != "MSCF" {
		return malformed("it does not begin with MSCF")
	}
	c.Reserved = [3]uint32{le.Uint32(b[4:]), le.Uint32(b[12:]), le.Uint32(b[20:])}
	c.Declared = int64(le.Uint32(b[8:]))
	c.FilesOffset = int64(le.Uint32(b[16:]))
	c.Minor, c.Major = b[24], b[25]
	*folders, *files = int(le.Uint16(b[26:])), int(le.Uint16(b[28:]))
	c.Flags, c.SetID, c.Index = le.Uint16(b[30:]), le.Uint16(b[32:]), le.Uint16(b[34:])
	switch {
	case c.Declared > c.Size:
		return malformed("it says that it has %d bytes, the file has %d", c.Declared, c.Size)
	case c.Declared < headerSize:
		return malformed("it says that it has %d bytes", c.Declared)
	case c.Major != 1:
		return malformed("version %d.%d", c.Major, c.Minor)
	case c.Flags&^knownFlags != 0:
		return malformed("unknown flags %#x", c.Flags)
	case *folders == 0 || *files == 0:
		return malformed("it has %d folders and %d files", *folders, *files)
	}
	in.limit = c.Declared
	return nil
}

func (c *Cabinet) readReserve(in *cursor) error {
	if c.Flags&FlagReserve == 0 {
		return nil
	}
	b, err := in.next(4)
	if err != nil {
		return err
	}
	n := int(le.Uint16(b))
	c.FolderReserve, c.BlockReserve = int(b[2]), int(b[3])
	if n > maxHeaderReserve {
		return malformed("a reserve of %d bytes in the header", n)
	}
	c.ReserveOffset = in.at
	b, err = in.next(n)
	c.Reserve = bytes.Clone(b)
	return err
}

func (c *Cabinet) readNeighbours(in *cursor) error {
	for _, n := range []struct {
		flag uint16
		to   *Neighbour
	}{{FlagPrev, &c.Prev}, {FlagNext, &c.Next}} {
		if c.Flags&n.flag == 0 {
			continue
		}
		for _, s := range []*string{&n.to.Cabinet, &n.to.Disk} {
			b, err := in.text()
			if err != nil {
				return err
			}
			*s, _ = decodeName(b, false)
		}
	}
	return nil
}

func (c *Cabinet) readFolders(in *cursor, count int) error {
	c.FoldersAt = in.at
	for range count {
		b, err := in.next(folderSize + c.FolderReserve)
		if err != nil {
			return err
		}
		c.Folders = append(c.Folders, Folder{Offset: int64(le.Uint32(b)), Blocks: int(le.Uint16(b[4:])), Kind: le.Uint16(b[6:])})
	}
	c.FoldersEnd = in.at
	return nil
}

// cursor reads a file from front to back, through a buffer.
type cursor struct {
	r     io.ReaderAt
	at    int64 // of the next byte
	limit int64 // nothing is read from here on
	buf   []byte
	bufAt int64
}

const cursorBuffer = 64 << 10

// next returns the next n bytes, valid until the following call. n is at most cursorBuffer.
func (c *cursor) next(n int) ([]byte, error) {
	if int64(n) > c.limit-c.at {
		return nil, malformed("%d bytes at %d reach beyond its end at %d", n, c.at, c.limit)
	}
	off := c.at - c.bufAt
	if off < 0 || off+int64(n) > int64(len(c.buf)) {
		if c.buf == nil {
			c.buf = make([]byte, 0, cursorBuffer)
		}
		c.buf = c.buf[:min(cursorBuffer, c.limit-c.at)]
		c.bufAt, off = c.at, 0
		if err := readAt(c.r, c.buf, c.at); err != nil {
			c.buf = c.buf[:0]
			return nil, err
		}
	}
	c.at += int64(n)
	return c.buf[off : off+int64(n)], nil
}

// text returns the bytes of a string without its final zero.
func (c *cursor) text() ([]byte, error) {
	n := int(min(maxString, c.limit-c.at))
	b, err := c.next(n)
	if err != nil {
		return nil, err
	}
	end := bytes.IndexByte(b, 0)
	if end < 0 {
		return nil, malformed("a text at %d has no end within %d bytes", c.at-int64(n), n)
	}
	c.at -= int64(n - end - 1)
	return b[:end], nil
}

// readAt fills b from r at offset off. Where r ends early, the caller was told a wrong size.
func readAt(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading %d bytes at %d: %w", len(b), off, err)
}
