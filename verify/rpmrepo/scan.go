package rpmrepo

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// scanner reads the elements of an XML document one after another, as fast as it is decompressed. It knows as much of
// XML 1.0 as repositories use: elements, attributes, text, comments, processing instructions, the five named entities
// and character references. A document type is refused. What it reads was authenticated before.
type scanner struct {
	r     *bufio.Reader
	depth int
	tag   []byte // the current tag, without its brackets
	keep  bool   // collect the text that follows
	text  []byte
}

// Limits of a document.
const (
	maxTag   = 64 << 10 // bytes
	maxText  = 4 << 10  // bytes of a text that matters
	maxDepth = 32
)

var errXML = errors.New("malformed XML")

func newScanner(r io.Reader) *scanner { return &scanner{r: bufio.NewReaderSize(r, maxTag)} }

// tagKind says what a tag does.
type tagKind uint8

const (
	opens  tagKind = iota
	closes         // "</name>"
	whole          // "<name/>"
)

// next moves to the next tag. The scanner's depth is that of the element which the tag opens, closes or is. It returns
// io.EOF at the end.
func (s *scanner) next(last tagKind) (kind tagKind, err error) {
	if last != opens && s.depth > 0 {
		s.depth--
	}
	for {
		if err := s.skipText(); err != nil {
			return 0, err
		}
		if err := s.readTag(); err != nil {
			return 0, err
		}
		switch {
		case len(s.tag) == 0:
			return 0, errXML
		case s.tag[0] == '?' || s.tag[0] == '!':
			continue
		case s.tag[0] == '/':
			if s.depth == 0 {
				return 0, errXML
			}
			s.tag = s.tag[1:]
			return closes, nil
		}
		if s.depth++; s.depth > maxDepth {
			return 0, fmt.Errorf("elements are nested %d deep: %w", s.depth, errXML)
		}
		if s.tag[len(s.tag)-1] == '/' {
			s.tag = s.tag[:len(s.tag)-1]
			return whole, nil
		}
		return opens, nil
	}
}

// skipText passes over text to the next tag, and collects it where it matters.
func (s *scanner) skipText() error {
	s.text = s.text[:0]
	for {
		b, err := s.r.ReadSlice('<')
		if s.keep {
			if len(s.text)+len(b) > maxText {
				return fmt.Errorf("a text has more than %d bytes: %w", maxText, errXML)
			}
			s.text = append(s.text, bytes.TrimSuffix(b, []byte("<"))...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			if s.depth > 0 {
				return fmt.Errorf("it ends in the middle: %w", errXML)
			}
			return io.EOF
		}
		return err
	}
}

// readTag reads up to the ">" that ends the tag.
func (s *scanner) readTag() error {
	s.tag = s.tag[:0]
	for {
		b, err := s.r.ReadSlice('>')
		if len(s.tag)+len(b) > maxTag {
			return fmt.Errorf("a tag has more than %d bytes: %w", maxTag, errXML)
		}
		s.tag = append(s.tag, b...)
		switch {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("it ends in a tag: %w", errXML)
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
		done, err := s.complete()
		if done || err != nil {
			s.tag = bytes.TrimSuffix(s.tag, []byte(">"))
			return err
		}
	}
}

// complete reports whether the ">" that was read last ends the tag.
func (s *scanner) complete() (bool, error) {
	switch {
	case bytes.HasPrefix(s.tag, []byte("!--")):
		return len(s.tag) >= 6 && bytes.HasSuffix(s.tag, []byte("-->")), nil
	case bytes.HasPrefix(s.tag, []byte("?")):
		return bytes.HasSuffix(s.tag, []byte("?>")), nil
	case bytes.HasPrefix(s.tag, []byte("!")):
		return false, fmt.Errorf("it holds a %.20q: %w", s.tag, errXML)
	}
	if bytes.IndexByte(s.tag, '"') < 0 && bytes.IndexByte(s.tag, '\'') < 0 {
		return true, nil
	}
	var quote byte
	for _, c := range s.tag {
		switch {
		case quote == c:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		}
	}
	return quote == 0, nil
}

// name returns the element's name, with its prefix.
func (s *scanner) name() string {
	if i := bytes.IndexAny(s.tag, " \t\r\n"); i >= 0 {
		return string(s.tag[:i])
	}
	return string(s.tag)
}

// is reports whether the element has that name, without making a string of it.
func (s *scanner) is(name string) bool {
	return len(s.tag) >= len(name) && string(s.tag[:len(name)]) == name &&
		(len(s.tag) == len(name) || strings.IndexByte(" \t\r\n", s.tag[len(name)]) >= 0)
}

// attribute returns the value of an attribute.
func (s *scanner) attribute(name string) (string, bool, error) {
	rest := s.tag[len(s.name()):]
	for {
		rest = bytes.TrimLeft(rest, " \t\r\n")
		key, after, ok := bytes.Cut(rest, []byte("="))
		if !ok {
			return "", false, nil
		}
		after = bytes.TrimLeft(after, " \t\r\n")
		if len(after) == 0 || after[0] != '"' && after[0] != '\'' {
			return "", false, errXML
		}
		end := bytes.IndexByte(after[1:], after[0])
		if end < 0 {
			return "", false, errXML
		}
		if string(bytes.TrimRight(key, " \t\r\n")) == name {
			v, err := unescape(after[1 : 1+end])
			return v, true, err
		}
		rest = after[end+2:]
	}
}

var entities = map[string]string{"amp": "&", "lt": "<", "gt": ">", "quot": `"`, "apos": "'"}

// unescape replaces the references in a value.
func unescape(b []byte) (string, error) {
	if bytes.IndexByte(b, '&') < 0 {
		return string(b), nil
	}
	var out strings.Builder
	for {
		before, after, ok := bytes.Cut(b, []byte("&"))
		out.Write(before)
		if !ok {
			return out.String(), nil
		}
		ref, rest, ok := bytes.Cut(after, []byte(";"))
		if !ok {
			return "", errXML
		}
		b = rest
		if text, ok := entities[string(ref)]; ok {
			out.WriteString(text)
			continue
		}
		digits, numeric := strings.CutPrefix(string(ref), "#")
		base := 10
		if hex, ok := strings.CutPrefix(digits, "x"); ok {
			digits, base = hex, 16
		}
		n, err := strconv.ParseUint(digits, base, 21)
		if !numeric || err != nil || !utf8.ValidRune(rune(n)) {
			return "", errXML
		}
		out.WriteRune(rune(n))
	}
}
