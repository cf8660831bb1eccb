package apttest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Suite says what Archive.Publish makes. Empty fields are left out of the Release.
type Suite struct {
	Path                           string // below dists/: "bookworm"; "" for a flat repository at the archive's root
	Origin, Label, Suite, Codename string
	Date, ValidUntil               time.Time
	Packages                       []Package
	Arches                         []string // "amd64" if empty; every one lists the packages for "all" as well
	Compressions                   []string // endings of Packages files that exist: "", ".gz", ".xz", ".zst"; "" and ".gz" if nil
	ByHash                         bool
	Detached                       bool // Release and Release.gpg instead of an InRelease
	Signers                        []*Key
	SignedAt                       time.Time         // Date if zero
	Extra                          map[string][]byte // more files below the suite's directory, listed in the Release
}

// Archive is a repository in memory. It is an http.Handler that serves its files, and may be used concurrently.
type Archive struct {
	mu       sync.Mutex
	prefix   string
	files    map[string][]byte
	requests map[string]int
}

// NewArchive returns an empty archive whose root is at the URL path prefix, such as "/debian".
func NewArchive(prefix string) *Archive {
	return &Archive{prefix: "/" + strings.Trim(prefix, "/"), files: map[string][]byte{}, requests: map[string]int{}}
}

// Publish makes the files of a suite and of its packages, in place of those of the same name that were there.
func (a *Archive) Publish(s Suite) error {
	base := ""
	if s.Path != "" {
		base = "dists/" + s.Path + "/"
	}
	listed := map[string][]byte{}
	for name, body := range s.Extra {
		listed[name] = body
	}
	for name, text := range s.indexes() {
		for _, ending := range s.compressions() {
			body, err := compress([]byte(text), ending)
			if err != nil {
				return fmt.Errorf("compressing %s: %w", name, err)
			}
			listed[name+ending] = body
		}
		listed[name] = []byte(text)
	}
	text := s.release(listed)
	for name, body := range listed {
		if strings.HasSuffix(name, "Packages") && !slices.Contains(s.compressions(), "") {
			continue
		}
		a.Set(base+name, body)
		if s.ByHash {
			a.Set(fmt.Sprintf("%s%s/by-hash/SHA256/%x", base, path.Dir(name), sha256.Sum256(body)), body)
		}
	}
	for _, p := range s.Packages {
		a.Set(p.Path(s.Path == ""), p.Content)
	}
	return a.sign(s, base, text)
}

func (a *Archive) sign(s Suite, base string, text []byte) error {
	at := s.SignedAt
	if at.IsZero() {
		at = s.Date
	}
	if len(s.Signers) == 0 {
		a.Set(base+"Release", text)
		return nil
	}
	if !s.Detached {
		signed, err := Clearsign(text, at, s.Signers...)
		if err != nil {
			return fmt.Errorf("signing: %w", err)
		}
		a.Set(base+"InRelease", signed)
		return nil
	}
	sig, err := Detach(text, at, s.Signers...)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	a.Set(base+"Release", text)
	a.Set(base+"Release.gpg", sig)
	return nil
}

func (s Suite) compressions() []string {
	if s.Compressions == nil {
		return []string{"", ".gz"}
	}
	return s.Compressions
}

func (s Suite) arches() []string {
	if len(s.Arches) == 0 {
		return []string{"amd64"}
	}
	return s.Arches
}

// indexes returns the Packages files by path below the suite.
func (s Suite) indexes() map[string]string {
	out := map[string]string{}
	if s.Path == "" {
		out["Packages"] = ""
		for _, p := range s.Packages {
			out["Packages"] += p.stanza(true)
		}
		return out
	}
	for _, component := range s.components() {
		for _, arch := range s.arches() {
			name := component + "/binary-" + arch + "/Packages"
			out[name] = ""
			for _, p := range s.Packages {
				if p.component() == component && (p.Arch == arch || p.Arch == "all") {
					out[name] += p.stanza(false)
				}
			}
		}
	}
	return out
}

func (s Suite) components() []string {
	out := []string{"main"}
	for _, p := range s.Packages {
		if !slices.Contains(out, p.component()) {
			out = append(out, p.component())
		}
	}
	return out
}

// release returns the text of the Release.
func (s Suite) release(listed map[string][]byte) []byte {
	var b bytes.Buffer
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	field("Origin", s.Origin)
	field("Label", s.Label)
	field("Suite", s.Suite)
	field("Codename", s.Codename)
	field("Date", rfc1123(s.Date))
	if !s.ValidUntil.IsZero() {
		field("Valid-Until", rfc1123(s.ValidUntil))
	}
	if s.ByHash {
		field("Acquire-By-Hash", "yes")
	}
	field("Architectures", strings.Join(s.arches(), " "))
	field("Components", strings.Join(s.components(), " "))
	b.WriteString("SHA256:\n")
	names := make([]string, 0, len(listed))
	for name := range listed {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, " %x %d %s\n", sha256.Sum256(listed[name]), len(listed[name]), name)
	}
	return b.Bytes()
}

func rfc1123(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC") }

func compress(text []byte, ending string) ([]byte, error) {
	var b bytes.Buffer
	var z io.WriteCloser
	var err error
	switch ending {
	case ".gz":
		z = gzip.NewWriter(&b)
	case ".xz":
		z, err = xz.NewWriter(&b)
	case ".zst":
		z, err = zstd.NewWriter(&b)
	default:
		return text, nil
	}
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Set puts a file at a path relative to the root.
func (a *Archive) Set(name string, body []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.files[name] = body
}

// Get returns a file, nil if there is none.
func (a *Archive) Get(name string) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.files[name]
}

// Delete removes a file.
func (a *Archive) Delete(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.files, name)
}

// Flip flips one bit in the middle of a file.
func (a *Archive) Flip(name string) {
	body := bytes.Clone(a.Get(name))
	body[len(body)/2] ^= 1
	a.Set(name, body)
}

// Requests returns how often a file was asked for by HTTP.
func (a *Archive) Requests(name string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests[name]
}

// ServeHTTP serves the files below the prefix, with ranges and conditionals.
func (a *Archive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(path.Clean(r.URL.Path), strings.TrimSuffix(a.prefix, "/")+"/")
	a.mu.Lock()
	body, found := a.files[name]
	a.requests[name]++
	a.mu.Unlock()
	if !ok || !found {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(body)))
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, path.Base(name), time.Time{}, bytes.NewReader(body))
}

// WriteFiles writes all files below dir.
func (a *Archive) WriteFiles(dir string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, body := range a.files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, body, 0o644); err != nil {
			return err
		}
	}
	return nil
}
