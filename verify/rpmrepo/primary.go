package rpmrepo

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strconv"

	"github.com/sallyport-project/sallyport/verify"
)

// index is what a primary.xml says of the size and digest of each package, in 56 bytes a package. Names are kept as
// 64-bit hashes under a seed that changes with every start, so nobody can choose two names that meet. An index does
// not change once it was parsed.
type index struct {
	seed maphash.Seed
	rows []row // by name
}

type row struct {
	name  uint64
	size  int64
	sum   verify.Digest // of the package where algorithm is sha256, else the SHA-256 of its sum
	other bool          // the algorithm is not sha256
	weak  bool          // listed with a digest that proves nothing
}

// Limits of a primary.xml.
const (
	maxPrimary  = 2 << 30 // bytes, decompressed
	maxPackages = 1_000_000
	rowBytes    = 56
)

var errPrimary = errors.New("malformed primary.xml")

// lookup returns every entry whose location is name, relative to the root.
func (x *index) lookup(name string) []row {
	h := maphash.String(x.seed, name)
	i, _ := slices.BinarySearchFunc(x.rows, h, func(r row, h uint64) int { return cmp.Compare(r.name, h) })
	end := i
	for end < len(x.rows) && x.rows[end].name == h {
		end++
	}
	return x.rows[i:end]
}

func (x *index) bytes() int64 { return int64(cap(x.rows))*rowBytes + rowBytes }

// parsePrimary reads a primary.xml as it streams by.
func parsePrimary(r io.Reader) (*index, error) {
	p := &primaryReader{scanner: newScanner(r), index: &index{seed: maphash.MakeSeed()}, announced: -1}
	if err := p.read(); err != nil {
		return nil, fmt.Errorf("%w: %w", err, errPrimary)
	}
	if len(p.index.rows) == 0 && p.announced != 0 {
		return nil, fmt.Errorf("it lists no packages, and says that it has %d: %w", p.announced, errPrimary)
	}
	x := p.index
	slices.SortFunc(x.rows, func(a, b row) int { return cmp.Compare(a.name, b.name) })
	x.rows = slices.Clip(x.rows)
	return x, nil
}

// primaryReader walks over <metadata><package>, of which it reads <location>, <size> and <checksum>.
type primaryReader struct {
	*scanner
	index     *index
	announced int // packages, by the root's attribute; -1 if it has none

	now          row
	inside       bool // a package
	algorithm    string
	named, sized bool
	summed       bool
}

func (p *primaryReader) read() error {
	kind := opens
	roots := 0
	for {
		var err error
		if kind, err = p.next(kind); errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case p.depth == 1 && kind != closes:
			if roots++; roots > 1 || !p.is("metadata") {
				return fmt.Errorf("its root is %.40q: %w", p.name(), errXML)
			}
			if n, ok, err := p.attribute("packages"); err != nil {
				return err
			} else if ok {
				p.announced, _ = strconv.Atoi(n)
			}
		case p.depth == 2 && p.is("package"):
			err = p.pkg(kind)
		case p.depth == 3 && p.inside:
			err = p.property(kind)
		}
		if err != nil {
			return err
		}
	}
}

// pkg begins or ends a package.
func (p *primaryReader) pkg(kind tagKind) error {
	if kind != closes {
		p.now, p.named, p.sized, p.summed, p.inside = row{}, false, false, false, kind == opens
		return nil
	}
	p.inside = false
	if !p.named || !p.sized || !p.summed {
		return nil
	}
	if len(p.index.rows) == maxPackages {
		return fmt.Errorf("it lists more than %d packages", maxPackages)
	}
	p.index.rows = append(p.index.rows, p.now)
	return nil
}

func (p *primaryReader) property(kind tagKind) (err error) {
	switch {
	case p.is("location") && kind != closes:
		return p.location()
	case p.is("size") && kind != closes:
		text, ok, err := p.attribute("package")
		if err != nil || !ok {
			return err
		}
		if p.sized {
			return fmt.Errorf("a package has two sizes")
		}
		p.sized = true
		p.now.size, err = number(text, -1)
		return err
	case p.is("checksum") && kind == opens:
		p.algorithm, _, err = p.attribute("type")
		p.keep = true
		return err
	case p.is("checksum") && kind == closes:
		p.keep = false
		return p.checksum()
	}
	return nil
}

func (p *primaryReader) location() error {
	href, ok, err := p.attribute("href")
	if err != nil || !ok {
		return err
	}
	if base, ok, err := p.attribute("xml:base"); err != nil || ok && base != "" {
		return err // lies in another repository, where it is not looked for
	}
	name, err := cleanHref(href)
	if err != nil || p.named {
		return fmt.Errorf("a package has two locations, or a wrong one: %w", cmp.Or(err, errXML))
	}
	p.named = true
	p.now.name = maphash.String(p.index.seed, name)
	return nil
}

func (p *primaryReader) checksum() error {
	if p.summed {
		return fmt.Errorf("a package has two checksums")
	}
	p.summed = true
	s, weak, err := parseSum(p.algorithm, string(p.text))
	if err != nil {
		return err
	}
	p.now.set(s, weak)
	return nil
}

func (r *row) set(s sum, weak bool) {
	r.weak = weak
	if digits, ok := cutAlgorithm(s, "sha256"); ok {
		r.sum, _ = verify.ParseDigest(digits) // it was read as one
		return
	}
	r.other, r.sum = true, sha256.Sum256([]byte(s))
}
