package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

// besideLibraries compares the verifiers of Sigstore and TUF with the libraries that they are built on, as a program uses
// these by their own documentation: a process each, from its start to its end, that knows nothing before.
var besideLibraries = []measurement{
	{name: "Sigstore bundle by digest; peer bare sigstore-go", unit: "s", ours: bundleByDigest(false), peer: bundleByDigest(true)},
	{name: "the same: resident at most; peer bare sigstore-go", unit: "MiB", once: true, ours: bundleMemory(false), peer: bundleMemory(true)},
	{name: "TUF, 16,384 bins, cold; peer bare go-tuf", unit: "s", aim: "s < 0.3", ours: coldTarget("bins", false), peer: coldTarget("bins", true)},
	{name: "TUF, 24 MB of flat targets, cold; peer bare go-tuf", unit: "s", ours: coldTarget("flat", false), peer: coldTarget("flat", true)},
	{name: "the same: resident at most; peer bare go-tuf", unit: "MiB", once: true, ours: targetMemory("flat", false), peer: targetMemory("flat", true)},
	{name: "1,000 attested updates at once; peer listed by digest", unit: "s", once: true, ours: crowdOf(attested), peer: crowdOf(listed)},
	{name: "meanwhile an unrelated update, 95 of 100; peer the same", unit: "ms", once: true, ours: unrelatedBeside(attested), peer: unrelatedBeside(listed)},
	{name: "for comparison: an unrelated update alone, 95 of 100", unit: "ms", once: true, ours: unrelatedBeside("")},
}

// benchSigner is who signs the bundles.
var benchSigner = sigstoretest.Signer{Identity: "https://github.com/bench/bench/.github/workflows/release.yml@refs/tags/v1", Issuer: "https://token.actions.githubusercontent.com"}

const (
	repositoriesAddr = "127.0.0.1:18444"
	largeTarget      = "packages/wanted-1.0.tar.gz" // whose file is there
)

// prepareFrameworks builds the clients, makes a bundle and repositories, and serves these.
func (s *stage) prepareFrameworks(ctx context.Context) error {
	if err := os.MkdirAll(s.framework(""), 0o700); err != nil {
		return err
	}
	for _, name := range []string{"sigstore", "tuf"} {
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", s.framework(name), "./cmd/conformance/"+name).CombinedOutput(); err != nil {
			return fmt.Errorf("building the client for %s: %w\n%s", name, err, out)
		}
	}
	s.instance = sigstoretest.New("bench.test", time.Now().Add(-time.Hour))
	artifact := noise(4 << 10)
	for name, data := range map[string][]byte{
		"artifact": artifact, "bundle.json": s.instance.Sign(artifact, benchSigner), "trusted_root.json": s.instance.TrustedRoot(),
	} {
		if err := os.WriteFile(s.framework(name), data, 0o600); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	served, err := s.start(ctx, repositoriesAddr, self, "-part", "repositories", "-dir", s.framework(""))
	if served != nil {
		s.ending = append(s.ending, func() { served.Process.Signal(os.Interrupt); served.Wait() })
	}
	return err
}

func (s *stage) framework(name string) string { return filepath.Join(s.dir, "frameworks", name) }

// serveRepositories makes the large repositories and serves them, in a process of its own: how much memory a program had
// resident at most includes what the one that started it had.
func serveRepositories(ctx context.Context, dir string) error {
	options := tuftest.Options{At: time.Now(), Seed: rand.Text()}
	bins, err := tuftest.NewBins(options, 14, 400_000)
	if err != nil {
		return err
	}
	flat, err := tuftest.NewFlat(options, 165_000)
	if err != nil {
		return err
	}
	content := noise(4 << 10)
	bins.Add(bins.Bin(bins.Targets, largeTarget), largeTarget, content)
	flat.Add(flat.Targets, largeTarget, content)
	mux := http.NewServeMux()
	for name, r := range map[string]*tuftest.Repository{"bins": bins, "flat": flat} {
		files, err := r.Publish()
		if err != nil {
			return fmt.Errorf("publishing: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+"-root.json"), r.TrustedRoot(1), 0o600); err != nil {
			return err
		}
		server := &tuftest.Server{Prefix: "/" + name + "/"}
		server.Serve(files)
		mux.Handle("/"+name+"/", server)
	}
	return serveUntil(ctx, &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}, repositoriesAddr)
}

// executeBundle verifies the bundle in a process of its own.
func (s *stage) executeBundle(ctx context.Context, bare bool) (took time.Duration, most int64, err error) {
	artifact, err := os.ReadFile(s.framework("artifact"))
	if err != nil {
		return 0, 0, err
	}
	program, part := s.framework("sigstore"), []string{"verify-bundle"}
	if bare {
		if program, err = os.Executable(); err != nil {
			return 0, 0, err
		}
		part = []string{"-part", "sigstore", "--"}
	}
	return execute(ctx, program, append(part, "--bundle", s.framework("bundle.json"), "--certificate-identity", benchSigner.Identity,
		"--certificate-oidc-issuer", benchSigner.Issuer, "--trusted-root", s.framework("trusted_root.json"), fmt.Sprintf("sha256:%x", sha256.Sum256(artifact)))...)
}

func bundleByDigest(bare bool) figure {
	return func(ctx context.Context, s *stage, _ int) (float64, error) {
		took, _, err := s.executeBundle(ctx, bare)
		return took.Seconds(), err
	}
}

func bundleMemory(bare bool) figure {
	return func(ctx context.Context, s *stage, _ int) (float64, error) {
		_, most, err := s.executeBundle(ctx, bare)
		return float64(most) / mib, err
	}
}

// executeTarget fetches a target in a process that knows the repository's root and nothing else.
func (s *stage) executeTarget(ctx context.Context, repository string, bare bool) (took time.Duration, most int64, err error) {
	url, root := "http://"+repositoriesAddr+"/"+repository+"/", s.framework(repository+"-root.json")
	dir, err := os.MkdirTemp(s.dir, "cold-")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	metadata, targets := filepath.Join(dir, "metadata"), filepath.Join(dir, "targets")
	for _, d := range []string{metadata, targets} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return 0, 0, err
		}
	}
	program, part := s.framework("tuf"), []string{}
	if bare {
		program, err = os.Executable()
		part = []string{"-part", "tuf", "--", "--root", root}
	} else {
		_, _, err = execute(ctx, program, "--metadata-dir", metadata, "init", root)
	}
	if err != nil {
		return 0, 0, err
	}
	args := append(part, "--metadata-url", url+"metadata/", "--metadata-dir", metadata, "--target-name", largeTarget, "--target-dir", targets, "--target-base-url", url+"targets/")
	if !bare {
		args = append(args, "download")
	}
	took, most, err = execute(ctx, program, args...)
	if err != nil {
		return 0, 0, err
	}
	return took, most, arrived(targets)
}

// arrived says if there is no target below a directory.
func arrived(dir string) error {
	found := 0
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found++
		}
		return err
	})
	if err == nil && found == 0 {
		err = fmt.Errorf("no target arrived below %s", strings.TrimPrefix(dir, os.TempDir()))
	}
	return err
}

func coldTarget(repository string, bare bool) figure {
	return func(ctx context.Context, s *stage, _ int) (float64, error) {
		took, _, err := s.executeTarget(ctx, repository, bare)
		return took.Seconds(), err
	}
}

func targetMemory(repository string, bare bool) figure {
	return func(ctx context.Context, s *stage, _ int) (float64, error) {
		_, most, err := s.executeTarget(ctx, repository, bare)
		return float64(most) / mib, err
	}
}
