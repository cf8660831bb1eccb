package identity

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport-project/sallyport/verify"
)

// Limits of what is kept, in bytes.
const (
	maxName    = 200
	maxVersion = 100
	maxFact    = 200
	maxList    = 4000 // of a fact that is a list
	maxActions = 64

	maxActionName = 100
)

// said is what a file says of itself.
type said struct {
	name, version, system string
	facts                 map[string]string
	actions               int
	rest                  [sha256.Size]byte // digest of the actions beyond maxActions
}

// is sets what the file is.
func (s *said) is(system, name, version string) {
	s.system, s.name, s.version = system, strings.TrimSpace(name), strings.TrimSpace(version)
}

// fact keeps a short text.
func (s *said) fact(name, text string) { s.keep(name, text, maxFact) }

// list keeps a list of words, separated by spaces; where not all of it fits, "…" ends it.
func (s *said) list(name string, words []string) {
	var b strings.Builder
	for i, w := range words {
		w = strings.Map(withoutSpace, w)
		if b.Len()+len(w) > maxList {
			fmt.Fprintf(&b, " …%d more", len(words)-i)
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w)
	}
	s.keep(name, b.String(), 2*maxList)
}

func withoutSpace(r rune) rune {
	if r <= ' ' {
		return '_'
	}
	return r
}

// action keeps what the file has run when it is installed. What differs between two releases shows in the text, also where that is cut
// or where it is there twice under one name.
func (s *said) action(name, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.actions++; s.actions > maxActions {
		s.rest = sha256.Sum256(fmt.Appendf(s.rest[:], "%q %q", name, text))
		return
	}
	key := ActionPrefix + told(name, maxActionName)
	if before, again := s.facts[key]; again {
		text = before + "; " + text
	}
	s.fact(key, told(text, maxFact))
}

// told is a text on one line of at most n bytes; where it says less than the whole, a digest of that stands in it.
func told(text string, n int) string {
	line := strings.Join(strings.Fields(text), " ")
	if line == text && len(line) <= n {
		return line
	}
	digest := " (" + digestOf([]byte(text)) + ")"
	return cut(line, n-len(digest)) + digest
}

// ActionPrefix begins the names of facts that say what an installer runs: "action postinstall".
const ActionPrefix = "action "

func (s *said) keep(name, text string, limit int) {
	text = strings.Join(strings.Fields(text), " ")
	if text == "" {
		return
	}
	if s.facts == nil {
		s.facts = map[string]string{}
	}
	s.facts[name] = cut(text, limit)
}

// cut shortens a text to at most n bytes.
func cut(text string, n int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= n {
		return text
	}
	for n -= len("…"); !utf8.RuneStart(text[n]); n-- {
	}
	return text[:n] + "…"
}

// remarks is what the report is told. A name without a version is no identity, nor is one that is overlong: what
// would be cut off may be what tells two products apart.
func (s *said) remarks() verify.Remarks {
	if s.actions > maxActions {
		s.fact(ActionPrefix+"…", fmt.Sprintf("%d more, sha256 %x", s.actions-maxActions, s.rest[:8]))
	}
	out := verify.Remarks{Facts: s.facts}
	if s.name != "" && s.version != "" && len(s.name) <= maxName && len(s.version) <= maxVersion && plain(s.name) && plain(s.version) {
		out.Product, out.Version, out.System = s.name, s.version, s.system
	}
	return out
}

// plain reports whether a text has nothing in it that a person would not see.
func plain(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) })
}
