package ledger

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport-project/sallyport/internal/durable"
	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// secret is the key of the hashes that stand for addresses and clients, which are personal: without it nobody can tell whether a
// guess is right.
type secret [32]byte

// loadSecret reads the key in dir and makes one where there is none that can be used, unless readOnly.
func loadSecret(dir string, readOnly bool) (k secret, err error) {
	path := filepath.Join(dir, keyFile)
	b, err := os.ReadFile(path)
	if err == nil {
		if n, err := hex.Decode(k[:], []byte(strings.TrimSpace(string(b)))[:min(len(strings.TrimSpace(string(b))), 64)]); err == nil && n == len(k) {
			return k, nil
		}
		err = fmt.Errorf("reading the history's key: %s is no key", path)
	}
	if readOnly {
		return k, err
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && b == nil {
		return k, fmt.Errorf("reading the history's key: %w", err)
	}
	rand.Read(k[:])
	return k, durable.WriteFile(path, []byte(hex.EncodeToString(k[:])+"\n"), 0o600)
}

// hash is a keyed hash of parts, none of which can run into the next.
func (k *secret) hash(parts ...string) []byte {
	h := hmac.New(sha256.New, k[:])
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p))
		h.Write([]byte(p))
	}
	return h.Sum(nil)[:hashSize]
}

// hashSize is how many bytes of a hash are kept.
const hashSize = 16

// check is what the database keeps to know its key again.
func (k *secret) check() []byte { return k.hash("check") }

func (k *secret) address(recorded string) []byte { return k.hash("url", recorded) }

func (k *secret) version(channel, product, system, version string) []byte {
	return k.hash("version", channel, product, system, version)
}

// Address returns what stands for an address in records and queries (Began); empty for one that does not name the same thing each time.
// It says nothing of the address to anybody without the ledger's key.
func (l *Ledger) Address(u *url.URL) string {
	recorded := audit.RecordedURL(u.String())
	if !comparable(recorded) {
		return ""
	}
	return hex.EncodeToString(l.secret.address(recorded))
}

// began reads what Address has made; nil if it is none.
func began(text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != hashSize {
		return nil
	}
	return b
}

// client returns the hash of a client's name, empty where it is not known.
func (k *secret) client(name string) []byte {
	if name == "" {
		return []byte{}
	}
	return k.hash("client", name)
}

// comparable reports whether a recorded address names the same thing each time: records hide the values of a query, and cut
// what is very long.
func comparable(recorded string) bool {
	_, query, _ := strings.Cut(recorded, "?")
	return recorded != "" && !strings.Contains(query, "REDACTED") && !strings.HasSuffix(recorded, "…")
}

// ClientName returns how Query and records name a client: by the user where there is one, else by the address.
func ClientName(addr, user string) string {
	if user != "" {
		return "user " + printable.Text(user, 256)
	}
	if addr != "" {
		return "addr " + printable.Text(addr, 256)
	}
	return ""
}
