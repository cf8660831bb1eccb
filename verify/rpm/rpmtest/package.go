package rpmtest

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// File is one file of a package. Mode is as in stat(2); 0 means a regular file, 0644.
type File struct {
	Path    string // absolute
	Content string // of a symbolic link, its target
	Mode    uint16
	Ghost   bool // listed and not in the payload
}

// Package says what Build makes.
type Package struct {
	Name, Version, Release, Arch string // "hello", "1.0", "1" and "noarch" if empty
	Epoch                        uint32 // none if 0
	Files                        []File
	Scripts                      map[uint32]string // by tag, such as 1024 for %post
	Compressor                   string            // gzip, xz, zstd; "" is none
	Format                       int               // 3 (no region), 4, or 6; 0 means 4
	NoPayloadDigest              bool              // as before 2018: only MD5 reaches the payload
	Header, Signature            []Tag             // more tags
	Trailing                     []byte            // behind the payload

	SignedAt time.Time
	HeaderBy []*Key      // sign the header (v4: the first only, v6: all)
	AllBy    *Key        // signs header and payload
	V3       bool        // signatures of version 3
	Hash     crypto.Hash // 0 means SHA-256
}

func (p *Package) defaults() {
	set := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	set(&p.Name, "hello")
	set(&p.Version, "1.0")
	set(&p.Release, "1")
	set(&p.Arch, "noarch")
	if p.Format == 0 {
		p.Format = 4
	}
	if p.Hash == 0 {
		p.Hash = crypto.SHA256
	}
}

// Build returns the package's bytes.
func (p Package) Build() ([]byte, error) {
	p.defaults()
	plain := p.payload()
	payload, err := compress(plain, p.Compressor)
	if err != nil {
		return nil, err
	}
	region := uint32(63)
	if p.Format == 3 {
		region = 0
	}
	head := header(region, p.tags(payload, plain))
	tags, err := p.signatures(head, payload, len(plain))
	if err != nil {
		return nil, err
	}
	lead := make([]byte, 96)
	copy(lead, "\xed\xab\xee\xdb\x03\x00\x00\x00\x00\x01")
	copy(lead[10:75], fmt.Sprintf("%s-%s-%s", p.Name, p.Version, p.Release))
	lead[77], lead[79] = 1, 5
	if p.Format == 6 {
		lead[4] = 4
	}
	out := append(lead, header(62, tags)...)
	for len(out)%8 != 0 {
		out = append(out, 0)
	}
	return append(append(append(out, head...), payload...), p.Trailing...), nil
}

func (p Package) tags(payload, plain []byte) []Tag {
	tags := []Tag{
		{1000, p.Name}, {1001, p.Version}, {1002, p.Release}, {1004, []string{"a test package"}}, {1021, "linux"}, {1022, p.Arch},
		{1044, p.Name + "-" + p.Version + ".src.rpm"}, {1124, "cpio"},
	}
	if p.Epoch > 0 {
		tags = append(tags, Tag{1003, []uint32{p.Epoch}})
	}
	if p.Compressor != "" {
		tags = append(tags, Tag{1125, p.Compressor}, Tag{1126, "6"})
	}
	for tag, text := range p.Scripts {
		tags = append(tags, Tag{tag, text})
	}
	tags = append(tags, p.fileTags()...)
	sum := func(b []byte) []string { s := sha256.Sum256(b); return []string{hex.EncodeToString(s[:])} }
	if !p.NoPayloadDigest {
		tags = append(tags, Tag{5092, sum(payload)}, Tag{5093, []uint32{8}}, Tag{5097, sum(plain)})
	}
	if p.Format == 6 {
		big, sha3 := sha512.Sum512(payload), sha3.Sum256(payload)
		tags = append(tags, Tag{5062, "utf-8"}, Tag{5112, []uint64{uint64(len(payload))}}, Tag{5114, []uint32{6}},
			Tag{5121, hex.EncodeToString(big[:])}, Tag{5123, hex.EncodeToString(sha3[:])})
	}
	return append(tags, p.Header...)
}

