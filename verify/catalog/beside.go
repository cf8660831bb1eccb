package catalog

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/pe"
)

const (
	maxBeside = 16 << 20  // bytes of a catalogue beside a driver
	maxINF    = 16 << 20  // bytes of a driver's description
	maxDriver = 256 << 20 // bytes of a driver
)

// isDriver reports whether the artifact is, by its name, a driver or the description of one. For these Windows reads a
// catalogue that lies beside them; for other programs it reads only those that are installed, so none is looked for.
func isDriver(a *verify.Artifact) bool {
	if a.URL == nil {
		return false
	}
	switch strings.ToLower(path.Ext(a.URL.Path)) {
	case ".sys":
		return a.Format == "pe" && a.Size <= maxDriver
	case ".inf":
		return a.Size <= maxINF
	}
	return false
}

// beside looks for a catalogue of the same name beside an unsigned driver. It says something only where the catalogue
// lists the driver: one that is absent, cannot be read or is for something else says nothing about it.
func beside(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	sums, err := driverDigests(ctx, a)
	if err != nil || len(sums) == 0 {
		return nil, err
	}
	base := path.Base(a.URL.Path)
	ref := (&url.URL{Path: "./" + strings.TrimSuffix(base, path.Ext(base)) + ".cat"}).String()
	b, err := env.Sidecars.Fetch(ctx, ref, maxBeside)
	if err != nil {
		return nil, ctx.Err()
	}
	file := &verify.Artifact{Name: path.Base(ref), Size: int64(len(b)), Content: bytes.NewReader(b)}
	if !hasHead(file) {
		return nil, nil
	}
	c, err := examine(ctx, file, env)
	if err != nil || c.list == nil {
		return nil, err
	}
	return c.about(sums, verify.Reference{URL: ref, SHA256: sha256.Sum256(b)}, file.Name), nil
}

// about returns what the catalogue says of a file with these digests.
func (c *catalogue) about(sums map[string][]byte, source verify.Reference, name string) []verify.Finding {
	by, vouches := c.signature()
	var weak []verify.Finding
	for _, m := range c.list.members {
		for _, digest := range m.digests() {
			if sum := sums[digest]; len(sum) == 0 || !bytes.Equal(sum, m.sum) {
				continue
			}
			if !vouches {
				return c.untrusted(source, name)
			}
			f := m.finding(by, name)
			f.Evidence = []verify.Reference{source}
			if f.Status == verify.Valid {
				return []verify.Finding{f}
			}
			weak = []verify.Finding{f}
		}
	}
	return weak
}

// driverDigests returns the digests by which a catalogue may list the artifact; none if it carries a signature itself.
func driverDigests(ctx context.Context, a *verify.Artifact) (map[string][]byte, error) {
	if strings.EqualFold(path.Ext(a.URL.Path), ".inf") {
		h := sha1.New()
		if _, err := io.Copy(h, io.NewSectionReader(a.Content, 0, a.Size)); err != nil {
			return nil, fmt.Errorf("hashing the file: %w", err)
		}
		return map[string][]byte{fileSHA256: a.Digests.SHA256[:], fileSHA1: h.Sum(nil)}, nil
	}
	l, err := pe.Parse(a.Content, a.Size)
	if errors.Is(err, pe.ErrNotPE) || errors.Is(err, pe.ErrMalformed) || err == nil && l.Signed() {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the headers: %w", err)
	}
	sums, err := pe.Digest(ctx, a.Content, l, crypto.SHA1, crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("hashing the image: %w", err)
	}
	return map[string][]byte{imageSHA256: sums[crypto.SHA256], imageSHA1: sums[crypto.SHA1]}, nil
}

// untrusted returns what is said of a file that a catalogue lists which nobody trusted signed. A catalogue that is wrong
// says nothing about the file.
func (c *catalogue) untrusted(source verify.Reference, name string) []verify.Finding {
	for _, f := range c.findings {
		if f.Status == verify.Invalid {
			return nil
		}
	}
	f := c.findings[0]
	if f.Status != verify.Untrusted {
		return nil
	}
	f.Detail = fmt.Sprintf("The catalogue %q beside the file lists it. %s", name, f.Detail)
	f.Evidence = []verify.Reference{source}
	return []verify.Finding{f}
}
