package apt

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/sallyport-project/sallyport/verify"
)

// What is remembered of each anchor:
//
//	apt/archive <archive>        the names of its suites that were seen, the latest first
//	apt/newest <line>            the Date of the newest Release accepted in a line
//	apt/suite <archive> <suite>  who the suite says it is, and the last Releases accepted there

// Bounds of what is remembered.
const (
	suitesKept   = 64
	releasesKept = 4
	recordLimit  = 1 << 20 // bytes of a suite as stored
	tries        = 8       // to advance one value against others who do
)

// record is what is remembered of one suite under one anchor.
type record struct {
	Origin   string        `json:"origin,omitempty"`
	Label    string        `json:"label,omitempty"`
	Suite    string        `json:"suite,omitempty"`
	Codename string        `json:"codename,omitempty"`
	Releases []*remembered `json:"releases,omitempty"` // the newest first
}

// remembered is one Release that was accepted.
type remembered struct {
	URL     string          `json:"url"`
	Digest  verify.Digest   `json:"digest"`
	Keyring verify.Digest   `json:"keyring"` // the anchor's key data under which it was verified
	Signer  verify.Identity `json:"signer"`
	Ends    time.Time       `json:"ends,omitzero"` // of the key or the signature
	Text    string          `json:"text"`          // see release.appendText
	rel     *release
}

func archiveKey(a archive) string { return "apt/archive " + a.key() }
func suiteKey(s suite) string     { return "apt/suite " + s.archive.key() + " " + s.name }

// lineKey names the line that a Release belongs to. It is who the Release says it is, and the path of its archive's
// root, but not the host: mirrors of one archive mostly share the path, so that an old Release is noticed on another
// mirror too, while different archives that say the same of themselves (those of one vendor, those of one repository
// manager) do not. A Release that says nothing of itself has its place for a name.
func lineKey(s suite, r *release) string {
	id := []string{s.archive.path, r.Origin, r.Label, r.Suite, r.Codename}
	if r.Suite == "" && r.Codename == "" {
		id = append(id, s.archive.key(), s.name)
	}
	sum := sha256.Sum256([]byte(strings.Join(id, "\x00")))
	return fmt.Sprintf("apt/newest %x", sum[:16])
}

// suitesOf returns the names of the suites of a that were seen under an anchor.
func suitesOf(m verify.Memory, anchor string, a archive) ([]string, error) {
	raw, err := m.Load(anchor, archiveKey(a))
	if err != nil {
		return nil, fmt.Errorf("recalling the suites of an archive: %w", err)
	}
	return splitSuites(raw), nil
}

// flatName stands for the suite of a flat repository, which has no name.
const flatName = "/"

func joinSuites(names []string) []byte {
	out := slices.Clone(names)
	for i, name := range out {
		if name == "" {
			out[i] = flatName
		}
	}
	return []byte(strings.Join(out, "\n"))
}

func splitSuites(raw []byte) []string {
	if raw == nil {
		return nil
	}
	names := strings.Split(string(raw), "\n")
	for i, name := range names {
		if name == flatName {
			names[i] = ""
		}
	}
	return names
}

// newestOf returns the Date of the newest Release of r's line; zero if none was seen.
func newestOf(m verify.Memory, anchor string, s suite, r *release) (time.Time, error) {
	raw, err := m.Load(anchor, lineKey(s, r))
	if err != nil {
		return time.Time{}, fmt.Errorf("recalling the newest Release: %w", err)
	}
	return decodeDate(raw)
}

func decodeDate(raw []byte) (time.Time, error) {
	if raw == nil {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, string(raw))
	if err != nil {
		return time.Time{}, fmt.Errorf("reading a remembered date: %w", err)
	}
	return t, nil
}

// record returns what is remembered of a suite under an anchor; an empty record if nothing is.
func (v *Verifier) record(m verify.Memory, anchor string, s suite) (*record, error) {
	raw, err := m.Load(anchor, suiteKey(s))
	if err != nil {
		return nil, fmt.Errorf("recalling a suite: %w", err)
	}
	return v.decodeRecord(raw)
}

