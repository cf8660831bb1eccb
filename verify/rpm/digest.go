package rpm

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/sallyport-project/sallyport/verify/internal/rpmfile"
)

// digest is one digest that the package states.
type digest struct {
	name    string // "SHA-256"
	what    string // "header", "payload", "header and payload"
	hash    hash.Hash
	want    []byte
	payload bool // the payload is part of it
	binds   bool // it stands in the header, covers the payload, and is strong enough to speak for it
}

// algorithms are the hash algorithms by the names used here.
var algorithms = map[string]func() hash.Hash{
	"MD5": md5.New, "SHA-1": sha1.New, "SHA-224": sha256.New224, "SHA-256": sha256.New, "SHA-384": sha512.New384,
	"SHA-512": sha512.New, "SHA3-256": func() hash.Hash { return sha3.New256() }, "SHA3-512": func() hash.Hash { return sha3.New512() },
}

// byNumber are the same by their number in OpenPGP (RFC 9580 section 9.5), which rpm uses.
var byNumber = map[uint32]string{
	1: "MD5", 2: "SHA-1", 8: "SHA-256", 9: "SHA-384", 10: "SHA-512", 11: "SHA-224", 12: "SHA3-256", 14: "SHA3-512",
}

var strong = map[string]bool{"SHA-256": true, "SHA-384": true, "SHA-512": true, "SHA3-256": true, "SHA3-512": true}

func newDigest(name, what, want string) (*digest, error) {
	d := &digest{name: name, what: what, hash: algorithms[name]()}
	var err error
	if d.want, err = hex.DecodeString(want); err != nil || len(d.want) != d.hash.Size() {
		return nil, fmt.Errorf("%.80q is no %s digest", want, name)
	}
	return d, nil
}

// headerDigest takes a digest of the header from the signature header.
func (x *examination) headerDigest(tag uint32, name string) error {
	text, _, err := x.pkg.Signature.Text(tag)
	if err != nil {
		return errors.New("it is not one string")
	}
	if !x.pkg.Header.Region {
		return errors.New("a digest of a header that has no region")
	}
	d, err := newDigest(name, "header", text)
	if err != nil {
		return err
	}
	if hex.EncodeToString(d.want) != text { // nothing covers these bytes, so they have one spelling
		return fmt.Errorf("%.80q is not in lower case", text)
	}
	d.hash.Write(x.pkg.Header.Raw())
	x.digests = append(x.digests, d)
	return nil
}

// md5 takes the digest of header and payload that packages have had from the beginning.
func (x *examination) md5(e rpmfile.Entry) error {
	want, err := x.pkg.Signature.Bin(e.Tag)
	if err != nil || len(want) != md5.Size {
		return errors.New("it is no MD5 digest")
	}
	d := &digest{name: "MD5", what: "header and payload", hash: md5.New(), want: want, payload: true}
	d.hash.Write(x.pkg.Header.Raw())
	x.digests = append(x.digests, d)
	return nil
}

// payloadDigests takes those of the payload, as it is in the file, from the header.
func (x *examination) payloadDigests() error {
	h := x.pkg.Header
	name := "SHA-256"
	number, err := h.Uint32s(rpmfile.TagPayloadAlgorithm)
	if err != nil || len(number) > 1 {
		return errors.New("the algorithm of the payload's digest is not one number")
	}
	if len(number) == 1 {
		var ok bool
		if name, ok = byNumber[number[0]]; !ok {
			return fmt.Errorf("the algorithm of the payload's digest is number %d, which is not known here", number[0])
		}
	}
	list, err := h.Array(rpmfile.TagPayloadDigest)
	if err != nil || len(list) > 1 {
		return fmt.Errorf("tag %d: it is not one digest of the payload", rpmfile.TagPayloadDigest)
	}
	for _, text := range list {
		if err := x.payloadDigest(name, text); err != nil {
			return fmt.Errorf("tag %d: %w", rpmfile.TagPayloadDigest, err)
		}
	}
	for _, t := range []struct {
		tag  uint32
		name string
	}{{rpmfile.TagPayloadSHA512, "SHA-512"}, {rpmfile.TagPayloadSHA3, "SHA3-256"}} {
		text, ok, err := h.Text(t.tag)
		if err == nil && ok {
			err = x.payloadDigest(t.name, text)
		}
		if err != nil {
			return fmt.Errorf("tag %d: %w", t.tag, err)
		}
	}
	return nil
}

func (x *examination) payloadDigest(name, text string) error {
	d, err := newDigest(name, "payload", text)
	if err != nil {
		return err
	}
	d.payload, d.binds = true, strong[name]
	x.digests = append(x.digests, d)
	return nil
}

// chunk is how many bytes of the payload are read at a time.
const chunk = 256 << 10

// read shows the payload to everything that covers it.
func (x *examination) read(ctx context.Context, content io.ReaderAt) error {
	var to []io.Writer
	for _, d := range x.digests {
		if d.payload {
			to = append(to, d.hash)
		}
	}
	for _, s := range x.signed {
		if s.payload && s.Needs() {
			to = append(to, s)
		}
	}
	if len(to) == 0 {
		return ctx.Err()
	}
	buffer := x.v.buffers.Get().(*[chunk]byte)
	defer x.v.buffers.Put(buffer)
	for at := x.pkg.Payload; at < x.pkg.Size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := buffer[:min(chunk, x.pkg.Size-at)]
		if n, err := content.ReadAt(b, at); n < len(b) {
			return fmt.Errorf("reading the payload: %w", err)
		}
		for _, w := range to {
			w.Write(b) // neither a hash nor a signature fails
		}
		at += int64(len(b))
	}
	return nil
}

// fits reports whether what was read has this digest.
func (d *digest) fits() bool { return bytes.Equal(d.hash.Sum(nil), d.want) }
