package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport-project/sallyport/internal/durable"
)

// signingKey is the log's own Ed25519 key and its name, which is the origin of its checkpoints.
type signingKey struct {
	signer   note.Signer
	verifier note.Verifier
	public   string // the verifier key as key.pub holds it
}

// loadKey reads the log's key. A missing one is made, under the name origin, if mayMake says so: a log that has
// records has a key too.
func loadKey(dir, origin string, mayMake bool) (*signingKey, error) {
	path := filepath.Join(dir, keyFile)
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && mayMake:
		return makeKey(dir, origin)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: its signing key %s is gone", ErrBroken, path)
	case err != nil:
		return nil, fmt.Errorf("reading the log's key: %w", err)
	}
	key, err := parseKey(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("reading the log's key %s: %w", path, err)
	}
	if origin != "" && origin != key.signer.Name() {
		return nil, fmt.Errorf("the log in %s is named %q and cannot be renamed to %q", dir, key.signer.Name(), origin)
	}
	return key, key.publish(dir)
}

// parseKey reads a private key in the encoding of golang.org/x/mod/sumdb/note.
func parseKey(private string) (*signingKey, error) {
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, err
	}
	// NewSigner has seen to it that there are five fields, the last of them an algorithm byte and a seed.
	data, err := base64.StdEncoding.DecodeString(strings.SplitN(private, "+", 5)[4])
	if err != nil || len(data) != 1+ed25519.SeedSize {
		return nil, errors.New("the key has the wrong length")
	}
	pub := ed25519.NewKeyFromSeed(data[1:]).Public().(ed25519.PublicKey)
	public, err := note.NewEd25519VerifierKey(signer.Name(), pub)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return nil, err
	}
	return &signingKey{signer: signer, verifier: verifier, public: public}, nil
}

func makeKey(dir, origin string) (*signingKey, error) {
	if origin == "" {
		origin = hostOrigin()
	}
	private, _, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, fmt.Errorf("making the log's key: %w", err)
	}
	key, err := parseKey(private)
	if err != nil {
		return nil, fmt.Errorf("making the log's key, named %q: %w", origin, err)
	}
	if err := durable.WriteFile(filepath.Join(dir, keyFile), []byte(private+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("storing the log's key: %w", err)
	}
	return key, key.publish(dir)
}

// publish writes the verifier key where there is none yet.
func (k *signingKey) publish(dir string) error {
	path := filepath.Join(dir, verifierFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return durable.WriteFile(path, []byte(k.public+"\n"), 0o644)
	}
	if err != nil {
		return fmt.Errorf("reading the log's verifier key: %w", err)
	}
	if strings.TrimSpace(string(b)) != k.public {
		return fmt.Errorf("%w: %s is not the public half of the log's key", ErrBroken, path)
	}
	return nil
}

// hostOrigin is the host name as a key's name, which has no spaces and no "+".
func hostOrigin() string {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	host = strings.Map(func(r rune) rune {
		if r == '+' || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return '-'
		}
		return r
	}, host)
	if host == "" {
		return "sallyport"
	}
	return host
}

// readVerifier reads a verifier key: given as text, or else the one in dir.
func readVerifier(dir, text string) (note.Verifier, error) {
	if text == "" {
		b, err := os.ReadFile(filepath.Join(dir, verifierFile))
		if err != nil {
			return nil, fmt.Errorf("reading the log's verifier key: %w", err)
		}
		text = string(b)
	}
	v, err := note.NewVerifier(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("reading the log's verifier key: %w", err)
	}
	return v, nil
}