func (v *Verifier) decodeRecord(raw []byte) (*record, error) {
	if raw == nil {
		return &record{}, nil
	}
	key := verify.Digest(sha256.Sum256(raw))
	if r, ok := v.records.Get(key); ok {
		return r, nil
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		return nil, fmt.Errorf("reading a remembered suite: %w", err)
	}
	defer z.Close()
	plain, err := z.DecodeAll(raw, nil)
	if err != nil {
		return nil, fmt.Errorf("reading a remembered suite: %w", err)
	}
	r := &record{}
	if err := json.Unmarshal(plain, r); err != nil {
		return nil, fmt.Errorf("reading a remembered suite: %w", err)
	}
	for _, old := range r.Releases {
		if old.rel, err = parseRelease([]byte(old.Text)); err != nil {
			return nil, fmt.Errorf("reading a remembered suite: %w", err)
		}
		old.rel.URL, old.rel.Digest = old.URL, old.Digest
	}
	v.records.Put(key, r, int64(4*len(plain)))
	return r, nil
}

// encode returns the stored form of r, without the oldest Releases where they would make it too long.
func (r *record) encode() ([]byte, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("remembering a suite: %w", err)
	}
	defer z.Close()
	for {
		plain, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("remembering a suite: %w", err)
		}
		raw := z.EncodeAll(plain, nil)
		if len(raw) <= recordLimit || len(r.Releases) == 0 {
			return raw, nil
		}
		r.Releases = r.Releases[:len(r.Releases)-1]
	}
}

// learn remembers a Release that was accepted under an anchor.
func (v *Verifier) learn(m verify.Memory, by signer, s suite, rel *release) error {
	v.learning.Lock()
	defer v.learning.Unlock()
	if err := advance(m, by.anchor, lineKey(s, rel), func(old []byte) ([]byte, error) {
		newest, err := decodeDate(old)
		if err != nil || !rel.Date.After(newest) {
			return nil, err
		}
		return []byte(rel.Date.Format(time.RFC3339)), nil
	}); err != nil {
		return fmt.Errorf("remembering the newest Release: %w", err)
	}
	if err := advance(m, by.anchor, suiteKey(s), func(old []byte) ([]byte, error) {
		known, err := v.decodeRecord(old)
		if err != nil {
			return nil, err
		}
		return known.with(by, rel)
	}); err != nil {
		return fmt.Errorf("remembering a suite: %w", err)
	}
	if err := advance(m, by.anchor, archiveKey(s.archive), func(old []byte) ([]byte, error) {
		names := splitSuites(old)
		if slices.Contains(names, s.name) {
			return nil, nil
		}
		names = append([]string{s.name}, names...)
		return joinSuites(names[:min(len(names), suitesKept)]), nil
	}); err != nil {
		return fmt.Errorf("remembering the suites of an archive: %w", err)
	}
	return nil
}

// with returns the stored form of r with rel added, or nil if it is there already or older than all that are kept.
func (r *record) with(by signer, rel *release) ([]byte, error) {
	for _, old := range r.Releases {
		if old.Digest == rel.Digest && old.Keyring == by.keyring {
			return nil, nil
		}
	}
	next := record{Origin: rel.Origin, Label: rel.Label, Suite: rel.Suite, Codename: rel.Codename}
	add := &remembered{
		URL: rel.URL, Digest: rel.Digest, Keyring: by.keyring, Signer: by.who, Ends: by.ends,
		Text: string(rel.appendText(nil)), rel: rel,
	}
	next.Releases = append(next.Releases, add)
	for _, old := range r.Releases {
		if old.Digest != rel.Digest {
			next.Releases = append(next.Releases, old)
		}
	}
	slices.SortStableFunc(next.Releases, func(a, b *remembered) int { return b.rel.Date.Compare(a.rel.Date) })
	next.Releases = next.Releases[:min(len(next.Releases), releasesKept)]
	if !slices.Contains(next.Releases, add) {
		return nil, nil
	}
	if newest := next.Releases[0].rel; newest != rel {
		next.Origin, next.Label, next.Suite, next.Codename = newest.Origin, newest.Label, newest.Suite, newest.Codename
	}
	return next.encode()
}

// advance replaces a remembered value by what change makes of it, until nobody else got in between. A change that
// returns nil leaves it as it is.
func advance(m verify.Memory, anchor, key string, change func(old []byte) ([]byte, error)) error {
	for range tries {
		old, err := m.Load(anchor, key)
		if err != nil {
			return err
		}
		next, err := change(old)
		if err != nil || next == nil {
			return err
		}
		if err = m.Advance(anchor, key, old, next); !errors.Is(err, verify.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("%d others advanced it in turn: %w", tries, verify.ErrConflict)
}
