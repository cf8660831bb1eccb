package main

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"
)

// verifyBare is sigstore-go alone, as its own documentation has it.
func verifyBare(args []string) error {
	flags := flag.NewFlagSet("sigstore", flag.ContinueOnError)
	file, trusted := flags.String("bundle", "", ""), flags.String("trusted-root", "", "")
	identity, issuer := flags.String("certificate-identity", "", ""), flags.String("certificate-oidc-issuer", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	text, ok := strings.CutPrefix(flags.Arg(0), "sha256:")
	digest, err := hex.DecodeString(text)
	if !ok || err != nil {
		return errors.New("no digest")
	}
	b, err := bundle.LoadJSONFromPath(*file)
	if err != nil {
		return err
	}
	material, err := root.NewTrustedRootFromPath(*trusted)
	if err != nil {
		return err
	}
	v, err := verify.NewVerifier(material, verify.WithSignedCertificateTimestamps(1), verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1))
	if err != nil {
		return err
	}
	who, err := verify.NewShortCertificateIdentity(*issuer, "", *identity, "")
	if err != nil {
		return err
	}
	_, err = v.Verify(b, verify.NewPolicy(verify.WithArtifactDigest("sha256", digest), verify.WithCertificateIdentity(who)))
	return err
}

// downloadBare is go-tuf's updater alone, as its own documentation has it, but that it takes targets files of any size.
func downloadBare(args []string) error {
	flags := flag.NewFlagSet("tuf", flag.ContinueOnError)
	pin, metadata, dir := flags.String("root", "", ""), flags.String("metadata-url", "", ""), flags.String("metadata-dir", "", "")
	target, targets, base := flags.String("target-name", "", ""), flags.String("target-dir", "", ""), flags.String("target-base-url", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	trusted, err := os.ReadFile(*pin)
	if err != nil {
		return err
	}
	c, err := config.New(*metadata, trusted)
	if err != nil {
		return err
	}
	c.LocalMetadataDir, c.LocalTargetsDir, c.RemoteTargetsURL = *dir, *targets, *base
	c.TargetsMaxLength, c.SnapshotMaxLength = 64*mib, 64*mib
	u, err := updater.New(c)
	if err != nil {
		return err
	}
	if err := u.Refresh(); err != nil {
		return err
	}
	info, err := u.GetTargetInfo(*target)
	if err != nil {
		return err
	}
	if _, _, err := u.DownloadTarget(info, filepath.Join(*targets, filepath.Base(*target)), ""); err != nil {
		return fmt.Errorf("downloading: %w", err)
	}
	return nil
}
