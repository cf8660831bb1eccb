package pe

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Limits of what is read of imports.
const (
	maxLibraries    = 1024  // of an image
	maxFunctions    = 32768 // of all libraries together
	maxImportedName = 512   // bytes
	importWindow    = 8 << 10

	importEntry = 20 // bytes of a row of the import directory table
	delayEntry  = 32 // bytes of a row of the delay-load directory table
)

// Imports are the libraries that an image has loaded, and what it takes from them.
type Imports struct {
	// Libraries are the names in lower case, each once, sorted; those that are loaded when they are first used included.
	Libraries []string
	// Functions is how many functions are taken from them, by name or by number.
	Functions int
	// Digest is SHA-256 over "library.function" of each function in the order of the image, in lower case, joined by
	// commas and cut to 16 hexadecimal digits: two images with the same one take the same functions in the same order.
	Digest string
}

// Imports reads the import directory and the delay-load directory (Microsoft PE and COFF Specification, The .idata
// Section, Delay-Load Import Tables). An image without either has the zero Imports. Errors wrap ErrMalformed or are r's.
func (i *Info) Imports(r io.ReaderAt) (Imports, error) {
	w := &imports{info: i, r: r, digest: sha256.New()}
	for _, table := range []struct{ index, entry int }{{importIndex, importEntry}, {delayIndex, delayEntry}} {
		if err := w.table(i.directories[table.index].address, table.entry); err != nil {
			return Imports{}, err
		}
	}
	if len(w.libraries) == 0 {
		return Imports{}, nil
	}
	slices.Sort(w.libraries)
	return Imports{Libraries: slices.Compact(w.libraries), Functions: w.functions, Digest: hex.EncodeToString(w.digest.Sum(nil)[:8])}, nil
}

// imports is one walk over import tables.
type imports struct {
	info      *Info
	r         io.ReaderAt
	libraries []string
	functions int
	digest    hash.Hash
	window    []byte
	at        int64 // of the window in the file
}

// bytes returns n bytes at a relative virtual address, or fewer where the section's data ends; they are valid until the
// next call.
func (w *imports) bytes(address uint32, n int) ([]byte, error) {
	at, left := w.info.offset(address)
	if left == 0 {
		return nil, fmt.Errorf("%w: imports at %#x, where the file has nothing", ErrMalformed, address)
	}
	n = int(min(int64(n), left))
	if at < w.at || at+int64(n) > w.at+int64(len(w.window)) {
		if w.window == nil {
			w.window = make([]byte, importWindow)
		}
		w.window = w.window[:importWindow]
		k, err := w.r.ReadAt(w.window, at)
		if k < n {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			w.window = w.window[:0]
			return nil, fmt.Errorf("reading imports at %d: %w", at, err)
		}
		w.window, w.at = w.window[:k], at
	}
	from := at - w.at
	return w.window[from : from+int64(n)], nil
}

// name reads a text that a zero byte ends.
func (w *imports) name(address uint32) (string, error) {
	b, err := w.bytes(address, maxImportedName)
	if err != nil {
		return "", err
	}
	text, _, ended := strings.Cut(string(b), "\x00")
	if !ended {
		return "", fmt.Errorf("%w: an imported name at %#x does not end", ErrMalformed, address)
	}
	return strings.ToLower(text), nil
}

// table reads the rows of a directory up to the one that is all zero.
func (w *imports) table(address uint32, entry int) error {
	if address == 0 {
		return nil
	}
	for row := range maxLibraries + 1 {
		b, err := w.bytes(address+uint32(row*entry), entry)
		if err != nil {
			return err
		}
		if len(b) < entry {
			return fmt.Errorf("%w: the table of imports does not end", ErrMalformed)
		}
		library, thunks := w.row(b)
		if library == 0 {
			return nil
		}
		if err := w.library(library, thunks); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: more than %d imported libraries", ErrMalformed, maxLibraries)
}

// row returns the addresses of a library's name and of the list of what is imported from it.
func (w *imports) row(b []byte) (library, thunks uint32) {
	le := binary.LittleEndian
	if len(b) == delayEntry {
		library, thunks = le.Uint32(b[4:]), le.Uint32(b[16:])
		if library != 0 && le.Uint32(b)&1 == 0 { // the form of old linkers, with addresses that are not relative
			library, thunks = library-w.info.base, thunks-w.info.base
		}
		return library, thunks
	}
	if thunks = le.Uint32(b); thunks == 0 {
		thunks = le.Uint32(b[16:])
	}
	return le.Uint32(b[12:]), thunks
}

// library reads what is imported from one library.
func (w *imports) library(name, thunks uint32) error {
	library, err := w.name(name)
	if err != nil {
		return err
	}
	w.libraries = append(w.libraries, library)
	size, byNumber := uint32(4), uint64(1)<<31
	if w.info.PE32Plus {
		size, byNumber = 8, 1<<63
	}
	for ; thunks != 0; thunks += size {
		b, err := w.bytes(thunks, int(size))
		if err != nil {
			return err
		}
		if len(b) < int(size) {
			return fmt.Errorf("%w: the imports from %.80q do not end", ErrMalformed, library)
		}
		thunk := uint64(binary.LittleEndian.Uint32(b))
		if size == 8 {
			thunk = binary.LittleEndian.Uint64(b)
		}
		if thunk == 0 {
			return nil
		}
		if err := w.function(library, thunk, byNumber); err != nil {
			return err
		}
	}
	return nil
}

func (w *imports) function(library string, thunk, byNumber uint64) error {
	if w.functions++; w.functions > maxFunctions {
		return fmt.Errorf("%w: more than %d imported functions", ErrMalformed, maxFunctions)
	}
	function := "#" + strconv.Itoa(int(thunk&0xffff))
	if thunk&byNumber == 0 {
		var err error
		if function, err = w.name(uint32(thunk) + 2); err != nil { // behind a hint
			return err
		}
	}
	if w.functions > 1 {
		io.WriteString(w.digest, ",")
	}
	io.WriteString(w.digest, library+"."+function)
	return nil
}
