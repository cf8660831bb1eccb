package zipfile

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"
	"github.com/sallyport-project/sallyport/verify"
)

// Methods of compression (APPNOTE 4.4.5).
const (
	Stored      = 0
	Deflate     = 8
	methodBzip2 = 12
	methodZstd  = 93
	methodAES   = 99
)

var methodNames = map[uint16]string{1: "shrink", 2: "reduce", 3: "reduce", 4: "reduce", 5: "reduce", 6: "implode", 9: "deflate64", 10: "PKWARE DCL implode",
	14: "LZMA", 16: "IBM CMPSC", 18: "IBM TERSE", 19: "IBM LZ77", 20: "an old number of Zstandard", 94: "MP3", 95: "XZ", 96: "JPEG", 97: "WavPack", 98: "PPMd", 99: "AES"}

func methodName(m uint16) string {
	if n := methodNames[m]; n != "" {
		return n
	}
	return "unknown"
}

// Supported reports whether the entry's data can be unpacked here.
func (e *Entry) Supported() bool {
	return e.Method == Stored || e.Method == Deflate || e.Method == methodBzip2 || e.Method == methodZstd
}

// maxExpansion is how much deflate can make of one byte, at the most.
const maxExpansion = 1032

// Raw gives the entry's data as they lie in the file.
func (f *File) Raw(e *Entry) *io.SectionReader { return io.NewSectionReader(f.r, e.Data, e.Packed) }

// Reader unpacks an entry that is Supported and not Encrypted. At the end it demands that size and checksum are those
// of the directory and that the compressed data end where they should; errors that wrap verify.ErrBroken say what is not so.
// It never gives more than the declared number of bytes.
func (f *File) Reader(e *Entry) io.Reader {
	c := &checked{entry: e, raw: f.Raw(e)}
	marked := markErrors{c.raw}
	switch {
	case e.Encrypted() || !e.Supported():
		c.err = fmt.Errorf("method %d cannot be unpacked", e.Method)
	case e.Method == Stored:
		c.from = marked
		if e.Endless {
			c.from = &endless{from: marked}
		}
		if e.Packed != e.Size {
			c.err = broken("the entry is stored in %d bytes and should have %d", e.Packed, e.Size)
		}
	case e.Method == Deflate:
		if e.Size/maxExpansion > e.Packed {
			c.err = broken("%d bytes cannot be compressed to %d", e.Size, e.Packed)
		}
		c.input = bufio.NewReaderSize(marked, 8<<10)
		c.from = flate.NewReader(c.input)
	case e.Method == methodBzip2:
		c.from = bzip2.NewReader(marked)
	default:
		c.zstd(marked)
	}
	return c
}

// endless reads stored data whose end a reader without the directory has to find. It takes the first descriptor (APPNOTE
// 4.3.9) for it that states as many bytes as came before, so there must be none inside.
type endless struct {
	from io.Reader
	tail []byte // the last bytes read
	n    int64  // bytes read
}

const widestDescriptor = 24 // bytes

// Read implements io.Reader.
func (d *endless) Read(p []byte) (int, error) {
	n, err := d.from.Read(p)
	b := append(d.tail, p[:n]...)
	at := d.n - int64(len(d.tail))
	d.n += int64(n)
	for i, rest := at, b; ; {
		j := bytes.Index(rest, descriptorMark)
		if j < 0 {
			break
		}
		i, rest = i+int64(j), rest[j:]
		if len(rest) >= 16 && int64(le.Uint32(rest[8:])) == i&math.MaxUint32 || len(rest) >= widestDescriptor && le.Uint64(rest[8:]) == uint64(i) {
			return 0, broken("a data descriptor of the %d bytes before it stands inside the data: readers that unpack from the beginning end them there", i)
		}
		i, rest = i+1, rest[1:]
	}
	d.tail = append(d.tail[:0], b[max(0, len(b)-widestDescriptor+1):]...)
	return n, err
}

func broken(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), verify.ErrBroken)
}

// checked compares what is unpacked with what the directory says.
type checked struct {
	entry *Entry
	raw   *io.SectionReader
	input *bufio.Reader // what deflate reads from, byte by byte
	from  io.Reader
	sum   uint32
	n     int64
	err   error
}

func (c *checked) zstd(from io.Reader) {
	d, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(64<<20), zstd.WithDecoderMaxMemory(1<<40))
	if err != nil {
		c.err = broken("zstd: %s", err)
		return
	}
	c.from = d.IOReadCloser()
}

// Read implements io.Reader.
func (c *checked) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if left := c.entry.Size - c.n; int64(len(p)) > left+1 {
		p = p[:left+1]
	}
	n, err := c.from.Read(p)
	c.n += int64(n)
	if c.n > c.entry.Size {
		n--
		err = broken("the data are longer than the %d bytes declared", c.entry.Size)
	}
	c.sum = crc32.Update(c.sum, crc32.IEEETable, p[:n])
	switch {
	case err == io.EOF:
		err = c.finish()
	case err != nil:
		err = c.blame(err)
	}
	c.err = err
	if err != nil && c.from != nil {
		if closer, ok := c.from.(io.Closer); ok {
			closer.Close()
		}
	}
	return n, err
}

// blame tells an error of the file's reader from one that the data cause.
func (c *checked) blame(err error) error {
	if errors.Is(err, verify.ErrBroken) {
		return err
	}
	var ours *readError
	if errors.As(err, &ours) {
		return fmt.Errorf("reading the entry %.80q: %w", c.entry.Name, ours.error)
	}
	return broken("%s", err)
}

// readError marks errors of the file's reader on their way through a decompressor.
type readError struct{ error }

type markErrors struct{ r io.Reader }

func (m markErrors) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if err != nil && err != io.EOF {
		err = &readError{err}
	}
	return n, err
}

func (c *checked) finish() error {
	switch {
	case c.n != c.entry.Size:
		return broken("the data have %d bytes, not the %d declared", c.n, c.entry.Size)
	case c.sum != c.entry.CRC32:
		return broken("the checksum is %08x, not %08x", c.sum, c.entry.CRC32)
	}
	if c.input != nil {
		at, _ := c.raw.Seek(0, io.SeekCurrent)
		if rest := c.entry.Packed - at + int64(c.input.Buffered()); rest != 0 {
			return broken("%d bytes follow the end of the compressed data", rest)
		}
	}
	return io.EOF
}

// ReadAll unpacks an entry of at most limit bytes.
func (f *File) ReadAll(e *Entry, limit int64) ([]byte, error) {
	if e.Size > limit {
		return nil, broken("the entry %.80q has %d bytes, more than %d", e.Name, e.Size, limit)
	}
	if e.Encrypted() || !e.Supported() {
		return nil, broken("the entry %.80q is encrypted or compressed by the unknown method %d", e.Name, e.Method)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(f.Reader(e)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// maxCompared bounds how much of entries with the same name is compared, in bytes a file.
const maxCompared = 64 << 20

// sameContent reports whether two entries unpack to the same bytes.
func (f *File) sameContent(a, b *Entry) bool {
	if f.compared += a.Size; f.compared > maxCompared {
		return false
	}
	x, err := f.ReadAll(a, maxCompared)
	if err != nil {
		return false
	}
	y, err := f.ReadAll(b, maxCompared)
	return err == nil && bytes.Equal(x, y)
}

// Section gives the bytes of the file from one offset to another.
func (f *File) Section(from, to int64) *io.SectionReader {
	return io.NewSectionReader(f.r, from, to-from)
}
