package reputation

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"path"
	"strings"
	"sync/atomic"
)

// content is the bytes of a list as they came.
type content struct {
	at   io.ReaderAt
	size int64
}

func (c content) reader() io.Reader { return io.NewSectionReader(c.at, 0, c.size) }

// maxDirectory bounds the directory of a zip, in bytes: about a million files.
const maxDirectory = 64 << 20

// read reads a list, packed or not.
func (r *reader) read(c content) error {
	head := make([]byte, 4)
	if _, err := c.at.ReadAt(head, 0); err != nil && err != io.EOF {
		return err
	}
	var left atomic.Int64
	left.Store(r.limits.unpacked)
	switch {
	case string(head) == "PK\x03\x04", string(head) == "PK\x05\x06":
		return r.readZip(c, &left)
	case head[0] == 0x1f && head[1] == 0x8b:
		return r.readOne(func() (io.Reader, error) {
			z, err := gzip.NewReader(c.reader())
			if err != nil {
				return nil, refusef("it cannot be unpacked: %v", err)
			}
			return counter{packed{z}, &left}, nil
		})
	}
	return r.readOne(func() (io.Reader, error) { return c.reader(), nil })
}

// packed tells damage of what is packed from errors in reading it.
type packed struct{ r io.Reader }

// Read implements io.Reader.
func (p packed) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if err != nil && err != io.EOF {
		err = refusef("it cannot be unpacked: %v", err)
	}
	return n, err
}

// readOne reads one text. open begins from the start, and may be called several times.
func (r *reader) readOne(open func() (io.Reader, error)) error {
	in, err := open()
	if err != nil {
		return err
	}
	format := r.Format
	if format == FormatAuto {
		head, err := peek(in)
		if err != nil {
			return err
		}
		if format = detect(head); r.Column != "" {
			format = FormatCSV
		}
		if in, err = open(); err != nil {
			return err
		}
	}
	r.summary.Format = format
	switch format {
	case FormatCSV:
		return r.readCSV(in)
	case FormatSTIX:
		return r.readSTIX(open)
	case FormatMISP:
		return r.readMISP(in)
	case FormatOSV:
		return r.readOSV(in)
	case FormatKEV:
		return r.readKEV(in)
	case FormatHashlookup:
		return r.readHashlookup(in)
	}
	return r.readPlain(in)
}

// readZip reads every list in a zip: the JSON files where there are any, else all that are no directories.
func (r *reader) readZip(c content, left *atomic.Int64) error {
	if n := directorySize(c); n < 0 || n > maxDirectory {
		return refusef("the directory of the zip has %d bytes, more than %d, or cannot be found", n, maxDirectory)
	}
	z, err := zip.NewReader(c.at, c.size)
	if err != nil {
		return refusef("it cannot be unpacked: %v", err)
	}
	if len(z.File) > r.limits.files {
		return refusef("it has %d files, more than %d", len(z.File), r.limits.files)
	}
	wanted := chosen(z.File)
	if len(wanted) == 0 {
		return refusef("there is no list in it")
	}
	for _, f := range wanted {
		if err := r.readMember(f, left); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) readMember(f *zip.File, left *atomic.Int64) error {
	if err := r.step(); err != nil {
		return err
	}
	var last io.Closer
	defer func() {
		if last != nil {
			last.Close()
		}
	}()
	err := r.readOne(func() (io.Reader, error) {
		if last != nil {
			last.Close()
		}
		in, err := f.Open()
		if err != nil {
			return nil, refusef("it cannot be unpacked: %v", err)
		}
		last = in
		return counter{packed{in}, left}, nil
	})
	var refused *Refusal
	if errors.As(err, &refused) {
		return refusef("%s: %s", quote(f.Name), refused.Text)
	}
	return err
}

func chosen(files []*zip.File) []*zip.File {
	var lists, other []*zip.File
	for _, f := range files {
		name := path.Base(f.Name)
		switch {
		case strings.HasSuffix(f.Name, "/") || strings.HasPrefix(name, "."):
		case strings.HasSuffix(strings.ToLower(name), ".json"):
			lists = append(lists, f)
		default:
			other = append(other, f)
		}
	}
	if len(lists) > 0 {
		return lists
	}
	return other
}

// directorySize returns how many bytes of a file may be read as the directory of a zip, all of which the archive package
// takes into memory; negative if it cannot be found (APPNOTE 4.3.14 to 4.3.16). What the zip says of the size is not
// relied on alone, for the package goes by where the directory begins.
func directorySize(c content) int64 {
	tail := make([]byte, min(c.size, 22+20+1<<16))
	if _, err := c.at.ReadAt(tail, c.size-int64(len(tail))); err != nil && err != io.EOF {
		return -1
	}
	i := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if i < 0 || len(tail)-i < 22 {
		return -1
	}
	size, offset := int64(binary.LittleEndian.Uint32(tail[i+12:])), int64(binary.LittleEndian.Uint32(tail[i+16:]))
	if i >= 20 && string(tail[i-20:i-16]) == "PK\x06\x07" {
		end := make([]byte, 56)
		if _, err := c.at.ReadAt(end, int64(binary.LittleEndian.Uint64(tail[i-12:])&(1<<62-1))); err != nil || string(end[:4]) != "PK\x06\x06" {
			return -1
		}
		size, offset = int64(binary.LittleEndian.Uint64(end[40:])), int64(binary.LittleEndian.Uint64(end[48:]))
	}
	if size < 0 || offset < 0 || offset > c.size {
		return -1
	}
	return max(size, c.size-offset)
}
