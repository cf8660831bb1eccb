package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
)

// ofContents are verdicts of `sallyport verify`, from the start of the process to its end: reading the file and hashing
// it, which the proxy does while it arrives, included.
var ofContents = []measurement{
	{name: "2,000 programs, 200 MB unpacked; peer sha256sum", unit: "s", aim: "s < 2", ours: verdict("2000.msi", "inside"), peer: sum("2000.msi")},
	{name: "the same: resident at most", unit: "MiB", aim: "< 256", once: true, ours: memory("2000.msi", "inside")},
	{name: "the same; peer cabextract + osslsigncode on each", unit: "s", once: true, need: []string{"cabextract", "osslsigncode"},
		ours: verdict("2000.msi", "inside"), peer: oneByOne("2000.msi")},
	{name: "2,000 programs, 200 MB packed; peer sha256sum", unit: "s", aim: "s < 2", ours: verdict("2000-large.msi", "inside"), peer: sum("2000-large.msi")},
	{name: "the same: resident at most", unit: "MiB", aim: "< 256", once: true, ours: memory("2000-large.msi", "inside")},
	{name: "115 MB signed PE; peer sha256sum", unit: "s", aim: "<= 2.5", ours: verdict("115m.exe", "inside"), peer: sum("115m.exe")},
}

// prepareInside has the packages made by a process of its own: how much memory a program had resident at most includes
// what the one that started it had.
func (s *stage) prepareInside(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	_, _, err = execute(ctx, self, "-part", "packages", "-dir", s.dir)
	return err
}

// makePackages makes the packages, and what sallyport needs for them.
func makePackages(dir string) error {
	s := &stage{dir: dir, pki: newPKI()}
	if err := s.prepareVerify(); err != nil {
		return err
	}
	for _, sample := range []struct {
		name string
		make func() []byte
	}{
		{"2000.msi", func() []byte { return s.pki.installer(2000, 100_000) }},
		{"2000-large.msi", func() []byte { return s.pki.installer(2000, 195_000) }},
		{"115m.exe", func() []byte { return s.pki.program(115_000_000, 9) }},
	} {
		if err := os.WriteFile(s.sample(sample.name), sample.make(), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) sample(name string) string { return filepath.Join(s.dir, "verify", name) }

// prepareVerify writes what `sallyport verify` is told: whom to trust, and what each channel requires.
func (s *stage) prepareVerify() error {
	if err := os.MkdirAll(s.sample(""), 0o700); err != nil {
		return err
	}
	config := "policy: policy.yaml\nstate: state\ntrust: {code_signing: codesigning.pem, timestamping: timestamping.pem}\n"
	policy := `version: 1
anchors:
  bench: {authenticode: {organization: Bench}}
channels:
- name: inside
  hosts: [inside.example]
  require: [{signed_by: [bench]}, {contents: {strict: true, signed_by: [bench]}}]
- {name: authenticode, hosts: [authenticode.example], require: [{signed_by: [bench]}]}
`
	for name, text := range map[string]string{"sallyport.yaml": config, "policy.yaml": policy} {
		if err := os.WriteFile(s.sample(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	for name, ca := range map[string]*authenticodetest.CA{"codesigning.pem": s.pki.root, "timestamping.pem": s.pki.stamps} {
		if err := writePEM(s.sample(name), "CERTIFICATE", ca.Certificate.Raw); err != nil {
			return err
		}
	}
	return nil
}

// verify has sallyport judge a sample, which must be allowed.
func (s *stage) verify(ctx context.Context, sample, channel string, args ...string) (took time.Duration, most int64, err error) {
	args = append([]string{"verify", "--config", s.sample("sallyport.yaml"), "--channel", channel, s.sample(sample)}, args...)
	return execute(ctx, s.binary, args...)
}

// execute runs a program and returns how long it took, and how many bytes of memory it had resident at most.
func execute(ctx context.Context, name string, args ...string) (took time.Duration, most int64, err error) {
	cmd := exec.CommandContext(ctx, name, args...)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took = time.Since(began)
	if err != nil {
		return 0, 0, fmt.Errorf("%s %s: %w\n%.3000s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, 0, errors.New("the system does not say how much memory a process used")
	}
	return took, usage.Maxrss << 10, nil // Linux counts KiB
}

type figure = func(context.Context, *stage, int) (float64, error)

func verdict(sample, channel string, args ...string) figure {
	return func(ctx context.Context, s *stage, _ int) (float64, error) {
		took, _, err := s.verify(ctx, sample, channel, args...)
		return took.Seconds(), err
	}
}

func memory(sample, channel string) figure {
	return func(ctx context.Context, s *stage, _ int) (float64, error) {
		_, most, err := s.verify(ctx, sample, channel)
		return float64(most) / mib, err
	}
}

func sum(sample string) figure {
	return timed("sha256sum", func(s *stage) []string { return []string{s.sample(sample)} })
}

// timed is how long a program takes. Its arguments are made of the stage.
func timed(name string, args func(*stage) []string) figure {
	return func(ctx context.Context, s *stage, _ int) (float64, error) {
		took, _, err := execute(ctx, name, args(s)...)
		return took.Seconds(), err
	}
}

// oneByOne does with other tools what looking inside does: it unpacks the cabinet that is embedded in an installer and
// verifies the installer and each program, as many at once as there are processors.
func oneByOne(sample string) figure {
	return func(ctx context.Context, s *stage, _ int) (float64, error) {
		dir, err := os.MkdirTemp(s.dir, "unpacked-")
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(dir)
		began := time.Now()
		if _, _, err := execute(ctx, "cabextract", "-q", "-d", dir, s.sample(sample)); err != nil {
			return 0, err
		}
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			return 0, err
		}
		err = each(append(files, s.sample(sample)), func(file string) error {
			_, _, err := execute(ctx, "osslsigncode", s.osslsigncode(file)...)
			return err
		})
		return time.Since(began).Seconds(), err
	}
}

// each works on files, two at a time, and returns the first error.
func each(files []string, work func(string) error) error {
	var wg sync.WaitGroup
	failed := make(chan error, 2)
	for worker := range 2 {
		wg.Go(func() {
			for i := worker; i < len(files); i += 2 {
				if err := work(files[i]); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func (s *stage) osslsigncode(file string) []string {
	return []string{"verify", "-CAfile", s.sample("codesigning.pem"), "-TSA-CAfile", s.sample("timestamping.pem"), "-in", file}
}
