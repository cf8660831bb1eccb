package unpack

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// tarFrames passes an archive on to archive/tar and looks at its headers on the way. It fails where programs differ in
// what they make of one: whoever leads them apart shows each of them another archive.
type tarFrames struct {
	from  io.Reader
	block [tarBlock]byte
	rest  []byte // of the block, to be passed on
	left  int64  // bytes of content to be passed on before the next header, its padding included
	ended bool

	next    tarExtensions // about the member to come
	current tarFrame
	members int           // so far, headers about all that follow included
	text    *bytes.Buffer // the content of a header about others; nil in that of a member
	extra   bool          // the next block goes on with the map of a sparse file
}

// tarFrame is the header of a member.
type tarFrame struct {
	typeflag byte
	size     int64  // by the header itself, for a member by those before it too
	name     string // by the header itself
	renamed  bool   // by one before it
	sparse   string // the name that pax records about a sparse file give it
}

// maxTarExtension is how many bytes a header about others may have, as in archive/tar.
const maxTarExtension = 1 << 20

func tarBroken(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), verify.ErrBroken)
}

// Read implements io.Reader.
func (t *tarFrames) Read(p []byte) (int, error) {
	if t.ended && len(t.rest) == 0 {
		return t.from.Read(p)
	}
	if t.left == 0 && len(t.rest) == 0 {
		if err := t.advance(); err != nil {
			return 0, err
		}
	}
	if len(t.rest) > 0 {
		n := copy(p, t.rest)
		t.rest = t.rest[n:]
		return n, nil
	}
	n, err := t.from.Read(p[:min(int64(len(p)), t.left)])
	t.left -= int64(n)
	if t.text != nil {
		t.text.Write(p[:n])
	}
	return n, err
}

// advance reads the block after the content of a header.
func (t *tarFrames) advance() error {
	if t.text != nil {
		if err := t.next.add(t.current, t.text.Bytes()); err != nil {
			return err
		}
		t.text = nil
	}
	n, err := io.ReadFull(t.from, t.block[:])
	t.rest = t.block[:n]
	if n < tarBlock || allZeroBytes(t.block[:]) {
		if t.ended = true; n > 0 {
			return nil // archive/tar says what is to be said of less than a block
		}
		return err
	}
	if t.extra {
		if t.extra = t.block[504] != 0; !t.extra {
			t.skip(t.current.size)
		}
		return nil
	}
	return t.header()
}

func (t *tarFrames) skip(size int64) { t.left = (size + tarBlock - 1) &^ (tarBlock - 1) }

// header looks at the header in the block.
func (t *tarFrames) header() error {
	size, err := tarSize(t.block[124:136])
	if err != nil {
		return err
	}
	if magic := string(t.block[257:262]); magic != "ustar" && !allZeroBytes(t.block[345:500]) {
		return tarBroken("%.120q has a name in two fields, and no magic of a format with two", cString(t.block[:100]))
	}
	t.current = tarFrame{typeflag: t.block[156], size: size, name: tarName(t.block[:])}
	switch t.current.typeflag {
	case tar.TypeXHeader, tar.TypeGNULongName, tar.TypeGNULongLink, tar.TypeXGlobalHeader:
		if size > maxTarExtension {
			return tarBroken("a header about others has %d bytes", size)
		}
		if t.current.typeflag == tar.TypeXGlobalHeader {
			t.members++
		}
		t.text = &bytes.Buffer{}
		t.skip(size)
		return nil
	}
	t.members++
	if size, err = t.next.apply(&t.current); err != nil {
		return err
	}
	t.current.size = size
	t.next = tarExtensions{}
	switch t.current.typeflag {
	case tar.TypeDir: // whatever its size, nothing follows it
	case tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		if size != 0 {
			return tarBroken("%.120q is a link, a device or a pipe of %d bytes, which some programs look for behind it", t.current.name, size)
		}
	case tar.TypeGNUSparse:
		if t.extra = t.block[482] != 0; !t.extra {
			t.skip(size)
		}
	default:
		t.skip(size)
	}
	return nil
}

// check compares what archive/tar made of a header with the header.
func (t *tarFrames) check(h *tar.Header, members int) error {
	switch {
	case t.members != members:
		return tarBroken("member %d, %.120q, begins where it should not", members, h.Name)
	case t.current.typeflag == tar.TypeXGlobalHeader:
	case t.current.sparse != "" && h.Name != t.current.sparse:
		return tarBroken("the name %.120q is %.120q to some programs", h.Name, t.current.sparse)
	case !t.current.renamed && h.Name != t.current.name:
		return tarBroken("the name %.120q is %.120q to some programs", t.current.name, h.Name)
	case strings.IndexByte(tarFiles, t.current.typeflag) >= 0 && t.current.size != 0 && strings.HasSuffix(h.Name, "/"):
		return tarBroken("%.120q is a folder to some programs and a file of %d bytes to others", h.Name, t.current.size)
	}
	return nil
}

// tarFiles are the types of members that are files: the first is that of Unix V7, which has folders of this type as well.
const tarFiles = "\x0007S"

// tarName returns the name in a header: of POSIX's with what stands before it in another field.
func tarName(b []byte) string {
	name := cString(b[:100])
	if prefix := cString(b[345:500]); string(b[257:263]) == "ustar\x00" && prefix != "" {
		name = prefix + "/" + name
	}
	return name
}

func cString(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}
