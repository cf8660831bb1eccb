package tuf

import (
	"bytes"
	"encoding/json"
	"io"
	"path"

	"github.com/sallyport-project/sallyport/verify"
)

// maxMetadata is how many bytes a metadata file may have: more than any default of tufclient.Limits.
const maxMetadata = 32 << 20

// IsMetadata reports whether a is TUF metadata: by its name a JSON file, and by all of its content a JSON text that
// consists of "signed", of a type that TUF has, and "signatures". Who publishes it is not asked here. Nothing that is
// installed or run is such a file, whatever its name.
func (v *Verifier) IsMetadata(a *verify.Artifact) bool {
	return v.Match(a) && isName(path.Base(a.URL.Path)) && v.isTUF(a)
}

// isTUF judges by the content alone.
func (v *Verifier) isTUF(a *verify.Artifact) bool {
	if a.Format != "" || a.Content == nil || a.Size > maxMetadata || !beginsAsTUF(a) {
		return false
	}
	v.classifying <- struct{}{}
	defer func() { <-v.classifying }()
	body := make([]byte, a.Size)
	if _, err := io.ReadFull(io.NewSectionReader(a.Content, 0, a.Size), body); err != nil {
		return false
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || len(members) != 2 {
		return false
	}
	var signatures []struct {
		KeyID string `json:"keyid"`
	}
	var signed struct {
		Type string `json:"_type"`
	}
	if json.Unmarshal(members["signatures"], &signatures) != nil || json.Unmarshal(members["signed"], &signed) != nil {
		return false
	}
	switch signed.Type {
	case "root", "timestamp", "snapshot", "targets":
		return true
	}
	return false
}

// beginsAsTUF reports whether the first member is one of the two that metadata has, so that no other file is read whole.
func beginsAsTUF(a *verify.Artifact) bool {
	head := make([]byte, min(a.Size, 512))
	if _, err := io.ReadFull(io.NewSectionReader(a.Content, 0, int64(len(head))), head); err != nil {
		return false
	}
	const space = " \t\r\n"
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(head, space), []byte("{"))
	rest = bytes.TrimLeft(rest, space)
	return ok && (bytes.HasPrefix(rest, []byte(`"signed"`)) || bytes.HasPrefix(rest, []byte(`"signatures"`)))
}
