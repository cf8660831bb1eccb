package reputation

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
)

// text is what is kept of an entry besides its record.
type text struct {
	Value  string    `json:"v,omitempty"`
	Label  string    `json:"l,omitempty"`
	Detail *Affected `json:"d,omitempty"`
}

const (
	maxText   = 1 << 30 // bytes of all texts of a set
	maxDetail = 8 << 20 // bytes of one
	maxShared = 1 << 16 // labels that are remembered to be stored once
)

// texts collects the texts of a set: each a length (uvarint) and JSON, one after the other, in memory or in a file.
type texts struct {
	file   *os.File // nil: memory
	w      *bufio.Writer
	memory bytes.Buffer
	size   int64
	shared map[string]uint32 // where a label alone begins
}

func newTexts(dir string) (*texts, error) {
	t := &texts{shared: map[string]uint32{}}
	if dir == "" {
		t.w = bufio.NewWriter(&t.memory)
		return t, nil
	}
	f, err := os.CreateTemp(dir, "texts-*.tmp")
	if err != nil {
		return nil, fmt.Errorf("building a list: %w", err)
	}
	t.file, t.w = f, bufio.NewWriterSize(f, 1<<16)
	return t, nil
}

// add keeps what there is to keep of an entry, and returns where, as records hold it.
func (t *texts) add(e *entry) (uint32, error) {
	if e.value == "" && e.label == "" && e.detail == nil {
		return 0, nil
	}
	plain := e.value == "" && e.detail == nil
	if at, ok := t.shared[e.label]; ok && plain {
		return at, nil
	}
	b, err := json.Marshal(text{e.value, e.label, e.detail})
	if err != nil {
		return 0, fmt.Errorf("building a list: %w", err)
	}
	at := t.size + 1
	if len(b) > maxDetail || at+int64(len(b)) > min(maxText, math.MaxUint32) {
		return 0, refusef("its labels and details need more than %d bytes", maxText)
	}
	if plain && len(t.shared) < maxShared {
		t.shared[e.label] = uint32(at)
	}
	n, err := t.w.Write(binary.AppendUvarint(nil, uint64(len(b))))
	if err == nil {
		_, err = t.w.Write(b)
	}
	if err != nil {
		return 0, fmt.Errorf("building a list: %w", err)
	}
	t.size += int64(n + len(b))
	return uint32(at), nil
}

// reader returns all texts.
func (t *texts) reader() (io.Reader, error) {
	if err := t.w.Flush(); err != nil {
		return nil, fmt.Errorf("building a list: %w", err)
	}
	if t.file == nil {
		return &t.memory, nil
	}
	return io.NewSectionReader(t.file, 0, t.size), nil
}

func (t *texts) close() {
	if t.file != nil {
		t.file.Close()
		os.Remove(t.file.Name())
	}
}

// readText reads the text that a record refers to; r holds all texts.
func readText(r io.ReaderAt, at uint32, size int64) (t text, err error) {
	if at == 0 {
		return t, nil
	}
	section := bufio.NewReaderSize(io.NewSectionReader(r, int64(at)-1, size-int64(at)+1), 256)
	n, err := binary.ReadUvarint(section)
	if err != nil || n > maxDetail {
		return t, fmt.Errorf("a set of entries is damaged: a text at %d of %d has %d bytes", at, size, n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(section, b); err != nil {
		return t, fmt.Errorf("reading a set of entries: %w", err)
	}
	if err := json.Unmarshal(b, &t); err != nil {
		return t, fmt.Errorf("a set of entries is damaged: %w", err)
	}
	return t, nil
}