func (p Package) fileTags() []Tag {
	if len(p.Files) == 0 {
		return nil
	}
	var names, dirs, links []string
	var indexes, flags, inodes, devices []uint32
	var sizes []uint64
	var modes []uint16
	seen := map[string]uint32{}
	for i, f := range p.Files {
		dir, base := path.Split(f.Path)
		if _, ok := seen[dir]; !ok {
			seen[dir] = uint32(len(dirs))
			dirs = append(dirs, dir)
		}
		link, size, flag := "", uint64(len(f.Content)), uint32(0)
		if f.mode()&0xf000 == 0xa000 {
			link = f.Content
		}
		if f.Ghost {
			flag = 1 << 6
		}
		names, indexes, links, modes = append(names, base), append(indexes, seen[dir]), append(links, link), append(modes, f.mode())
		sizes, flags, inodes, devices = append(sizes, size), append(flags, flag), append(inodes, uint32(i+1)), append(devices, 1)
	}
	tags := []Tag{
		{1030, modes}, {1036, links}, {1037, flags}, {1095, devices}, {1096, inodes}, {1116, indexes}, {1117, names}, {1118, dirs},
	}
	if p.Format == 6 {
		return append(tags, Tag{5008, sizes})
	}
	var small []uint32
	for _, n := range sizes {
		small = append(small, uint32(n))
	}
	return append(tags, Tag{1028, small})
}

func (f File) mode() uint16 {
	if f.Mode == 0 {
		return 0o100644
	}
	return f.Mode
}

// payload returns the cpio archive: newc, or in format 6 with an index in place of each header.
func (p Package) payload() []byte {
	var b bytes.Buffer
	pad := func() {
		for b.Len()%4 != 0 {
			b.WriteByte(0)
		}
	}
	member := func(name string, mode, ino, size int) {
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
			ino, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name)+1, 0, name)
		pad()
	}
	for i, f := range p.Files {
		if f.Ghost {
			continue
		}
		if p.Format == 6 {
			fmt.Fprintf(&b, "07070X%08x", i)
			pad()
		} else {
			member("."+f.Path, int(f.mode()), i+1, len(f.Content))
		}
		b.WriteString(f.Content)
		pad()
	}
	member("TRAILER!!!", 0, 0, 0)
	return b.Bytes()
}

func compress(b []byte, how string) ([]byte, error) {
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch how {
	case "":
		return b, nil
	case "gzip":
		w = gzip.NewWriter(&out)
	case "xz":
		w, err = xz.NewWriter(&out)
	case "zstd":
		w, err = zstd.NewWriter(&out)
	default:
		return nil, fmt.Errorf("compressing with %s is not known here", how)
	}
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}

// signatures returns the tags of the signature header.
func (p Package) signatures(head, payload []byte, plain int) ([]Tag, error) {
	tags := append([]Tag{}, p.Signature...)
	all := append(bytes.Clone(head), payload...)
	if p.Format > 3 {
		sum := sha256.Sum256(head)
		tags = append(tags, Tag{273, hex.EncodeToString(sum[:])})
	}
	switch p.Format {
	case 6:
		sum := sha3.Sum256(head)
		tags = append(tags, Tag{279, hex.EncodeToString(sum[:])}, Tag{999, make([]byte, 64)})
	default:
		md5, sha1 := md5.Sum(all), sha1.Sum(head)
		tags = append(tags, Tag{1000, []uint32{uint32(len(all))}}, Tag{1004, md5[:]}, Tag{1007, []uint32{uint32(plain)}})
		if p.Format > 3 {
			tags = append(tags, Tag{269, hex.EncodeToString(sha1[:])})
		}
	}
	var many []string
	for _, k := range p.HeaderBy {
		sig, err := p.sign(k, head)
		if err != nil {
			return nil, err
		}
		many = append(many, base64.StdEncoding.EncodeToString(sig))
		if p.Format != 6 {
			tags = append(tags, Tag{268, sig})
			break
		}
	}
	if p.Format == 6 && len(many) > 0 {
		tags = append(tags, Tag{278, many})
	}
	if p.AllBy != nil {
		sig, err := p.sign(p.AllBy, all)
		if err != nil {
			return nil, err
		}
		tags = append(tags, Tag{1002, sig})
	}
	return tags, nil
}

func (p Package) sign(k *Key, message []byte) ([]byte, error) {
	if p.V3 {
		return k.SignV3(message, p.SignedAt, p.Hash)
	}
	return k.Sign(message, p.SignedAt, p.Hash)
}
