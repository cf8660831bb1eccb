// Package cab reads Microsoft cabinets ([MS-CAB]: Cabinet File Format; [MS-MCI]: Microsoft ZIP compression; "Microsoft
// LZX Data Compression Format" of the Cabinet SDK). It accounts for every byte of the file: each belongs to the headers,
// to a folder's data, to the signature that the header's reserve points to, or is reported as a gap.
//
// Every number comes from an attacker and is checked against the file before it is used. Nothing is unpacked before it
// is asked for, and then as a stream of blocks of at most 32 KiB.
package cab

import (
	"errors"
	"fmt"
	"io"
)

// ErrMalformed is wrapped where the cabinet contradicts itself or the file. Other errors are the reader's.
var ErrMalformed = errors.New("malformed cabinet")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Flags of a cabinet's header ([MS-CAB] 2.1).
const (
	FlagPrev    = 1 // an earlier cabinet belongs to it
	FlagNext    = 2 // a later cabinet belongs to it
	FlagReserve = 4 // the header has reserves

	knownFlags = FlagPrev | FlagNext | FlagReserve
)

// Cabinet is what a cabinet's headers say, checked.
type Cabinet struct {
	Size     int64 // of the file, in bytes
	Declared int64 // cbCabinet: of the cabinet as it says itself; at most Size
	Reserved [3]uint32
	Minor    uint8 // of the version
	Major    uint8
	Flags    uint16
	SetID    uint16
	Index    uint16 // iCabinet: place in its set, from 0

	Reserve       []byte // abReserve of the header
	ReserveOffset int64  // where Reserve lies; 0 if the header has no reserves
	FolderReserve int    // bytes after each CFFOLDER
	BlockReserve  int    // bytes after each CFDATA header

	Prev, Next Neighbour

	Folders     []Folder
	Files       []File
	FoldersAt   int64  // where the CFFOLDER table begins
	FoldersEnd  int64  // where it ends
	FilesOffset int64  // coffFiles: where the CFFILE table begins
	FilesEnd    int64  // where it ends
	Gaps        []Span // bytes below Declared that no structure owns, in order

	r         io.ReaderAt
	continues bool // a file has its beginning in the previous cabinet
}

// Neighbour is another cabinet of the same set.
type Neighbour struct{ Cabinet, Disk string }

// Span is a stretch of the file, from the byte at From to the one before To.
type Span struct{ From, To int64 }

// Len returns the number of bytes.
func (s Span) Len() int64 { return s.To - s.From }

// Folder is a stream of compressed data, of which files are parts ([MS-CAB] 2.2).
type Folder struct {
	Offset   int64  // coffCabStart: of the first CFDATA
	End      int64  // after the last CFDATA
	Blocks   int    // cCFData
	Kind     uint16 // typeCompress, as it stands
	Unpacked int64  // bytes, all blocks together
	Split    bool   // the last block continues in the next cabinet of the set
}

// File is one file of a folder ([MS-CAB] 2.3).
type File struct {
	Name       string // as UTF-8, "/" between its parts
	RawName    []byte // szName as it stands
	Size       int64  // cbFile, bytes
	Start      int64  // uoffFolderStart: in the folder's unpacked stream
	Folder     int    // index into Cabinet.Folders; of a continued file, of the folder that holds its part here
	Continued  Continuation
	Attributes uint16
	BadName    bool // it is said to be UTF-8 and is not
}

// Continuation says in which other cabinets of the set a file has parts.
type Continuation uint8

// Kinds of Continuation; both may be set.
const (
	FromPrev Continuation = 1 << iota
	ToNext
)

// Attributes of a file.
const attributeUTF8 = 0x80 // _A_NAME_IS_UTF

// Signature returns where the header's reserve says that the signature lies, as the programs that sign cabinets write
// it: 20 bytes, of which four are 0x00100000, then offset and size. ok is false where the reserve is something else, or
// says that there is none.
func (c *Cabinet) Signature() (s Span, ok bool) {
	if len(c.Reserve) != SignatureReserve || le.Uint32(c.Reserve) != signatureMark {
		return Span{}, false
	}
	from, size := int64(le.Uint32(c.Reserve[4:])), int64(le.Uint32(c.Reserve[8:]))
	return Span{from, from + size}, from != 0 || size != 0
}

// SignatureReserve is the size in bytes of the header's reserve in a signed cabinet.
const SignatureReserve = 20

const signatureMark = 0x00100000

// InSet reports whether other cabinets belong to this one.
func (c *Cabinet) InSet() bool { return c.Flags&(FlagPrev|FlagNext) != 0 }

// Trailing returns what follows the cabinet, and the signature if there is one, up to the end of the file; and what
// lies between the two.
func (c *Cabinet) Trailing() []Span {
	rest := Span{c.Declared, c.Size}
	s, ok := c.Signature()
	if !ok || s.From < c.Declared || s.To > c.Size {
		return nonEmpty(rest)
	}
	return nonEmpty(Span{c.Declared, s.From}, Span{s.To, c.Size})
}

func nonEmpty(spans ...Span) []Span {
	var out []Span
	for _, s := range spans {
		if s.Len() > 0 {
			out = append(out, s)
		}
	}
	return out
}
