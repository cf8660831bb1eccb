package rpmrepo

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Limits of a repomd.xml.
const (
	maxRepomd = 1 << 20 // bytes of it, and of its signature
	maxFiles  = 256     // that it may list
	maxPath   = 1024    // bytes of a location
)

// metadata is what a repomd.xml says. It does not change once it was parsed.
type metadata struct {
	URL    string        `json:"url"`    // where it was
	Digest verify.Digest `json:"digest"` // of the repomd.xml
	Date   time.Time     `json:"date"`   // see metadata.setDate; zero if it states none
	Files  []listed      `json:"files"`
}

// listed is a file of the repository that a repomd.xml lists.
type listed struct {
	Kind string `json:"kind"` // "primary", "filelists", ...
	Name string `json:"name"` // path relative to the root, cleaned
	Size int64  `json:"size"` // bytes; -1 if it states none
	Sum  sum    `json:"sum"`
	Open int64  `json:"open,omitempty"` // bytes, decompressed; 0 if it states none
}

// sum is a digest: algorithm and lower-case hexadecimal digits, "sha256:…".
type sum string

var errRepomd = errors.New("malformed repomd.xml")

var hashes = map[string]func() hash.Hash{"sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New}

// parseSum reads a digest. weak says that it rests on an algorithm that proves nothing here.
func parseSum(algorithm, digits string) (s sum, weak bool, err error) {
	make, ok := hashes[algorithm]
	if !ok {
		return "", true, nil
	}
	digits = strings.ToLower(strings.TrimSpace(digits))
	if b, err := hex.DecodeString(digits); err != nil || len(b) != make().Size() {
		return "", false, fmt.Errorf("%.80q is no %s digest", digits, algorithm)
	}
	return sum(algorithm + ":" + digits), false, nil
}

// xmlRepomd is the part of the document that matters.
type xmlRepomd struct {
	XMLName  xml.Name  `xml:"repomd"`
	Revision string    `xml:"revision"`
	Data     []xmlData `xml:"data"`
}

type xmlData struct {
	Type     string `xml:"type,attr"`
	Checksum struct {
		Type  string `xml:"type,attr"`
		Value string `xml:",chardata"`
	} `xml:"checksum"`
	Location struct {
		Base string `xml:"base,attr"`
		Href string `xml:"href,attr"`
	} `xml:"location"`
	Timestamp string `xml:"timestamp"`
	Size      string `xml:"size"`
	OpenSize  string `xml:"open-size"`
}

// parseRepomd reads the signed text of a repomd.xml. Files that are listed with a weak digest are left out.
func parseRepomd(text []byte) (*metadata, error) {
	var doc xmlRepomd
	d := xml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("%w: %w", err, errRepomd)
	}
	if err := nothingFollows(d); err != nil {
		return nil, err
	}
	if bytes.Contains(text, []byte("<!DOCTYPE")) || len(doc.Data) > maxFiles {
		return nil, fmt.Errorf("it defines its own type or lists %d files: %w", len(doc.Data), errRepomd)
	}
	m := &metadata{}
	kinds := map[string]bool{}
	for _, x := range doc.Data {
		if kinds[x.Type] {
			return nil, fmt.Errorf("it lists %.40q twice: %w", x.Type, errRepomd)
		}
		kinds[x.Type] = true
		if err := m.add(x); err != nil {
			return nil, fmt.Errorf("%.40q: %w: %w", x.Type, err, errRepomd)
		}
	}
	m.setDate(doc)
	return m, nil
}

func nothingFollows(d *xml.Decoder) error {
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", err, errRepomd)
		}
		if text, ok := token.(xml.CharData); ok && len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		if _, ok := token.(xml.Comment); !ok {
			return fmt.Errorf("something follows its end: %w", errRepomd)
		}
	}
}

func (m *metadata) add(x xmlData) error {
	if x.Location.Base != "" {
		return nil // lies in another repository
	}
	name, err := cleanHref(x.Location.Href)
	if err != nil {
		return err
	}
	s, weak, err := parseSum(x.Checksum.Type, x.Checksum.Value)
	if err != nil {
		return err
	}
	if weak {
		return nil
	}
	f := listed{Kind: x.Type, Name: name, Size: -1, Sum: s}
	if f.Size, err = number(x.Size, -1); err != nil {
		return err
	}
	if f.Open, err = number(x.OpenSize, 0); err != nil {
		return err
	}
	m.Files = append(m.Files, f)
	return nil
}

// number reads a size, which may be missing.
func number(s string, missing int64) (int64, error) {
	if s = strings.TrimSpace(s); s == "" {
		return missing, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%.40q is no size", s)
	}
	return n, nil
}

// cleanHref makes a location comparable with the path of a URL. A way upwards stays in front.
func cleanHref(href string) (string, error) {
	if href == "" || len(href) > maxPath || strings.ContainsAny(href, "\x00\r\n") || strings.Contains(href, "://") || strings.HasPrefix(href, "/") {
		return "", fmt.Errorf("it has the location %.80q", href)
	}
	if strings.Contains(href, "%") {
		if plain, err := url.PathUnescape(href); err == nil {
			href = plain
		}
	}
	return path.Clean(href), nil
}

// A number is a moment if it lies between 2000 and 2100: some tools write versions as revisions.
const firstMoment, lastMoment = 946684800, 4102444800

// setDate takes the latest of the revision, where that is a moment, and the files' timestamps: createrepo states both.
func (m *metadata) setDate(doc xmlRepomd) {
	texts := []string{doc.Revision}
	for _, x := range doc.Data {
		whole, _, _ := strings.Cut(strings.TrimSpace(x.Timestamp), ".")
		texts = append(texts, whole)
	}
	for _, text := range texts {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || n < firstMoment || n > lastMoment {
			continue
		}
		if t := time.Unix(n, 0).UTC(); t.After(m.Date) {
			m.Date = t
		}
	}
}

// find returns what is listed under a path.
func (m *metadata) find(name string) (listed, bool) {
	for _, f := range m.Files {
		if f.Name == name {
			return f, true
		}
	}
	return listed{}, false
}

// primary returns the list of packages; false where there is none in XML with a good digest.
func (m *metadata) primary() (listed, bool) {
	for _, f := range m.Files {
		if f.Kind == "primary" {
			return f, true
		}
	}
	return listed{}, false
}
