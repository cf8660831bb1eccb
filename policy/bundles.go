package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// Bounds of the bundles that a policy brings.
const (
	maxBundleFiles = 1024
	maxBundleBytes = 64 << 20 // of all together; of one file maxNamedFile
)

// bundleEndings are what files in a folder of bundles are called.
var bundleEndings = []string{".json", ".jsonl", ".sigstore", ".bundle"}

// templateVariables are what the templates for bundles may ask for.
var templateVariables = []string{"name", "path", "dir", "sha256", "sha512", "package", "version"}

// checkBundlePlace checks a place to look for bundles: the template of a URL, or the name of a folder.
func checkBundlePlace(s string) error {
	if err := checkText(s); err != nil || !strings.Contains(s, "://") {
		return err
	}
	return checkTemplate(s)
}

// checkTemplate checks the template of a URL. Its scheme and host are literal, so that it is the policy alone which says
// whom to ask.
func checkTemplate(s string) error {
	literal, _, _ := strings.Cut(s, "{")
	u, err := parseURL(literal)
	switch {
	case err != nil:
		return fmt.Errorf("%s is no template of an http or https URL: scheme and host are written out, and followed by a slash", quote(s))
	case !strings.HasPrefix(u.EscapedPath(), "/"):
		return fmt.Errorf("%s needs a slash after its host, before anything else", quote(s))
	case strings.Contains(s, "#"):
		return fmt.Errorf("%s has a fragment, which is never asked for", quote(s))
	}
	filled, err := fill(s)
	if err != nil {
		return err
	}
	if u, err = parseURL(filled); err != nil {
		return fmt.Errorf("%s is no template of an http or https URL", quote(s))
	}
	if err := plainPath(u); err != nil {
		return fmt.Errorf("%s %w", quote(s), err)
	}
	return nil
}

// fill puts x in the place of every variable of a template.
func fill(s string) (string, error) {
	var out strings.Builder
	for rest := s; ; {
		before, after, found := strings.Cut(rest, "{")
		if strings.Contains(before, "}") || found && !strings.Contains(after, "}") {
			return "", fmt.Errorf("%s has a brace that is not one of a pair", quote(s))
		}
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		var name string
		if name, rest, _ = strings.Cut(after, "}"); !contains(templateVariables, name) {
			return "", unknownVariable(name)
		}
		out.WriteString("x")
	}
}

func unknownVariable(name string) error {
	hint := alike(name, templateVariables)
	if hint == "" {
		hint = "there are: " + strings.Join(templateVariables, ", ")
	}
	return fmt.Errorf("a template has no variable %s; %s", quote(name), hint)
}

// bundles reads where to look for bundles besides the usual places.
func (b *builder) bundles(s *verify.SigstoreAnchor, n node) {
	for _, item := range n.items() {
		switch place := item.text(); {
		case place == "" || checkBundlePlace(place) != nil:
		case strings.Contains(place, "://"):
			s.Bundles = append(s.Bundles, place)
		default:
			b.localBundles(s, item)
		}
	}
}

// localBundles reads a file of bundles, or those of a folder.
func (b *builder) localBundles(s *verify.SigstoreAnchor, item node) {
	name := item.text()
	names, isDir, err := b.folder(name, bundleEndings)
	if err != nil {
		hint := ""
		if errors.Is(err, fs.ErrNotExist) {
			hint = "file names are relative to the policy file, and URLs begin with https://"
		}
		b.add(item, hint, "the bundles in %s cannot be read: %v", quote(name), err)
		return
	}
	switch {
	case !isDir:
		names = []string{name}
	case len(names) == 0:
		b.warn(item, "", "anchor %s: the folder %s has no bundles in it: their names end in %s", s.Anchor, quote(name), strings.Join(bundleEndings, ", "))
	}
	for _, name := range names {
		if err := b.localBundle(s, name); err != nil {
			b.add(item, "", "the bundle %s cannot be used: %v", quote(name), err)
			return
		}
	}
}

func (b *builder) localBundle(s *verify.SigstoreAnchor, name string) error {
	if b.bundleFiles++; b.bundleFiles > maxBundleFiles {
		return fmt.Errorf("the policy names more than %d files of bundles", maxBundleFiles)
	}
	data, err := b.open(name)
	if err != nil {
		return err
	}
	if b.bundleBytes += len(data); b.bundleBytes > maxBundleBytes {
		return fmt.Errorf("all bundles together have more than %d bytes", maxBundleBytes)
	}
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		return errors.New("it is no JSON object")
	}
	s.Local = append(s.Local, verify.LocalBundle{Name: name, Data: data})
	return nil
}
