package tufclient

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
)

// listed is what metadata says of a file: of a metadata file its version too.
type listed struct {
	version        int64 // 0 for targets
	length         int64 // -1 where it is not said
	sha256, sha512 []byte
	foreign        bool // hashes are given, but none that is known here
}

// index says by name what metadata lists. It is one block of bytes and one offset a name, in the order of the names: a map of
// 200,000 targets would be several times as large, and searched no faster than this needs.
type index struct {
	blob []byte
	at   []uint32
}

// flags of a record.
const (
	hasLength = 1 << iota
	hasSHA256
	hasSHA512
	hasForeign
)

// add appends a record. Names come in any order, but none twice.
func (x *index) add(name []byte, e *listed) {
	x.at = append(x.at, uint32(len(x.blob)))
	x.blob = binary.AppendUvarint(x.blob, uint64(len(name)))
	x.blob = append(x.blob, name...)
	x.blob = append(x.blob, e.flags())
	x.blob = binary.AppendUvarint(x.blob, uint64(e.version))
	if e.length >= 0 {
		x.blob = binary.AppendUvarint(x.blob, uint64(e.length))
	}
	x.blob = append(x.blob, e.sha256...)
	x.blob = append(x.blob, e.sha512...)
}

func (e *listed) flags() (f byte) {
	if e.length >= 0 {
		f |= hasLength
	}
	if e.sha256 != nil {
		f |= hasSHA256
	}
	if e.sha512 != nil {
		f |= hasSHA512
	}
	if e.foreign {
		f |= hasForeign
	}
	return f
}

// seal puts the names into order.
func (x *index) seal() {
	byName := func(a, b uint32) int { return bytes.Compare(x.nameAt(a), x.nameAt(b)) }
	if !slices.IsSortedFunc(x.at, byName) {
		slices.SortFunc(x.at, byName)
	}
	x.blob, x.at = slices.Clip(x.blob), slices.Clip(x.at)
}

func (x *index) nameAt(offset uint32) []byte {
	n, width := binary.Uvarint(x.blob[offset:])
	from := int(offset) + width
	return x.blob[from : from+int(n)]
}

func (x *index) len() int { return len(x.at) }

// get returns what is listed under name. Its hashes are not to be changed.
func (x *index) get(name string) (listed, bool) {
	i, ok := slices.BinarySearchFunc(x.at, name, func(offset uint32, name string) int { return compareText(x.nameAt(offset), name) })
	if !ok {
		return listed{}, false
	}
	return x.record(x.at[i]), true
}

func compareText(a []byte, b string) int {
	switch {
	case string(a) < b:
		return -1
	case string(a) > b:
		return 1
	}
	return 0
}

func (x *index) record(offset uint32) (e listed) {
	n, width := binary.Uvarint(x.blob[offset:])
	rest := x.blob[int(offset)+width+int(n):]
	flags := rest[0]
	version, width := binary.Uvarint(rest[1:])
	rest = rest[1+width:]
	e.version, e.length, e.foreign = int64(version), -1, flags&hasForeign != 0
	if flags&hasLength != 0 {
		length, width := binary.Uvarint(rest)
		e.length, rest = int64(length), rest[width:]
	}
	if flags&hasSHA256 != 0 {
		e.sha256, rest = rest[:32:32], rest[32:]
	}
	if flags&hasSHA512 != 0 {
		e.sha512 = rest[:64:64]
	}
	return e
}

// read reads the description of a file: an entry of "meta", or of "targets".
func (e *listed) read(c *cursor, meta bool) error {
	*e = listed{length: -1}
	seen := false
	err := c.entries(func(name []byte) error {
		switch string(name) {
		case "version":
			if meta {
				return c.int64(&e.version)
			}
		case "length":
			if err := c.int64(&e.length); err != nil {
				return err
			}
			if e.length < 0 || meta && e.length == 0 {
				return fmt.Errorf("it is %d", e.length)
			}
			return nil
		case "hashes":
			seen = true
			return e.hashes(c)
		}
		_, err := c.skip()
		return err
	})
	switch {
	case err != nil:
		return err
	case meta && e.version < 1:
		return fmt.Errorf("its version is %d", e.version)
	case !meta && e.length < 0:
		return fmt.Errorf("it has no length")
	case !meta && !seen:
		return fmt.Errorf("it has no hashes")
	}
	return nil
}

func (e *listed) hashes(c *cursor) error {
	count := 0
	err := c.entries(func(name []byte) error {
		count++
		value, err := c.bytes()
		if err != nil {
			return err
		}
		switch string(name) {
		case "sha256":
			e.sha256, err = digest(value, 32)
		case "sha512":
			e.sha512, err = digest(value, 64)
		}
		return err
	})
	if err == nil && count == 0 {
		err = fmt.Errorf("there is no hash in it")
	}
	e.foreign = e.sha256 == nil && e.sha512 == nil
	return err
}

func digest(text []byte, size int) ([]byte, error) {
	if len(text) != 2*size {
		return nil, fmt.Errorf("it has %d characters, not %d", len(text), 2*size)
	}
	out := make([]byte, size)
	if _, err := hex.Decode(out, text); err != nil {
		return nil, fmt.Errorf("it is not hexadecimal")
	}
	return out, nil
}
