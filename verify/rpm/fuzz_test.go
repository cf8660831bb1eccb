package rpm

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-project/sallyport/verify/internal/rpmfile"
	"github.com/sallyport-project/sallyport/verify/rpm/rpmtest"
)

// FuzzVerify changes a good package: whatever of its header and payload differs, it must not be valid.
func FuzzVerify(f *testing.F) {
	key := newRSAKey(f, "Fuzz")
	env := trusting(f, key)
	var covered [][]byte
	for _, p := range []rpmtest.Package{
		{HeaderBy: []*rpmtest.Key{key}, AllBy: key},
		{Format: 3, AllBy: key, NoPayloadDigest: true},
		{Format: 6, HeaderBy: []*rpmtest.Key{key, key}},
	} {
		good := build(f, p)
		q, err := rpmfile.Read(bytes.NewReader(good), int64(len(good)))
		if err != nil {
			f.Fatal(err)
		}
		covered = append(covered, good[q.HeaderAt:])
		f.Add(good)
	}
	if dir := os.Getenv("SALLYPORT_SAMPLES"); dir != "" {
		files, _ := filepath.Glob(filepath.Join(dir, "rpm", "*", "*.rpm"))
		for _, file := range files {
			if b, err := os.ReadFile(file); err == nil && len(b) < 64<<10 {
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<20 {
			return
		}
		if !weAccept(examine(t, data, env)) {
			return
		}
		q, err := rpmfile.Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatalf("valid, and it cannot be read: %v", err)
		}
		for _, signed := range covered {
			if bytes.Equal(data[q.HeaderAt:], signed) {
				return
			}
		}
		t.Error("a package whose header or payload was changed is valid")
	})
}
