package main

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/trust"
)

// Names of the sets of roots in the state directory.
const (
	codeSigningSet  = "codesigning.pem"
	timestampingSet = "timestamping.pem"
)

const maxRootFile = 64 << 20 // bytes of a file with roots

// or returns the configuration with those sets of the state directory that the configuration does not name and that are
// there, or about which that cannot be told: then whoever reads them fails, instead of falling back on the built-in ones.
func (c trustConfig) or(dir stateDir) trustConfig {
	for _, set := range []struct {
		file *string
		name string
	}{{&c.CodeSigning, codeSigningSet}, {&c.Timestamping, timestampingSet}} {
		path := filepath.Join(dir.trust(), set.name)
		if _, err := os.Lstat(path); *set.file == "" && !errors.Is(err, fs.ErrNotExist) {
			*set.file = path
		}
	}
	return c
}

// loadTrust reads the roots that replace built-in ones.
func loadTrust(c trustConfig) (t verify.Trust, err error) {
	h := sha256.New()
	for _, set := range []struct {
		key, file string
		certs     *[]*x509.Certificate
		limits    *[]verify.RootLimit
	}{
		{"code_signing", c.CodeSigning, &t.CodeSigning, &t.CodeSigningLimits},
		{"timestamping", c.Timestamping, &t.Timestamping, &t.TimestampingLimits},
	} {
		if set.file != "" {
			roots, err := readSet(set.file)
			if err != nil {
				return verify.Trust{}, fmt.Errorf("trust.%s: %w", set.key, err)
			}
			*set.certs, *set.limits = roots.Trusted()
			h.Write(roots.Marshal(""))
		}
		h.Write([]byte{0})
	}
	t.Epoch = fmt.Sprintf("%x", h.Sum(nil))
	return t, nil
}

// readSet reads a set of roots.
func readSet(path string) (trust.Set, error) {
	data, err := readSmall(path, maxRootFile)
	if err != nil {
		return trust.Set{}, err
	}
	set, err := trust.ParseSet(data)
	if err != nil {
		return trust.Set{}, fmt.Errorf("%s: %w", path, err)
	}
	return set, nil
}

// rootsInForce is a set of roots with where it is from.
type rootsInForce struct {
	Purpose string        `json:"purpose"` // "code signing" or "timestamping"
	Roots   int           `json:"roots"`   // how many
	Source  string        `json:"source"`  // a file, or "built in"
	Date    time.Time     `json:"date,omitzero"`
	SHA256  verify.Digest `json:"sha256"` // of the file
	set     trust.Set
	origin  string // of the built-in sets, several lines
}

// inForce returns both sets that the configuration leads to.
func (c trustConfig) inForce() ([]rootsInForce, error) {
	signing, stamping, origin, err := trust.Embedded()
	if err != nil {
		return nil, err
	}
	out := []rootsInForce{
		{Purpose: "code signing", Source: "built in", set: signing, origin: origin},
		{Purpose: "timestamping", Source: "built in", set: stamping, origin: origin},
	}
	for i, file := range []string{c.CodeSigning, c.Timestamping} {
		r := &out[i]
		if file != "" {
			if r.set, err = readSet(file); err != nil {
				return nil, err
			}
			r.Source, r.origin = file, ""
			r.Date = modified(file)
		}
		r.Roots = len(r.set.Roots)
		r.SHA256 = sha256.Sum256(r.set.Marshal(""))
	}
	return out, nil
}

func modified(file string) time.Time {
	info, err := os.Stat(file)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime().UTC()
}

// replacedRoots says for the log which roots are not the built-in ones; "" if all are.
func replacedRoots(c trustConfig) string {
	if c.CodeSigning == "" && c.Timestamping == "" {
		return ""
	}
	sets, err := c.inForce()
	if err != nil {
		return "" // whoever loads them says what is wrong
	}
	text := ""
	for _, r := range sets {
		if r.Source != "built in" {
			text += fmt.Sprintf("; roots for %s: %d, sha256:%s", r.Purpose, r.Roots, r.SHA256)
		}
	}
	return text
}
