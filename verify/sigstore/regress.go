package sigstore

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
)

// What is remembered of each anchor:
//
//	sigstore/attested <line>    versions of a line of products that the anchor's signer vouched for
const (
	attestedKept = 16 // versions
	tries        = 8  // to advance one value against others who do
)

// attested is one version that was vouched for.
type attested struct {
	Version string    `json:"version"`
	Seen    time.Time `json:"seen"` // when it was judged first
	Signer  string    `json:"signer"`
}

// line names what an update is a version of, "" if it has no version. For npm that is the package at its registry, for Python the
// project and the kind of file; else host, directory and name with everything that looks like a version taken out.
func (p *place) line(host string) string {
	host = strings.ToLower(host)
	switch {
	case p.version == nil:
		return ""
	case p.npm != nil:
		return "npm\x00" + host + p.npm.prefix + "\x00" + p.npm.name
	case p.pypi != nil:
		return "pypi\x00" + host + "\x00" + p.pypi.project + "\x00" + withoutVersion(strings.ReplaceAll(p.name, p.pypi.version, "*"))
	}
	var dirs []string
	for dir := range p.dirs() {
		dirs = append(dirs, withoutVersion(dir))
	}
	return "file\x00" + host + "\x00" + strings.Join(withoutHashes(dirs), "/") + "\x00" + withoutVersion(p.name)
}

func withoutVersion(s string) string {
	v, from, to, ok := findVersion(s)
	if !ok {
		return s
	}
	return s[:from] + "*" + withoutVersion(strings.ReplaceAll(s[to:], v.text, "*"))
}

var (
	longHash  = regexp.MustCompile(`^[0-9a-f]{32,128}$`)
	shortHash = regexp.MustCompile(`^[0-9a-f]{2}$`)
)

// withoutHashes takes out directories that are named by a digest, and the two-digit ones that lead to them.
func withoutHashes(dirs []string) []string {
	if !slices.ContainsFunc(dirs, longHash.MatchString) {
		return dirs
	}
	return slices.DeleteFunc(dirs, func(d string) bool { return longHash.MatchString(d) || shortHash.MatchString(d) })
}

func attestedKey(line string) string {
	sum := sha256.Sum256([]byte(line))
	return "sigstore/attested " + hex.EncodeToString(sum[:16])
}

func decodeAttested(raw []byte) (out []attested, err error) {
	if len(raw) > 0 {
		if err = json.Unmarshal(raw, &out); err != nil {
			return nil, fmt.Errorf("reading which versions were attested: %w", err)
		}
	}
	return out, nil
}

// learn remembers that an anchor's signer vouched for a version. What is known already is not written again.
func (s *session) learn(anchor, line string, f *verify.Finding) error {
	for range tries {
		raw, err := s.env.Memory.Load(anchor, attestedKey(line))
		if err != nil {
			return fmt.Errorf("recalling which versions were attested: %w", err)
		}
		list, err := decodeAttested(raw)
		if err != nil {
			return err
		}
		list, changed := insert(list, attested{s.place.version.text, s.env.At.UTC().Truncate(time.Second), signerText(f)})
		if !changed {
			return nil
		}
		next, err := json.Marshal(list)
		if err != nil {
			return fmt.Errorf("remembering which versions were attested: %w", err)
		}
		if err = s.env.Memory.Advance(anchor, attestedKey(line), raw, next); !errors.Is(err, verify.ErrConflict) {
			return err
		}
	}
	return nil // others have been faster all the time; the next update of the line is remembered
}

func signerText(f *verify.Finding) string {
	who := f.Signer.String()
	if f.Signer.Issuer != "" {
		who += " (" + f.Signer.Issuer + ")"
	}
	return printable.Text(who, 300)
}

// insert puts a version into a list in the order of versions. The lowest is never dropped: with it the line began to be attested.
func insert(list []attested, a attested) ([]attested, bool) {
	order := func(x, y attested) int {
		v, _ := parseVersion(x.Version)
		w, _ := parseVersion(y.Version)
		return v.compare(w)
	}
	at, found := slices.BinarySearchFunc(list, a, order)
	if found {
		return list, false
	}
	if len(list) >= attestedKept {
		if at == 1 {
			return list, false // it would be the next to be dropped
		}
		if at == 0 {
			return slices.Insert(slices.Delete(slices.Clone(list), 1, 2), 0, a), true
		}
		return slices.Delete(slices.Insert(slices.Clone(list), at, a), 1, 2), true
	}
	return slices.Insert(slices.Clone(list), at, a), true
}

// regressed returns the greatest version, no later than the update's, that was vouched for under one of the anchors; nil if there
// is none.
func (s *session) regressed(line string) (*attested, error) {
	var latest *attested
	for i := range s.env.Trust.Sigstore {
		raw, err := s.env.Memory.Load(s.env.Trust.Sigstore[i].Anchor, attestedKey(line))
		if err != nil {
			return nil, fmt.Errorf("recalling which versions were attested: %w", err)
		}
		list, err := decodeAttested(raw)
		if err != nil {
			return nil, err
		}
		for _, a := range list {
			v, ok := parseVersion(a.Version)
			if !ok || v.compare(*s.place.version) > 0 {
				continue
			}
			if known, _ := parseVersion(or(latest, a).Version); latest == nil || v.compare(known) > 0 {
				latest = &a
			}
		}
	}
	return latest, nil
}

func or(a *attested, b attested) attested {
	if a == nil {
		return b
	}
	return *a
}
