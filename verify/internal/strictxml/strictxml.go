// Package strictxml reads small XML documents (XML 1.0) that strangers wrote, in the one way that leaves readers nothing to
// differ about: UTF-8, no document type and so no entities, one root, each attribute once, and not too deep.
package strictxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

// Limits of a document.
const (
	maxDepth      = 32
	maxAttributes = 64
	maxPath       = 1024    // bytes of an element's path
	maxText       = 4 << 10 // bytes that are kept of an element's text, more or less
)

// Element is an XML element and where it stands.
type Element struct {
	Path  string            // local names from the root, as in "Package/Identity"
	Space string            // its namespace
	Attrs map[string]string // those without a namespace
	Text  string            // text directly inside it; empty for Start
}

// Visitor is told of every element, in the document's order. What it returns as an error ends the reading.
type Visitor struct {
	Start func(Element) error // may be nil
	End   func(Element) error // may be nil; only this one has Text
}

// Read shows the elements of a document to v. An error is about the document, unless v returned it.
func Read(b []byte, v Visitor) error {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))))
	var open []Element
	roots := 0
	for {
		token, err := d.Token()
		if err == io.EOF && roots == 1 && len(open) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.Directive:
			return errors.New("it has a document type")
		case xml.EndElement:
			last := open[len(open)-1]
			open = open[:len(open)-1]
			if v.End != nil {
				if err := v.End(last); err != nil {
					return err
				}
			}
		case xml.CharData:
			if err := text(open, t); err != nil {
				return err
			}
		case xml.StartElement:
			if len(open) == 0 {
				roots++
			}
			if len(open) == maxDepth || roots > 1 {
				return errors.New("it is nested too deep, or has several roots")
			}
			e, err := start(open, t)
			if err != nil {
				return err
			}
			open = append(open, e)
			if v.Start != nil {
				if err := v.Start(e); err != nil {
					return err
				}
			}
		}
	}
}

// start makes an Element of the beginning of one inside those that are open.
func start(open []Element, t xml.StartElement) (Element, error) {
	path := t.Name.Local
	if len(open) > 0 {
		path = open[len(open)-1].Path + "/" + path
	}
	if len(path) > maxPath {
		return Element{}, errors.New("it has overlong names")
	}
	attrs, err := attributes(t.Attr)
	return Element{Path: path, Space: t.Name.Space, Attrs: attrs}, err
}

// text adds text to the innermost element; outside the root there is only white space.
func text(open []Element, t xml.CharData) error {
	if len(open) == 0 {
		if len(bytes.TrimSpace(t)) > 0 {
			return errors.New("it has text outside its elements")
		}
		return nil
	}
	if e := &open[len(open)-1]; len(e.Text) < maxText {
		e.Text += string(t[:min(len(t), maxText)])
	}
	return nil
}

// attributes refuses an attribute that is there twice, of which parsers could take either.
func attributes(list []xml.Attr) (map[string]string, error) {
	if len(list) > maxAttributes {
		return nil, fmt.Errorf("an element has %d attributes", len(list))
	}
	out := make(map[string]string, len(list))
	seen := make(map[xml.Name]bool, len(list))
	for _, a := range list {
		if seen[a.Name] {
			return nil, fmt.Errorf("an element has the attribute %.40q twice", a.Name.Local)
		}
		seen[a.Name] = true
		if a.Name.Space == "" {
			out[a.Name.Local] = a.Value
		}
	}
	return out, nil
}
