package apt

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/deb822"
)

// Limits of a Release.
const (
	maxRelease  = 4 << 20  // bytes of an InRelease, Release or Release.gpg
	maxFiles    = 100_000  // files that a Release may list
	maxIdentity = 256      // bytes of Origin, Label, Suite and Codename each
	maxPath     = 512      // bytes of a listed path
	maxListed   = 64 << 30 // bytes that a listed file may have; Contents indexes of whole distributions have gigabytes
)

// file is what a Release says of one of its files.
type file struct {
	Size   int64
	SHA256 verify.Digest
}

// release is the content of a Release file (repository format, https://wiki.debian.org/DebianRepository/Format).
// It does not change once it was parsed.
type release struct {
	URL    string        // where it was, with no query
	Digest verify.Digest // of the file as it was published, signature included where it is inside

	Origin, Label, Suite, Codename string

	Date       time.Time
	ValidUntil time.Time // zero if it states none
	ByHash     bool      // Acquire-By-Hash: yes

	Files map[string]file // by path relative to the Release, "./" removed
}

var errRelease = errors.New("malformed Release")

// parseRelease reads the signed text of a Release.
func parseRelease(text []byte) (*release, error) {
	if len(text) > maxRelease {
		return nil, fmt.Errorf("it has %d bytes, more than %d: %w", len(text), maxRelease, errRelease)
	}
	rel := &release{Files: map[string]file{}}
	seen := map[string]bool{}
	lines := deb822.NewReader(bytes.NewReader(text))
	inSums, ended := false, false
	for {
		l, err := lines.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: %w", err, errRelease)
		case l.Kind == deb822.End:
			ended = len(seen) > 0
			continue
		case ended:
			return nil, fmt.Errorf("it has more than one stanza: %w", errRelease)
		case l.Kind == deb822.Continuation:
			if inSums {
				if err := rel.addFile(l); err != nil {
					return nil, err
				}
			}
			continue
		}
		name := strings.ToLower(string(l.Name))
		if seen[name] {
			return nil, fmt.Errorf("it has the field %s twice: %w", name, errRelease)
		}
		seen[name] = true
		inSums = name == "sha256"
		if err := rel.set(name, string(l.Value)); err != nil {
			return nil, err
		}
	}
	switch {
	case !seen["date"]:
		return nil, fmt.Errorf("it has no Date: %w", errRelease)
	case !seen["sha256"]:
		return nil, fmt.Errorf("it lists no SHA-256 digests: %w", errRelease)
	}
	return rel, nil
}

func (r *release) set(name, value string) (err error) {
	switch name {
	case "origin":
		r.Origin, err = identityField(name, value)
	case "label":
		r.Label, err = identityField(name, value)
	case "suite":
		r.Suite, err = identityField(name, value)
	case "codename":
		r.Codename, err = identityField(name, value)
	case "date":
		r.Date, err = parseDate(value)
	case "valid-until":
		r.ValidUntil, err = parseDate(value)
	case "acquire-by-hash":
		r.ByHash = strings.EqualFold(value, "yes")
	}
	return err
}

func identityField(name, value string) (string, error) {
	if len(value) > maxIdentity {
		return "", fmt.Errorf("its %s has %d bytes: %w", name, len(value), errRelease)
	}
	return value, nil
}

// addFile reads one line of the SHA256 list: digest, size, path.
func (r *release) addFile(l deb822.Line) error {
	f := strings.Fields(string(l.Value))
	if len(f) != 3 || l.Cut || len(f[2]) > maxPath {
		return fmt.Errorf("a line of its SHA256 list is not digest, size and path: %w", errRelease)
	}
	sum, err := verify.ParseDigest(f[0])
	if err != nil {
		return fmt.Errorf("%w: %w", err, errRelease)
	}
	size, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil || size < 0 || size > maxListed {
		return fmt.Errorf("its SHA256 list gives a size of %.20q: %w", f[1], errRelease)
	}
	name := cleanPath(f[2])
	entry := file{Size: size, SHA256: sum}
	if old, ok := r.Files[name]; ok && old != entry {
		return fmt.Errorf("it lists %.80q twice and differently: %w", name, errRelease)
	}
	if len(r.Files) >= maxFiles {
		return fmt.Errorf("it lists more than %d files: %w", maxFiles, errRelease)
	}
	r.Files[name] = entry
	return nil
}

// cleanPath makes a listed path comparable: no "./" before it, no doubled slashes, no way out of its root.
func cleanPath(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

// parseDate reads the dates of Release files: RFC 5322 as mail programs write it, always UTC, with hours that may
// lack their leading zero.
func parseDate(s string) (time.Time, error) {
	f := strings.Fields(s)
	if n := len(f); n > 1 && slices.Contains([]string{"UTC", "GMT", "Z", "+0000"}, f[n-1]) {
		if t, err := time.Parse("Mon, 2 Jan 2006 15:04:05", strings.Join(f[:n-1], " ")); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.40q is no date in UTC: %w", s, errRelease)
}

// appendText writes r in the form that parseRelease reads, with nothing that is not needed.
func (r *release) appendText(b []byte) []byte {
	field := func(name, value string) {
		if value != "" {
			b = append(append(append(append(b, name...), ": "...), value...), '\n')
		}
	}
	field("Origin", r.Origin)
	field("Label", r.Label)
	field("Suite", r.Suite)
	field("Codename", r.Codename)
	field("Date", r.Date.Format(time.RFC1123))
	if !r.ValidUntil.IsZero() {
		field("Valid-Until", r.ValidUntil.Format(time.RFC1123))
	}
	if r.ByHash {
		field("Acquire-By-Hash", "yes")
	}
	b = append(b, "SHA256:\n"...)
	for _, name := range r.paths() {
		f := r.Files[name]
		b = fmt.Appendf(b, " %s %d %s\n", f.SHA256, f.Size, name)
	}
	return b
}

// paths returns the listed paths in order.
func (r *release) paths() []string {
	out := make([]string, 0, len(r.Files))
	for name := range r.Files {
		out = append(out, name)
	}
	slices.SortFunc(out, cmp.Compare)
	return out
}

// name says which suite r is, for people.
func (r *release) name() string {
	switch {
	case r.Suite != "" && r.Codename != "" && r.Suite != r.Codename:
		return r.Suite + " (" + r.Codename + ")"
	case r.Suite != "":
		return r.Suite
	case r.Codename != "":
		return r.Codename
	}
	return "a suite without a name"
}
