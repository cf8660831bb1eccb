package reputation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/internal/durable"
	"github.com/sallyport-project/sallyport/verify"
)

// kept is what is remembered of a list beside its set. The file that holds it is replaced as a whole, and names the set:
// until it is replaced, the old list counts.
type kept struct {
	V          int           `json:"v"` // 1
	Definition verify.Digest `json:"definition"`
	Set        verify.Digest `json:"set"`            // file name and digest of the set
	Told       verify.Digest `json:"told,omitempty"` // the set whose entries have all been told of; its file is there as long as it is not Set
	Source     verify.Digest `json:"source"`
	Date       time.Time     `json:"date,omitzero"`
	Success    time.Time     `json:"success"`
	Tags       tags          `json:"tags,omitzero"`
	Summary    Summary       `json:"summary"`
}

const stateFile = "state.json"

// store is a feed's directory; "" remembers nothing.
type store struct {
	dir      string
	readOnly bool
}

// workDir is where lists are sorted; "" is memory.
func (s store) workDir() string {
	if s.readOnly {
		return ""
	}
	return s.dir
}

// prepare makes the directory, and removes what a crash left behind; alone, also what was kept of other definitions.
func (s store) prepare(alone bool) error {
	if s.dir == "" || s.readOnly {
		return nil
	}
	others, _ := os.ReadDir(filepath.Dir(s.dir))
	for _, d := range others {
		if alone && d.Name() != filepath.Base(s.dir) {
			os.RemoveAll(filepath.Join(filepath.Dir(s.dir), d.Name()))
		}
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("preparing for a list: %w", err)
	}
	k, _ := s.load()
	return s.clean(k)
}

// clean removes every file that neither is remembered nor belongs here.
func (s store) clean(k kept) error {
	if s.dir == "" || s.readOnly {
		return nil
	}
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("tidying up lists: %w", err)
	}
	for _, f := range files {
		name := f.Name()
		leftover := strings.HasSuffix(name, ".tmp") || strings.Contains(name, ".tmp-")
		set := strings.HasSuffix(name, ".set") && name != setName(k.Set) && name != setName(k.Told)
		if leftover || set {
			os.Remove(filepath.Join(s.dir, name)) // what cannot be removed now is tried again next time
		}
	}
	return nil
}

// load reads what is remembered; fs.ErrNotExist if there is nothing.
func (s store) load() (k kept, err error) {
	if s.dir == "" {
		return k, fs.ErrNotExist
	}
	b, err := os.ReadFile(filepath.Join(s.dir, stateFile))
	if err != nil {
		return k, fmt.Errorf("loading a list: %w", err)
	}
	if err := json.Unmarshal(b, &k); err != nil || k.V != 1 {
		return kept{}, fmt.Errorf("loading a list: what is remembered of it is damaged")
	}
	return k, nil
}

// open reads what is remembered and opens its set. Another process may have replaced both in between.
func (s store) open(f *Feed) (k kept, set *Set, err error) {
	for range 3 {
		if k, err = s.load(); err != nil {
			return k, nil, err
		}
		if k.Definition != f.definition() {
			return kept{}, nil, fmt.Errorf("loading a list: it was read in another way, or from elsewhere: %w", fs.ErrNotExist)
		}
		if set, err = openSetFile(s.dir, k.Set); !errors.Is(err, fs.ErrNotExist) {
			return k, set, err
		}
	}
	return k, nil, err
}

func (s store) save(k kept) error {
	if s.dir == "" || s.readOnly {
		return nil
	}
	k.V = 1
	b, err := json.MarshalIndent(k, "", " ")
	if err != nil {
		return fmt.Errorf("keeping a list: %w", err)
	}
	return durable.WriteFile(filepath.Join(s.dir, stateFile), b, 0o600)
}

// before opens the set whose entries were all told of; nil if there is none.
func (s store) before(k kept) *Set {
	if s.dir == "" || k.Told.IsZero() {
		return nil
	}
	set, err := openSetFile(s.dir, k.Told)
	if err != nil {
		return nil // then everything is told of again
	}
	return set
}
