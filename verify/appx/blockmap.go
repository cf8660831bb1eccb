package appx

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/strictxml"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
)

const (
	blockSize = 64 << 10 // bytes of a file, before compression
	maxWrong  = 8        // files that differ from the block map, after which the others are not looked at
)

// hashMethods are the names that a block map has for hash functions.
var hashMethods = map[string]crypto.Hash{
	"http://www.w3.org/2001/04/xmlenc#sha256":       crypto.SHA256,
	"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
	"http://www.w3.org/2001/04/xmlenc#sha512":       crypto.SHA512,
}

// blockMap is AppxBlockMap.xml.
type blockMap struct {
	hash  crypto.Hash
	files []*mappedFile
}

type mappedFile struct {
	name        string
	size, local int64 // of the file, and of its local header
	blocks      []block
}

type block struct {
	sum    []byte
	packed int64 // bytes after compression; -1 if not stated, as where the file is stored
}

// parseBlockMap reads a block map.
func parseBlockMap(b []byte) (*blockMap, error) {
	m := &blockMap{}
	err := strictxml.Read(b, strictxml.Visitor{Start: func(e strictxml.Element) error {
		if !ours(e.Space) {
			return nil
		}
		switch e.Path {
		case "BlockMap":
			if m.hash = hashMethods[e.Attrs["HashMethod"]]; m.hash == 0 {
				return fmt.Errorf("its hash method %.80q is unknown", e.Attrs["HashMethod"])
			}
		case "BlockMap/File":
			return m.addFile(e)
		case "BlockMap/File/Block":
			return m.addBlock(e)
		}
		return nil
	}})
	if err == nil && m.hash == 0 {
		err = errors.New("it is none")
	}
	return m, err
}

func (m *blockMap) addFile(e strictxml.Element) error {
	f := &mappedFile{name: e.Attrs["Name"], local: -1}
	var err error
	if f.size, err = number(e.Attrs["Size"]); err != nil {
		return err
	}
	if v, ok := e.Attrs["LfhSize"]; ok {
		if f.local, err = number(v); err != nil {
			return err
		}
	}
	m.files = append(m.files, f)
	return nil
}

func (m *blockMap) addBlock(e strictxml.Element) error {
	if len(m.files) == 0 {
		return errors.New("a block belongs to no file")
	}
	f := m.files[len(m.files)-1]
	sum, err := base64.StdEncoding.Strict().DecodeString(e.Attrs["Hash"])
	if err != nil || len(sum) != m.hash.Size() {
		return fmt.Errorf("a digest of %.80q is none", f.name)
	}
	b := block{sum: sum, packed: -1}
	if v, ok := e.Attrs["Size"]; ok {
		if b.packed, err = number(v); err != nil {
			return err
		}
	}
	f.blocks = append(f.blocks, b)
	return nil
}

func number(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%.40q is no number of bytes", s)
	}
	return n, nil
}

