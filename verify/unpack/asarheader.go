package unpack

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// asarFile is one file, link or folder of the header.
type asarFile struct {
	name       string
	offset     int64 // from the beginning of the data
	size       int64
	directory  bool
	unpacked   bool // it lies beside the archive
	executable bool
	link       string
	integrity  *asarIntegrity
}

// asarIntegrity is what the header says of a file's content.
type asarIntegrity struct {
	algorithm string
	hash      []byte
	blockSize int64
	blocks    [][]byte
}

// asarParser reads the header's JSON text from front to back.
type asarParser struct {
	ctx   context.Context
	in    *json.Decoder
	files []asarFile
}

func parseASAR(ctx context.Context, r io.Reader) ([]asarFile, error) {
	p := &asarParser{ctx: ctx, in: json.NewDecoder(bufio.NewReaderSize(r, 64<<10))}
	p.in.UseNumber()
	var root asarFile
	if err := p.node(&root, "", 0); err != nil {
		return nil, err
	}
	if !root.directory {
		return nil, errors.New("it lists no files")
	}
	if _, err := p.in.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows its end")
	}
	return p.files, nil
}

// node reads an object that describes a file or folder.
func (p *asarParser) node(f *asarFile, path string, depth int) error {
	if depth > maxASARDepth {
		return fmt.Errorf("folders more than %d deep: %w", maxASARDepth, errASARLimit)
	}
	if err := p.ctx.Err(); err != nil {
		return err
	}
	f.name, f.offset, f.size = path, -1, -1
	return p.object(func(key string) (err error) {
		switch key {
		case "files":
			f.directory = true
			return p.children(path, depth)
		case "size":
			f.size, err = p.number()
		case "offset":
			var text string
			if text, err = p.text(); err == nil {
				f.offset, err = strconv.ParseInt(text, 10, 64)
			}
		case "unpacked":
			f.unpacked, err = p.boolean()
		case "executable":
			f.executable, err = p.boolean()
		case "link":
			f.link, err = p.text()
		case "integrity":
			f.integrity, err = p.integrity()
		default:
			err = p.skip()
		}
		return err
	})
}

// children reads the object below "files".
func (p *asarParser) children(path string, depth int) error {
	return p.object(func(name string) error {
		if len(p.files) == maxASARFiles {
			return fmt.Errorf("more than %d files: %w", maxASARFiles, errASARLimit)
		}
		if path != "" {
			name = path + "/" + name
		}
		at := len(p.files)
		p.files = append(p.files, asarFile{})
		var f asarFile
		err := p.node(&f, name, depth+1)
		p.files[at] = f
		return err
	})
}

func (p *asarParser) integrity() (*asarIntegrity, error) {
	out := &asarIntegrity{}
	return out, p.object(func(key string) (err error) {
		var text string
		switch key {
		case "algorithm":
			out.algorithm, err = p.text()
		case "hash":
			if text, err = p.text(); err == nil {
				out.hash, err = hex.DecodeString(text)
			}
		case "blockSize":
			out.blockSize, err = p.number()
		case "blocks":
			err = p.array(func(t json.Token) error {
				text, ok := t.(string)
				if !ok {
					return errors.New("a digest that is no text")
				}
				b, err := hex.DecodeString(text)
				out.blocks = append(out.blocks, b)
				return err
			})
		default:
			err = p.skip()
		}
		return err
	})
}

// object calls f for each key of an object, of which none may be there twice.
func (p *asarParser) object(f func(key string) error) error {
	t, err := p.in.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return fmt.Errorf("%v where an object is due", t)
	}
	seen := map[string]bool{}
	for p.in.More() {
		t, err := p.in.Token()
		if err != nil {
			return err
		}
		key := t.(string) // as the decoder demands
		if seen[key] {
			return fmt.Errorf("%q is there twice", key)
		}
		seen[key] = true
		if err := f(key); err != nil {
			return err
		}
	}
	_, err = p.in.Token()
	return err
}

// array calls f for each element, which must be no array or object.
func (p *asarParser) array(f func(json.Token) error) error {
	t, err := p.in.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('[') {
		return fmt.Errorf("%v where a list is due", t)
	}
	for p.in.More() {
		t, err := p.in.Token()
		if err != nil {
			return err
		}
		if err := f(t); err != nil {
			return err
		}
	}
	_, err = p.in.Token()
	return err
}

// skip reads a value of any kind.
func (p *asarParser) skip() error {
	open := 0
	for {
		t, err := p.in.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			open++
		case json.Delim('}'), json.Delim(']'):
			open--
		}
		if open == 0 {
			return nil
		}
		if open > maxASARDepth {
			return fmt.Errorf("values more than %d deep: %w", maxASARDepth, errASARLimit)
		}
	}
}

func (p *asarParser) text() (string, error) {
	t, err := p.in.Token()
	s, ok := t.(string)
	if err == nil && !ok {
		err = fmt.Errorf("%v where a text is due", t)
	}
	return s, err
}

func (p *asarParser) boolean() (bool, error) {
	t, err := p.in.Token()
	b, ok := t.(bool)
	if err == nil && !ok {
		err = fmt.Errorf("%v where true or false is due", t)
	}
	return b, err
}

func (p *asarParser) number() (int64, error) {
	t, err := p.in.Token()
	if err != nil {
		return 0, err
	}
	n, ok := t.(json.Number)
	if !ok {
		return 0, fmt.Errorf("%v where a number is due", t)
	}
	return n.Int64()
}
