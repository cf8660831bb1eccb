package main

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"github.com/sallyport-project/sallyport/verify/msi/msitest"
	"github.com/sallyport-project/sallyport/verify/rpm/rpmtest"
)

// besideTools compares verdicts with those of the tools that know one kind of signature each.
var besideTools = []measurement{
	{name: "64 MiB signed PE; peer osslsigncode", unit: "s", need: []string{"osslsigncode"},
		ours: verdict("64m.exe", "authenticode"), peer: timed("osslsigncode", func(s *stage) []string { return s.osslsigncode(s.sample("64m.exe")) })},
	{name: "64 MiB signed MSI; peer osslsigncode", unit: "s", need: []string{"osslsigncode"},
		ours: verdict("64m.msi", "authenticode"), peer: timed("osslsigncode", func(s *stage) []string { return s.osslsigncode(s.sample("64m.msi")) })},
	{name: "64 MiB with a detached signature; peer gpgv", unit: "s", need: []string{"gpgv"},
		ours: beside("64m.bin", "openpgp"),
		peer: timed("gpgv", func(s *stage) []string {
			return []string{"--keyring", s.sample("key.gpg"), s.sample("64m.bin.sig"), s.sample("64m.bin")}
		})},
	{name: "64 MiB signed rpm; peer rpmkeys -K", unit: "s", need: []string{"rpmkeys"},
		ours: verdict("64m.rpm", "openpgp"),
		peer: timed("rpmkeys", func(s *stage) []string { return []string{"--dbpath", s.sample("rpmdb"), "-K", s.sample("64m.rpm")} })},
	{name: "64 MiB with a minisign signature; peer minisign -V", unit: "s", need: []string{"minisign"},
		ours: beside("64m.dat", "minisign"),
		peer: timed("minisign", func(s *stage) []string {
			return []string{"-V", "-p", s.sample("minisign.pub"), "-m", s.sample("64m.dat")}
		})},
}

// beside is a verdict that rests on what lies beside the sample.
func beside(sample, channel string) figure {
	return func(ctx context.Context, s *stage, round int) (float64, error) {
		return verdict(sample, channel, "--sidecars", s.sample(""))(ctx, s, round)
	}
}

// prepareTools makes the samples, and tells the tools whom to trust.
func (s *stage) prepareTools(ctx context.Context) error {
	s.pki = newPKI()
	if err := s.prepareVerify(); err != nil {
		return err
	}
	content := noise(64 * mib)
	files := map[string][]byte{
		"64m.exe": s.pki.program(64*mib, 1),
		"64m.msi": msitest.Sign(msitest.Package{Binaries: []msitest.Binary{{Name: "noise", Data: content}}}.Build(), s.pki.signature()),
		"64m.bin": content,
		"64m.dat": content,
	}
	if err := s.signOpenPGP(files, content); err != nil {
		return err
	}
	for name, b := range files {
		if err := os.WriteFile(s.sample(name), b, 0o600); err != nil {
			return err
		}
	}
	if installed("rpmkeys") {
		if _, _, err := execute(ctx, "rpmkeys", "--dbpath", s.sample("rpmdb"), "--import", s.sample("key.asc")); err != nil {
			return err
		}
	}
	return s.signMinisign(ctx)
}

func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// signOpenPGP adds a key, a package signed with it and a detached signature to files.
func (s *stage) signOpenPGP(files map[string][]byte, content []byte) error {
	signed := time.Now().AddDate(0, -1, 0)
	key, err := rpmtest.NewRSAKey("bench@example.org", signed.AddDate(-1, 0, 0))
	if err != nil {
		return err
	}
	if files["key.asc"], err = key.Public(); err != nil {
		return err
	}
	block, err := armor.Decode(bytes.NewReader(files["key.asc"]))
	if err != nil {
		return err
	}
	if files["key.gpg"], err = io.ReadAll(block.Body); err != nil {
		return err
	}
	if files["64m.bin.sig"], err = key.Sign(content, signed, crypto.SHA256); err != nil {
		return err
	}
	files["64m.rpm"], err = rpmtest.Package{
		Files: []rpmtest.File{{Path: "/opt/noise", Content: string(content)}}, SignedAt: signed, HeaderBy: []*rpmtest.Key{key},
	}.Build()
	return err
}

// signMinisign has minisign, if it is here, make a key and a signature, and completes the policy.
func (s *stage) signMinisign(ctx context.Context) error {
	policy, err := os.ReadFile(s.sample("policy.yaml"))
	if err != nil {
		return err
	}
	text := strings.Replace(string(policy), "channels:\n", `  openpgp: {openpgp: {keyring: key.asc}}
channels:
- {name: openpgp, hosts: [openpgp.example], require: [{signed_by: [openpgp]}]}
`, 1)
	if installed("minisign") {
		for _, args := range [][]string{
			{"-G", "-f", "-W", "-p", s.sample("minisign.pub"), "-s", s.sample("minisign.key")},
			{"-S", "-W", "-s", s.sample("minisign.key"), "-m", s.sample("64m.dat")},
		} {
			if _, _, err := execute(ctx, "minisign", args...); err != nil {
				return fmt.Errorf("signing with minisign: %w", err)
			}
		}
		text = strings.Replace(text, "channels:\n", `  minisign: {minisign: {file: minisign.pub}}
channels:
- {name: minisign, hosts: [minisign.example], require: [{signed_by: [minisign]}]}
`, 1)
	}
	return os.WriteFile(s.sample("policy.yaml"), []byte(text), 0o600)
}
