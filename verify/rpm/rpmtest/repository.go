package rpmtest

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"html"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Repository is an rpm repository in memory. It is an http.Handler that serves its files, and may be used concurrently.
type Repository struct {
	mu       sync.Mutex
	root     string
	files    map[string][]byte
	requests map[string]int
}

// NewRepository returns an empty repository whose root is at the URL path root, such as "/fedora/42/x86_64".
func NewRepository(root string) *Repository {
	return &Repository{root: strings.TrimSuffix(root, "/") + "/", files: map[string][]byte{}, requests: map[string]int{}}
}

// Metadata says what Publish makes of a repository's packages.
type Metadata struct {
	Date     time.Time         // of the revision and of every file
	Revision string            // in place of Date, where set
	Packages map[string][]byte // by path relative to the root
	Ending   string            // of the indexes: ".gz" if empty, ".xz", ".zst" or ".xml"
	Checksum string            // algorithm: "sha256" if empty, "sha512" or "sha" (SHA-1)
	Signers  []*Key
	SignedAt time.Time // Date if zero
}

func (m Metadata) sum(b []byte) string {
	switch m.Checksum {
	case "sha512":
		return fmt.Sprintf("%x", sha512.Sum512(b))
	case "sha":
		return fmt.Sprintf("%x", sha1.Sum(b))
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

func (m Metadata) algorithm() string {
	if m.Checksum == "" {
		return "sha256"
	}
	return m.Checksum
}

// Publish makes the files of the repository and of its packages, in place of those of the same name that were there.
func (r *Repository) Publish(m Metadata) error {
	var primary strings.Builder
	fmt.Fprintf(&primary, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata xmlns=\"http://linux.duke.edu/metadata/common\" packages=\"%d\">\n", len(m.Packages))
	for name, body := range m.Packages {
		r.Set(name, body)
		fmt.Fprintf(&primary, "<package type=\"rpm\"><name>%s</name><checksum type=\"%s\" pkgid=\"YES\">%s</checksum>"+
			"<size package=\"%d\" installed=\"1\" archive=\"2\"/><location href=\"%s\"/><format><size>9</size></format></package>\n",
			html.EscapeString(path.Base(name)), m.algorithm(), m.sum(body), len(body), html.EscapeString(name))
	}
	primary.WriteString("</metadata>\n")
	ending := m.Ending
	if ending == "" {
		ending = ".gz"
	}
	var doc strings.Builder
	revision := m.Revision
	if revision == "" {
		revision = fmt.Sprint(m.Date.Unix())
	}
	fmt.Fprintf(&doc, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\n  <revision>%s</revision>\n", revision)
	for kind, text := range map[string]string{"primary": primary.String(), "filelists": "<filelists/>"} {
		body, name, err := index(text, kind, ending)
		if err != nil {
			return err
		}
		name = fmt.Sprintf("repodata/%x-%s", sha256.Sum256(body), name)
		r.Set(name, body)
		fmt.Fprintf(&doc, "  <data type=\"%s\">\n    <checksum type=\"%s\">%s</checksum>\n    <open-checksum type=\"%s\">%s</open-checksum>\n"+
			"    <location href=\"%s\"/>\n    <timestamp>%d</timestamp>\n    <size>%d</size>\n    <open-size>%d</open-size>\n  </data>\n",
			kind, m.algorithm(), m.sum(body), m.algorithm(), m.sum([]byte(text)), name, m.Date.Unix(), len(body), len(text))
	}
	doc.WriteString("</repomd>\n")
	return r.sign(m, []byte(doc.String()))
}

func (r *Repository) sign(m Metadata, doc []byte) error {
	at := m.SignedAt
	if at.IsZero() {
		at = m.Date
	}
	r.Set("repodata/repomd.xml", doc)
	r.Set("repodata/repomd.xml.asc", nil)
	var all []byte
	for _, k := range m.Signers {
		sig, err := k.Sign(doc, at, crypto.SHA256)
		if err != nil {
			return err
		}
		all = append(all, sig...)
	}
	if all == nil {
		return nil
	}
	armoured, err := Armour(all)
	r.Set("repodata/repomd.xml.asc", armoured)
	return err
}

// index returns a compressed index and its file name.
func index(text, kind, ending string) (body []byte, name string, err error) {
	var out bytes.Buffer
	var w io.WriteCloser
	switch ending {
	case ".xml":
		return []byte(text), kind + ".xml", nil
	case ".gz":
		w = gzip.NewWriter(&out)
	case ".xz":
		w, err = xz.NewWriter(&out)
	case ".zst":
		w, err = zstd.NewWriter(&out)
	default:
		err = fmt.Errorf("the ending %s is not known here", ending)
	}
	if err != nil {
		return nil, "", err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return nil, "", err
	}
	err = w.Close()
	return out.Bytes(), kind + ".xml" + ending, err
}

// Set puts a file, by its path relative to the root; nil removes it.
func (r *Repository) Set(name string, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if body == nil {
		delete(r.files, path.Join(r.root, name))
		return
	}
	r.files[path.Join(r.root, name)] = body
}

// Get returns a file, by its path relative to the root; nil if there is none.
func (r *Repository) Get(name string) []byte { return r.At(path.Join(r.root, name)) }

// At returns a file, by the path of its URL; nil if there is none.
func (r *Repository) At(p string) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests[p]++
	return r.files[p]
}

// Names returns the paths of all files relative to the root.
func (r *Repository) Names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for p := range r.files {
		out = append(out, strings.TrimPrefix(p, r.root))
	}
	return out
}

// Requests returns how often a URL path was asked for.
func (r *Repository) Requests(p string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests[p]
}

// ServeHTTP implements http.Handler.
func (r *Repository) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body := r.At(req.URL.Path)
	if body == nil {
		http.NotFound(w, req)
		return
	}
	http.ServeContent(w, req, req.URL.Path, time.Time{}, bytes.NewReader(body))
}
