package pe

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Limits of the certificate table.
const (
	MaxTable   = 64 << 20 // bytes
	MaxEntries = 16
)

// Revisions and types of a WIN_CERTIFICATE.
const (
	Revision1   = 0x0100
	Revision2   = 0x0200
	TypePKCS7   = 2
	entryHeader = 8
	alignment   = 8
)

// Entry is one WIN_CERTIFICATE of the attribute certificate table.
type Entry struct {
	Offset   int64  // of its header in the file
	Length   int64  // dwLength: the header and what it says belongs to the certificate
	Revision uint16 // wRevision
	Type     uint16 // wCertificateType
	Content  []byte // what follows the header within Length
	Padding  []byte // what follows Length up to the next multiple of 8
}

// ReadTable reads the certificate table whole and splits it into its entries. What is no entry at its end is returned
// as rest. Errors wrap ErrMalformed, or are r's.
func ReadTable(r io.ReaderAt, l Layout) (entries []Entry, rest []byte, err error) {
	if l.TableSize > MaxTable {
		return nil, nil, fmt.Errorf("%w: certificate table of %d bytes, more than %d", ErrMalformed, l.TableSize, MaxTable)
	}
	table := make([]byte, l.TableSize)
	if err := readAt(r, table, l.Table); err != nil {
		return nil, nil, err
	}
	rest = table
	for len(rest) >= entryHeader && len(entries) < MaxEntries {
		length := int64(binary.LittleEndian.Uint32(rest))
		if length == 0 && len(entries) > 0 {
			break // not an entry: the caller looks at what it is
		}
		if length < entryHeader || length > int64(len(rest)) {
			return nil, nil, fmt.Errorf("%w: entry of %d bytes in the %d bytes left of the certificate table", ErrMalformed, length, len(rest))
		}
		end := min((length+alignment-1)/alignment*alignment, int64(len(rest)))
		entries = append(entries, Entry{
			Offset: l.Table + int64(len(table)-len(rest)), Length: length,
			Revision: binary.LittleEndian.Uint16(rest[4:]), Type: binary.LittleEndian.Uint16(rest[6:]),
			Content: rest[entryHeader:length], Padding: rest[length:end],
		})
		rest = rest[end:]
	}
	return entries, rest, nil
}
