package apt

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strconv"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/deb822"
)

// index is what a Packages file says of the size and digest of each package, in 48 bytes a package. Names are kept as
// 64-bit hashes under a seed that changes with every start, so nobody can choose two names that meet. An index does
// not change once it was parsed.
type index struct {
	seed maphash.Seed
	rows []row // by name
}

type row struct {
	name   uint64
	size   int64
	sha256 verify.Digest
}

// Limits of a Packages file.
const (
	maxIndex    = 512 << 20 // bytes, decompressed
	maxPackages = 2_000_000
	rowBytes    = 48
)

var errIndex = errors.New("malformed Packages")

// lookup returns every entry whose Filename is name, relative to the root of the archive.
func (x *index) lookup(name string) []file {
	if len(x.rows) == 0 {
		return nil // the zero index has no seed
	}
	h := maphash.String(x.seed, cleanPath(name))
	i, _ := slices.BinarySearchFunc(x.rows, h, func(r row, h uint64) int { return cmp.Compare(r.name, h) })
	var out []file
	for ; i < len(x.rows) && x.rows[i].name == h; i++ {
		out = append(out, file{Size: x.rows[i].size, SHA256: x.rows[i].sha256})
	}
	return out
}

// bytes returns how much memory x takes.
func (x *index) bytes() int64 { return int64(cap(x.rows))*rowBytes + rowBytes }

// stanza is the part of one Packages stanza that matters here.
type stanza struct {
	fields  bool
	name    uint64
	hasName bool
	size    int64
	hasSize bool
	sum     verify.Digest
	hasSum  bool
}

// parseIndex reads a Packages file as it streams by. Stanzas without a SHA256 are left out: nothing vouches for them.
func parseIndex(r io.Reader) (*index, error) {
	x := &index{seed: maphash.MakeSeed()}
	var s stanza
	lines := deb822.NewReader(r)
	for {
		l, err := lines.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, deb822.ErrSyntax) {
			return nil, fmt.Errorf("%w: %w", err, errIndex)
		}
		if err != nil {
			return nil, err
		}
		switch l.Kind {
		case deb822.Field:
			s.fields = true
			if err := s.set(x.seed, l); err != nil {
				return nil, err
			}
		case deb822.End:
			if err := x.add(&s); err != nil {
				return nil, err
			}
		}
	}
	if err := x.add(&s); err != nil {
		return nil, err
	}
	slices.SortFunc(x.rows, func(a, b row) int { return cmp.Compare(a.name, b.name) })
	x.rows = slices.Clip(x.rows)
	return x, nil
}

var fieldFilename, fieldSize, fieldSHA256 = []byte("filename"), []byte("size"), []byte("sha256")

func (s *stanza) set(seed maphash.Seed, l deb822.Line) error {
	switch n := len(l.Name); {
	case n == len(fieldFilename) && bytes.EqualFold(l.Name, fieldFilename):
		if s.hasName || l.Cut {
			return fmt.Errorf("a stanza has two Filenames or an endless one: %w", errIndex)
		}
		s.hasName, s.name = true, maphash.String(seed, cleanPath(string(l.Value)))
	case n == len(fieldSize) && bytes.EqualFold(l.Name, fieldSize):
		size, err := strconv.ParseInt(string(l.Value), 10, 64)
		if err != nil || size < 0 || s.hasSize {
			return fmt.Errorf("a stanza has the Size %.20q: %w", l.Value, errIndex)
		}
		s.hasSize, s.size = true, size
	case n == len(fieldSHA256) && bytes.EqualFold(l.Name, fieldSHA256):
		sum, err := verify.ParseDigest(string(l.Value))
		if err != nil || s.hasSum {
			return fmt.Errorf("a stanza has the SHA256 %.80q: %w", l.Value, errIndex)
		}
		s.hasSum, s.sum = true, sum
	}
	return nil
}

// add ends a stanza.
func (x *index) add(s *stanza) error {
	if s.hasName && s.hasSize && s.hasSum {
		if len(x.rows) == maxPackages {
			return fmt.Errorf("it lists more than %d packages: %w", maxPackages, errIndex)
		}
		x.rows = append(x.rows, row{s.name, s.size, s.sum})
	}
	*s = stanza{}
	return nil
}
