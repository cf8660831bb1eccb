package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

// pki is who signs the samples: a publisher and a timestamping authority, each below an authority below a root.
type pki struct {
	root, stamps *authenticodetest.CA
	signer, tsa  *authenticodetest.Signer
}

func newPKI() *pki {
	p := &pki{root: authenticodetest.NewCA("Bench Root"), stamps: authenticodetest.NewCA("Bench Timestamping Root")}
	p.signer = p.root.Intermediate("Bench Code Signing").Issue(authenticodetest.Leaf{Organization: "Bench", RSA: true})
	p.tsa = p.stamps.Intermediate("Bench Timestamping").TSA("Bench Timestamps")
	return p
}

func (p *pki) signature() authenticodetest.Signature {
	return authenticodetest.Signature{Signer: p.signer, Timestamp: &authenticodetest.Timestamp{Authority: p.tsa, Time: time.Now().AddDate(0, -1, 0)}}
}

// program returns a signed program of about size bytes that compresses to about half, as real ones do: seven eighths are words
// of a skewed vocabulary, as machine code is, the rest is noise, as pictures and archives in resources are.
func (p *pki) program(size int, seed uint64) []byte {
	image := authenticodetest.BuildPE(authenticodetest.Image{Size: size, Seed: seed})
	content := image[1024:]
	r := rand.New(rand.NewPCG(seed, 2))
	for at := 0; at < len(content); at += 8 << 10 {
		code(content[at:min(at+7<<10, len(content))], r)
	}
	return authenticodetest.Sign(image, p.signature())
}

// words is a vocabulary that all programs share.
var words = sync.OnceValue(func() [][]byte {
	r := rand.New(rand.NewPCG(3, 4))
	out := make([][]byte, 4096)
	for i := range out {
		out[i] = make([]byte, 2+r.IntN(7))
		for j := range out[i] {
			out[i][j] = byte(r.Uint32())
		}
	}
	return out
})

func code(b []byte, r *rand.Rand) {
	vocabulary := words()
	for len(b) > 0 {
		n := r.IntN(1 << (1 + r.IntN(12))) // small numbers are the most frequent
		b = b[copy(b, vocabulary[n]):]
	}
}

// installer returns a signed installer with so many signed programs of so many bytes each in one cabinet.
func (p *pki) installer(programs, size int) []byte {
	files := make([]cabtest.File, programs)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < programs; i += 4 {
				files[i] = cabtest.File{Name: fmt.Sprintf("file%d", i), Data: p.program(size, uint64(i))}
			}
		})
	}
	wg.Wait()
	listed := make([]msitest.File, programs)
	for i := range files {
		listed[i] = msitest.File{Key: files[i].Name, Path: fmt.Sprintf("bin%d/lib%d.dll", i/100, i), Size: len(files[i].Data)}
	}
	cabinet := cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{{Method: cabtest.MSZIP, Files: files}}})
	pkg := msitest.Package{Name: "Bench", Version: "1.2.3", Cabinet: cabinet, Files: listed}.Build()
	return msitest.Sign(pkg, p.signature())
}

// noise returns size bytes that do not compress.
func noise(size int) []byte {
	b := make([]byte, 0, size+8)
	r := rand.New(rand.NewPCG(5, 6))
	for len(b) < size {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return b[:size]
}
