package rpmrepo

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// TestRepositoriesOfCreaterepo has createrepo_c make the metadata, in every form that it has.
func TestRepositoriesOfCreaterepo(t *testing.T) {
	if _, err := exec.LookPath("createrepo_c"); err != nil {
		t.Skip("createrepo_c is not installed: repositories that it makes are left out")
	}
	for name, args := range map[string][]string{
		"gz": nil, "xz": {"--compress-type=xz"}, "zstd": {"--compress-type=zstd"}, "bz2": {"--compress-type=bz2"},
		"sha512": {"--checksum=sha512"}, "plain names": {"--simple-md-filenames"}, "with sqlite": {"--database"}, "with zchunk": {"--zck"},
		"prefix": {"--location-prefix=../elsewhere/"}, "revision": {"--revision=7.2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.env.At = time.Now().Add(time.Minute)
			dir := t.TempDir()
			data := pkg(t, "1.0")
			if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(hello)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, hello), data, 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("createrepo_c", append(append([]string{"--quiet"}, args...), dir)...).CombinedOutput(); err != nil {
				t.Skipf("createrepo_c %q: %v: %s", args, err, out)
			}
			files, err := filepath.Glob(filepath.Join(dir, "repodata", "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				body, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				w.repo.Set("repodata/"+filepath.Base(file), body)
			}
			sig, err := w.key.Sign(w.repo.Get(repomd), time.Now(), 5)
			if err != nil {
				t.Fatal(err)
			}
			w.repo.Set(repomdSig, sig)
			w.want(repomd, w.get(repomd), verify.Valid, "rpm-repo/valid")
			for _, file := range files {
				if base := filepath.Base(file); base != "repomd.xml" {
					w.want(base, w.get("repodata/"+base), verify.Valid, "rpm-repo/valid")
				}
			}
			place := hello
			if name == "prefix" {
				place = "../elsewhere/" + hello
			}
			w.want(place, w.offer(place, data), verify.Valid, "rpm-repo/listed")
			changed := append([]byte(nil), data...)
			changed[len(changed)-3] ^= 1
			w.want(place, w.offer(place, changed), verify.Invalid, "rpm-repo/digest-mismatch")
		})
	}
}
