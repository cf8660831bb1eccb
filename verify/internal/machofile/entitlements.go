package machofile

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

// maxKeys bounds the entitlements of one architecture.
const maxKeys = 256

// entitlements returns the keys of the outermost dictionary of a property list in XML, without those that are false.
func entitlements(b []byte) (keys []string, err error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	depth, key := 0, ""
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return keys, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: entitlements that are no property list: %w", ErrMalformed, err)
		}
		switch t := token.(type) {
		case xml.StartElement: // plist, dict, then keys and values
			if depth++; depth != 3 {
				continue
			}
			if t.Name.Local == "key" {
				if key, err = text(d); err != nil {
					return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
				}
				depth--
			} else if key != "" && t.Name.Local != "false" {
				if keys, key = append(keys, key), ""; len(keys) > maxKeys {
					return nil, fmt.Errorf("%w: more than %d entitlements", ErrMalformed, maxKeys)
				}
			}
		case xml.EndElement:
			depth--
		}
	}
}

// text returns the text up to the end of the element that has just begun.
func text(d *xml.Decoder) (string, error) {
	var s string
	for {
		token, err := d.Token()
		if err != nil {
			return "", err
		}
		switch t := token.(type) {
		case xml.CharData:
			s += string(t)
		case xml.StartElement:
			return "", errors.New("a key that holds elements")
		case xml.EndElement:
			return s, nil
		}
	}
}
