package checksums

import (
	"bytes"
	"crypto"
	_ "crypto/sha256" // so that crypto.Hash.New knows them
	_ "crypto/sha512"
	"encoding/hex"
	"hash"
	"io"

	"github.com/sallyport-project/sallyport/verify/internal/beside"
)

var functions = map[string]crypto.Hash{"SHA256": crypto.SHA256, "SHA384": crypto.SHA384, "SHA512": crypto.SHA512}

// sum computes the digests of the artifact that the lines of a list ask for, in one reading. Its SHA-256 is known.
func (s *search) sum(entries []entry) error {
	if s.sums == nil {
		s.sums = map[string][]byte{}
		if d := s.artifact.Digests.SHA256; !d.IsZero() {
			s.sums["SHA256"] = d[:]
		}
	}
	todo := map[string]hash.Hash{}
	var all []io.Writer
	for _, e := range entries {
		if name := e.algorithm.name; s.sums[name] == nil && todo[name] == nil {
			todo[name] = functions[name].New()
			all = append(all, todo[name])
		}
	}
	if len(all) == 0 {
		return nil
	}
	if err := beside.Copy(s.ctx, io.MultiWriter(all...), s.artifact); err != nil {
		return err
	}
	for name, h := range todo {
		s.sums[name] = h.Sum(nil)
	}
	return nil
}

// isBare reports whether a file holds a digest without the name of what it is of. Signed or not, that vouches for
// nothing: it could be put beside any file.
func isBare(data []byte) bool {
	bare := bytes.TrimSpace(data)
	if len(bare) > 128 {
		return false
	}
	sum, err := hex.DecodeString(string(bare))
	return err == nil && len(sum) >= 16
}
