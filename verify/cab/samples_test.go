package cab

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cab"
	"github.com/sallyport-project/sallyport/verify/internal/pe"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

// samplesAt is when the samples are judged.
var samplesAt = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

// coInstaller is a program by Microsoft that carries two updates, signed cabinets that hold signed cabinets.
const coInstaller = "authenticode-pe/saferwall/WdfCoInstaller01011.dll"

// carried returns the cabinets among the resources of a program.
func carried(t *testing.T, b []byte) map[string][]byte {
	info, err := pe.ReadInfo(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	all, err := info.Resources(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, res := range all {
		if content := b[res.Offset : res.Offset+res.Size]; bytes.HasPrefix(content, []byte("MSCF")) {
			out[res.Name] = content
		}
	}
	return out
}

// inner returns the cabinets in a cabinet.
func inner(t *testing.T, b []byte) map[string][]byte {
	c, err := cab.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for i := range c.Folders {
		s, err := c.Stream(context.Background(), i)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range c.Files {
			if f.Folder == i && strings.HasSuffix(f.Name, ".cab") {
				out[f.Name] = content[f.Start : f.Start+f.Size]
			}
		}
	}
	return out
}

func samples(t *testing.T) string {
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real cabinets are left out; .ci/test fetches them")
	}
	return dir
}

func TestMicrosoftsCabinets(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(samples(t), filepath.FromSlash(coInstaller)))
	if err != nil {
		t.Skip(coInstaller + " is not among the samples: cabinets that Microsoft signed are left out")
	}
	updates := carried(t, b)
	if len(updates) != 2 {
		t.Fatalf("%d cabinets among the resources", len(updates))
	}
	seen := 0
	check := func(name string, data []byte) {
		seen++
		// The bits of certificates and timestamps are the business of the core, and slow: these are few.
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: data, Env: verify.Env{At: samplesAt}, Want: microsoft(name), Flips: -1})
	}
	for name, update := range updates {
		check(name, update)
		for inside, data := range inner(t, update) {
			check(name+"/"+inside, data)
		}
	}
	if seen != 6 {
		t.Errorf("%d cabinets, expected 6", seen)
	}
}

func microsoft(name string) []verifytest.Want {
	w := want("valid:valid", "valid:valid", "valid:weak-digest")
	w[0].Signer = "Microsoft Corporation"
	return w
}

// Firmware of the LVFS is vouched for by a detached signature inside, not by the cabinet.
func TestFirmwareIsUnsigned(t *testing.T) {
	dir := filepath.Join(samples(t), "lvfs")
	all, err := filepath.Glob(filepath.Join(dir, "*.cab"))
	if err != nil || len(all) == 0 {
		t.Skip("no cabinets below lvfs: unsigned firmware is left out")
	}
	for _, file := range all {
		verifytest.Run(t, New(), verifytest.Case{Name: filepath.Base(file), File: file, Env: verify.Env{At: samplesAt}, Want: want("absent:unsigned")})
	}
}
