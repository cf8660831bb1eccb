// Package zipfile reads zip files (PKWARE's APPNOTE 6.3.10, with Zip64) and says of every byte of one what it is.
//
// A zip file describes its content twice: by a header before each entry's data and by a directory at the end. Readers
// differ in which of the two they believe, in where they look for the end, and in which of two entries with one name
// they take. Whoever makes these accounts differ shows a scanner one archive and an installer another. So this reader
// follows the directory, compares everything that it says with what stands elsewhere, and reports each difference.
//
// Vocabulary: an end record is what APPNOTE 4.3.16 calls the end of central directory record; the directory is the
// central directory (4.3.12); a local header stands before an entry's data (4.3.7), a data descriptor after it (4.3.9).
package zipfile

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/sallyport-project/sallyport/verify"
)

// Limits of what is read at all.
const (
	MaxEntries   = 1 << 20
	MaxDirectory = 256 << 20 // bytes
	maxProblems  = 48        // kept; further ones of the same code are only counted
)

// ErrNotZip is returned where no end record was found.
var ErrNotZip = errors.New("no end record of a zip file")

// ErrMalformed is wrapped by errors about directories that cannot be followed.
var ErrMalformed = errors.New("malformed zip file")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// File is a zip file whose directory was read. It does not change, and may be used by several goroutines at once.
type File struct {
	Entries []*Entry // in the order of the directory
	Comment []byte   // of the end record

	Base          int64 // what all offsets in the file are relative to: 0, or where an archive begins that was appended to something
	Directory     int64 // where the directory begins, from the beginning of the file
	DirectorySize int64 // bytes
	End           int64 // where the end record begins
	Size          int64 // bytes of the whole file
	Zip64         *Zip64End
	EndRecord     [22]byte // the fixed part of the end record

	Problems []Problem // what is wrong or remarkable, in the order in which it was noticed

	r      io.ReaderAt
	counts map[string]int
	byName map[string]*Entry

	compared int64 // bytes of duplicates, see sameContent
}

// Zip64End is the Zip64 end record and its locator (APPNOTE 4.3.14 and 4.3.15).
type Zip64End struct {
	Offset  int64  // where the record begins
	Record  []byte // all of it
	Locator int64  // where the locator begins; it has 20 bytes
	stated  uint64 // where the locator says that the record begins
}

// Entry is one entry of the directory, and what stands where it points to.
type Entry struct {
	Name    string // as the directory spells it
	Comment []byte
	Extra   []byte // extra fields of the directory's entry, as they are

	Creator  uint16 // version made by; the upper byte is the system
	Needed   uint16 // version needed to extract
	Flags    uint16
	Method   uint16
	Time     uint32 // MS-DOS date and time
	CRC32    uint32
	Packed   int64 // compressed size in bytes
	Size     int64 // uncompressed size in bytes
	External uint32
	disk     uint32

	Record     int64 // where the directory's entry begins
	RecordSize int64
	Local      int64 // where the local header begins
	Data       int64 // where the data begin; 0 if there is no local header
	DataEnd    int64 // Data + Packed
	EntryEnd   int64 // after the data descriptor, if there is one
	Endless    bool  // its own header does not say how many bytes of data follow: a descriptor behind them does

	localExtra []byte
	zip64      bool
}

// Flags of an entry (APPNOTE 4.4.4).
const (
	FlagEncrypted  = 1 << 0
	FlagDescriptor = 1 << 3
	FlagPatched    = 1 << 5
	FlagStrong     = 1 << 6
	FlagUTF8       = 1 << 11
	FlagMasked     = 1 << 13
)

// IsDirectory reports whether the entry only makes a folder.
func (e *Entry) IsDirectory() bool { return len(e.Name) > 0 && e.Name[len(e.Name)-1] == '/' }

// IsLink reports whether some readers make a symbolic link of the entry, whose data are the target. Which systems' word
// they take for it differs.
func (e *Entry) IsLink() bool { return e.External>>16&0xf000 == 0xa000 }

// Encrypted reports whether the data are encrypted, in any of the ways that APPNOTE knows.
func (e *Entry) Encrypted() bool {
	return e.Flags&(FlagEncrypted|FlagStrong|FlagMasked) != 0 || e.Method == methodAES
}

// Open reads the directory of a zip file of size bytes and compares it with the local headers. It reads no entry's
// data. An error that wraps ErrNotZip or ErrMalformed is about the file, any other is the reader's.
func Open(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, Size: size, counts: map[string]int{}, byName: map[string]*Entry{}}
	count, err := f.readEnd()
	if err != nil {
		return nil, err
	}
	if err := f.readDirectory(count); err != nil {
		return nil, err
	}
	if err := f.readLocals(); err != nil {
		return nil, err
	}
	if err := f.layout(); err != nil {
		return nil, err
	}
	f.names()
	return f, nil
}

// Entry returns the first entry of the directory with exactly this name, or nil.
func (f *File) Entry(name string) *Entry { return f.byName[name] }

// Problem is something that a reader of the file should know.
type Problem struct {
	Code   string        // such as "overlap"
	Status verify.Status // Invalid where readers could see different things, Inconclusive where something was not understood, Valid where it is harmless
	Entry  string        // the name of the entry that it is about; empty for the file
	Detail string        // one sentence
}

// note keeps a problem, unless there were many of its kind.
func (f *File) note(status verify.Status, code, entry, format string, args ...any) {
	f.counts[code]++
	if f.counts[code] > 4 || len(f.Problems) >= maxProblems && status != verify.Invalid {
		return
	}
	f.Problems = append(f.Problems, Problem{Code: code, Status: status, Entry: entry, Detail: fmt.Sprintf(format, args...)})
}

// Count returns how many problems of a kind there were; Problems holds the first of them only.
func (f *File) Count(code string) int { return f.counts[code] }

// Strict returns the first problem that makes the file mean different things to different readers, or nil.
func (f *File) Strict() *Problem {
	i := slices.IndexFunc(f.Problems, func(p Problem) bool { return p.Status == verify.Invalid })
	if i < 0 {
		return nil
	}
	return &f.Problems[i]
}

// readAt fills b from offset at, or says why not.
func (f *File) readAt(b []byte, at int64) error {
	if at < 0 || at > f.Size || int64(len(b)) > f.Size-at {
		return malformed("something of %d bytes at byte %d lies outside the file", len(b), at)
	}
	n, err := f.r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading %d bytes at byte %d: %w", len(b), at, err)
}
