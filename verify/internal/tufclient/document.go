package tufclient

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// document is a metadata file that was read, but is not trusted yet.
type document struct {
	role       string // in whose place it stands
	kind       string // what it says it is: its _type
	version    int64
	expires    time.Time
	sums       sums
	signatures []signature

	signed  []byte            // canonical form of the signed part; dropped when it is trusted
	meaning [32]byte          // SHA-256 of signed
	fields  map[string][]byte // members of signed that are particular to the kind, canonical
	digests map[crypto.Hash][]byte
	covered int // bytes that signatures were tried over
}

type signature struct {
	id  string
	sig []byte
}

// sums are length and hashes of a file.
type sums struct {
	length int64
	sha256 [32]byte
	sha512 []byte // nil: not computed
}

// maxVersion is the highest version that is believed: JSON readers agree on integers up to it. One that jumps to the end of all
// numbers leaves no room for a later one, which is what a fast-forward attack is after.
const maxVersion = 1<<53 - 1

// readDocument reads data as the metadata of a role, whose type it must have.
func readDocument(data []byte, role, kind string, size int64, l *Limits) (*document, error) {
	if int64(len(data)) > size {
		return nil, failf(Oversize, role, "%s has %d bytes, more than %d", role, len(data), size)
	}
	whole, err := canonicalize(data, l.Depth)
	if err != nil {
		code := Malformed
		if deep := errDeep(0); errors.As(err, &deep) {
			code = Oversize
		}
		return nil, failf(code, role, "%s is not the JSON of metadata: %v", role, err)
	}
	d := &document{role: role, sums: sums{length: int64(len(data)), sha256: sha256.Sum256(data)}}
	if err := d.envelope(whole, l); err != nil {
		return nil, asError(err, role, "%s is no metadata: %v", role, err)
	}
	if err := d.header(); err != nil {
		return nil, asError(err, role, "%s is no metadata: %v", role, err)
	}
	if d.kind != kind {
		return nil, failf(Malformed, role, "%s says that it is %s metadata", role, shorten(d.kind))
	}
	d.meaning = sha256.Sum256(d.signed)
	return d, nil
}

// asError returns err if it is an Error, or else one that says that the metadata is malformed.
func asError(err error, role, format string, args ...any) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	return failf(Malformed, role, format, args...)
}

// envelope reads the outer object.
func (d *document) envelope(whole []byte, l *Limits) error {
	c := cursor{b: whole}
	return c.object(func(name string) (err error) {
		switch name {
		case "signed":
			if c.peek() != '{' {
				return errors.New("it is not an object")
			}
			d.signed, err = c.skip()
			return err
		case "signatures":
			return d.readSignatures(&c, l)
		}
		_, err = c.skip()
		return err
	})
}

func (d *document) readSignatures(c *cursor, l *Limits) error {
	d.signatures = []signature{}
	return c.array(func() error {
		if len(d.signatures) >= l.Signatures {
			return failf(Oversize, d.role, "%s has more than %d signatures", d.role, l.Signatures)
		}
		var s signature
		var text string
		id := false
		err := c.object(func(name string) error {
			switch name {
			case "keyid":
				id = true
				return c.string(&s.id)
			case "sig":
				return c.string(&text)
			}
			_, err := c.skip()
			return err
		})
		if err != nil {
			return err
		}
		if !id {
			return errors.New("a signature has no keyid")
		}
		// What is no signature at all must not keep those beside it from counting.
		s.sig, _ = hex.DecodeString(text)
		for _, other := range d.signatures {
			if other.id == s.id {
				return fmt.Errorf("the key %s has two signatures", shorten(s.id))
			}
		}
		d.signatures = append(d.signatures, s)
		return nil
	})
}

