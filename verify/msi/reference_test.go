package msi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cfb"
	"github.com/sallyport-project/sallyport/verify/internal/msidb"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
)

// tool returns the path of a reference tool, or skips the test.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: the comparison with it is left out", name)
	}
	return path
}

func output(t *testing.T, dir, name string, args ...string) (string, bool) {
	t.Helper()
	c := exec.CommandContext(t.Context(), tool(t, name), args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	return string(out), err == nil
}

// pki writes the PEM files that osslsigncode wants.
func (w *world) pki(t *testing.T) string {
	dir := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(w.vendor.Key)
	if err != nil {
		t.Fatal(err)
	}
	certs := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.vendor.Certificate.Raw})
	for _, c := range w.vendor.Chain {
		certs = append(certs, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c})...)
	}
	write(t, filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	write(t, filepath.Join(dir, "certs.pem"), certs)
	write(t, filepath.Join(dir, "root.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.root.Certificate.Raw}))
	return dir
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// accepts is osslsigncode's verdict.
func accepts(t *testing.T, dir string, file []byte) (bool, string) {
	write(t, filepath.Join(dir, "verify.msi"), file)
	out, ok := output(t, dir, "osslsigncode", "verify", "-ignore-cdp", "-ignore-crl", "-CAfile", "root.pem", "-TSA-CAfile", "root.pem", "-in", "verify.msi")
	return ok, out
}

// verdict is ours: accepted, and the codes.
func verdict(t *testing.T, w *world, file []byte) (bool, string) {
	t.Helper()
	a := &verify.Artifact{Size: int64(len(file)), Content: bytes.NewReader(file), Digests: verify.Digests{SHA256: sha256.Sum256(file)}}
	found, err := New().Verify(context.Background(), a, w.env)
	if err != nil {
		t.Fatal(err)
	}
	ok := true
	var codes []string
	for _, f := range found {
		ok = ok && f.Status == verify.Valid
		codes = append(codes, f.Status.String()+":"+strings.TrimPrefix(f.Code, "authenticode/"))
	}
	return ok, strings.Join(codes, " ")
}

const product = `<?xml version="1.0" encoding="utf-8"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
  <Product Id="*" Name="Example" UpgradeCode="12345678-1234-1234-1234-123456789012" Language="1033" Version="1.2.3" Manufacturer="Example Ltd">
    <Package InstallerVersion="200" Compressed="yes" Comments="Example"/>
    <Media Id="1" Cabinet="product.cab" EmbedCab="yes"/>
    <Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFilesFolder"><Directory Id="INSTALLDIR" Name="Example">
      <Component Id="Main" Guid="12345678-1234-1234-1234-222222222222"><File Id="filA" KeyPath="yes" Source="program.bin"/></Component>
    </Directory></Directory></Directory>
    <Binary Id="helper" SourceFile="program.bin"/>
    <Feature Id="Main" Level="1"><ComponentRef Id="Main"/></Feature>
  </Product>
</Wix>
`

// TestOsslsigncodeSigns takes an installer that wixl makes and osslsigncode signs: we accept it. One with the metadata
// digest loses it when a stream is renamed.
func TestOsslsigncodeSigns(t *testing.T) {
	w := newWorld()
	dir := w.pki(t)
	write(t, filepath.Join(dir, "program.bin"), noise(20_000, 1))
	write(t, filepath.Join(dir, "p.wxs"), []byte(product))
	if out, ok := output(t, dir, "wixl", "-o", "made.msi", "p.wxs"); !ok {
		t.Fatalf("wixl: %s", out)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "valid:valid valid:no-metadata-digest"},
		{[]string{"-add-msi-dse"}, "valid:valid"},
		{[]string{"-add-msi-dse", "-h", "sha384"}, "valid:valid"},
	} {
		os.Remove(filepath.Join(dir, "signed.msi"))
		args := append([]string{"sign", "-certs", "certs.pem", "-key", "key.pem", "-in", "made.msi", "-out", "signed.msi"}, c.args...)
		if out, ok := output(t, dir, "osslsigncode", args...); !ok {
			t.Fatalf("osslsigncode %v: %s", args, out)
		}
		file, err := os.ReadFile(filepath.Join(dir, "signed.msi"))
		if err != nil {
			t.Fatal(err)
		}
		if _, got := verdict(t, w, file); got != c.want {
			t.Errorf("signed with %v: %s, want %s", c.args, got, c.want)
		}
		if ok, out := accepts(t, dir, file); !ok {
			t.Errorf("osslsigncode refuses its own signature: %s", out)
		}
	}
}

// TestAgreesWithOsslsigncode has both judge what msitest makes, and what is changed in it.
func TestAgreesWithOsslsigncode(t *testing.T) {
	tool(t, "osslsigncode")
	w := newWorld()
	dir := w.pki(t)
	good := msitest.Sign(sample(false), at.Signature{Signer: w.vendor})
	changed := func(change func(*msitest.Node)) []byte {
		root := signedSample(w, true)
		change(root)
		return msitest.WriteCompound(3, root)
	}
	for _, c := range []struct {
		name         string
		file         []byte
		ours, theirs bool
	}{
		{"good", good, true, true},
		{"version 4", msitest.Sign(sample(true), at.Signature{Signer: w.vendor}), true, true},
		{"SHA-512", msitest.Sign(sample(false), at.Signature{Signer: w.vendor, Hash: 7}), true, true},
		{"without metadata digest", msitest.SignContent(sample(false), at.Signature{Signer: w.vendor}), true, true},
		{"large enough for a DIFAT", msitest.Sign(large(8<<20), at.Signature{Signer: w.vendor}), true, true},
		{"unsigned", sample(false), false, false},
		{"by a stranger", msitest.Sign(sample(false), at.Signature{Signer: w.stranger}), false, false},
		{"a stream changed", changed(func(r *msitest.Node) { find(r, "disk1.cab").Data[9] ^= 1 }), false, false},
		{"a stream renamed", changed(func(r *msitest.Node) { find(r, "Empty").Name = "Emptied" }), false, false},
		{"a time changed", changed(func(r *msitest.Node) { find(r, "Folder").Modified++ }), false, false},
		{"bytes moved between streams", changed(moveBytes), false, false},
		{"the last sectors missing", good[:len(good)-1024], false, false},
		{"bytes behind the signature", changed(func(r *msitest.Node) { c := find(r, msidb.Signature); c.Data = append(c.Data, 1) }), false, true},
		{"a JAR behind the file", append(bytes.Clone(good), noise(5000, 1)...), false, true},
		{"noise in a free sector", withFreeSector(good, noise(512, 6)), false, true},
		{"noise in a slack", inSlack(good, "disk1.cab", noise(40, 7)), false, true},
		{"noise in the header", patched(good, 34, 1), false, true},
	} {
		ours, codes := verdict(t, w, c.file)
		theirs, out := accepts(t, dir, c.file)
		if ours != c.ours || theirs != c.theirs {
			t.Errorf("%s: ours %v (%s), want %v; osslsigncode %v, want %v\n%s", c.name, ours, codes, c.ours, theirs, c.theirs, out)
		}
	}
}

// large is an installer with a cabinet of about n bytes.
func large(n int) []byte {
	return msitest.Package{Cabinet: noise(n, 1), Files: []msitest.File{{Key: "a", Path: "a.exe", Size: n}}}.Build()
}

// TestReadsLargeFilesOfMsitools opens a file of wixl that is large enough for a DIFAT.
func TestReadsLargeFilesOfMsitools(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "program.bin"), noise(8<<20, 1))
	write(t, filepath.Join(dir, "p.wxs"), []byte(product))
	if out, ok := output(t, dir, "wixl", "-o", "made.msi", "p.wxs"); !ok {
		t.Fatalf("wixl: %s", out)
	}
	file, err := os.ReadFile(filepath.Join(dir, "made.msi"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := cfb.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := f.Residues(t.Context()); err != nil || len(r) != 0 {
		t.Errorf("residues %+v, error %v", r, err)
	}
}
