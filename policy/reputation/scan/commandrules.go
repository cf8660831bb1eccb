package scan

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
)

// Limits on what is looked at to tell whether rules have changed.
const (
	maxRules     = 256 << 20 // bytes of a file that are read; of a larger one what the system says of it stands for its content
	maxRuleFiles = 10_000    // entries of a folder, at all levels
)

// ruleFiles knows the digests of the files that a command's arguments name: the program itself, and rules.
type ruleFiles struct {
	mu sync.Mutex
	by map[string]ruleFile
}

type ruleFile struct {
	state  string // what the system says of it
	digest verify.Digest
}

// digest is one over all arguments and the content of all files that they name.
func (r *ruleFiles) digest(argv []string) (verify.Digest, error) {
	h := sha256.New()
	for i, argument := range argv {
		binary.Write(h, binary.BigEndian, uint64(len(argument)))
		io.WriteString(h, argument)
		name := argument
		if _, value, ok := strings.Cut(argument, "="); ok && strings.HasPrefix(argument, "-") {
			name = value // --rules=/etc/rules.yar
		}
		if !filepath.IsAbs(name) {
			continue
		}
		sum, err := r.file(name)
		if err != nil && (i == 0 || !errors.Is(err, os.ErrNotExist)) {
			return verify.Digest{}, err
		}
		h.Write(sum[:])
	}
	return verify.Digest(h.Sum(nil)), nil
}

// file returns the digest of one file, or of what the system says of all that is in a folder; zero for anything else.
func (r *ruleFiles) file(name string) (verify.Digest, error) {
	info, err := os.Stat(name)
	if err != nil {
		return verify.Digest{}, fmt.Errorf("looking at %s: %w", filepath.Base(name), plainPath(err))
	}
	if info.IsDir() {
		return folder(name), nil
	}
	if !info.Mode().IsRegular() {
		return verify.Digest{}, nil
	}
	now := ruleFile{state: stateOf(info)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.by[name]; ok && known.state == now.state {
		return known.digest, nil
	}
	h := sha256.New()
	io.WriteString(h, now.state)
	if info.Size() <= maxRules {
		f, err := os.Open(name)
		if err == nil { // a program may be run by whom it may not be read
			defer f.Close()
			if _, err := io.Copy(h, io.LimitReader(f, maxRules)); err != nil {
				return verify.Digest{}, fmt.Errorf("reading %s: %w", filepath.Base(name), plainPath(err))
			}
		}
	}
	now.digest = verify.Digest(h.Sum(nil))
	if r.by == nil {
		r.by = map[string]ruleFile{}
	}
	r.by[name] = now
	return now.digest, nil
}

// folder returns the digest of what the system says of the files in a folder.
func folder(name string) verify.Digest {
	h := sha256.New()
	n := 0
	fs.WalkDir(os.DirFS(name), ".", func(path string, d fs.DirEntry, err error) error {
		if n++; n > maxRuleFiles {
			return fs.SkipAll
		}
		if err != nil {
			return nil // what cannot be looked at may change unnoticed
		}
		if info, err := d.Info(); err == nil {
			fmt.Fprintf(h, "%d %s %s\n", len(path), path, stateOf(info))
		}
		return nil
	})
	return verify.Digest(h.Sum(nil))
}

// stateOf is all that the system says of a file that changes with its content.
func stateOf(info fs.FileInfo) string {
	return fmt.Sprint(info.Size(), " ", info.ModTime().UnixNano(), " ", info.Mode(), " ", identity(info))
}

func plainPath(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
