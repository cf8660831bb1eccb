package unpack

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/pe"
)

// SelfExtractor finds what Windows programs carry to unpack or run it: archives after the program's sections, in its
// resources, at the beginning of a section, and the containers of WiX bundles. Each becomes an entry that other openers
// open. Installers of a kind that nothing here unpacks are told by their structure and reported.
type SelfExtractor struct{}

// NewSelfExtractor returns an Opener for Windows programs that carry archives.
func NewSelfExtractor() *SelfExtractor { return &SelfExtractor{} }

// Method returns "sfx".
func (*SelfExtractor) Method() string { return "sfx" }

// Match reports whether the content is a Windows program in which something was found.
func (*SelfExtractor) Match(a *verify.Artifact) bool {
	var magic [2]byte
	if n, _ := a.Content.ReadAt(magic[:], 0); n < len(magic) || string(magic[:]) != "MZ" {
		return false
	}
	s, err := searchProgram(a.Content, a.Size)
	return err == nil && (len(s.found) > 0 || s.broken != "")
}

// Open implements verify.Opener.
func (*SelfExtractor) Open(ctx context.Context, a *verify.Artifact, inside verify.Inside) ([]verify.Finding, error) {
	notes := &structureNotes{method: "sfx"}
	s, err := searchProgram(a.Content, a.Size)
	switch {
	case errors.Is(err, pe.ErrNotPE) || errors.Is(err, pe.ErrMalformed):
		notes.add(verify.Inconclusive, "not-looked-into", "", "The program's headers cannot be read: %s.", err)
		return notes.findings(), nil
	case err != nil:
		return nil, fmt.Errorf("searching the program: %w", err)
	}
	if s.broken != "" {
		notes.add(verify.Inconclusive, "not-looked-into", "", "%s", s.broken)
	}
	for _, e := range s.found {
		if err := ctx.Err(); err != nil {
			return notes.findings(), err
		}
		if e.why != "" {
			notes.add(verify.Inconclusive, "not-looked-into", e.name, "%d bytes at byte %d: %s", e.to-e.from, e.from, e.why)
		}
		if err := s.offer(ctx, e, notes, inside); err != nil {
			return notes.findings(), err
		}
	}
	if rest := s.unclaimed(); rest > maxUnclaimed {
		notes.add(verify.Inconclusive, "not-looked-into", "", "%d bytes after the program's sections belong to no archive that was found there.", rest)
	}
	return notes.findings(), nil
}

// maxUnclaimed is how many bytes between archives are taken for their configuration.
const maxUnclaimed = 64 << 10

// embedded is one thing that a program carries.
type embedded struct {
	name     string
	from, to int64
	why      string // it cannot be unpacked
	whole    bool   // a zip file whose offsets count from the program's beginning
}

// search is what was found in one program.
type search struct {
	r      io.ReaderAt
	size   int64
	info   *pe.Info
	found  []embedded
	broken string // why the search is not complete
	tails  []tail

	cabinets int // that were followed
}

// tail is a stretch of the file that is no section: the overlay, or what follows the certificate table.
type tail struct {
	from, to int64
	claimed  int64
}

// searchProgram searches a program of size bytes. Errors wrap pe.ErrNotPE or pe.ErrMalformed, or are r's.
func searchProgram(r io.ReaderAt, size int64) (*search, error) {
	info, err := pe.ReadInfo(r, size)
	if err != nil {
		return nil, err
	}
	s := &search{r: r, size: size, info: info}
	s.tails = []tail{{from: info.OverlayAt, to: size}}
	if l, err := pe.Parse(r, size); err == nil && l.Signed() && l.Table >= info.OverlayAt {
		s.tails = []tail{{from: info.OverlayAt, to: l.Table}, {from: l.Table + l.TableSize, to: size}}
	}
	if err := s.bundle(); err != nil {
		return nil, err
	}
	for i := range s.tails {
		if err := s.overlay(&s.tails[i]); err != nil {
			return nil, err
		}
	}
	if err := s.sections(); err != nil {
		return nil, err
	}
	return s, s.resources()
}

// add notes something found. A second one of the same name gets a number.
func (s *search) add(e embedded, base, suffix string) {
	e.name = base + suffix
	for n := 2; s.has(e.name); n++ {
		e.name = fmt.Sprintf("%s-%d%s", base, n, suffix)
	}
	s.found = append(s.found, e)
}

func (s *search) has(name string) bool {
	for _, e := range s.found {
		if e.name == name {
			return true
		}
	}
	return false
}

// unclaimed returns how many bytes of the tails in which something was found belong to nothing that was found.
func (s *search) unclaimed() int64 {
	var rest int64
	for _, t := range s.tails {
		if t.claimed > 0 {
			rest += t.to - t.from - t.claimed
		}
	}
	return rest
}

// offer hands one thing on.
func (s *search) offer(ctx context.Context, e embedded, notes *structureNotes, inside verify.Inside) error {
	size := e.to - e.from
	if !e.whole {
		return inside.Offer(verify.Entry{Name: e.name, Size: size, Content: io.NewSectionReader(s.r, e.from, size), Unread: e.why})
	}
	found, err := OpenZip(ctx, io.NewSectionReader(s.r, 0, e.to), e.to, below{inside, e.name + "/"})
	for _, f := range found {
		if f.Status == verify.Valid { // that something stands before the archive is what it is about
			continue
		}
		notes.found = append(notes.found, f)
	}
	return err
}

// below puts a folder before the names of entries.
type below struct {
	verify.Inside
	folder string
}

// Offer implements verify.Inside.
func (b below) Offer(e verify.Entry) error {
	e.Name = b.folder + e.Name
	return b.Inside.Offer(e)
}
