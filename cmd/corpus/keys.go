package main

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"github.com/sallyport-project/sallyport/verify"
)

// key is a key of the corpus, an anchor of its own.
type key struct {
	file string // as in the manifest
	path string // on disk
	data []byte
}

// keys are what an operator would trust for the sake of the corpus.
type keys struct {
	openpgp    []key
	bare       []key // of minisign and signify
	secureBoot []verify.Authority
	boot       []key // the same, for the reference tool
}

// secureBootRoots are files in the directory roots beside the manifest.
var secureBootRoots = []string{"debian-secureboot-ca.pem", "MicCorUEFCA2011.pem", "MicrosoftUEFICA2023.pem"}

func readKeys(manifest string, rows []row, st *store) (k keys, err error) {
	for _, r := range rows {
		name := filepath.Base(r.file)
		pub := strings.HasSuffix(name, ".pub") || strings.HasSuffix(name, ".pub.old")
		bare := pub && (strings.HasPrefix(r.kind, "minisign") || strings.HasPrefix(r.kind, "signify"))
		pgp := r.kind == "openpgp-key" || r.kind == "rpm-repo" && strings.HasSuffix(name, ".gpg") || r.kind == "key" && strings.Contains(name, "GPG-KEY")
		f := st.find(r.file, r.sha256)
		switch {
		case f == nil:
		case bare:
			k.bare = append(k.bare, key{r.file, f.path, f.data})
		case pgp && publicKey(f.data):
			k.openpgp = append(k.openpgp, key{r.file, f.path, f.data})
		}
	}
	k.bare = append(k.bare, unlisted(rows, st, k.bare)...)
	for _, name := range secureBootRoots {
		file := filepath.Join(filepath.Dir(manifest), "roots", name)
		data, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return k, err
		}
		certs, err := certificates(data)
		if err != nil {
			return k, fmt.Errorf("reading %s: %w", name, err)
		}
		k.secureBoot = append(k.secureBoot, verify.Authority{Anchor: name, Roots: certs})
		k.boot = append(k.boot, key{name, file, data})
	}
	return k, nil
}

// publicKey reports whether a policy takes a file as a keyring: private keys are refused when it is loaded.
func publicKey(data []byte) bool {
	return !bytes.Contains(data, []byte("PRIVATE KEY BLOCK")) && dearmour(data) != nil
}

// unlisted returns minisign keys that lie beside signatures and in no line of the manifest.
func unlisted(rows []row, st *store, listed []key) (out []key) {
	seen := map[string]bool{}
	for _, k := range listed {
		seen[k.file] = true
	}
	for _, r := range rows {
		if !strings.HasSuffix(r.file, ".minisig") {
			continue
		}
		for _, name := range []string{"minisign.pub", "minisign_hashed.pub"} {
			file := filepath.ToSlash(filepath.Join(filepath.Dir(r.file), name))
			if f := st.find(file, ""); f != nil && !seen[file] {
				seen[file] = true
				out = append(out, key{file, f.path, f.data})
			}
		}
	}
	return out
}

func certificates(data []byte) (out []*x509.Certificate, err error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// trust returns whom samples of a kind are judged by. Keys count for the samples of their own family (the first two
// parts of the file's name): many families have keys that were made to be wrong.
func (k keys) trust(of trustOf, file string) (t verify.Trust, used []key) {
	switch of {
	case keyrings:
		for _, key := range k.openpgp {
			if family(key.file) == family(file) {
				used = append(used, key)
				t.Keyrings = append(t.Keyrings, verify.Keyring{Anchor: key.file, Data: key.data})
			}
		}
	case bareKeys:
		for _, key := range k.bare {
			if family(key.file) != family(file) {
				continue
			}
			used = append(used, key)
			if raw := bareKey(key.data); raw != nil {
				for _, system := range []string{"minisign", "signify"} {
					t.PublicKeys = append(t.PublicKeys, verify.PublicKey{Anchor: key.file, System: system, Data: raw})
				}
			}
		}
	case secureBoot:
		t.Publishers, t.Authorities, used = k.secureBoot, k.secureBoot, k.boot
	}
	return t, used
}

func family(file string) string {
	parts := strings.SplitN(file, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}

// bareKey returns the key of a public key file of minisign or signify.
func bareKey(data []byte) []byte {
	for line := range strings.Lines(string(data)) {
		if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line)); err == nil && len(raw) == 42 {
			return raw
		}
	}
	return nil
}

// dearmour returns an OpenPGP key or signature without its armour.
func dearmour(data []byte) []byte {
	if len(data) > 0 && data[0]&0x80 != 0 {
		return data
	}
	block, err := armor.Decode(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	var out bytes.Buffer
	if _, err := out.ReadFrom(block.Body); err != nil {
		return nil
	}
	return out.Bytes()
}
