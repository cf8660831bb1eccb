// Command tuf lets the conformance suite of The Update Framework drive the client that Sallyport runs
// (https://github.com/theupdateframework/tuf-conformance, CLIENT-CLI.md):
//
//	tuf --metadata-dir D init ROOT
//	tuf --metadata-url U --metadata-dir D refresh
//	tuf --metadata-url U --metadata-dir D --target-name N... --target-dir T --target-base-url B download
//
// It ends with 0 when that was done, 1 when it was refused, and 2 when it was called wrongly. D holds the trusted metadata under the names
// that the specification gives it, and beside it what only this client needs: the root that init was given, and its record.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-project/sallyport/verify/tuf/client"
)

func main() {
	err := run(context.Background(), os.Args[1:], os.Stderr)
	switch {
	case err == nil:
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "tuf:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("wrong usage")

// arguments are those of all commands.
type arguments struct {
	metadataURL, metadataDir string
	targetURL, targetDir     string
	targets                  []string
}

func run(ctx context.Context, args []string, stderr io.Writer) error {
	var a arguments
	flags := flag.NewFlagSet("tuf", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&a.metadataURL, "metadata-url", "", "`URL` below which the repository has its metadata")
	flags.StringVar(&a.metadataDir, "metadata-dir", "", "`directory` of the trusted metadata")
	flags.StringVar(&a.targetURL, "target-base-url", "", "`URL` below which the repository has its targets")
	flags.StringVar(&a.targetDir, "target-dir", "", "`directory` for targets that were verified")
	flags.Func("target-name", "`path` of a target; may be given several times", func(s string) error {
		a.targets = append(a.targets, s)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return errUsage
	}
	command, rest := flags.Arg(0), flags.Args()
	if command != "" {
		rest = rest[1:]
	}
	var err error
	switch {
	case a.metadataDir == "":
		err = errUsage
	case command == "init" && len(rest) == 1:
		return initialize(a.metadataDir, rest[0])
	case command == "refresh" && len(rest) == 0 && a.metadataURL != "":
		return a.refresh(ctx)
	case command == "download" && len(rest) == 0 && a.metadataURL != "" && a.targetURL != "" && a.targetDir != "" && len(a.targets) > 0:
		return a.download(ctx)
	default:
		err = errUsage
	}
	flags.Usage()
	return err
}

// pinFile holds the root that init was given, beside the one that is trusted now.
const pinFile = "pinned_root"

func initialize(dir, root string) error {
	data, err := os.ReadFile(root)
	if err != nil {
		return err
	}
	for _, name := range []string{pinFile, "root.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// limit bounds one command.
const limit = 5 * time.Minute

// open returns the client over the directory and the time that it is.
func (a *arguments) open(ctx context.Context) (*client.Client, time.Time, error) {
	root, err := os.ReadFile(filepath.Join(a.metadataDir, pinFile))
	if err != nil {
		return nil, time.Time{}, err
	}
	at, err := now(ctx)
	return client.New(root, directory(a.metadataDir), client.Limits{}), at, err
}

func (a *arguments) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c, at, err := a.open(ctx)
	if err != nil {
		return err
	}
	_, err = c.Refresh(ctx, newOrigin(a.metadataURL).metadata, at)
	return err
}

// download looks up and fetches the targets in their order with one client, and ends with the first that is refused.
func (a *arguments) download(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c, at, err := a.open(ctx)
	if err != nil {
		return err
	}
	fetch := newOrigin(a.metadataURL).metadata
	if _, err := c.Refresh(ctx, fetch, at); err != nil {
		return err
	}
	for _, name := range a.targets {
		t, err := c.Lookup(ctx, fetch, at, name)
		if err != nil {
			return fmt.Errorf("target %q: %w", name, err)
		}
		if err := a.save(ctx, &t); err != nil {
			return fmt.Errorf("target %q: %w", name, err)
		}
	}
	return nil
}
