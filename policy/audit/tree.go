package audit

import (
	"errors"
	"fmt"
	"io"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// peaks is a Merkle tree (RFC 6962 section 2.1) of which only the roots of its complete subtrees are kept, one a
// level: all that is needed to append to it and to know its root.
type peaks struct {
	n  int64
	at [63]tlog.Hash // at[level] is meaningful where n has that bit
}

// ReadHashes implements tlog.HashReader for what appending and the root ask for.
func (p *peaks) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, node := tlog.SplitStoredHashIndex(index)
		if p.n>>level&1 == 0 || p.n>>level-1 != node {
			return nil, fmt.Errorf("node %d of level %d is no peak of a tree of %d", node, level, p.n)
		}
		hashes[i] = p.at[level]
	}
	return hashes, nil
}

// add appends a leaf and returns the hashes to be stored for it, in the order of tlog.StoredHashIndex.
func (p *peaks) add(leaf tlog.Hash) ([]tlog.Hash, error) {
	hashes, err := tlog.StoredHashesForRecordHash(p.n, leaf, p)
	if err != nil {
		return nil, err
	}
	p.at[len(hashes)-1] = hashes[len(hashes)-1]
	p.n++
	return hashes, nil
}

// tree returns the size and the root.
func (p *peaks) tree() (tlog.Tree, error) {
	root, err := tlog.TreeHash(p.n, p)
	return tlog.Tree{N: p.n, Hash: root}, err
}

// storedHashes reads the file of hashes, which lie in the order of tlog.StoredHashIndex, 32 bytes each. The file is
// only a cache: whatever is read from it is compared with a signed root.
type storedHashes struct{ r io.ReaderAt }

var errNoHash = errors.New("the file of hashes is too short")

// ReadHashes implements tlog.HashReader.
func (s storedHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index < 0 {
			return nil, errNoHash
		}
		n, err := s.r.ReadAt(hashes[i][:], index*tlog.HashSize)
		if n < tlog.HashSize {
			if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = errNoHash
			}
			return nil, fmt.Errorf("reading tree hashes: %w", err)
		}
	}
	return hashes, nil
}

// peaks returns the peaks of the tree of the first n records.
func (s storedHashes) peaks(n int64) (*peaks, error) {
	p := &peaks{n: n}
	for rest := uint64(n); rest != 0; rest &= rest - 1 {
		level := bits.TrailingZeros64(rest)
		h, err := s.ReadHashes([]int64{tlog.StoredHashIndex(level, n>>level-1)})
		if err != nil {
			return nil, err
		}
		p.at[level] = h[0]
	}
	return p, nil
}

// leaf returns the stored leaf hash of record n.
func (s storedHashes) leaf(n int64) (tlog.Hash, bool) {
	h, err := s.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
	if err != nil {
		return tlog.Hash{}, false
	}
	return h[0], true
}
