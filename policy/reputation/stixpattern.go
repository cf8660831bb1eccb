package reputation

import (
	"fmt"
	"strings"
)

// term is one comparison of a STIX pattern: [path = 'value'].
type term struct {
	path   string // "file:hashes.'SHA-256'", normalised: "file:hashes.SHA256"
	values []string
	equal  bool // false: some other comparison, or a negated one
}

const maxTerms = 10000

// parsePattern splits a pattern (STIX 2.1, section 9) into alternatives, each of which is a conjunction of comparisons.
// Parentheses, qualifiers and the operators between observations are understood only as far as telling them apart needs.
func parsePattern(s string) ([][]term, error) {
	p := patternScanner{rest: s}
	alternatives := [][]term{nil}
	all := 0
	for {
		t, err := p.next()
		if err != nil {
			return nil, err
		}
		last := &alternatives[len(alternatives)-1]
		switch {
		case t.text == "" && !t.quoted:
			return alternatives, nil
		case t.is("OR"):
			alternatives = append(alternatives, nil)
		case t.is("AND"), t.is("FOLLOWEDBY"), t.mark("["), t.mark("]"), t.mark("("), t.mark(")"):
		case t.is("WITHIN"), t.is("REPEATS"), t.is("START"), t.is("STOP"), t.is("SECONDS"), t.is("TIMES"), t.is("EXISTS"), t.quoted, !isPath(t.text):
			// a qualifier and what belongs to it
		default:
			c, err := p.comparison(t.text)
			if err != nil {
				return nil, err
			}
			if all++; all > maxTerms {
				return nil, fmt.Errorf("it has more than %d comparisons", maxTerms)
			}
			*last = append(*last, c)
		}
	}
}

// isPath tells an object path from a timestamp, t'…', and anything else.
func isPath(s string) bool {
	object, _, ok := strings.Cut(s, ":")
	return ok && !strings.ContainsAny(object, `'"`)
}

// lexeme is a word, a mark or a quoted text.
type lexeme struct {
	text   string
	quoted bool
}

func (l lexeme) is(word string) bool   { return !l.quoted && strings.EqualFold(l.text, word) }
func (l lexeme) mark(mark string) bool { return !l.quoted && l.text == mark }

type patternScanner struct{ rest string }

func (p *patternScanner) next() (lexeme, error) {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	if p.rest == "" {
		return lexeme{}, nil
	}
	switch c := p.rest[0]; {
	case c == '\'':
		return p.literal()
	case strings.IndexByte("[](),", c) >= 0:
		p.rest = p.rest[1:]
		return lexeme{text: string(c)}, nil
	case strings.IndexByte("=!<>", c) >= 0:
		n := 1
		for n < len(p.rest) && strings.IndexByte("=<>", p.rest[n]) >= 0 {
			n++
		}
		l := lexeme{text: p.rest[:n]}
		p.rest = p.rest[n:]
		return l, nil
	}
	return p.word()
}

// literal reads a quoted text; a backslash stands before quotes and backslashes in it.
func (p *patternScanner) literal() (lexeme, error) {
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		case c == '\'':
			p.rest = p.rest[i+1:]
			return lexeme{b.String(), true}, nil
		default:
			b.WriteByte(c)
		}
	}
	return lexeme{}, fmt.Errorf("a quote is not closed")
}

// word reads a keyword or an object path, whose steps may be quoted and indexed.
func (p *patternScanner) word() (lexeme, error) {
	i, path := 0, false
	for i < len(p.rest) {
		switch c := p.rest[i]; {
		case c == '\'' || c == '"':
			end := strings.IndexByte(p.rest[i+1:], c)
			if end < 0 {
				return lexeme{}, fmt.Errorf("a quote is not closed")
			}
			i += end + 2
		case path && c == '[' && strings.IndexByte(p.rest[i:], ']') > 0:
			i += strings.IndexByte(p.rest[i:], ']') + 1
		case strings.IndexByte(" \t\r\n[](),=!<>", c) >= 0:
			l := lexeme{text: p.rest[:i]}
			p.rest = p.rest[i:]
			return l, nil
		default:
			path = path || c == ':'
			i++
		}
	}
	l := lexeme{text: p.rest}
	p.rest = ""
	return l, nil
}

// comparison reads what follows an object path.
func (p *patternScanner) comparison(path string) (term, error) {
	t := term{path: strings.NewReplacer("'", "", `"`, "", "-", "").Replace(path), equal: true}
	if object, rest, ok := strings.Cut(path, ":"); ok {
		t.path = object + ":" + strings.NewReplacer("'", "", `"`, "", "-", "").Replace(rest)
	}
	op, err := p.next()
	if err == nil && op.is("NOT") {
		t.equal = false
		op, err = p.next()
	}
	if err != nil {
		return t, err
	}
	switch {
	case op.mark("="), op.mark("=="):
	case op.is("IN"):
		return p.list(t)
	case op.mark("!="), op.mark("<>"), op.mark("<"), op.mark(">"), op.mark("<="), op.mark(">="), op.is("LIKE"), op.is("MATCHES"), op.is("ISSUBSET"), op.is("ISSUPERSET"):
		t.equal = false
	default:
		return t, fmt.Errorf("%s is no comparison", quote(op.text))
	}
	v, err := p.next()
	t.values = []string{v.text}
	return t, err
}

func (p *patternScanner) list(t term) (term, error) {
	for {
		v, err := p.next()
		switch {
		case err != nil:
			return t, err
		case v.mark(")"):
			return t, nil
		case v.text == "" && !v.quoted:
			return t, fmt.Errorf("a list is not closed")
		case v.quoted:
			if t.values = append(t.values, v.text); len(t.values) > maxTerms {
				return t, fmt.Errorf("it has more than %d values", maxTerms)
			}
		}
	}
}
