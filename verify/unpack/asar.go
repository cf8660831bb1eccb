package unpack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/sallyport-project/sallyport/verify"
)

// ASAR opens the archives in which Electron applications keep their programs (electron/asar, "Format"): a JSON header in
// two Pickles of Chromium, then the files' bytes. Digests in the header are compared; nobody signs them.
type ASAR struct{}

// NewASAR returns an Opener for Electron archives.
func NewASAR() *ASAR { return &ASAR{} }

// Method returns "asar".
func (*ASAR) Method() string { return "asar" }

// Limits of an archive's header.
const (
	maxASARHeader = 24 << 20 // bytes
	maxASARFiles  = 200_000
	maxASARDepth  = 64
	asarPreamble  = 16 // bytes before the JSON text
)

var errASARLimit = errors.New("beyond the limits")

// asarHeader is where the JSON text of an archive lies.
type asarHeader struct {
	json int64 // bytes of it, from asarPreamble
	data int64 // where the files' bytes begin
}

// readASARHeader reads the Pickles. ok is false where the content is no archive.
func readASARHeader(r io.ReaderAt, size int64) (h asarHeader, ok bool, err error) {
	if size < asarPreamble+2 {
		return h, false, nil
	}
	var b [asarPreamble + 1]byte
	if err := readFull(r, b[:], 0); err != nil {
		return h, false, err
	}
	le := binary.LittleEndian
	outer, header, payload, text := le.Uint32(b[:]), int64(le.Uint32(b[4:])), int64(le.Uint32(b[8:])), int64(le.Uint32(b[12:]))
	if outer != 4 || header < 8 || payload != header-4 || text > payload-4 || text < payload-4-7 || b[16] != '{' {
		return h, false, nil
	}
	return asarHeader{json: text, data: 8 + header}, true, nil
}

// Match reports whether the content begins with the header of an archive.
func (*ASAR) Match(a *verify.Artifact) bool {
	_, ok, err := readASARHeader(a.Content, a.Size)
	return ok && err == nil
}

// Open implements verify.Opener.
func (*ASAR) Open(ctx context.Context, a *verify.Artifact, inside verify.Inside) ([]verify.Finding, error) {
	w := &asarWalk{ctx: ctx, content: a.Content, size: a.Size, notes: &structureNotes{method: "asar"}}
	h, ok, err := readASARHeader(a.Content, a.Size)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the header: %w", err)
	case !ok || h.data > a.Size:
		w.notes.add(verify.Invalid, "malformed", "", "The header of the archive of %d bytes reaches beyond its end.", a.Size)
		return w.notes.findings(), nil
	case h.json > maxASARHeader:
		w.notes.add(verify.Inconclusive, "not-looked-into", "", "The header has %d bytes, more than %d.", h.json, maxASARHeader)
		return w.notes.findings(), nil
	}
	w.data = h.data
	files, err := parseASAR(ctx, io.NewSectionReader(a.Content, asarPreamble, h.json))
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, errASARLimit):
		w.notes.add(verify.Inconclusive, "not-looked-into", "", "The header cannot be read: %s.", err)
		return w.notes.findings(), nil
	case err != nil:
		w.notes.add(verify.Invalid, "malformed", "", "The header cannot be read: %s.", err)
		return w.notes.findings(), nil
	}
	err = w.walk(files, inside)
	return w.notes.findings(), err
}