// header reads what all signed parts have.
func (d *document) header() error {
	if d.signed == nil || d.signatures == nil {
		return errors.New("it has no signed part or no signatures")
	}
	d.fields = map[string][]byte{}
	var spec, expires string
	c := cursor{b: d.signed}
	err := c.object(func(name string) (err error) {
		switch name {
		case "_type":
			return c.string(&d.kind)
		case "spec_version":
			return c.string(&spec)
		case "version":
			return c.int64(&d.version)
		case "expires":
			return c.string(&expires)
		case "consistent_snapshot", "keys", "roles", "meta", "targets", "delegations":
			d.fields[name], err = c.skip()
			return err
		}
		_, err = c.skip()
		return err
	})
	if err != nil {
		return err
	}
	if d.expires, err = time.Parse(time.RFC3339, expires); err != nil {
		return fmt.Errorf("its expiry is %s, not a time", shorten(expires))
	}
	return d.checkHeader(spec)
}

func (d *document) checkHeader(spec string) error {
	switch major, minor, _ := strings.Cut(spec, "."); {
	case !digits(major) || strings.Trim(minor, ".0123456789") != "":
		return fmt.Errorf("its spec_version is %s", shorten(spec))
	case major != "1":
		return failf(Unsupported, d.role, "%s follows version %s of the specification, and what is known here is version 1", d.role, shorten(spec))
	}
	switch {
	case d.version < 1:
		return fmt.Errorf("its version is %d", d.version)
	case d.version > maxVersion:
		return failf(FastForward, d.role, "%s has the version %d, after which there would be no other", d.role, d.version)
	}
	return nil
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// what names the document in a sentence.
func (d *document) what() string { return fmt.Sprintf("version %d of %s", d.version, d.role) }

// expired returns an error if the document has expired at the time at.
func (d *document) expired(at time.Time) *Error {
	if d.expires.After(at) {
		return nil
	}
	return failf(Expired, d.role, "%s expired at %s, and it is %s: the repository may be frozen", d.what(), stamp(d.expires), stamp(at))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// digest returns the digest of the signed part.
func (d *document) digest(h crypto.Hash) []byte {
	if d.digests[h] == nil {
		w := h.New()
		w.Write(d.signed)
		if d.digests == nil {
			d.digests = map[crypto.Hash][]byte{}
		}
		d.digests[h] = w.Sum(nil)
	}
	return d.digests[h]
}

// trusted drops what is only needed to verify.
func (d *document) trusted() { d.signed, d.fields, d.signatures, d.digests = nil, nil, nil, nil }

// matches compares the file, whose content is data unless that is nil, with what a listing says of it.
func (d *document) matches(e *listed, data []byte) *Error {
	switch {
	case e.length >= 0 && e.length != d.sums.length:
		return failf(DigestMismatch, d.role, "%s has %d bytes, and %d are listed", d.what(), d.sums.length, e.length)
	case e.foreign:
		return failf(Unsupported, d.role, "%s is listed without a hash that is known here", d.what())
	case e.sha256 != nil && string(e.sha256) != string(d.sums.sha256[:]):
		return failf(DigestMismatch, d.role, "%s has the SHA-256 digest %x, and %x is listed", d.what(), d.sums.sha256, e.sha256)
	case e.sha512 == nil:
		return nil
	}
	if d.sums.sha512 == nil && data != nil {
		sum := sha512.Sum512(data)
		d.sums.sha512 = sum[:]
	}
	if string(e.sha512) != string(d.sums.sha512) {
		return failf(DigestMismatch, d.role, "%s has another SHA-512 digest than %x, which is listed", d.what(), e.sha512)
	}
	return nil
}

// listedAs is matches with the version.
func (d *document) listedAs(e *listed, data []byte) *Error {
	if err := d.matches(e, data); err != nil {
		return err
	}
	if d.version != e.version {
		return failf(MixAndMatch, d.role, "%s was served as version %d, which is listed", d.what(), e.version)
	}
	return nil
}

func sortUnique(s *[]string) {
	slices.Sort(*s)
	*s = slices.Compact(*s)
}

// topLevel reports whether a role is one of those that root.json names.
func topLevel(role string) bool { return slices.Contains(metadata.TOP_LEVEL_ROLE_NAMES[:], role) }
