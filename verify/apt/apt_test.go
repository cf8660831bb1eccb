package apt

import (
	"bytes"
	"net/url"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/apt/apttest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

func TestVerifier(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld(t)
	w.publish(w.bookworm(func(s *apttest.Suite) { s.ValidUntil = now.Add(time.Hour) }))
	env := func() verify.Env {
		e := w.env
		e.Memory = newMemory()
		return e
	}
	file := func(name string) verifytest.Case {
		u, err := url.Parse(root + name)
		if err != nil {
			t.Fatal(err)
		}
		return verifytest.Case{
			Name: name, Data: w.archive.Get(name), Artifact: verify.Artifact{URL: u}, NewEnv: env, Flips: 60,
			Want: []verifytest.Want{{Status: verify.Valid, Code: "apt/valid", Anchor: "debian"}},
		}
	}
	release := file(inRel)
	release.Flips = 200
	hash := int64(bytes.Index(release.Data, []byte("SHA256")))
	end := int64(bytes.Index(release.Data, []byte("\n-----END PGP SIGNATURE")))
	release.Uncovered = []verifytest.Range{{
		From: hash, To: hash + 6, Why: "the Hash header is a hint for readers; the signature names its algorithm itself, and nothing is read from the header",
	}, {
		From: end - 98, To: end, Why: "a version 4 signature begins with two octets of the hash as a hint, and ends in numbers whose bit lengths and base64 padding have spare bits; none of it is part of the Release",
	}}
	other := file("dists/bookworm/notes.txt")
	other.Data, other.Want = []byte("hello"), nil
	verifytest.Run(t, w.v, file(hello), file(packages), file(packages+".gz"), release, other)
}
