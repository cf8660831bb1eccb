package mitm

import (
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tool returns the path of a client that judges our certificates.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: whether it accepts our certificates is left out; the README's test command installs it", name)
	}
	return path
}

func run(t *testing.T, name string, args ...string) (string, bool) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "no_proxy=*", "NO_PROXY=*", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// authorities are the kinds of CA that clients meet, with the root that they have been given.
func authorities(t *testing.T) map[string]struct {
	a    *Authority
	root *x509.Certificate
} {
	t.Helper()
	type kind = struct {
		a    *Authority
		root *x509.Certificate
	}
	own := open(t, t.TempDir(), Options{})
	confined := open(t, t.TempDir(), Options{NameConstraints: []string{"vendor.example", "localhost", "127.0.0.1", "2001:db8::/32"}})
	key, ec := rsaKey(t, 2048), ecKey(t, elliptic.P384())
	byRSA, byEC := newPKI(t, key, nil), newPKI(t, ec, nil)
	return map[string]kind{
		"own":                {own, caOf(own)},
		"confined":           {confined, caOf(confined)},
		"RSA intermediate":   {open(t, t.TempDir(), files(t, key, 0o600, byRSA.ca)), byRSA.root},
		"ECDSA intermediate": {open(t, t.TempDir(), files(t, ec, 0o600, byEC.ca, byEC.root)), byEC.root},
	}
}

func TestOpenSSLVerifiesStrictly(t *testing.T) {
	openssl := tool(t, "openssl")
	for name, kind := range authorities(t) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			root, chain := filepath.Join(dir, "root.pem"), filepath.Join(dir, "chain.pem")
			writeFile(t, root, encodeCerts(kind.root), 0o644)
			for host, flag := range map[string]string{
				"downloads.vendor.example":                          "-verify_hostname",
				strings.Repeat("abcdefghi.", 10) + "vendor.example": "-verify_hostname",
				"2001:db8::1": "-verify_ip",
			} {
				cert, err := kind.a.Certificate(host)
				if err != nil {
					t.Fatal(err)
				}
				var sent []byte
				for _, der := range cert.Certificate {
					sent = append(sent, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
				}
				writeFile(t, chain, sent, 0o644)
				out, ok := run(t, openssl, "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", root, "-no-CApath", "-untrusted", chain, flag, host, chain)
				if !ok {
					t.Errorf("%s: %s", host, out)
				}
				other := map[string]string{"-verify_hostname": "other.example", "-verify_ip": "192.0.2.1"}[flag]
				if out, ok := run(t, openssl, "verify", "-x509_strict", "-CAfile", root, "-no-CApath", "-untrusted", chain, flag, other, chain); ok {
					t.Errorf("%s is good for %s too: %s", host, other, out)
				}
			}
		})
	}
}

func TestOpenSSLEnforcesNameConstraints(t *testing.T) {
	openssl := tool(t, "openssl")
	a := open(t, t.TempDir(), Options{NameConstraints: []string{"vendor.example"}})
	dir := t.TempDir()
	root, leaf := filepath.Join(dir, "root.pem"), filepath.Join(dir, "leaf.pem")
	writeFile(t, root, a.PEM(), 0o644)
	for host, want := range map[string]bool{"www.vendor.example": true, "other.example": false, "192.0.2.1": false, "2001:db8::1": false} {
		writeFile(t, leaf, encodeCerts(signAnyway(t, a, host)), 0o644)
		if out, ok := run(t, openssl, "verify", "-CAfile", root, "-no-CApath", leaf); ok != want {
			t.Errorf("%s: accepted=%v, want %v: %s", host, ok, want, out)
		}
	}
}

// serve answers over TLS with the authority's leaves, on 127.0.0.1.
func serve(t *testing.T, a *Authority) (address string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "" {
			return a.Certificate("127.0.0.1")
		}
		return a.Certificate(hello.ServerName)
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "through "+r.TLS.ServerName)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l.Addr().String()
}

// Real clients, one for each TLS library that machines have: curl (OpenSSL), wget (GnuTLS on Debian), Go.
func TestClientsAcceptLeaves(t *testing.T) {
	for name, kind := range authorities(t) {
		t.Run(name, func(t *testing.T) {
			address := serve(t, kind.a)
			_, port, _ := net.SplitHostPort(address)
			root := filepath.Join(t.TempDir(), "root.pem")
			writeFile(t, root, encodeCerts(kind.root), 0o644)

			t.Run("curl", func(t *testing.T) {
				curl := tool(t, "curl")
				out, ok := run(t, curl, "-sS", "--cacert", root, "--capath", "/nonexistent", "--resolve", "dl.vendor.example:"+port+":127.0.0.1", "https://dl.vendor.example:"+port+"/")
				if !ok || out != "through dl.vendor.example" {
					t.Errorf("by name: %s", out)
				}
				if out, ok := run(t, curl, "-sS", "--cacert", root, "https://127.0.0.1:"+port+"/"); !ok {
					t.Errorf("by address: %s", out)
				}
			})
			t.Run("wget", func(t *testing.T) {
				wget := tool(t, "wget")
				out, ok := run(t, wget, "-q", "-O", "-", "--ca-directory=", "--ca-certificate="+root, "https://localhost:"+port+"/")
				if !ok || out != "through localhost" {
					t.Errorf("%s", out)
				}
			})
			t.Run("go", func(t *testing.T) {
				roots := x509.NewCertPool()
				roots.AddCert(kind.root)
				conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, ServerName: "dl.vendor.example"})
				if err != nil {
					t.Fatal(err)
				}
				conn.Close()
			})
		})
	}
}
