package mitm

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/internal/durable"
)

// The state directory holds
//
//	ca-private.pem        the CA in use: its private key, then its certificate; mode 0600
//	ca-previous-<id>.pem  certificates, without keys, of CAs that were in use before
//
// Key and certificate share a file so that one rename replaces both and no crash can leave a pair that does not match.
const (
	caFile         = "ca-private.pem"
	previousPrefix = "ca-previous-"
	maxPEM         = 1 << 20 // bytes read of any file with keys or certificates
)

// create makes a CA in a directory that has none; fs.ErrExist if there is one, whoever made it in the meantime.
func (a *Authority) create() error {
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return fmt.Errorf("making the CA's directory: %w", err)
	}
	path := filepath.Join(a.dir, caFile)
	if _, err := os.Lstat(path); err == nil {
		return &hinted{
			fmt.Errorf("making a CA: %s: %w", path, fs.ErrExist),
			"`sallyport ca rotate` replaces the CA; `sallyport ca show` shows the one in use",
		}
	}
	is, err := makeCA(a.o.NameConstraints, a.o.Now())
	if err != nil {
		return err
	}
	// The whole file is durable under another name first. Unlike a rename, a link never replaces what another process
	// has put there.
	id, err := keyID(is.key.Public())
	if err != nil {
		return err
	}
	draft := filepath.Join(a.dir, ".ca-new-"+hex.EncodeToString(id[:8])+".pem")
	if err := writeOwn(draft, is); err != nil {
		return err
	}
	defer os.Remove(draft)
	if err := os.Link(draft, path); err != nil {
		return fmt.Errorf("making a CA: %w", err)
	}
	return durable.SyncDir(a.dir)
}

// replace puts a new CA in the place of the current one. A crash in between leaves the old one in use and its
// certificate stored twice, which loadPrevious sees through.
func (a *Authority) replace() error {
	old, err := loadOwn(a.dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = &hinted{err, "`sallyport ca init` makes a CA where there is none"}
		}
		return err
	}
	is, err := makeCA(a.o.NameConstraints, a.o.Now())
	if err != nil {
		return err
	}
	name := previousPrefix + strings.ToLower(fingerprint(old.cert)[:16]) + ".pem"
	if err := durable.WriteFile(filepath.Join(a.dir, name), encodeCerts(old.cert), 0o644); err != nil {
		return fmt.Errorf("keeping the old CA certificate: %w", err)
	}
	return writeOwn(filepath.Join(a.dir, caFile), is)
}

func writeOwn(path string, is *issuer) error {
	der, err := x509.MarshalPKCS8PrivateKey(is.key)
	if err != nil {
		return fmt.Errorf("encoding the CA key: %w", err)
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	data = append(data, encodeCerts(is.cert)...)
	if err := durable.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("storing the CA: %w", err)
	}
	return nil
}

func loadOwn(dir string) (*issuer, error) {
	path := filepath.Join(dir, caFile)
	data, err := readSecret(path, 0o077)
	if err != nil {
		return nil, err
	}
	is, err := newIssuer(data, data)
	if err != nil {
		return nil, fmt.Errorf("loading the CA: %s: %w", path, err)
	}
	is.path, is.own = path, true
	return is, nil
}

// loadPrevious returns the certificates of our earlier CAs, newest first.
func loadPrevious(dir string, current *x509.Certificate) ([]*x509.Certificate, error) {
	paths, err := filepath.Glob(filepath.Join(escapeGlob(dir), previousPrefix+"*.pem"))
	if err != nil {
		return nil, fmt.Errorf("looking for earlier CAs: %w", err)
	}
	var found []*x509.Certificate
	for _, path := range paths {
		data, err := readBounded(path)
		if err != nil {
			return nil, err
		}
		certs, err := parseCerts(data)
		if err != nil {
			return nil, fmt.Errorf("loading an earlier CA: %s: %w", path, err)
		}
		for _, c := range certs {
			if !c.Equal(current) && !slices.ContainsFunc(found, c.Equal) {
				found = append(found, c)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b *x509.Certificate) int { return b.NotBefore.Compare(a.NotBefore) })
	return found, nil
}

func escapeGlob(dir string) string {
	if runtime.GOOS == "windows" {
		return dir // has no escapes, and the characters are not allowed in names there but for brackets
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// readSecret reads a file with a private key and refuses one whose mode has any of the forbidden bits. Windows has no
// such bits; there the directory's access list is what protects the key.
func readSecret(path string, forbidden fs.FileMode) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("loading the CA key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("loading the CA key: %w", err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&forbidden != 0 {
		return nil, &hinted{
			fmt.Errorf("loading the CA key: %s is open to others (mode %04o): whoever has it can pose as any host to your clients", path, mode),
			fmt.Sprintf("if nobody can have read it: chmod %o %s; otherwise make a new CA with `sallyport ca rotate` and remove the old one from the clients", 0o700&mode|0o600, path),
		}
	}
	return readAll(f)
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("loading certificates: %w", err)
	}
	defer f.Close()
	return readAll(f)
}

func readAll(f *os.File) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.Name(), err)
	}
	if len(data) > maxPEM {
		return nil, fmt.Errorf("reading %s: larger than %d bytes", f.Name(), maxPEM)
	}
	return data, nil
}
