package tuf

import (
	"net/url"

	"github.com/sallyport-project/sallyport/verify"
)

// What is remembered of each anchor, for each of its repositories (whose name is empty where there is only one):
//
//	tuf/<repository>/root.json, timestamp.json, ...   as tufclient.Store says

// store is the part of a verify.Memory that is one repository's.
type store struct {
	memory             verify.Memory
	anchor, repository string
}

func (s *store) key(name string) string { return "tuf/" + url.PathEscape(s.repository) + "/" + name }

// Load implements tufclient.Store.
func (s *store) Load(name string) ([]byte, error) { return s.memory.Load(s.anchor, s.key(name)) }

// Advance implements tufclient.Store.
func (s *store) Advance(name string, old, new []byte) error {
	return s.memory.Advance(s.anchor, s.key(name), old, new)
}

// forgetful is a Memory that keeps nothing, for a caller who has none.
type forgetful struct{}

func (forgetful) Load(string, string) ([]byte, error)          { return nil, nil }
func (forgetful) Advance(string, string, []byte, []byte) error { return nil }
