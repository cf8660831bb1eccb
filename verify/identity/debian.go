package identity

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/deb822"
)

const (
	maxControlTar = 32 << 20 // bytes, unpacked: lists of files' digests can be long
	maxControl    = 1 << 20  // bytes of a member that is looked at
)

// maintainerScripts are the members of control.tar that dpkg or debconf runs (deb-preinst(5) and the others).
var maintainerScripts = map[string]bool{"preinst": true, "postinst": true, "prerm": true, "postrm": true, "config": true}

// debian reads a Debian package's control file (deb-control(5)) and maintainer scripts.
func debian(ctx context.Context, a *verify.Artifact) (s said, err error) {
	compressed, format, err := controlTar(a)
	if err != nil {
		return s, err
	}
	r, stop, err := decompress(ctx, compressed, compressed.Size(), format, maxControlTar)
	if err != nil {
		return s, err
	}
	defer stop()
	controls := 0
	err = eachMember(r, func(h *tar.Header, r io.Reader) error {
		name := path.Clean(h.Name)
		if name != "control" && !maintainerScripts[name] {
			return nil
		}
		b, err := whole(h, r, maxControl)
		if err != nil {
			return err
		}
		if name != "control" {
			s.action(name, "%s, %s", firstLine(b), digestOf(b))
			return nil
		}
		if controls++; controls > 1 {
			return fmt.Errorf("two control files: %w", errUnclear)
		}
		return s.control(b)
	})
	return s, err
}

// arMember is the size of a member's header in an ar archive.
const arMember = 60

// controlTar finds control.tar, which is the second member (deb(5)).
func controlTar(a *verify.Artifact) (*io.SectionReader, verify.Format, error) {
	at := int64(len("!<arch>\n"))
	for n := range 2 {
		var h [arMember]byte
		if at > a.Size-arMember {
			return nil, "", fmt.Errorf("no control.tar: %w", errUnclear)
		}
		if _, err := a.Content.ReadAt(h[:], at); err != nil {
			return nil, "", fmt.Errorf("reading the package: %w", err)
		}
		size, err := strconv.ParseInt(strings.TrimRight(string(h[48:58]), " "), 10, 64)
		at += arMember
		if err != nil || size < 0 || size > a.Size-at || string(h[58:]) != "`\n" {
			return nil, "", fmt.Errorf("no control.tar: %w", errUnclear)
		}
		name := strings.TrimRight(strings.TrimRight(string(h[:16]), " "), "/")
		if n == 1 {
			format, known := map[string]verify.Format{"control.tar": "tar", "control.tar.gz": "gzip", "control.tar.xz": "xz", "control.tar.zst": "zstd"}[name]
			if !known {
				return nil, "", fmt.Errorf("the second member is no control.tar: %w", errUnclear)
			}
			return io.NewSectionReader(a.Content, at, size), format, nil
		}
		at += size + size%2
	}
	panic("unreachable")
}

// Names, as Debian Policy sections 5.6.7 and 5.6.8 have them.
var (
	debName         = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
	debArchitecture = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)
)

// control reads Package, Version and Architecture of a control file.
func (s *said) control(b []byte) error {
	fields := map[string]string{}
	r := deb822.NewReader(strings.NewReader(string(b)))
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) || err == nil && line.Kind == deb822.End && len(fields) > 0 {
			break
		}
		if err != nil {
			return fmt.Errorf("%w: %w", err, errUnclear)
		}
		if line.Kind != deb822.Field {
			continue
		}
		name := strings.ToLower(string(line.Name))
		if _, again := fields[name]; again {
			return fmt.Errorf("the field %s twice: %w", name, errUnclear)
		}
		fields[name] = string(line.Value)
	}
	name, architecture := fields["package"], fields["architecture"]
	if !debName.MatchString(name) || !debArchitecture.MatchString(architecture) {
		return fmt.Errorf("no package or architecture: %w", errUnclear)
	}
	s.is("deb", name+":"+architecture, fields["version"])
	return nil
}

// firstLine names what runs a script.
func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b[:min(len(b), 100)]), "\n")
	if !strings.HasPrefix(line, "#!") {
		return "a program"
	}
	return "a script for " + cut(strings.TrimSpace(line[2:]), 60)
}
