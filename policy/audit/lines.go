package audit

import (
	"bufio"
	"errors"
	"io"
)

// maxLine bounds one line of a log file, in bytes without its line end.
const maxLine = 4 << 20

var (
	errTorn    = errors.New("the last line has no end")
	errTooLong = errors.New("a line is longer than 4 MiB")
)

// lines reads lines one at a time and never holds more than one.
type lines struct {
	r     *bufio.Reader
	buf   []byte
	start int64 // offset of the line that next returned
	end   int64 // offset behind it and its line end
}

// newLines reads lines from r, whose first byte stands at the given offset of its file.
func newLines(r io.Reader, offset int64) *lines {
	return &lines{r: bufio.NewReaderSize(r, 64<<10), start: offset, end: offset}
}

// next returns the next line without its end. The bytes are valid until the next call. At the end of the file the
// error is io.EOF, or errTorn if the last line has no end.
func (l *lines) next() ([]byte, error) {
	l.start = l.end
	l.buf = l.buf[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		l.buf = append(l.buf, part...)
		switch {
		case err == nil:
			if len(l.buf) > maxLine+1 {
				return nil, errTooLong
			}
			l.end = l.start + int64(len(l.buf))
			return l.buf[:len(l.buf)-1], nil
		case len(l.buf) > maxLine:
			return nil, errTooLong
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(l.buf) == 0:
			return nil, io.EOF
		case errors.Is(err, io.EOF):
			return nil, errTorn
		default:
			return nil, err
		}
	}
}
