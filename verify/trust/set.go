package trust

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

const (
	maxRoots   = 4096
	limitMark  = "# limit:"
	signedWord = "signed-before"
	issuedWord = "issued-before"
)

// Marshal writes the set as ParseSet reads it, with head, some lines of text for people, before it.
func (s *Set) Marshal(head string) []byte {
	var b bytes.Buffer
	for line := range strings.Lines(head) {
		fmt.Fprintf(&b, "# %s\n", strings.TrimSpace(line))
	}
	for _, r := range s.Roots {
		fmt.Fprintf(&b, "\n# %s\n# sha256 %s\n", r.Shown(), r.SHA256)
		writeLimit(&b, signedWord, r.Limit.SignedBefore)
		writeLimit(&b, issuedWord, r.Limit.IssuedBefore)
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: r.DER})
	}
	return b.Bytes()
}

func writeLimit(b *bytes.Buffer, word string, t time.Time) {
	if !t.IsZero() {
		fmt.Fprintf(b, "%s %s %s\n", limitMark, word, t.UTC().Format(time.RFC3339))
	}
}

// ParseSet reads a set from PEM. A block that is no usable root, and a limit that cannot be understood, is an error.
func ParseSet(data []byte) (Set, error) {
	var s Set
	for {
		block, rest := pem.Decode(data)
		head := data[:len(data)-len(rest)]
		if block == nil {
			head = data
		} else if i := bytes.LastIndex(head, []byte("-----BEGIN ")); i >= 0 { // names of roots may hold the words as well
			head = head[:i]
		}
		limit, limits, err := parseLimits(head)
		if err != nil {
			return Set{}, err
		}
		if block == nil {
			if limits {
				return Set{}, errors.New("a limit stands after the last root")
			}
			break
		}
		if block.Type != "CERTIFICATE" {
			return Set{}, fmt.Errorf("it holds a %.40q; only certificates belong there", block.Type)
		}
		root, err := NewRoot(block.Bytes)
		if err != nil {
			return Set{}, fmt.Errorf("certificate %d: %w", len(s.Roots)+1, err)
		}
		limit.Root = root.SHA256
		root.Limit = limit
		if len(s.Roots) == maxRoots {
			return Set{}, fmt.Errorf("it has more than %d certificates", maxRoots)
		}
		if s.Has(root.SHA256) {
			return Set{}, fmt.Errorf("certificate %d, of %q, is there twice", len(s.Roots)+1, root.Name)
		}
		s.Roots = append(s.Roots, root)
		data = rest
	}
	if len(s.Roots) == 0 {
		return Set{}, errors.New("it has no certificate (PEM is expected)")
	}
	roots := s.Roots
	s.Roots = nil
	s.Add(roots...)
	return s, nil
}

// parseLimits reads the limits in the text before a certificate.
func parseLimits(text []byte) (limit verify.RootLimit, found bool, err error) {
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), limitMark)
		if !ok {
			continue
		}
		word, when, _ := strings.Cut(strings.TrimSpace(rest), " ")
		t, err := time.Parse(time.RFC3339, strings.TrimSpace(when))
		if err != nil {
			return limit, true, fmt.Errorf("the limit %.80q has no time", strings.TrimSpace(line))
		}
		found = true
		switch word {
		case signedWord:
			limit.SignedBefore = t
		case issuedWord:
			limit.IssuedBefore = t
		default:
			return limit, true, fmt.Errorf("the limit %.80q is unknown", strings.TrimSpace(line))
		}
	}
	return limit, found, nil
}
