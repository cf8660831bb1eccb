package quarantine

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Object is what a URL gave when it was last fetched, so that the origin can be asked whether that is still so
// (RFC 9111 section 4.3). It says nothing about whether the item may be served.
type Object struct {
	// Key is whatever makes requests equal: method, URL, the client where responses are not shared. Only its hash
	// is stored.
	Key          string              `json:"-"`
	SHA256       verify.Digest       `json:"sha256"`
	Status       int                 `json:"status"`                  // HTTP status of the response
	ETag         string              `json:"etag,omitempty"`          // as the origin sent it
	LastModified string              `json:"last_modified,omitempty"` // as the origin sent it
	Date         time.Time           `json:"date,omitzero"`           // when the origin made the response, by its clock
	FreshUntil   time.Time           `json:"fresh_until,omitzero"`    // until when it need not be asked; zero: ask
	Header       map[string][]string `json:"header,omitempty"`        // fields that are served again
	Stored       time.Time           `json:"stored"`                  // set by Remember where zero
}

// maxObjectFile is how large an object may be when it is stored, in bytes.
const maxObjectFile = 64 << 10

type objectFile struct {
	V int `json:"v"` // 1
	Object
}

func encodeObject(o Object) ([]byte, error) {
	line, err := json.Marshal(objectFile{V: 1, Object: o})
	if err != nil {
		return nil, err
	}
	data := seal(line)
	if len(data) > maxObjectFile {
		return nil, fmt.Errorf("%d bytes to be remembered, more than %d", len(data), maxObjectFile)
	}
	return data, nil
}

// parseObject reads the JSON of an object file.
func parseObject(line []byte) (Object, error) {
	if len(line) > maxObjectFile {
		return Object{}, errors.New("object: too large")
	}
	var f objectFile
	if err := json.Unmarshal(line, &f); err != nil {
		return Object{}, fmt.Errorf("object: %w", err)
	}
	if f.V != 1 {
		return Object{}, fmt.Errorf("object: unknown version %d", f.V)
	}
	if f.Status < 200 || f.Status > 599 || f.SHA256.IsZero() {
		return Object{}, errors.New("object: no response")
	}
	return f.Object, nil
}
