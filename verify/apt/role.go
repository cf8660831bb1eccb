package apt

import (
	"archive/tar"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/xzdict"
)

// IsMetadata reports whether a's URL is that of a Release, its signature, or an index of an archive. What is, by its content, a program,
// a package or an archive, compressed or not, is none, wherever it lies: whoever publishes it would choose by its address how it is judged.
// The exception is an archive of pictures, which AppStream has (https://wiki.debian.org/DEP-11).
func (v *Verifier) IsMetadata(a *verify.Artifact) bool {
	return slices.Contains(indexFormats, a.Format) && len(targets(a.URL)) > 0 && (a.Content == nil || a.Format == "" || v.holdsIndex(a))
}

// maxPictures is how many bytes of an archive of pictures are read, once unpacked.
const maxPictures = 256 << 20

// holdsIndex reports whether a compressed file, or an archive, holds an index. Of what cannot be decompressed somebody else may
// make anything.
func (v *Verifier) holdsIndex(a *verify.Artifact) bool {
	v.peeking <- struct{}{} // a dictionary may be large
	defer func() { <-v.peeking }()
	whole := func() *io.SectionReader { return io.NewSectionReader(a.Content, 0, a.Size) }
	if a.Format == "tar" {
		return holdsPictures(whole())
	}
	if a.Format == "xz" && xzdict.Check(whole(), a.Size) != nil {
		return false
	}
	r, stop, err := decompressor(whole(), map[verify.Format]string{"gzip": ".gz", "xz": ".xz", "bzip2": ".bz2", "zstd": ".zst"}[a.Format])
	defer stop()
	if err != nil {
		return false
	}
	head := make([]byte, verify.SniffLen)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && (n == 0 || !errors.Is(err, io.ErrUnexpectedEOF)) {
		return false
	}
	switch verify.Sniff(head[:n], "") {
	case "":
		return true
	case "tar":
		return holdsPictures(io.MultiReader(strings.NewReader(string(head[:n])), r))
	}
	return false
}

// holdsPictures reports whether an archive has nothing in it but pictures, and nothing behind it that is read by others.
func holdsPictures(r io.Reader) bool {
	bounded := &boundedReader{r: r, left: maxPictures}
	for t := tar.NewReader(bounded); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return onlyZeros(bounded)
		}
		if err != nil || h.Typeflag != tar.TypeDir && h.Typeflag != tar.TypeReg {
			return false
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		magic := make([]byte, 8)
		if _, err := io.ReadFull(t, magic); err != nil || path.Ext(h.Name) != ".png" || string(magic) != "\x89PNG\r\n\x1a\n" {
			return false
		}
	}
}

func onlyZeros(r io.Reader) bool {
	b := make([]byte, 4096)
	for {
		n, err := r.Read(b)
		if strings.Trim(string(b[:n]), "\x00") != "" || err != nil && !errors.Is(err, io.EOF) {
			return false
		}
		if err != nil {
			return true
		}
	}
}
