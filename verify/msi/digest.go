package msi

import (
	"bytes"
	"context"
	"crypto"
	_ "crypto/md5" // so that crypto.Hash.New knows them
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/binary"
	"hash"
	"io"
	"slices"

	"github.com/sallyport-project/sallyport/verify/internal/cfb"
	"github.com/sallyport-project/sallyport/verify/internal/msidb"
)

// digester computes the digests of an installer's content in one pass.
type digester struct {
	ctx    context.Context
	file   *cfb.File
	hashes map[crypto.Hash]hash.Hash
	all    io.Writer
	buffer []byte
}

func newDigester(ctx context.Context, f *cfb.File, functions []crypto.Hash) *digester {
	d := &digester{ctx: ctx, file: f, hashes: map[crypto.Hash]hash.Hash{}, buffer: make([]byte, 256<<10)}
	var writers []io.Writer
	for _, h := range functions {
		d.hashes[h] = h.New()
		writers = append(writers, d.hashes[h])
	}
	d.all = io.MultiWriter(writers...)
	return d
}

// begin has one of the digests begin with sum.
func (d *digester) begin(h crypto.Hash, sum []byte) { d.hashes[h].Write(sum) }

// sums reads all that is covered and returns the digests.
func (d *digester) sums() (map[crypto.Hash][]byte, error) {
	out := map[crypto.Hash][]byte{}
	if len(d.hashes) == 0 {
		return out, nil
	}
	if err := d.storage(d.file.Root); err != nil {
		return nil, err
	}
	for h, w := range d.hashes {
		out[h] = w.Sum(nil)
	}
	return out, nil
}

// storage adds the streams and storages in a storage, then its class.
func (d *digester) storage(s *cfb.Entry) error {
	for _, e := range covered(s) {
		var err error
		if e.Kind == cfb.Storage {
			err = d.storage(e)
		} else {
			err = d.stream(e)
		}
		if err != nil {
			return err
		}
	}
	d.all.Write(s.CLSID[:])
	return nil
}

func (d *digester) stream(e *cfb.Entry) error {
	c := d.file.Open(e)
	for at := int64(0); at < c.Size(); {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		b := d.buffer[:min(int64(len(d.buffer)), c.Size()-at)]
		if n, err := c.ReadAt(b, at); n < len(b) {
			return err
		}
		d.all.Write(b)
		at += int64(len(b))
	}
	return nil
}

// covered returns what is in a storage in the order in which it is hashed: by the bytes of the names with their
// terminators. The root's signature streams are left out.
func covered(s *cfb.Entry) []*cfb.Entry {
	type named struct {
		key   []byte
		entry *cfb.Entry
	}
	var list []named
	for _, e := range s.Children {
		if s.Kind == cfb.Root && msidb.IsSignature(e) {
			continue
		}
		list = append(list, named{append(e.NameBytes(), 0, 0), e})
	}
	slices.SortFunc(list, func(a, b named) int { return bytes.Compare(a.key, b.key) })
	out := make([]*cfb.Entry, len(list))
	for i, n := range list {
		out[i] = n.entry
	}
	return out
}

// metadataDigest is what MsiDigitalSignatureEx holds: the digest of the metadata of every storage, itself first, then
// what is in it in the same order.
func metadataDigest(f *cfb.File, h crypto.Hash) []byte {
	w := h.New()
	addMetadata(w, f.Root)
	return w.Sum(nil)
}

func addMetadata(w hash.Hash, e *cfb.Entry) {
	le := binary.LittleEndian
	var b []byte
	if e.Kind != cfb.Root {
		b = append(b, e.NameBytes()...)
	}
	if e.Kind == cfb.Stream {
		b = le.AppendUint32(b, uint32(e.Size))
	} else {
		b = append(b, e.CLSID[:]...)
	}
	b = le.AppendUint32(b, e.State)
	if e.Kind != cfb.Root {
		b = le.AppendUint64(b, e.Created)
		b = le.AppendUint64(b, e.Modified)
	}
	w.Write(b)
	for _, child := range covered(e) {
		addMetadata(w, child)
	}
}
