package cfb

import (
	"io"
	"sort"
)

// Content is the bytes of a stream. It implements io.ReaderAt and may be read by several goroutines at once.
type Content struct {
	size   int64
	extent []extent
	under  io.ReaderAt
}

// extent is a row of bytes that lie in one piece.
type extent struct {
	at    int64 // in the stream
	under int64 // in the file, or in the mini stream
	size  int64
}

// Size returns how many bytes there are.
func (c *Content) Size() int64 { return c.size }

// ReadAt implements io.ReaderAt.
func (c *Content) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	i := sort.Search(len(c.extent), func(i int) bool { return c.extent[i].at+c.extent[i].size > off })
	for ; n < len(p) && i < len(c.extent); i++ {
		e := c.extent[i]
		skip := off + int64(n) - e.at
		want := min(int64(len(p)-n), e.size-skip)
		got, err := c.under.ReadAt(p[n:n+int(want)], e.under+skip)
		n += got
		if int64(got) < want {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// newContent puts a stream of size bytes together from units of a size, the first of which lies at base in under.
func newContent(under io.ReaderAt, runs []run, size, unit, base int64) *Content {
	c := &Content{size: size, under: under}
	at := int64(0)
	for _, r := range runs {
		n := min(int64(r.count)*unit, size-at)
		c.extent = append(c.extent, extent{at: at, under: base + int64(r.first)*unit, size: n})
		at += n
	}
	return c
}

// Open returns the bytes of a stream, or of the root's mini stream.
func (f *File) Open(e *Entry) *Content {
	if e.content == nil {
		return &Content{}
	}
	return e.content
}

// claimStreams follows the chain of every stream.
func (f *File) claimStreams() error {
	for _, e := range f.Entries {
		if e.Kind != Stream {
			continue
		}
		o := ownedByEntry + owner(e.Number)
		var runs []run
		var err error
		switch {
		case e.Size == 0:
			if e.start != endOfChain && e.start != free && e.start != 0 {
				return malformed("%s is empty and begins at sector %d", e.label(), e.start)
			}
			e.content = &Content{}
			continue
		case e.Size < miniCutoff:
			if runs, err = f.miniChain(e.start, sectorsFor(e.Size, miniSector), o); err == nil {
				e.content = newContent(f.Root.content, runs, e.Size, miniSector, 0)
			}
		default:
			if runs, err = f.chain(e.start, sectorsFor(e.Size, f.SectorSize), o, true); err == nil {
				e.content, err = f.sectorContent(e, runs)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sectorContent returns the content of an entry in whole sectors, the last of which may end with the file, but not
// before the stream does.
func (f *File) sectorContent(e *Entry, runs []run) (*Content, error) {
	c := newContent(f.r, runs, e.Size, f.SectorSize, f.SectorSize)
	for _, x := range c.extent {
		if x.under+x.size > f.Size {
			return nil, malformed("the file ends within %s", e.label())
		}
	}
	return c, nil
}
