package reputation

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
)

const (
	inMemory   = 4 << 20 // sets up to this many bytes are read whole
	perBucket  = 16      // records, on average
	blockSize  = 64      // records that are read at once
	maxRecords = 1 << 30
)

// Set is the entries of one list, sorted. It does not change, and may be looked into by any number of goroutines. A large
// one stays in its file, of which 16 records in each 768 bytes are read for a look-up; only an index of 4 bytes for every
// 16 entries is in memory.
type Set struct {
	at      io.ReaderAt
	file    *os.File // at, or nil; closed when nobody refers to the Set any more
	n       int
	index   []uint32 // where the records begin whose keys begin with these bits
	shift   uint     // of the first 32 bits of a key
	kinds   Kinds
	textLen int64
	sum     verify.Digest // of the whole
}

// openSetFile opens a set of a directory, and checks that it is what was written.
func openSetFile(dir string, sum verify.Digest) (*Set, error) {
	f, err := os.Open(filepath.Join(dir, setName(sum)))
	if err != nil {
		return nil, fmt.Errorf("opening a list: %w", err)
	}
	s, err := readSetFile(f)
	if err == nil && s.sum != sum {
		err = fmt.Errorf("opening a list: %s is damaged", f.Name())
	}
	if err != nil || s.file == nil {
		f.Close()
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func readSetFile(f *os.File) (*Set, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening a list: %w", err)
	}
	if info.Size() > inMemory {
		return openSet(f, info.Size(), f)
	}
	whole, err := io.ReadAll(io.LimitReader(f, inMemory+1))
	if err != nil {
		return nil, fmt.Errorf("opening a list: %w", err)
	}
	return openSet(bytes.NewReader(whole), int64(len(whole)), nil)
}

// openSet reads a set from beginning to end once, to build its index and its digest.
func openSet(at io.ReaderAt, size int64, f *os.File) (*Set, error) {
	s := &Set{at: at, file: f}
	trailer := make([]byte, trailerSize)
	if _, err := at.ReadAt(trailer, max(size-trailerSize, 0)); err != nil && err != io.EOF {
		return nil, fmt.Errorf("opening a list: %w", err)
	}
	n, texts := binary.BigEndian.Uint64(trailer[16:]), binary.BigEndian.Uint64(trailer[24:])
	if string(trailer[:len(trailerMagic)]) != trailerMagic || n > maxRecords || texts > maxText ||
		size != int64(n)*recordSize+int64(texts)+trailerSize {
		return nil, fmt.Errorf("opening a list: this is no set of entries")
	}
	s.n, s.textLen = int(n), int64(texts)
	hash := sha256.New()
	r := bufio.NewReaderSize(io.TeeReader(io.NewSectionReader(at, 0, size), hash), 1<<18)
	if err := s.scan(r); err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, fmt.Errorf("opening a list: %w", err)
	}
	hash.Sum(s.sum[:0])
	return s, nil
}

// scan builds the index.
func (s *Set) scan(r io.Reader) error {
	bits := uint(1)
	for bits < 26 && perBucket<<bits < s.n {
		bits++
	}
	s.shift = 32 - bits
	s.index = make([]uint32, 1<<bits+1)
	var rec, last record
	bucket := 0
	for i := range s.n {
		if _, err := io.ReadFull(r, rec[:]); err != nil {
			return fmt.Errorf("opening a list: %w", err)
		}
		if i > 0 && compareRecords(last, rec) > 0 || rec.kind() == KindNone || rec.kind() >= kinds {
			return fmt.Errorf("opening a list: record %d is damaged", i)
		}
		last = rec
		s.kinds = s.kinds.with(rec.kind())
		for ; bucket <= s.bucket(rec[:]); bucket++ {
			s.index[bucket] = uint32(i)
		}
	}
	for ; bucket < len(s.index); bucket++ {
		s.index[bucket] = uint32(s.n)
	}
	return nil
}

func (s *Set) bucket(k []byte) int { return int(binary.BigEndian.Uint32(k) >> s.shift) }

// Len returns how many entries the set has.
func (s *Set) Len() int { return s.n }

// Kinds returns which kinds of entries are in the set.
func (s *Set) Kinds() Kinds { return s.kinds }

type block [blockSize * recordSize]byte

var blocks = sync.Pool{New: func() any { return new(block) }}

// find returns the records for a key and kind, in the order of the list.
func (s *Set) find(kind Kind, k key) ([]record, error) {
	if !s.kinds.Has(kind) {
		return nil, nil
	}
	var name record
	copy(name[:32], k[:])
	name[32] = byte(kind) << 4
	buf := blocks.Get().(*block)
	defer blocks.Put(buf)
	b := s.bucket(k[:])
	lo, hi := int(s.index[b]), int(s.index[b+1])
	if lo == hi {
		return nil, nil
	}
	for hi-lo > blockSize { // only where a list has far more keys with the same beginning than chance gives
		mid := int(uint(lo+hi) / 2)
		rec, err := s.read(buf, mid, mid+1)
		if err != nil {
			return nil, err
		}
		if compareNames((*record)(rec), &name) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return s.collect(buf, lo, hi, &name)
}

// collect reads the records with a name, the first of which is among lo to hi or right behind.
func (s *Set) collect(buf *block, lo, hi int, name *record) ([]record, error) {
	var found []record
	for lo < s.n {
		hi = min(max(hi, lo+1), lo+blockSize, s.n)
		data, err := s.read(buf, lo, hi)
		if err != nil {
			return nil, err
		}
		i := sort.Search(hi-lo, func(i int) bool { return compareNames((*record)(data[i*recordSize:]), name) >= 0 })
		for ; i < hi-lo; i++ {
			r := (*record)(data[i*recordSize:])
			if compareNames(r, name) != 0 {
				return found, nil
			}
			found = append(found, *r)
		}
		if bucket := s.bucket(name[:]); len(found) == 0 && hi >= int(s.index[bucket+1]) {
			return nil, nil
		}
		lo, hi = hi, hi+blockSize
	}
	return found, nil
}

// read returns records lo to hi, at most blockSize of them.
func (s *Set) read(buf *block, lo, hi int) ([]byte, error) {
	b := buf[:(hi-lo)*recordSize]
	var err error
	if s.file != nil {
		_, err = s.file.ReadAt(b, int64(lo)*recordSize)
	} else {
		_, err = s.at.ReadAt(b, int64(lo)*recordSize)
	}
	if err != nil {
		return nil, fmt.Errorf("looking into a list: %w", err)
	}
	return b, nil
}

// entry returns what a record says in full.
func (s *Set) entry(r *record) (Entry, error) {
	section := io.NewSectionReader(s.at, int64(s.n)*recordSize, s.textLen)
	t, err := readText(section, r.text(), s.textLen)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Kind: r.kind(), Value: t.Value, Label: t.Label, Detail: t.Detail, Listed: moment(r.listed()), Until: moment(r.until()), Line: r.line()}
	if (e.Value == "" && (e.Kind.digestSize() == 0 || e.Kind == KindSHA512)) || (e.Kind == KindPackage) != (e.Detail != nil) {
		return Entry{}, fmt.Errorf("a set of entries is damaged: a %s without its text", e.Kind)
	}
	if e.Value == "" {
		e.Value = hex.EncodeToString(r[:e.Kind.digestSize()])
	}
	if e.Detail != nil && e.Detail.Ecosystem == "" {
		e.Detail.Ecosystem, _, _ = strings.Cut(e.Value, "/")
	}
	return e, nil
}
