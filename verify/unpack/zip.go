package unpack

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
)

// Zip opens zip files (PKWARE's APPNOTE 6.3.10, with Zip64) and everything that is one: jar, apk, nupkg, msix and appx
// with their bundles, vsix, whl, xpi. It follows the directory at the file's end, and reports what another reader would
// see differently.
type Zip struct{}

// NewZip returns an Opener for zip files that begin as one. An archive behind something else is not its matter.
func NewZip() *Zip { return &Zip{} }

// Method returns "zip".
func (*Zip) Method() string { return "zip" }

// Match reports whether the content begins with an entry, or is an archive without any.
func (*Zip) Match(a *verify.Artifact) bool {
	var magic [4]byte
	if n, _ := a.Content.ReadAt(magic[:], 0); n < len(magic) {
		return false
	}
	switch string(magic[:]) {
	case "PK\x03\x04", "PK\x05\x06", "PK\x06\x06":
		return true
	}
	return false
}

// Open implements verify.Opener.
func (z *Zip) Open(ctx context.Context, a *verify.Artifact, inside verify.Inside) ([]verify.Finding, error) {
	return OpenZip(ctx, a.Content, a.Size, inside)
}

// OpenZip is what Zip does, for an archive of size bytes that may begin with something else. Findings have the method
// "zip". An archive that cannot be followed at all is one finding.
func OpenZip(ctx context.Context, r io.ReaderAt, size int64, inside verify.Inside) ([]verify.Finding, error) {
	f, err := zipfile.Open(r, size)
	switch {
	case errors.Is(err, zipfile.ErrNotZip):
		return zipFindings(zipfile.Problem{Code: "truncated", Status: verify.Invalid, Detail: "The file begins as a zip file, but has no end record: it is cut off, or another kind of file."}), nil
	case errors.Is(err, zipfile.ErrMalformed):
		return zipFindings(zipfile.Problem{Code: "malformed", Status: verify.Invalid, Detail: zipSentence(err)}), nil
	case err != nil:
		return nil, fmt.Errorf("reading the directory: %w", err)
	}
	found := zipFindings(f.Problems...)
	for _, e := range f.Entries {
		if err := ctx.Err(); err != nil {
			return found, err
		}
		entry, err := zipEntry(ctx, f, e)
		if err != nil {
			return found, err
		}
		if err := inside.Offer(entry); err != nil {
			return found, err
		}
	}
	return found, nil
}

// zipEntry makes of an entry what the walk takes.
func zipEntry(ctx context.Context, f *zipfile.File, e *zipfile.Entry) (verify.Entry, error) {
	out := verify.Entry{Name: e.Name, Size: e.Size}
	switch {
	case e.IsDirectory() && e.Size == 0:
		out.Directory = true
	case e.Encrypted():
		out.Unread = fmt.Sprintf("The entry of %d bytes is encrypted.", e.Packed)
	case !e.Supported():
		out.Unread = fmt.Sprintf("The entry of %d bytes is compressed by a method, %d, that is not read here.", e.Packed, e.Method)
	case e.IsLink():
		return zipLink(f, e)
	case e.Method == zipfile.Stored && e.Packed == e.Size && !e.Endless:
		return zipStored(ctx, f, e)
	default:
		out.Reader = f.Reader(e)
	}
	return out, nil
}

const maxLink = 4096 // bytes of a symbolic link's target

func zipLink(f *zipfile.File, e *zipfile.Entry) (verify.Entry, error) {
	target, err := f.ReadAll(e, maxLink)
	if errors.Is(err, verify.ErrBroken) {
		return verify.Entry{Name: e.Name, Size: e.Size, Reader: zipFailing{err}}, nil
	}
	return linkText(e.Name, string(target)), err
}

// zipStored offers data that lie in the archive as they are, once their checksum is known to be right.
func zipStored(ctx context.Context, f *zipfile.File, e *zipfile.Entry) (verify.Entry, error) {
	raw := f.Raw(e)
	h := crc32.NewIEEE()
	b := make([]byte, min(128<<10, e.Size))
	for at := int64(0); at < e.Size; {
		if err := ctx.Err(); err != nil {
			return verify.Entry{}, err
		}
		n, err := raw.ReadAt(b[:min(int64(len(b)), e.Size-at)], at)
		if n == 0 {
			return verify.Entry{}, fmt.Errorf("reading the entry %.80q: %w", e.Name, err)
		}
		h.Write(b[:n])
		at += int64(n)
	}
	if h.Sum32() != e.CRC32 {
		return verify.Entry{Name: e.Name, Size: e.Size, Reader: zipFailing{fmt.Errorf("the checksum is %08x, not %08x: %w", h.Sum32(), e.CRC32, verify.ErrBroken)}}, nil
	}
	return verify.Entry{Name: e.Name, Size: e.Size, Content: raw}, nil
}

// zipFailing is a Reader that only has an error to give.
type zipFailing struct{ err error }

func (f zipFailing) Read([]byte) (int, error) { return 0, f.err }

// zipSentence makes a sentence of an error.
func zipSentence(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// zipFindings makes findings of what the reader noticed. Entries that cannot be read are not among them: the walk says
// of each that it was not looked into.
func zipFindings(problems ...zipfile.Problem) []verify.Finding {
	var out []verify.Finding
	for _, p := range problems {
		if p.Entry != "" && (p.Code == "encrypted" || p.Code == "unknown-method") {
			continue
		}
		out = append(out, verify.Finding{Subject: p.Entry, Method: "zip", Status: p.Status, Code: "zip/" + p.Code, Detail: p.Detail})
	}
	return out
}
