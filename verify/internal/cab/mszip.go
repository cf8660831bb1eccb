package cab

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
)

// mszip unpacks [MS-MCI]: each block is "CK" and a deflate stream (RFC 1951) of its own, that may refer to the 32 KiB
// before it.
type mszip struct {
	inflate io.Reader
	src     bytes.Reader
	history []byte
}

// newMSZIP returns a decoder for a folder of so many bytes.
func newMSZIP(unpacked int64) *mszip {
	m := &mszip{history: make([]byte, 0, min(maxUnpackedBlock, unpacked))}
	m.inflate = flate.NewReader(&m.src)
	return m
}

func (m *mszip) decode(dst, src []byte) error {
	if len(src) < 2 || src[0] != 'C' || src[1] != 'K' {
		return errors.New("it does not begin with CK")
	}
	m.src.Reset(src[2:])
	if err := m.inflate.(flate.Resetter).Reset(&m.src, m.history); err != nil {
		return err
	}
	if n, err := io.ReadFull(m.inflate, dst); err != nil {
		return fmt.Errorf("%d of %d bytes: %w", n, len(dst), err)
	}
	var more [1]byte
	switch n, err := io.ReadFull(m.inflate, more[:]); {
	case n > 0:
		return fmt.Errorf("it unpacks to more than %d bytes", len(dst))
	case err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF): // some writers mark no deflate block as the last
		return err
	case m.src.Len() > 0:
		return fmt.Errorf("%d bytes follow the compressed data", m.src.Len())
	}
	m.remember(dst)
	return nil
}

// remember keeps the last 32 KiB.
func (m *mszip) remember(dst []byte) {
	if keep := maxUnpackedBlock - len(dst); keep < len(m.history) {
		m.history = m.history[:copy(m.history, m.history[len(m.history)-keep:])]
	}
	m.history = append(m.history, dst...)
}
