package xmldsig

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Parse reads a document that fills b completely. It must be UTF-8, with or without a byte order mark, and have no
// document type declaration.
func Parse(b []byte) (*Document, error) {
	if len(b) > MaxSize {
		return nil, unsupported("a document of %d bytes, more than %d", len(b), MaxSize)
	}
	if bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff")) {
		return nil, unsupported("a document in UTF-16")
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if at := checkChars(b); at >= 0 {
		return nil, malformed("byte %d is no part of a character that XML allows", at)
	}
	p := &parser{rest: normalizeLines(b), doc: &Document{ids: map[string]int{}}, scope: map[string][]string{"": {""}, "xml": {nsXML}}}
	if err := p.document(); err != nil {
		return nil, fmt.Errorf("%w (at byte %d)", err, len(b)-len(p.rest))
	}
	return p.doc, nil
}

// normalizeLines replaces CR LF and lone CR by LF (XML 1.0 section 2.11).
func normalizeLines(b []byte) string {
	if bytes.IndexByte(b, '\r') < 0 {
		return string(b)
	}
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	return string(bytes.ReplaceAll(b, []byte("\r"), []byte("\n")))
}

// parser reads a document from front to end. All characters have been checked, and lines normalised.
type parser struct {
	rest  string
	doc   *Document
	nodes int
	scope map[string][]string // by prefix, the namespace names in force, the innermost last
}

func (p *parser) count() error {
	if p.nodes++; p.nodes > maxNodes {
		return unsupported("a document of more than %d nodes", maxNodes)
	}
	return nil
}

// take removes a prefix of the rest, if it is there.
func (p *parser) take(s string) bool {
	if !strings.HasPrefix(p.rest, s) {
		return false
	}
	p.rest = p.rest[len(s):]
	return true
}

func (p *parser) space() bool {
	n := 0
	for n < len(p.rest) && isSpace(p.rest[n]) {
		n++
	}
	p.rest = p.rest[n:]
	return n > 0
}

// until returns what comes before a delimiter and removes both.
func (p *parser) until(delimiter string) (string, bool) {
	at := strings.Index(p.rest, delimiter)
	if at < 0 {
		return "", false
	}
	s := p.rest[:at]
	p.rest = p.rest[at+len(delimiter):]
	return s, true
}

func (p *parser) document() error {
	if err := p.declaration(); err != nil {
		return err
	}
	var err error
	if p.doc.before, err = p.misc(); err != nil {
		return err
	}
	if err := p.root(); err != nil {
		return err
	}
	if p.doc.after, err = p.misc(); err != nil {
		return err
	}
	if p.rest != "" {
		return malformed("something follows the root element")
	}
	return nil
}

// declaration reads the XML declaration (section 2.8).
func (p *parser) declaration() error {
	if !strings.HasPrefix(p.rest, "<?xml") || len(p.rest) > 5 && !isSpace(p.rest[5]) {
		return nil
	}
	p.take("<?xml")
	version, ok := p.pseudo("version")
	if !ok || version != "1.0" {
		return unsupported("XML of version %.10q", version)
	}
	if encoding, ok := p.pseudo("encoding"); ok && !strings.EqualFold(encoding, "utf-8") && !strings.EqualFold(encoding, "us-ascii") {
		return unsupported("a document in the encoding %.30q", encoding)
	}
	if standalone, ok := p.pseudo("standalone"); ok && standalone != "yes" && standalone != "no" {
		return malformed("XML declaration")
	}
	p.space()
	if !p.take("?>") {
		return malformed("XML declaration")
	}
	return nil
}

// pseudo reads one of the XML declaration's pseudo-attributes.
func (p *parser) pseudo(name string) (string, bool) {
	before := p.rest
	if p.space() && p.take(name) {
		p.space()
		if p.take("=") {
			p.space()
			if p.take(`"`) {
				return p.until(`"`)
			} else if p.take("'") {
				return p.until("'")
			}
		}
	}
	p.rest = before
	return "", false
}

// misc reads comments, processing instructions and white space beside the root.
func (p *parser) misc() ([]node, error) {
	var out []node
	for {
		p.space()
		if !strings.HasPrefix(p.rest, "<!--") && !strings.HasPrefix(p.rest, "<?") {
			if strings.HasPrefix(p.rest, "<!DOCTYPE") {
				return nil, malformed("a document type declaration")
			}
			return out, nil
		}
		n, err := p.remark()
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
}

// remark reads a comment (section 2.5) or a processing instruction (section 2.6).
func (p *parser) remark() (node, error) {
	if err := p.count(); err != nil {
		return nil, err
	}
	if p.take("<!--") {
		body, ok := p.until("--")
		if !ok || !p.take(">") {
			return nil, malformed("comment")
		}
		p.doc.Unsigned = append(append(p.doc.Unsigned, body...), '\n')
		return comment(body), nil
	}
	p.take("<?")
	target, err := p.ncName()
	if err != nil || strings.EqualFold(target, "xml") {
		return nil, malformed("target of a processing instruction")
	}
	spaced := p.space()
	data, ok := p.until("?>")
	if !ok || data != "" && !spaced {
		return nil, malformed("processing instruction")
	}
	return instruction{target, data}, nil
}

func (p *parser) ncName() (string, error) {
	for i, r := range p.rest {
		if i == 0 && !isNameStart(r) {
			break
		}
		if !isNameChar(r) {
			name := p.rest[:i]
			p.rest = p.rest[i:]
			return name, nil
		}
	}
	return "", malformed("no name where one is due")
}

// qName reads a name with an optional prefix.
func (p *parser) qName() (prefix, local string, err error) {
	if local, err = p.ncName(); err == nil && p.take(":") {
		prefix = local
		local, err = p.ncName()
	}
	return prefix, local, err
}

// reference reads what follows an ampersand (section 4.1).
func (p *parser) reference() (string, error) {
	body := p.rest[:min(12, len(p.rest))]
	end := strings.IndexByte(body, ';')
	if end < 0 {
		return "", malformed("reference that does not end")
	}
	body = body[:end]
	p.rest = p.rest[end+1:]
	if s, ok := map[string]string{"amp": "&", "lt": "<", "gt": ">", "quot": `"`, "apos": "'"}[body]; ok {
		return s, nil
	}
	digits, ok := strings.CutPrefix(body, "#")
	if !ok {
		return "", malformed("reference to an entity that is not defined")
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		base, digits = 16, hex
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n > unicode.MaxRune || !isChar(rune(n)) {
		return "", malformed("reference to a character that XML does not allow")
	}
	return string(rune(n)), nil
}
