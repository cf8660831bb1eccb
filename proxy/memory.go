package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/sallyport-project/sallyport/internal/durable"
	"github.com/sallyport-project/sallyport/verify"
)

// MaxMemory is the largest value that Memory keeps, in bytes.
const MaxMemory = 8 << 20

// Memory is a verify.Memory in a directory: a file for each anchor and key, named by their hash. One process at a time
// writes it; several goroutines may use it.
//
// A file holds a line of JSON that says whose value it is, so that a misplaced file is noticed, and then the value.
type Memory struct {
	dir string
	mu  sync.RWMutex // held for reading by Load, for writing by Advance: compare and swap is one step
}

var _ verify.Memory = (*Memory)(nil)

// memoryHead is the first line of a file of Memory.
type memoryHead struct {
	V      int           `json:"v"` // 1
	Anchor string        `json:"anchor"`
	Key    string        `json:"key"`
	SHA256 verify.Digest `json:"sha256"` // of the value
}

// NewMemory opens the memory in dir, making it where there is none.
func NewMemory(dir string) (*Memory, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making memory directory: %w", err)
	}
	return &Memory{dir: dir}, nil
}

// Load implements verify.Memory. A value that cannot be read back as it was written is an error: forgetting it would
// let what it guards against go backwards.
func (m *Memory) Load(anchor, key string) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.load(anchor, key)
}

func (m *Memory) load(anchor, key string) ([]byte, error) {
	path := m.path(anchor, key)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading memory: %w", err)
	}
	defer f.Close()
	const maxHead = 64 << 10
	data, err := io.ReadAll(io.LimitReader(f, maxHead+MaxMemory+1))
	if err != nil {
		return nil, fmt.Errorf("reading memory: %w", err)
	}
	line, value, ok := bytes.Cut(data, []byte("\n"))
	var head memoryHead
	if !ok || json.Unmarshal(line, &head) != nil || head.V != 1 {
		return nil, fmt.Errorf("reading memory: %s has no head that this version knows", path)
	}
	if head.Anchor != anchor || head.Key != key || head.SHA256 != sha256.Sum256(value) {
		return nil, fmt.Errorf("reading memory: %s is damaged or misplaced", path)
	}
	return value, nil
}

// Advance implements verify.Memory. It is durable when it returns.
func (m *Memory) Advance(anchor, key string, old, new []byte) error {
	if len(new) > MaxMemory {
		return fmt.Errorf("writing memory: %d bytes are more than the %d that fit", len(new), MaxMemory)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now, err := m.load(anchor, key)
	if err != nil {
		return err
	}
	// Nothing remembered and an empty value remembered are two things.
	if (old == nil) != (now == nil) || !bytes.Equal(old, now) {
		return verify.ErrConflict
	}
	line, err := json.Marshal(memoryHead{V: 1, Anchor: anchor, Key: key, SHA256: sha256.Sum256(new)})
	if err != nil {
		return fmt.Errorf("writing memory: %w", err)
	}
	data := make([]byte, 0, len(line)+1+len(new))
	data = append(append(append(data, line...), '\n'), new...)
	return durable.WriteFile(m.path(anchor, key), data, 0o600)
}

// path hashes both names with their lengths, so that no two pairs share a file and none can name a place elsewhere.
func (m *Memory) path(anchor, key string) string {
	h := sha256.New()
	for _, s := range []string{anchor, key} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	return filepath.Join(m.dir, fmt.Sprintf("%x.mem", h.Sum(nil)))
}
