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
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/sallyport-project/sallyport/internal/durable"
	"github.com/sallyport-project/sallyport/verify"
)

// MaxMemory is the largest value that Memory keeps, in bytes.
const MaxMemory = 64 << 20

// Memory is a verify.Memory in a directory: a file for each anchor and key, named by their hash. One process at a time
// writes it; several goroutines may use it.
//
// A file holds a line of JSON that says whose value it is, so that a misplaced file is noticed, and then the value. A new
// value is written into a new file, which then takes the old one's place: whoever reads gets the one or the other, whole,
// and waits for nobody.
type Memory struct {
	dir     string
	writers [64]sync.Mutex // by the first byte of a file's name: compare and swap of one value is one step
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
	path := m.path(anchor, key)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading memory: %w", err)
	}
	defer f.Close()
	data, err := readWhole(f)
	if err != nil {
		return nil, fmt.Errorf("reading memory: %w", err)
	}
	line, value, ok := bytes.Cut(data, []byte("\n"))
	var head memoryHead
	if !ok || json.Unmarshal(line, &head) != nil || head.V != 1 {
		return nil, fmt.Errorf("reading memory: %s has no head that this version knows", path)
	}
	if head.Anchor != inJSON(anchor) || head.Key != inJSON(key) || head.SHA256 != sha256.Sum256(value) {
		return nil, fmt.Errorf("reading memory: %s is damaged or misplaced", path)
	}
	return value, nil
}

// inJSON returns what is read again where s was written as JSON, which cannot have every byte that a URL can.
func inJSON(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var out strings.Builder
	for _, r := range s {
		out.WriteRune(r) // U+FFFD for each byte that is not UTF-8
	}
	return out.String()
}

// Advance implements verify.Memory. It is durable when it returns.
func (m *Memory) Advance(anchor, key string, old, new []byte) error {
	if len(new) > MaxMemory {
		return fmt.Errorf("writing memory: %d bytes are more than the %d that fit", len(new), MaxMemory)
	}
	path := m.path(anchor, key)
	writer := m.writer(path)
	writer.Lock()
	defer writer.Unlock()
	now, err := m.Load(anchor, key)
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
	return durable.WriteFile(path, data, 0o600)
}

// readWhole reads a file of at most the largest value and its head.
func readWhole(f *os.File) ([]byte, error) {
	const most = MaxMemory + 64<<10
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", f.Name(), most)
	}
	data := make([]byte, info.Size())
	_, err = io.ReadFull(f, data)
	return data, err
}

// writer is the lock of a file.
func (m *Memory) writer(path string) *sync.Mutex {
	n, err := strconv.ParseUint(filepath.Base(path)[:2], 16, 8)
	if err != nil {
		n = 0 // names are hexadecimal; one lock serves as well as another
	}
	return &m.writers[n%uint64(len(m.writers))]
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