// checkBlocks compares the package's files with the block map, block by block, and both ways. elsewhere are files that
// the bundle's manifest accounts for.
func (x *inspection) checkBlocks(ctx context.Context, elsewhere map[string]bool) error {
	b, ok, err := x.footprint(blockMapName)
	if !ok {
		return err
	}
	m, err := parseBlockMap(b)
	if err != nil {
		x.Remark(verify.Invalid, "malformed", "%s", authenticode.Unreadable(blockMapName, err))
		return nil
	}
	entries := x.payload(elsewhere)
	wrong := 0
	for _, f := range m.files {
		if wrong == maxWrong {
			return nil
		}
		name := strings.ReplaceAll(f.name, `\`, "/")
		e := entries[name]
		if e == nil {
			x.Remark(verify.Invalid, "missing-file", "The block map has the file %.120q, which the package has not, or not twice.", f.name)
			wrong++
			continue
		}
		delete(entries, name)
		why, err := x.checkFile(ctx, f, e, m.hash)
		if err != nil {
			return err
		}
		if why != "" {
			x.Remark(verify.Invalid, "block-mismatch", "The file %.120q is not what the block map says: %s.", e.Name, why)
			wrong++
		}
	}
	for name := range entries {
		x.Remark(verify.Invalid, "unlisted-file", "The file %.120q and %d others are not in the block map.", name, len(entries)-1)
		break
	}
	return nil
}

// payload returns the entries that must be in the block map, by the names that it has for them.
func (x *inspection) payload(elsewhere map[string]bool) map[string]*zipfile.Entry {
	out := map[string]*zipfile.Entry{}
	for _, e := range x.zip.Entries {
		switch e.Name {
		case signatureName, contentTypesName, blockMapName, codeIntegrityName:
			continue
		}
		name, err := url.PathUnescape(e.Name) // Open Packaging Conventions escape names as in URLs
		if err != nil {
			name = e.Name
		}
		if elsewhere[name] {
			continue
		}
		if out[name] != nil {
			x.Remark(verify.Invalid, "layout", "Two entries are called %.120q once their names are unescaped.", name)
		}
		out[name] = e
	}
	return out
}

// checkFile returns in what way a file differs from the block map.
func (x *inspection) checkFile(ctx context.Context, f *mappedFile, e *zipfile.Entry, h crypto.Hash) (string, error) {
	if f.size != e.Size {
		return fmt.Sprintf("it has %d bytes, not %d", e.Size, f.size), nil
	}
	if local := e.Data - e.Local; f.local >= 0 && f.local != local {
		return fmt.Sprintf("its header has %d bytes, not %d", local, f.local), nil
	}
	if want := (e.Size + blockSize - 1) / blockSize; int64(len(f.blocks)) != want {
		return fmt.Sprintf("it has %d blocks, not %d", want, len(f.blocks)), nil
	}
	if why := packedSizes(f, e); why != "" {
		return why, nil
	}
	if e.Encrypted() || !e.Supported() {
		return "it is encrypted or compressed in an unknown way", nil
	}
	if !take(&x.left.unpacked, e.Size) {
		x.tooLarge()
		return "it was not looked at", nil
	}
	r := x.zip.Reader(e)
	b := make([]byte, min(blockSize, e.Size))
	for i, want := range f.blocks {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, err := io.ReadFull(r, b)
		if err != nil && err != io.ErrUnexpectedEOF {
			return broken(err)
		}
		w := h.New()
		w.Write(b[:n])
		if !bytes.Equal(w.Sum(nil), want.sum) {
			return fmt.Sprintf("block %d of %d has another digest", i+1, len(f.blocks)), nil
		}
	}
	if _, err := io.Copy(io.Discard, r); err != nil { // checksum and end of the compressed data
		return broken(err)
	}
	return "", nil
}

// packedSizes compares the blocks' sizes after compression with the entry's. After the last block packaging tools end
// the compressed data with an empty one of two bytes.
func packedSizes(f *mappedFile, e *zipfile.Entry) string {
	var total int64
	for _, b := range f.blocks {
		if stated := b.packed >= 0; stated != (e.Method != zipfile.Stored) {
			return "its blocks' sizes after compression are stated where it is stored, or missing where it is compressed"
		}
		if b.packed > e.Packed {
			return fmt.Sprintf("a block has %d bytes, more than the file", b.packed)
		}
		total += max(b.packed, 0)
	}
	if e.Method != zipfile.Stored && total != e.Packed && total+2 != e.Packed {
		return fmt.Sprintf("its blocks have %d bytes after compression, the file has %d", total, e.Packed)
	}
	return ""
}

func broken(err error) (string, error) {
	if errors.Is(err, verify.ErrBroken) || errors.Is(err, io.EOF) {
		return strings.TrimSuffix(err.Error(), ": "+verify.ErrBroken.Error()), nil
	}
	return "", err
}
