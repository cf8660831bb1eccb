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

// deb runs `apt-get download`, and dpkg-deb for the package's files.
func deb(ctx context.Context, spec string, files []File, tmp, dir string) error {
	if _, err := output(ctx, tmp, "apt-get", "-q", "download", spec); err != nil {
		return err
	}
	packed, err := one(tmp, "*.deb")
	if err != nil {
		return fmt.Errorf("apt-get download: %w", err)
	}
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", packed)
	r, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("dpkg-deb: %w", err)
	}
	err = untar(r, files, dir)
	cmd.Process.Kill() // it may have more to say than was wanted
	cmd.Wait()
	return err
}

// source runs `apt-get source --download-only` with the machine's own sources, of which it asks for source packages
// whether they are configured or not; the machine's lists are left as they are.
func source(ctx context.Context, spec string, files []File, tmp, dir string) error {
	options, err := sourceOptions(ctx, tmp)
	if err != nil {
		return err
	}
	in := filepath.Join(tmp, "files")
	if err := os.Mkdir(in, 0o755); err != nil {
		return err
	}
	if _, err := output(ctx, in, "apt-get", append(options, "source", "--download-only", spec)...); err != nil {
		return err
	}
	for _, f := range files {
		if err := fromSource(ctx, in, f, dir); err != nil {
			return err
		}
	}
	return nil
}

// sourceOptions makes a state of apt's own in tmp that knows the source packages.
func sourceOptions(ctx context.Context, tmp string) ([]string, error) {
	parts := filepath.Join(tmp, "parts")
	for _, d := range []string{parts, filepath.Join(tmp, "lists", "partial"), filepath.Join(tmp, "cache", "archives", "partial")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	found, _ := filepath.Glob("/etc/apt/sources.list.d/*")
	for i, file := range append(found, "/etc/apt/sources.list") {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		name := fmt.Sprintf("%d%s", i, strings.Replace(filepath.Ext(file), ".list.d", ".list", 1))
		if err := os.WriteFile(filepath.Join(parts, name), withSources(data), 0o644); err != nil {
			return nil, err
		}
	}
	options := []string{"-q", "-o", "Dir::Etc::SourceList=/dev/null", "-o", "Dir::Etc::SourceParts=" + parts,
		"-o", "Dir::State::Lists=" + filepath.Join(tmp, "lists"), "-o", "Dir::Cache=" + filepath.Join(tmp, "cache")}
	_, err := output(ctx, tmp, "apt-get", append(options, "update")...)
	return options, err
}

// withSources turns entries for packages into entries for source packages (sources.list(5), both styles).
func withSources(data []byte) []byte {
	var out [][]byte
	for _, line := range bytes.Split(data, []byte("\n")) {
		switch {
		case bytes.HasPrefix(line, []byte("Types:")):
			line = []byte("Types: deb-src")
		case bytes.HasPrefix(line, []byte("deb ")):
			line = append([]byte("deb-src "), line[4:]...)
		}
		out = append(out, line)
	}
	return bytes.Join(out, []byte("\n"))
}

// fromSource stores one file of a source package, or one inside one of its archives: "debian.tar.xz:debian/watch".
func fromSource(ctx context.Context, in string, f File, dir string) error {
	archive, inner, inside := strings.Cut(f.Inner, ":")
	if !inside {
		r, err := os.Open(filepath.Join(in, filepath.Base(f.Inner)))
		if err != nil && f.Optional {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s is not in the source package: %w", f.Inner, err)
		}
		defer r.Close()
		return f.store(dir, r)
	}
	packed, err := one(in, "*."+archive)
	if err != nil {
		return err
	}
	content, err := output(ctx, in, "tar", "-xOf", packed, inner)
	if err != nil {
		return err
	}
	return f.store(dir, bytes.NewReader(content))
}
