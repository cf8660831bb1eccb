package unpack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/rpmfile"
)

// RPM opens rpm packages of format 3, 4 and 6.
type RPM struct{}

// NewRPM returns an opener of rpm packages.
func NewRPM() *RPM { return &RPM{} }

// Method returns "rpm".
func (*RPM) Method() string { return "rpm" }

// Match reports whether a is an rpm package.
func (*RPM) Match(a *verify.Artifact) bool { return a.Format == "rpm" }

// Open offers the scriptlets of the header under "scriptlets/" and the files of the payload under "files/", by the
// names that the header has for them, which are those that rpm installs. A scriptlet is offered as rpm runs it: with
// its interpreter in a first line, "#!/bin/sh", where it has none of its own.
func (p *RPM) Open(ctx context.Context, a *verify.Artifact, inside verify.Inside) ([]verify.Finding, error) {
	pkg, err := rpmfile.Read(a.Content, a.Size)
	if errors.Is(err, rpmfile.ErrFormat) {
		return []verify.Finding{{Method: "rpm", Status: verify.Invalid, Code: "rpm/malformed", Detail: err.Error()}}, nil
	}
	if err != nil {
		return nil, err
	}
	scripts, err := pkg.Header.Scriptlets()
	if err != nil {
		return unpackedSoFar(p.Method(), nil, rpmBroken("%v", err))
	}
	for _, s := range scripts {
		if err := inside.Offer(verify.Entry{Name: "scriptlets/" + s.Name, Size: int64(len(s.Text)), Reader: strings.NewReader(s.Text)}); err != nil {
			return nil, err
		}
	}
	err = p.payload(ctx, a, pkg, inside)
	if err, ok := unwrapOffer(err); ok {
		return nil, err
	}
	return unpackedSoFar(p.Method(), nil, err)
}

// rpmCompressors are those that rpm has, by the name in the header; gzip where there is none.
var rpmCompressors = map[string]verify.Format{"": "gzip", "gzip": "gzip", "bzip2": "bzip2", "xz": "xz", "lzma": "lzma", "zstd": "zstd", "identity": ""}

func (p *RPM) payload(ctx context.Context, a *verify.Artifact, pkg *rpmfile.Package, inside verify.Inside) error {
	if f := pkg.Header.String(rpmfile.TagPayloadFormat); f != "" && f != "cpio" {
		return fmt.Errorf("a payload of the format %.20q: %w", f, errNotKnown)
	}
	compressor := pkg.Header.String(rpmfile.TagPayloadCompressor)
	format, ok := rpmCompressors[compressor]
	if !ok {
		return fmt.Errorf("a payload compressed with %.20q: %w", compressor, errNotKnown)
	}
	size := pkg.Size - pkg.Payload
	content := io.NewSectionReader(a.Content, pkg.Payload, size)
	if compressor == "" && !beginsWith(content, "\x1f\x8b") {
		format = ""
	}
	s, err := openStream(ctx, content, size, format)
	if err != nil {
		return err
	}
	defer s.close()
	files, err := readRPMFiles(pkg.Header)
	if err != nil {
		return err
	}
	w := &cpioWalk{reader: newCpioReader(s), describe: files.describe, offer: func(m *cpioMember, r io.Reader) error {
		return files.offer(inside, m, r)
	}}
	if err := w.walk(); err != nil {
		return err
	}
	if err := files.missing(); err != nil {
		return err
	}
	return s.trailing()
}

// beginsWith reports whether r begins with prefix.
func beginsWith(r io.ReaderAt, prefix string) bool {
	b := make([]byte, len(prefix))
	n, _ := r.ReadAt(b, 0)
	return string(b[:n]) == prefix
}
