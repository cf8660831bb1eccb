package main

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/sallyport-project/sallyport/internal/durable"
	"github.com/sallyport-project/sallyport/verify/tuf/client"
)

// maxTarget bounds a target, in bytes: it is held in memory until it is verified.
const maxTarget = 1 << 30

// save puts the target into the directory of targets, unless it is there. Nothing that is not verified is ever seen there.
func (a *arguments) save(ctx context.Context, t *client.Target) error {
	file := filepath.Join(a.targetDir, fileName(t.Path))
	if old, err := os.ReadFile(file); err == nil && check(t, old) == nil {
		return nil
	}
	if t.Length > maxTarget {
		return fmt.Errorf("it has %d bytes, more than %d", t.Length, int64(maxTarget))
	}
	data, err := newOrigin(a.targetURL).get(ctx, remoteName(t), t.Length)
	if err != nil {
		return fmt.Errorf("fetching it: %w", err)
	}
	if err := check(t, data); err != nil {
		return err
	}
	return durable.WriteFile(file, data, 0o644)
}

func check(t *client.Target, data []byte) error {
	return t.Check(int64(len(data)), func(algorithm string) ([]byte, error) {
		if algorithm == "sha512" {
			sum := sha512.Sum512(data)
			return sum[:], nil
		}
		sum := sha256.Sum256(data)
		return sum[:], nil
	})
}

// fileName is the path of a target as one name, which leads nowhere else.
func fileName(target string) string {
	name := url.PathEscape(target)
	if len(name) > maxBase || strings.Trim(name, ".") == "" {
		sum := sha256.Sum256([]byte(target))
		name = hex.EncodeToString(sum[:])
	}
	return strings.NewReplacer(":", "%3A", "\\", "%5C").Replace(name)
}

// remoteName is where the target is below the URL of targets (section 6.2): with consistent snapshots a hash stands before its name.
func remoteName(t *client.Target) string {
	dir, base := path.Split(t.Path)
	if t.Prefixed {
		sum, ok := t.Hashes["sha256"]
		if !ok {
			sum = t.Hashes["sha512"]
		}
		base = hex.EncodeToString(sum) + "." + base
	}
	segments := strings.Split(dir+base, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return strings.Join(segments, "/")
}
