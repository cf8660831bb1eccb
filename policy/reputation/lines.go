package reputation

import (
	"bufio"
	"bytes"
	"io"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// lines reads a text line by line, in whatever Unicode it is written in. A line longer than the limit is told of and
// passed over without being held.
type lines struct {
	r      *bufio.Reader
	number int // of the line last read, from 1
	text   []byte
	long   bool // the line was too long; text is its beginning
	err    error
}

func newLines(r io.Reader, limit int) *lines {
	in := bufio.NewReaderSize(r, 1<<16)
	if b, _ := in.Peek(2); len(b) == 2 && (b[0] == 0xff && b[1] == 0xfe || b[0] == 0xfe && b[1] == 0xff) {
		in = bufio.NewReaderSize(transform.NewReader(in, unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM).NewDecoder()), 1<<16)
	}
	if b, _ := in.Peek(3); bytes.Equal(b, []byte("\xef\xbb\xbf")) {
		in.Discard(3)
	}
	return &lines{r: bufio.NewReaderSize(in, limit)}
}

// next reads a line; false at the end and on an error, which err holds then.
func (l *lines) next() bool {
	l.number++
	l.long = false
	b, err := l.r.ReadSlice('\n')
	for err == bufio.ErrBufferFull {
		if !l.long {
			l.text, l.long = append([]byte(nil), b[:200]...), true
		}
		b, err = l.r.ReadSlice('\n')
	}
	if err != nil && err != io.EOF {
		l.err = err
		return false
	}
	if !l.long {
		l.text = bytes.TrimSpace(b)
	}
	return err == nil || len(b) > 0 || l.long
}
