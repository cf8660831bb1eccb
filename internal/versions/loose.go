package versions

import "strings"

// token is a part of a loose version. Tokens are ordered by class first.
type token struct {
	class int
	text  string // a number without leading zeros, or a word in lower case
}

// The classes of tokens, in order. The end of a version is as good as a zero.
const (
	before = iota // alpha, beta, rc and the like: below the version without them
	zero
	after   // any other word: above the version without it
	greater // a number from 1
)

var (
	looseSeparators = "._~-"
	beforeWords     = map[string]string{
		"dev": "0", "nightly": "0", "snapshot": "0", "canary": "0", "alpha": "1", "a": "1", "beta": "2", "b": "2", "pre": "3", "preview": "3", "c": "4", "rc": "4",
	}
)

// loose is what is left to be read of a version as installers and file names have it: numbers and words, with a "v" before them, build
// metadata after a plus and a remark after a space allowed, neither of which counts. "18, 12, 416, 0" is a version too, as old
// resources of Windows have it.
type loose struct {
	rest string
	bad  bool // it is no version
}

func newLoose(s string) loose {
	if len(s) > maxVersion {
		return loose{bad: true}
	}
	s = strings.ReplaceAll(strings.TrimSpace(s), ", ", ".")
	s, _, _ = strings.Cut(s, " ")
	s, _, _ = strings.Cut(s, "+")
	s = strings.TrimPrefix(strings.ToLower(s), "v")
	return loose{s, s == "" || !isDigit(s[0])}
}

// next takes one token off. At the end that is a zero.
func (l *loose) next() token {
	s := l.rest
	if s != "" && strings.IndexByte(looseSeparators, s[0]) >= 0 {
		s = s[1:]
		l.bad = l.bad || s == "" || !isDigit(s[0]) && !isLetter(s[0])
	}
	var part string
	switch {
	case s == "" || l.bad:
		l.rest = ""
		return token{class: zero}
	case isDigit(s[0]):
		part, l.rest = number(s)
		return numberToken(part)
	case isLetter(s[0]):
		part, l.rest = word(s)
		return wordToken(part, l.rest)
	}
	l.rest, l.bad = "", true
	return token{class: zero}
}

func numberToken(digits string) token {
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		return token{class: zero}
	}
	return token{greater, digits}
}

// wordToken tells words apart that come before a version from those after it. A single letter means a version before another
// only with a number behind it: 3.13.0a1 comes before 3.13.0, but 1.0.2a after 1.0.2.
func wordToken(letters, rest string) token {
	rank, early := beforeWords[letters]
	if early && (len(letters) > 1 || rest != "" && isDigit(rest[0])) {
		return token{before, rank}
	}
	return token{after, letters}
}

func compareTokens(a, b token) int {
	switch {
	case a.class != b.class:
		return sign(a.class - b.class)
	case a.class == greater:
		return compareNumbers(a.text, b.text)
	}
	return strings.Compare(a.text, b.text)
}

// compareLoose orders versions token by token.
func compareLoose(a, b string) (order int, ok bool) {
	x, y := newLoose(a), newLoose(b)
	for (x.rest != "" || y.rest != "") && !x.bad && !y.bad {
		if next := compareTokens(x.next(), y.next()); order == 0 {
			order = next
		}
	}
	if x.bad || y.bad {
		return 0, false
	}
	return order, true
}
