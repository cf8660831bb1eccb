package vsix

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"strconv"
)

// manifest is the content of .signature.manifest: the package's size and digest. The digests of its entries follow from
// that, and are only read to see that they are what they should be.
type manifest struct {
	size    int64
	sum     []byte // SHA-256
	entries int
}

// maxEntries bounds how many entries of a package a manifest may list.
const maxEntries = 200_000

// parseManifest reads
//
//	{"package": {"size": n, "digests": {"sha256": base64}}, "entries": {base64 of the name: {"size": ..., "digests": ...}, ...}}
//
// A key that is there twice, or that has no place there, is refused.
func parseManifest(b []byte) (*manifest, error) {
	r := &jsonReader{json.NewDecoder(bytes.NewReader(b))}
	r.UseNumber()
	m := &manifest{size: -1}
	names := map[string]bool{}
	err := r.object(map[string]func() error{
		"package": func() (err error) {
			m.size, m.sum, err = r.file()
			return err
		},
		"entries": func() error {
			return r.each(func(key string) error {
				name, err := base64.StdEncoding.Strict().DecodeString(key)
				if err != nil || names[string(name)] || len(names) == maxEntries {
					return broken("the manifest lists %.100q wrongly, or twice", key)
				}
				names[string(name)] = true
				_, _, err = r.file()
				return err
			})
		},
	})
	if err != nil {
		return nil, err
	}
	if _, err := r.Token(); err != io.EOF {
		return nil, broken("something follows the manifest")
	}
	if m.sum == nil {
		return nil, broken("the manifest has no digest of the package")
	}
	m.entries = len(names)
	return m, nil
}

// jsonReader reads JSON objects key by key.
type jsonReader struct{ *json.Decoder }

// file reads {"size": n, "digests": {"sha256": base64}}.
func (r *jsonReader) file() (size int64, sum []byte, err error) {
	size = -1
	err = r.object(map[string]func() error{
		"size": func() error {
			t, err := r.Token()
			n, ok := t.(json.Number)
			if err != nil || !ok {
				return broken("a size in the manifest is no number")
			}
			if size, err = strconv.ParseInt(n.String(), 10, 64); err != nil || size < 0 {
				return broken("a size in the manifest is no number of bytes")
			}
			return nil
		},
		"digests": func() error {
			return r.object(map[string]func() error{"sha256": func() error {
				t, err := r.Token()
				s, ok := t.(string)
				if err != nil || !ok {
					return broken("a digest in the manifest is no text")
				}
				if sum, err = base64.StdEncoding.Strict().DecodeString(s); err != nil || len(sum) != sha256.Size {
					return broken("a digest in the manifest is no SHA-256")
				}
				return nil
			}})
		},
	})
	if err == nil && (size < 0 || sum == nil) {
		err = broken("a file in the manifest lacks its size or digest")
	}
	return size, sum, err
}

// object reads an object whose keys are among those given, each once at most.
func (r *jsonReader) object(keys map[string]func() error) error {
	seen := map[string]bool{}
	return r.each(func(key string) error {
		read := keys[key]
		if read == nil || seen[key] {
			return broken("the key %.100q of the manifest is unknown, or there twice", key)
		}
		seen[key] = true
		return read()
	})
}

// each reads an object, calling value after each key.
func (r *jsonReader) each(value func(key string) error) error {
	if t, err := r.Token(); err != nil || t != json.Delim('{') {
		return broken("the manifest is not the JSON that it should be")
	}
	for r.More() {
		t, err := r.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return broken("the manifest is not the JSON that it should be")
		}
		if err := value(key); err != nil {
			return err
		}
	}
	if t, err := r.Token(); err != nil || t != json.Delim('}') {
		return broken("the manifest is not the JSON that it should be")
	}
	return nil
}
