package main

import (
	"bytes"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
)

// overlay is a verify.Memory that reads what a proxy remembers and forgets with the process what is new: whoever tries
// something out must not change what the proxy will say next.
type overlay struct {
	under verify.Memory // nil: nothing is remembered
	mu    sync.Mutex
	over  map[[2]string][]byte
}

// Load implements verify.Memory.
func (o *overlay) Load(anchor, key string) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.load(anchor, key)
}

func (o *overlay) load(anchor, key string) ([]byte, error) {
	if v, ok := o.over[[2]string{anchor, key}]; ok {
		return v, nil
	}
	if o.under == nil {
		return nil, nil
	}
	return o.under.Load(anchor, key)
}

// Advance implements verify.Memory.
func (o *overlay) Advance(anchor, key string, old, new []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	now, err := o.load(anchor, key)
	if err != nil {
		return err
	}
	if (now == nil) != (old == nil) || !bytes.Equal(now, old) {
		return verify.ErrConflict
	}
	if o.over == nil {
		o.over = map[[2]string][]byte{}
	}
	o.over[[2]string{anchor, key}] = append([]byte{}, new...)
	return nil
}
