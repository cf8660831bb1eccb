package identity

import (
	"bytes"
	"context"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
)

var separators = regexp.MustCompile(`[-_.]+`)

// pythonMetadata reads Name and Version of core metadata (PEP 566), whose headers are those of a mail.
func (s *said) pythonMetadata(b []byte) error {
	m, err := mail.ReadMessage(bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("metadata: %w: %w", err, errUnclear)
	}
	if len(m.Header["Name"]) != 1 || len(m.Header["Version"]) != 1 {
		return fmt.Errorf("metadata with %d names and %d versions: %w", len(m.Header["Name"]), len(m.Header["Version"]), errUnclear)
	}
	name := strings.ToLower(separators.ReplaceAllString(strings.TrimSpace(m.Header.Get("Name")), "-")) // PEP 503
	s.is("pypi", name, m.Header.Get("Version"))
	return nil
}

// wheel reads the metadata of a wheel (PEP 427). What it is built for is part of the product: the interpreter, the system and the
// architecture, without their versions.
func wheel(_ context.Context, a *verify.Artifact) (s said, err error) {
	z, err := openZip(a)
	if err != nil {
		return s, err
	}
	metadata, err := z.only(func(name string) bool {
		return strings.HasSuffix(name, ".dist-info/METADATA") && strings.Count(name, "/") == 1
	})
	if err != nil {
		return s, err
	}
	tags, err := z.only(func(name string) bool {
		return strings.HasSuffix(name, ".dist-info/WHEEL") && strings.Count(name, "/") == 1
	})
	if err != nil {
		return s, err
	}
	m, err := mail.ReadMessage(bytes.NewReader(append(tags, "\r\n\r\n"...)))
	if err != nil {
		return s, fmt.Errorf("WHEEL: %w: %w", err, errUnclear)
	}
	if err := s.pythonMetadata(metadata); err != nil {
		return s, err
	}
	if builds := builtFor(m.Header["Tag"]); builds != "" {
		s.name += " (" + builds + ")"
	}
	return s, nil
}

// Parts of tags (PEP 425): the version of an interpreter, and of a system.
var (
	interpreter = regexp.MustCompile(`^(cp|pp|py|jy|ip)(\d)`)
	systems     = regexp.MustCompile(`^(manylinux|musllinux|macosx|ios|android)\d*(?:_\d+)*_(.+)$`)
	interprets  = map[string]string{"cp": "cpython", "pp": "pypy", "py": "python", "jy": "jython", "ip": "ironpython"}
)

// builtFor names what the tags of a wheel have in common over its releases: "cpython, linux x86_64". It is empty for a wheel that runs
// everywhere.
func builtFor(tags []string) string {
	var out []string
	for _, tag := range tags {
		parts := strings.Split(strings.TrimSpace(tag), "-")
		if len(parts) != 3 || parts[1] == "none" && parts[2] == "any" {
			continue
		}
		python := parts[0]
		if m := interpreter.FindStringSubmatch(python); m != nil {
			python = interprets[m[1]]
			if parts[1] != "abi3" && parts[1] != "none" && len(parts[0]) > 2 {
				python += " " + parts[0][2:3] + "." + parts[0][3:] // one wheel for each version, side by side
			}
		}
		system := parts[2]
		if m := systems.FindStringSubmatch(system); m != nil {
			system = strings.TrimPrefix(m[1], "many") + " " + m[2]
		}
		out = append(out, python+", "+system)
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), "; ")
}

// archive is a zip file that means the same to every reader.
type archive struct{ *zipfile.File }

// openZip opens a package. One that readers see differently says nothing.
func openZip(a *verify.Artifact) (archive, error) {
	z, err := zipfile.Open(a.Content, a.Size)
	if err != nil {
		return archive{}, err
	}
	if p := z.Strict(); p != nil {
		return archive{}, fmt.Errorf("%s: %w", p.Detail, errUnclear)
	}
	return archive{z}, nil
}

// only reads the one entry that is meant.
func (z archive) only(is func(name string) bool) ([]byte, error) {
	var entry *zipfile.Entry
	for _, e := range z.Entries {
		if !is(e.Name) {
			continue
		}
		if entry != nil {
			return nil, fmt.Errorf("%.80q and %.80q: %w", entry.Name, e.Name, errUnclear)
		}
		entry = e
	}
	if entry == nil {
		return nil, fmt.Errorf("it is not there: %w", errUnclear)
	}
	return z.ReadAll(entry, maxMetadata)
}
