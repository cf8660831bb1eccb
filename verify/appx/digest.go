package appx

import (
	"bytes"
	"context"
	"crypto"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
)

// oidSIPInfo is SPC_SIPINFO_OBJID: what is signed is digested by a subject interface package, here one for packages.
var oidSIPInfo = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 2, 1, 30)

// SpcSipInfo of packages and of bundles: version 0x01010000, the interface package's GUID, five zeros.
var (
	packageInfo = sipInfo("\x4b\xdf\xc5\x0a\x07\xce\xe2\x4d\xb7\x6e\x23\xc8\x39\xa0\x9f\xd1")
	bundleInfo  = sipInfo("\xb3\x58\x5f\x0f\xde\xaa\x9a\x4b\xa4\x34\x95\x74\x2d\x92\xec\xeb")
)

func sipInfo(guid string) []byte {
	return []byte("\x30\x27\x02\x04\x01\x01\x00\x00\x04\x10" + guid + "\x02\x01\x00\x02\x01\x00\x02\x01\x00\x02\x01\x00\x02\x01\x00")
}

// parts are the digests in their order. The last is there only where the package has the file.
var parts = []struct{ tag, what string }{
	{"AXPC", "the package's entries"},
	{"AXCD", "the zip directory"},
	{"AXCT", contentTypesName},
	{"AXBM", blockMapName},
	{"AXCI", codeIntegrityName},
}

// binding reads what a signature is of.
func (x *inspection) binding(d *cms.SignedData) (authenticode.Signed, error) {
	data, err := cms.ParseIndirectBlob(d)
	if err != nil {
		return authenticode.Signed{}, err
	}
	want := packageInfo
	if x.isBundle {
		want = bundleInfo
	}
	if data.Kind != oidSIPInfo || !bytes.Equal(data.Value, want) {
		return authenticode.Signed{}, fmt.Errorf("it is a signature of something else than this kind of package (%s)", data.Kind)
	}
	h := data.Digest.Hash()
	if h != crypto.SHA256 && h != crypto.SHA384 && h != crypto.SHA512 {
		return authenticode.Signed{Name: data.Digest.OID.String()}, nil
	}
	if n := len(data.Sum) - 4; n%(4+h.Size()) != 0 || n/(4+h.Size()) < 4 || n/(4+h.Size()) > len(parts) || !bytes.HasPrefix(data.Sum, []byte("APPX")) {
		return authenticode.Signed{}, fmt.Errorf("its list of digests has %d bytes and is none", len(data.Sum))
	}
	return authenticode.Signed{Hash: h, Name: data.Digest.OID.String(), Sum: data.Sum}, nil
}

// judge computes the lists of digests that the signatures are of and compares them.
func (x *inspection) judge(ctx context.Context, der []byte) error {
	if der == nil {
		return nil
	}
	sums := map[crypto.Hash][]byte{}
	for _, h := range x.Hashes() {
		list, err := x.list(ctx, h)
		switch {
		case errors.Is(err, verify.ErrBroken):
			x.Remark(verify.Invalid, "malformed", "%s", authenticode.Unreadable("package", err))
			continue
		case err != nil:
			return fmt.Errorf("hashing the package: %w", err)
		}
		sums[h] = list
		x.explain(der, h, list)
	}
	x.Judge(sums)
	return nil
}

// list makes the list of digests with one hash function.
func (x *inspection) list(ctx context.Context, h crypto.Hash) ([]byte, error) {
	signature := x.zip.Entry(signatureName)
	w := h.New()
	if err := x.copy(ctx, w, 0, signature.Local); err != nil {
		return nil, err
	}
	out := append([]byte("APPXAXPC"), w.Sum(nil)...)
	directory, err := x.unsignedDirectory(signature)
	if err != nil {
		return nil, err
	}
	w = h.New()
	w.Write(directory)
	out = w.Sum(append(out, "AXCD"...))
	for _, p := range parts[2:] {
		e := x.zip.Entry(p.what)
		if e == nil && p.what == codeIntegrityName {
			continue
		}
		if e == nil {
			return nil, fmt.Errorf("it has no %s: %w", p.what, verify.ErrBroken)
		}
		if !take(&x.left.unpacked, e.Size) {
			return nil, fmt.Errorf("it unpacks to too much: %w", verify.ErrBroken)
		}
		b, err := x.zip.ReadAll(e, maxCatalogue)
		if err != nil {
			return nil, err
		}
		w = h.New()
		w.Write(b)
		out = w.Sum(append(out, p.tag...))
	}
	return out, nil
}

// copy writes a part of the file to w.
func (x *inspection) copy(ctx context.Context, w io.Writer, from, to int64) error {
	r := x.zip.Section(from, to)
	b := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(b)
		w.Write(b[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// unsignedDirectory returns directory and end records as they were before the signature was added. The disk numbers of
// the last record, which packaging tools leave at their maximum, count as zero.
func (x *inspection) unsignedDirectory(signature *zipfile.Entry) ([]byte, error) {
	var b bytes.Buffer
	for _, part := range [][2]int64{{x.zip.Directory, signature.Record}, {signature.Record + signature.RecordSize, x.zip.Directory + x.zip.DirectorySize}} {
		if _, err := b.ReadFrom(x.zip.Section(part[0], part[1])); err != nil {
			return nil, err
		}
	}
	le := binary.LittleEndian
	size, count := uint64(b.Len()), uint64(len(x.zip.Entries)-1)
	if z := x.zip.Zip64; z != nil {
		record := bytes.Clone(z.Record)
		le.PutUint64(record[24:], count)
		le.PutUint64(record[32:], count)
		le.PutUint64(record[40:], size)
		le.PutUint64(record[48:], uint64(signature.Local))
		b.Write(record)
		locator := make([]byte, 20)
		if _, err := io.ReadFull(x.zip.Section(z.Locator, z.Locator+20), locator); err != nil {
			return nil, err
		}
		le.PutUint64(locator[8:], uint64(signature.Local)+size)
		b.Write(locator)
	}
	end := x.zip.EndRecord
	for at := 4; at < 8; at += 2 {
		if le.Uint16(end[at:]) == 0xffff {
			le.PutUint16(end[at:], 0)
		}
	}
	for at := 8; at < 12; at += 2 {
		if le.Uint16(end[at:]) != 0xffff {
			le.PutUint16(end[at:], uint16(count))
		}
	}
	if le.Uint32(end[12:]) != 0xffffffff {
		le.PutUint32(end[12:], uint32(size))
	}
	if le.Uint32(end[16:]) != 0xffffffff {
		le.PutUint32(end[16:], uint32(signature.Local))
	}
	b.Write(end[:])
	b.Write(x.zip.Comment)
	return b.Bytes(), nil
}

// explain says which of the digests differ.
func (x *inspection) explain(der []byte, h crypto.Hash, list []byte) {
	d, err := cms.ParseContentInfo(der)
	if err != nil {
		return
	}
	data, err := cms.ParseIndirectBlob(d)
	if err != nil || data.Digest.Hash() != h || bytes.Equal(data.Sum, list) {
		return
	}
	if len(data.Sum) != len(list) {
		x.Remark(verify.Invalid, "part-mismatch", "The signature lists %d bytes of digests, the package has %d: %s was added or removed.", len(data.Sum), len(list), codeIntegrityName)
		return
	}
	step := 4 + h.Size()
	for i, p := range parts {
		if at := 4 + i*step; at < len(list) && !bytes.Equal(list[at:at+step], data.Sum[at:at+step]) {
			x.Remark(verify.Invalid, "part-mismatch", "The signed digest %s is not that of %s.", p.tag, p.what)
		}
	}
}
