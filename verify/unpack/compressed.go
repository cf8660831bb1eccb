package unpack

import (
	"context"
	"io"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// Compressed opens a file that is one compressed stream and no tar archive.
type Compressed struct{ format verify.Format }

// NewCompressed returns an opener for each kind of compressed stream: gzip (RFC 1952), xz (The .xz File Format 1.1.0),
// zstd (RFC 8878) and bzip2. Their methods are their formats.
func NewCompressed() []verify.Opener {
	var out []verify.Opener
	for _, f := range streamFormats {
		out = append(out, &Compressed{f})
	}
	return out
}

// Method returns the format: "gzip", "xz", "zstd" or "bzip2".
func (c *Compressed) Method() string { return string(c.format) }

// Match reports whether a is of this format and holds no tar archive.
func (c *Compressed) Match(a *verify.Artifact) bool {
	return a.Format == c.format && !holdsTar(a)
}

// Open offers what the stream decompresses to, under the artifact's name without the ending of the compression.
func (c *Compressed) Open(ctx context.Context, a *verify.Artifact, inside verify.Inside) ([]verify.Finding, error) {
	s, err := openStream(ctx, a.Content, a.Size, c.format)
	if err != nil {
		return unpackedSoFar(c.Method(), nil, err)
	}
	defer s.close()
	if err := inside.Offer(verify.Entry{Name: withoutEnding(a.Name), Size: -1, Reader: s}); err != nil {
		return nil, err
	}
	if _, err = io.Copy(io.Discard, s); err == nil {
		err = s.trailing()
	}
	return unpackedSoFar(c.Method(), nil, err)
}

// withoutEnding returns the name of what is inside: "x" of "x.gz", "x.tar" of "x.tgz".
func withoutEnding(name string) string {
	base := path.Base(name)
	switch ext := path.Ext(base); strings.ToLower(ext) {
	case ".gz", ".xz", ".zst", ".bz2", ".lzma":
		base = strings.TrimSuffix(base, ext)
	case ".tgz", ".txz", ".tzst", ".tbz2":
		base = strings.TrimSuffix(base, ext) + ".tar"
	}
	if base == "" || base == "." || base == "/" {
		return "content"
	}
	return base
}
