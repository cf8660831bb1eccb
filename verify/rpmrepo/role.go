package rpmrepo

import (
	"errors"
	"io"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// indexFormats are the formats that metadata has, with the ending that such a file usually bears. What is anything else
// is a payload whatever its name says.
var indexFormats = map[verify.Format]string{"": "", "gzip": ".gz", "xz": ".xz", "bzip2": ".bz2", "zstd": ".zst"}

// IsMetadata reports whether a lies in a repository's repodata directory. What is, by its content, a program, a package
// or an archive, compressed or not, is no metadata, wherever it lies.
func (v *Verifier) IsMetadata(a *verify.Artifact) bool {
	if _, _, ok := target(a.URL); !ok {
		return false
	}
	ending, ok := indexFormats[a.Format]
	return ok && (ending == "" || a.Content == nil || v.holdsIndex(a, ending))
}

// maxPeek is how many compressed bytes are read to see how a file begins: more than one block of any of the formats has.
const maxPeek = 4 << 20

// beginning is a file of which no more than the beginning is read in order. What lies behind is an error, not an end.
type beginning struct {
	*io.SectionReader
	left int
}

var errLate = errors.New("it does not begin in time")

func (b *beginning) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errLate
	}
	n, err := b.SectionReader.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// holdsIndex reports whether what a compressed file holds begins like no program, package or archive. Of what cannot be
// decompressed here somebody else may make anything.
func (v *Verifier) holdsIndex(a *verify.Artifact, ending string) bool {
	v.peeking <- struct{}{} // a dictionary may be large
	defer func() { <-v.peeking }()
	r, stop, err := decompressed(&beginning{io.NewSectionReader(a.Content, 0, a.Size), maxPeek}, ending)
	if err != nil {
		return false
	}
	defer stop()
	head := make([]byte, verify.SniffLen)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && (n == 0 || !errors.Is(err, io.ErrUnexpectedEOF)) {
		return false
	}
	name := path.Base(a.URL.Path)
	return verify.Sniff(head[:n], strings.TrimSuffix(name, path.Ext(name))) == ""
}
