package zipfile

import (
	"bytes"
	"slices"

	"github.com/sallyport-project/sallyport/verify"
)

// maxAlignment is how many zero bytes between two entries are taken for alignment.
const maxAlignment = 64 << 10

var (
	apkMark        = []byte("APK Sig Block 42")
	extraDataMark  = []byte("PK\x06\x08") // archive extra data record (APPNOTE 4.3.11), part of the directory's encryption
	maxGapScan     = int64(8 << 20)       // bytes of one gap that are looked through for entries
	totalGapBudget = int64(32 << 20)
)

// layout accounts for every byte before the directory: it belongs to one entry, or is reported.
func (f *File) layout() error {
	sorted := slices.Clone(f.Entries)
	slices.SortStableFunc(sorted, func(a, b *Entry) int {
		switch {
		case a.Local < b.Local:
			return -1
		case a.Local > b.Local:
			return 1
		}
		return 0
	})
	if err := f.beforeBase(); err != nil {
		return err
	}
	budget := totalGapBudget
	last := f.Base
	var before *Entry
	for _, e := range sorted {
		if e.Local < last && before != nil {
			f.note(verify.Invalid, "overlap", e.Name, "The entry at byte %d lies inside %.120q, which ends at byte %d.", e.Local, before.Name, last)
		} else if e.Local > last {
			if err := f.gap(last, e.Local, before == nil, &budget); err != nil {
				return err
			}
		}
		if e.EntryEnd >= last {
			last, before = e.EntryEnd, e
		}
	}
	if last < f.Directory {
		return f.gap(last, f.Directory, false, &budget)
	}
	return nil
}

// gap says what the bytes between two entries, or before the first or after the last, are.
func (f *File) gap(from, to int64, first bool, budget *int64) error {
	n := to - from
	if first && f.Base == 0 {
		f.note(verify.Valid, "prefix", "", "%d bytes stand before the first entry.", n)
	}
	if at := f.signingBlock(from, to); at >= 0 {
		f.note(verify.Valid, "apk-signing-block", "", "%d bytes before the directory are an APK signing block.", to-at)
		if hidden, err := f.findLocal(at, to); err != nil {
			return err
		} else if hidden >= 0 {
			f.note(verify.Invalid, "hidden-entry", "", "The APK signing block holds an entry, at byte %d: readers that unpack from the beginning find it.", hidden)
		}
		if at == from {
			return nil
		}
		to = at // what stands before it aligns it
		n = to - from
	}
	scan := min(n, maxGapScan, *budget)
	*budget -= scan
	b := make([]byte, scan)
	if err := f.readAt(b, from); err != nil {
		return err
	}
	switch {
	case bytes.HasPrefix(b, extraDataMark):
		f.note(verify.Inconclusive, "encrypted", "", "The archive's directory is encrypted.")
	case bytes.Contains(b, localMark) || bytes.Contains(b, centralMark):
		f.note(verify.Invalid, "hidden-entry", "", "%d bytes at byte %d hold an entry that the directory does not list: readers that unpack from the beginning find it.", n, from)
	case n <= maxAlignment && scan == n && allZero(b):
		f.note(verify.Valid, "padding", "", "%d zero bytes at byte %d belong to no entry.", n, from)
	case first && f.Base == 0:
		// already said
	default:
		f.note(verify.Invalid, "gap", "", "%d bytes at byte %d belong to no entry.", n, from)
	}
	return nil
}

// signingBlock returns where an APK signing block begins that fills the space before the directory, or -1: its size
// without the first field, pairs, the same size again, the mark.
func (f *File) signingBlock(from, to int64) int64 {
	var head [8]byte
	var tail [24]byte
	if to != f.Directory || to-from < 32 || f.readAt(tail[:], to-24) != nil || !bytes.Equal(tail[8:], apkMark) {
		return -1
	}
	size := le.Uint64(tail[:])
	if size < 24 || size > uint64(to-from-8) {
		return -1
	}
	at := to - int64(size) - 8
	if f.readAt(head[:], at) != nil || le.Uint64(head[:]) != size {
		return -1
	}
	return at
}

// beforeBase looks for entries in what an archive was appended to. Readers that unpack from the beginning take the first
// that they find.
func (f *File) beforeBase() error {
	hidden, err := f.findLocal(0, min(f.Base, maxGapScan))
	if hidden >= 0 {
		f.note(verify.Invalid, "hidden-entry", "", "The %d bytes before the archive hold an entry, at byte %d, that its directory does not list: readers that unpack from the beginning find it.", f.Base, hidden)
	}
	return err
}

// findLocal returns where between two offsets there is what looks like a local header, not only like the mark of one, or
// -1. Programs hold the mark among their constants.
func (f *File) findLocal(from, to int64) (int64, error) {
	b := make([]byte, min(max(0, to-from), findChunk))
	for from < to {
		b = b[:min(int64(len(b)), to-from)]
		if err := f.readAt(b, from); err != nil {
			return -1, err
		}
		for at := 0; ; at++ {
			i := bytes.Index(b[at:], localMark)
			if i < 0 {
				break
			}
			if at += i; looksLocal(b[at:]) {
				return from + int64(at), nil
			}
		}
		if from += int64(len(b)); from < to {
			from -= localSize // a header may lie across
		}
	}
	return -1, nil
}

const findChunk = 1 << 20 // bytes

// looksLocal reports whether what begins with the mark of a local header goes on like one.
func looksLocal(b []byte) bool {
	if len(b) < localSize {
		return false
	}
	method, name := le.Uint16(b[8:]), le.Uint16(b[26:])
	return b[4] < 100 && method < 100 && name > 0 && name < 4<<10
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
