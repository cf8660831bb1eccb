package identity

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/sallyport-project/sallyport/verify"
)

const (
	maxTarball  = 512 << 20 // bytes, unpacked
	maxMetadata = 4 << 20   // bytes of a file that says what the archive is; descriptions can be long
)

// What says what an archive is.
const (
	packageJSON = "package.json" // npm
	pkgInfo     = "PKG-INFO"     // Python
	setupPy     = "setup.py"
	cargoTOML   = "Cargo.toml"
	bindingGYP  = "binding.gyp"
	gemMetadata = "metadata.gz"
)

// tarball reads packages that are tar archives: of npm (the first folder, whatever it is called, is left out), source
// distributions of Python, crates of Rust, gems of Ruby. All of it is read, for a second package.json takes the place of the first.
func tarball(ctx context.Context, a *verify.Artifact) (s said, err error) {
	wanted := wantedFiles(a)
	if wanted == nil {
		return s, nil
	}
	r, stop, err := decompress(ctx, a.Content, a.Size, a.Format, maxTarball)
	defer stop()
	if err != nil {
		return s, err
	}
	found := map[string][]byte{}
	err = eachMember(r, func(h *tar.Header, r io.Reader) error {
		name, ok := wanted(strings.TrimPrefix(h.Name, "./"))
		if !ok {
			return nil
		}
		if _, again := found[name]; again {
			return fmt.Errorf("%s twice: %w", name, errUnclear)
		}
		found[name], err = whole(h, r, maxMetadata)
		return err
	})
	if err != nil {
		return s, err
	}
	return s, s.tarball(a, found)
}

// wantedFiles returns what knows the files in an archive that say what it is; nil for an archive that is no package.
func wantedFiles(a *verify.Artifact) func(name string) (string, bool) {
	if strings.HasSuffix(strings.ToLower(a.Name), ".gem") {
		return func(name string) (string, bool) { return name, name == gemMetadata }
	}
	if a.Format != "gzip" {
		return nil
	}
	return func(name string) (string, bool) {
		_, name, inFolder := strings.Cut(name, "/")
		switch name {
		case packageJSON, pkgInfo, setupPy, cargoTOML, bindingGYP:
			return name, inFolder
		}
		return "", false
	}
}

// tarball decides what the archive is by its name, which says what a client takes it for, and by what it has.
func (s *said) tarball(a *verify.Artifact, found map[string][]byte) error {
	name := strings.ToLower(a.Name)
	switch {
	case found[gemMetadata] != nil:
		return s.gem(found[gemMetadata])
	case strings.HasSuffix(name, ".crate"):
		return s.crate(found[cargoTOML])
	case found[pkgInfo] != nil && !strings.HasSuffix(name, ".tgz"):
		if setup, ok := found[setupPy]; ok {
			s.action(setupPy, "a program of Python, %s", digestOf(setup))
		}
		if err := s.pythonMetadata(found[pkgInfo]); err != nil {
			return err
		}
		s.name += " (source)"
	case found[packageJSON] != nil:
		_, native := found[bindingGYP]
		return s.npm(found[packageJSON], native)
	}
	return nil
}

// tomlText is a key of a TOML table with a plain text, as cargo writes it when it makes a crate.
var tomlText = regexp.MustCompile(`^\s*(name|version)\s*=\s*"([^"\\]*)"\s*(?:#.*)?$`)

// crate reads the table [package] of a crate's Cargo.toml.
func (s *said) crate(b []byte) error {
	found := map[string]string{}
	table := ""
	for line := range strings.SplitSeq(string(b), "\n") {
		line = strings.TrimRight(line, "\r")
		if strings.Contains(line, `"""`) || strings.Contains(line, "'''") {
			return fmt.Errorf("texts of several lines: %w", errUnclear)
		}
		if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "[") {
			table = strings.TrimSpace(trimmed)
		}
		if m := tomlText.FindStringSubmatch(line); m != nil && table == "[package]" {
			if _, again := found[m[1]]; again {
				return fmt.Errorf("%s twice: %w", m[1], errUnclear)
			}
			found[m[1]] = m[2]
		}
	}
	s.is("crates.io", found["name"], found["version"])
	return nil
}

// gem reads the metadata of a gem (Gem::Specification in YAML, as RubyGems writes it: keys of the outermost mapping
// begin a line).
func (s *said) gem(compressed []byte) error {
	z, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return fmt.Errorf("%w: %w", err, errUnclear)
	}
	b, err := io.ReadAll(io.LimitReader(z, maxMetadata+1))
	if err != nil || len(b) > maxMetadata {
		return fmt.Errorf("metadata that cannot be read (%v): %w", err, errUnclear)
	}
	found := map[string]string{}
	var extensions []string // programs that build what is in C
	outer := ""
	for line := range strings.SplitSeq(string(b), "\n") {
		key, value, isKey := strings.Cut(line, ":")
		switch {
		case !isKey:
		case key != "" && key[0] >= 'a' && key[0] <= 'z':
			if outer = key; found[outer] != "" {
				return fmt.Errorf("%s twice: %w", outer, errUnclear)
			}
			found[outer] = scalar(value)
		case outer == "version" && key == "  version":
			found["number"] = scalar(value)
		}
		if file, listed := strings.CutPrefix(strings.TrimSpace(line), "- "); listed && outer == "extensions" {
			extensions = append(extensions, scalar(file))
		}
	}
	name := found["name"]
	if p := found["platform"]; p != "" && p != "ruby" {
		name += " (" + withoutRelease(p) + ")"
	}
	if inline := found["extensions"]; inline != "" && inline != "[]" {
		extensions = append(extensions, inline)
	}
	if len(extensions) > 0 {
		s.action("extensions", "%s", strings.Join(extensions, " "))
	}
	s.is("rubygems", name, found["number"])
	return nil
}

// scalar is a text of YAML without quotes.
func scalar(text string) string { return strings.Trim(strings.TrimSpace(text), `'"`) }
