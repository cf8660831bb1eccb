package rpmrepo

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// What is remembered of each anchor:
//
//	rpm-repo/host <host>          the paths of its repositories that were seen, the latest first, a line each
//	rpm-repo/newest <repository>  the date of the newest repomd.xml accepted there
//	rpm-repo/seen <repository>    the last ones accepted there
//
// A repomd.xml does not say which repository it is of, so unlike with apt its place has to name the line; an old one is
// not noticed on another mirror.

// Bounds of what is remembered.
const (
	repositoriesKept = 64
	documentsKept    = 3
	tries            = 8 // to advance one value against others who do
)

// remembered is one document that was accepted.
type remembered struct {
	metadata
	Keyring verify.Digest   `json:"keyring"` // the anchor's key data under which it was verified
	Signer  verify.Identity `json:"signer"`
	Ends    time.Time       `json:"ends,omitzero"` // of the key or the signature
}

func hostKey(host string) string     { return "rpm-repo/host " + host }
func newestKey(at repository) string { return "rpm-repo/newest " + at.key() }
func seenKey(at repository) string   { return "rpm-repo/seen " + at.key() }

// newestOf returns the date of the newest document accepted at a place; zero if none was.
func newestOf(m verify.Memory, anchor string, at repository) (time.Time, error) {
	raw, err := m.Load(anchor, newestKey(at))
	if err != nil {
		return time.Time{}, fmt.Errorf("recalling the newest repomd.xml: %w", err)
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

// repositoriesOf returns the repositories that were seen at an origin under any anchor.
func (s *session) repositoriesOf(origin string) ([]repository, error) {
	var out []repository
	for _, k := range s.env.Trust.Keyrings {
		raw, err := s.env.Memory.Load(k.Anchor, hostKey(repository{origin: origin}.host()))
		if err != nil {
			return nil, fmt.Errorf("recalling the repositories of a host: %w", err)
		}
		for line := range strings.SplitSeq(string(raw), "\n") {
			if at := (repository{origin, line}); line != "" && !slices.Contains(out, at) {
				out = append(out, at)
			}
		}
	}
	return out, nil
}

func decodeSeen(raw []byte) (out []remembered, err error) {
	if raw == nil {
		return nil, nil
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("reading a remembered repomd.xml: %w", err)
	}
	return out, nil
}

// recalled returns what remembered documents of a place may still vouch, the newest first: those of a keyring that is
// still in force, within the tolerance, and not expired.
func (s *session) recalled(at repository) ([]*voucher, error) {
	var out []*voucher
	for i, k := range s.env.Trust.Keyrings {
		raw, err := s.env.Memory.Load(k.Anchor, seenKey(at))
		if err != nil {
			return nil, fmt.Errorf("recalling a repository: %w", err)
		}
		seen, err := decodeSeen(raw)
		if err != nil {
			return nil, err
		}
		for _, old := range seen {
			if old.Keyring != s.keyringDigest(i) || !old.Ends.IsZero() && s.env.At.After(old.Ends) {
				continue
			}
			by := signer{anchor: k.Anchor, keyring: old.Keyring, who: old.Signer, ends: old.Ends, lag: lagOf(k)}
			v, err := s.judge(at, &old.metadata, []signer{by})
			if err != nil {
				return nil, err
			}
			if v.problem == nil {
				out = merge(out, v)
			}
		}
	}
	slices.SortStableFunc(out, byDate)
	return out, nil
}

// learn remembers a document that was accepted under an anchor.
func learn(m verify.Memory, by signer, at repository, meta *metadata) error {
	if err := advance(m, by.anchor, newestKey(at), func(old []byte) ([]byte, error) {
		newest, err := decodeDate(old)
		if err != nil || !meta.Date.After(newest) {
			return nil, err
		}
		return []byte(meta.Date.Format(time.RFC3339)), nil
	}); err != nil {
		return fmt.Errorf("remembering the newest repomd.xml: %w", err)
	}
	if err := advance(m, by.anchor, seenKey(at), func(old []byte) ([]byte, error) {
		seen, err := decodeSeen(old)
		if err != nil {
			return nil, err
		}
		return withDocument(seen, remembered{*meta, by.keyring, by.who, by.ends})
	}); err != nil {
		return fmt.Errorf("remembering a repomd.xml: %w", err)
	}
	if err := advance(m, by.anchor, hostKey(at.host()), func(old []byte) ([]byte, error) {
		paths := strings.Split(string(old), "\n")
		if slices.Contains(paths, at.path) {
			return nil, nil
		}
		paths = append([]string{at.path}, paths...)
		return []byte(strings.TrimSuffix(strings.Join(paths[:min(len(paths), repositoriesKept)], "\n"), "\n")), nil
	}); err != nil {
		return fmt.Errorf("remembering the repositories of a host: %w", err)
	}
	return nil
}

// withDocument returns the stored form of seen with add, or nil if it is there already or older than all that are kept.
func withDocument(seen []remembered, add remembered) ([]byte, error) {
	next := []remembered{add}
	for _, old := range seen {
		switch {
		case old.Digest != add.Digest:
			next = append(next, old)
		case old.Keyring == add.Keyring:
			return nil, nil
		}
	}
	slices.SortStableFunc(next, func(a, b remembered) int { return b.Date.Compare(a.Date) })
	next = next[:min(len(next), documentsKept)]
	if !slices.ContainsFunc(next, func(r remembered) bool { return r.Digest == add.Digest }) {
		return nil, nil
	}
	return json.Marshal(next)
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
