// Package besidetest serves sidecars to tests from memory, and makes the artifacts that they lie beside.
package besidetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"net/url"
	"strings"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
)

// Folder is what lies in the directory of an artifact, by name. It implements verify.Sidecars.
type Folder struct {
	Files  map[string][]byte
	Broken map[string]bool // names that cannot be had, for reasons of the network

	mu    sync.Mutex
	asked []string
}

// NewFolder returns a folder with these files.
func NewFolder(files map[string][]byte) *Folder { return &Folder{Files: maps.Clone(files)} }

// Fetch implements verify.Sidecars.
func (f *Folder) Fetch(_ context.Context, ref string, limit int64) ([]byte, error) {
	u, err := url.Parse(ref)
	if err != nil {
		return nil, err
	}
	name := strings.TrimPrefix(u.Path, "./")
	f.mu.Lock()
	f.asked = append(f.asked, name)
	f.mu.Unlock()
	if f.Broken[name] {
		return nil, errors.New("the origin answered 502")
	}
	data, ok := f.Files[name]
	if !ok {
		return nil, verify.ErrNotExist
	}
	if int64(len(data)) > limit {
		return nil, verify.ErrTooLarge
	}
	return data, nil
}

// Asked returns the names that were asked for, in order.
func (f *Folder) Asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.asked...)
}

// Artifact returns a file called name with this content.
func Artifact(name string, content []byte) *verify.Artifact {
	return &verify.Artifact{
		Name: name, URL: &url.URL{Scheme: "https", Host: "dl.example.org", Path: "/files/" + name}, Size: int64(len(content)),
		Format:  verify.Sniff(content[:min(len(content), verify.SniffLen)], name),
		Digests: verify.Digests{SHA256: sha256.Sum256(content)}, Content: bytes.NewReader(content),
	}
}

// Codes returns the codes of findings, in their order, with a space between them.
func Codes(found []verify.Finding) string {
	var codes []string
	for _, f := range found {
		codes = append(codes, f.Status.String()+":"+f.Code)
	}
	return strings.Join(codes, " ")
}
