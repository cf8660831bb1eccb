package main

import (
	"bytes"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
)

// memory is verify.Memory for one judgement.
type memory struct {
	mu     sync.Mutex
	values map[[2]string][]byte
}

// Load implements verify.Memory.
func (m *memory) Load(anchor, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[[2]string{anchor, key}], nil
}

// Advance implements verify.Memory.
func (m *memory) Advance(anchor, key string, old, new []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := [2]string{anchor, key}
	if !bytes.Equal(m.values[k], old) {
		return verify.ErrConflict
	}
	if m.values == nil {
		m.values = map[[2]string][]byte{}
	}
	m.values[k] = new
	return nil
}
