package formats

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

// BenchmarkInstaller looks at an installer with a hundred signed programs. cmd/bench has one with two thousand.
func BenchmarkInstaller(b *testing.B) {
	var files []cabtest.File
	var p msitest.Package
	for i := range 100 {
		image := at.Sign(at.BuildPE(at.Image{Size: 100_000, Seed: uint64(i)}), at.Signature{Signer: theWorld().signer})
		files = append(files, cabtest.File{Name: fmt.Sprint("f", i), Data: image})
		p.Files = append(p.Files, msitest.File{Key: fmt.Sprint("f", i), Path: fmt.Sprintf("bin/%d.dll", i), Size: len(image)})
	}
	p.Cabinet = cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{{Method: cabtest.MSZIP, Files: files}}})
	data := msitest.Sign(p.Build(), at.Signature{Signer: theWorld().signer})
	e := &verify.Examiner{Verifiers: All(), Openers: Openers(), Reviewers: Reviewers()}
	a := &verify.Artifact{Name: "a.msi", Format: "msi", Size: int64(len(data)), Content: bytes.NewReader(data)}
	env := verify.Env{At: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), Inside: true, Trust: hostileTrust()}
	b.SetBytes(a.Size)
	b.ReportAllocs()
	for b.Loop() {
		if r := e.Examine(b.Context(), a, env); r.Contents.Executables != 100 || r.Contents.Unread != 0 {
			b.Fatalf("%+v", *r.Contents)
		}
	}
}
