package cab

import (
	"context"
	"fmt"
	"io"
)

// Method is how a folder is compressed.
type Method uint8

// The methods of [MS-CAB] 2.2; what else there may be is Unknown.
const (
	Stored Method = iota
	MSZIP
	Quantum
	LZX
	Unknown
)

// String returns the method's name.
func (m Method) String() string {
	return [...]string{"stored", "MSZIP", "Quantum", "LZX", "an unknown method"}[min(m, Unknown)]
}

// Method returns the folder's method of compression.
func (f *Folder) Method() Method {
	switch kind := f.Kind & 0xf; {
	case kind == 3 && (f.window() < minWindow || f.window() > maxWindow):
		return Unknown
	case kind <= 3:
		return Method(kind)
	}
	return Unknown
}

// window returns the binary logarithm of the size of an LZX window.
func (f *Folder) window() int { return int(f.Kind >> 8 & 0x1f) }

// decoder unpacks the blocks of a folder in order.
type decoder interface {
	// decode fills dst from the whole of src. Errors are about the block.
	decode(dst, src []byte) error
}

type storedDecoder struct{}

func (storedDecoder) decode(dst, src []byte) error {
	if len(dst) != len(src) {
		return fmt.Errorf("%d stored bytes for %d", len(src), len(dst))
	}
	copy(dst, src)
	return nil
}

// Stream is the unpacked content of a folder. It is no use after an error.
type Stream struct {
	ctx     context.Context
	cabinet *Cabinet
	number  int
	folder  Folder
	decoder decoder
	at      int64 // of the next CFDATA
	left    int   // blocks
	packed  []byte
	block   []byte // the unpacked block
	rest    []byte // what is left of it
	passed  int64  // bytes read
	err     error
}

// At returns how many bytes were read.
func (s *Stream) At() int64 { return s.passed }

// Stream returns the unpacked content of a folder that is neither partial nor compressed in a method that is not known
// here; of those it gives an error. Reading ends with ctx.
func (c *Cabinet) Stream(ctx context.Context, folder int) (*Stream, error) {
	f := c.Folders[folder]
	s := &Stream{ctx: ctx, cabinet: c, number: folder, folder: f, at: f.Offset, left: f.Blocks}
	if f.Split {
		s.left--
	}
	switch f.Method() {
	case Stored:
		s.decoder = storedDecoder{}
	case MSZIP:
		s.decoder = newMSZIP(f.Unpacked)
	case LZX:
		s.decoder = newLZX(f.window(), f.Unpacked)
	default:
		return nil, fmt.Errorf("folder %d is compressed with %s", folder, f.Method())
	}
	if c.Partial(folder) {
		return nil, fmt.Errorf("folder %d begins in another cabinet", folder)
	}
	s.block = make([]byte, min(maxUnpackedBlock, f.Unpacked))
	return s, nil
}

// Read implements io.Reader. Errors wrap ErrMalformed, or are the file's or the context's.
func (s *Stream) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		s.err = s.advance()
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	s.passed += int64(n)
	return n, nil
}

// advance unpacks the next block.
func (s *Stream) advance() error {
	if s.left == 0 {
		return io.EOF
	}
	if err := s.ctx.Err(); err != nil {
		return err
	}
	var head [blockSize]byte
	if err := readAt(s.cabinet.r, head[:], s.at); err != nil {
		return err
	}
	b := readBlock(head[:])
	reserve := s.cabinet.BlockReserve
	if b.packed > maxPackedBlock || b.unpacked > len(s.block) {
		return malformed("block of %d bytes for %d", b.packed, b.unpacked) // the file changed since Parse
	}
	if len(s.packed) < reserve+b.packed {
		s.packed = make([]byte, min(255+maxPackedBlock, 2*(reserve+b.packed)))
	}
	data := s.packed[:reserve+b.packed]
	if err := readAt(s.cabinet.r, data, s.at+blockSize); err != nil {
		return err
	}
	if !sumFits(b, head[4:], data[:reserve], data[reserve:]) {
		return malformed("the checksum of the block at %d in folder %d is wrong", s.at, s.number)
	}
	if err := s.decoder.decode(s.block[:b.unpacked], data[reserve:]); err != nil {
		return malformed("the block at %d in folder %d: %s", s.at, s.number, err)
	}
	s.rest = s.block[:b.unpacked]
	s.at += blockSize + int64(len(data))
	s.left--
	return nil
}
