package anomaly

import (
	"bytes"
	"encoding/hex"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
)

// imageDigest is the digest that leaves out a program's certificate table, where bytes can be changed without it.
const imageDigest = "authenticode/sha256"

// maxPrograms is how many signed programs are remembered.
const maxPrograms = 1 << 16

// programs remembers signed programs by the digest that their signatures are of. A second file with the same one
// differs only where no signature looks. It is used by several goroutines at once.
type programs struct {
	mu  sync.Mutex
	old map[string]seenProgram
	new map[string]seenProgram // when it is half full, it becomes old
}

type seenProgram struct {
	file verify.Digest
	path string
}

func newPrograms() *programs { return &programs{new: map[string]seenProgram{}} }

// compare looks for programs of an update that were seen before with other bytes, in it or in an earlier one, and
// remembers the others.
func (s *programs) compare(p *pkg) (out []verify.Finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	look := func(path, subject string, file verify.Digest, taps map[string][]byte) {
		image := taps[imageDigest]
		if len(image) == 0 || p.signers[subject] == "" {
			return
		}
		before, known := s.new[string(image)]
		if !known {
			before, known = s.old[string(image)]
		}
		switch {
		case known && before.file != file:
			f := odd(subject, "same-program-other-bytes",
				"The signed part of this program (%s) was seen before in a file with other bytes, %s (%s): the two differ where no signature looks.",
				hex.EncodeToString(image[:8]), before.path, before.file)
			if !p.wrong[subject] {
				f.Status = verify.Valid // a publisher has signed the same program again
			}
			out = append(out, f)
		case !known && !p.wrong[subject]:
			s.remember(string(bytes.Clone(image)), seenProgram{file, path})
		}
	}
	look(p.outer.Name, "", p.outer.Digests.SHA256, p.outer.Digests.Taps)
	for i := range p.report.Contents.Inner {
		in := &p.report.Contents.Inner[i]
		look(in.Path, in.Path, in.SHA256, in.Taps)
	}
	return said(out, "same-program-other-bytes")
}

func (s *programs) remember(image string, program seenProgram) {
	if len(s.new) >= maxPrograms/2 {
		s.old, s.new = s.new, map[string]seenProgram{}
	}
	s.new[image] = program
}
