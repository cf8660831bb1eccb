package tuftest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Path returns the path of the n-th target of a large repository.
func Path(n int) string { return fmt.Sprintf("packages/%02x/package-%06d-1.0.tar.gz", n%256, n) }

// Listed returns what is listed of the n-th target of a large repository, whose file is not there.
func Listed(n int) Target {
	sum := sha256.Sum256([]byte(Path(n)))
	return Target{Length: int64(n) + 1, SHA256: sum[:]}
}

// NewFlat returns a repository whose top-level role lists n targets: Path(0) to Path(n-1).
func NewFlat(o Options, n int) (*Repository, error) {
	r, err := New(o)
	if err != nil {
		return nil, err
	}
	for i := range n {
		r.Targets.List(Path(i), Listed(i))
	}
	return r, nil
}

// NewBins returns a repository whose top-level role delegates to 2^bits succinct hash bins, with n targets in them:
// Path(0) to Path(n-1).
func NewBins(o Options, bits, n int) (*Repository, error) {
	r, err := New(o)
	if err != nil {
		return nil, err
	}
	if err := r.AddBins(r.Targets, "bins", bits); err != nil {
		return nil, err
	}
	for i := range n {
		r.Bin(r.Targets, Path(i)).List(Path(i), Listed(i))
	}
	return r, nil
}

// AddBins has a role delegate every path to 2^bits hash bins of one key, all of them empty.
func (r *Repository) AddBins(from *Role, prefix string, bits int) error {
	keys, err := r.newKeys(prefix, 1)
	if err != nil {
		return err
	}
	from.Bins, from.changed = &Bins{Prefix: prefix, BitLength: bits, Keys: keys, Threshold: 1}, true
	for i := range 1 << bits {
		name := from.Bins.name(uint32(i))
		r.Delegated[name] = &Role{Name: name, Expires: r.At.Add(TargetsLife), Keys: keys, Threshold: 1, changed: true}
	}
	return nil
}

func (b *Bins) name(n uint32) string {
	digits := len(fmt.Sprintf("%x", uint64(1)<<b.BitLength-1))
	return fmt.Sprintf("%s-%0*x", b.Prefix, digits, n)
}

// Bin returns the hash bin, of those that a role delegates to, that path belongs to.
func (r *Repository) Bin(from *Role, path string) *Role {
	sum := sha256.Sum256([]byte(path))
	return r.Delegated[from.Bins.name(binary.BigEndian.Uint32(sum[:4])>>(32-from.Bins.BitLength))]
}
