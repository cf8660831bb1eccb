package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/identity/identitytest"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

// desktopInstaller is an installer with three programs in its cabinet, signed.
func desktopInstaller(version string, by vendor, files map[string][]byte, actions ...msitest.Action) []byte {
	p := msitest.Package{Name: "Desktop App " + version, Version: version, Manufacturer: "Acme", Template: "x64;1033", Actions: actions}
	var folder cabtest.Folder
	for i, name := range []string{"App.exe", "ffmpeg.dll", "d3dcompiler_47.dll"} {
		key := "k" + string(rune('1'+i))
		folder.Files = append(folder.Files, cabtest.File{Name: key, Data: files[name]})
		p.Files = append(p.Files, msitest.File{Key: key, Path: "app-" + version + "/" + name, Size: len(files[name])})
	}
	folder.Method = cabtest.MSZIP
	p.Cabinet = cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{folder}})
	return msitest.Sign(p.Build(), at.Signature{Signer: by.signer})
}

// The attack on 3CX with installers as Windows has them: a library that loads more than it did, another vendor's library with a payload
// beside its signature, and a command that runs as the system.
func TestChangesOfInstallers(t *testing.T) {
	acme, bolt := newVendor("Acme"), newVendor("Bolt")
	env := verify.Env{At: time.Now(), Inside: true, Trust: verify.Trust{Epoch: "test", CodeSigning: []*x509.Certificate{acme.root.Certificate, bolt.root.Certificate}}}
	e := examiner(config{}, zap.NewNop())
	examine := func(b []byte) verify.Report {
		return e.Examine(t.Context(), &verify.Artifact{Name: "app.msi", Format: "msi", Size: int64(len(b)), Digests: verify.Digests{SHA256: sha256.Sum256(b)}, Content: bytes.NewReader(b)}, env)
	}
	signed := func(image []byte, by vendor) []byte { return at.Sign(image, at.Signature{Signer: by.signer}) }
	compiler := signed(identitytest.Program("gdi32.dll"), bolt)
	before := examine(desktopInstaller("18.11.1213", acme, map[string][]byte{
		"App.exe": signed(identitytest.Program("user32.dll"), acme), "ffmpeg.dll": signed(identitytest.Program("kernel32.dll"), acme), "d3dcompiler_47.dll": compiler}))
	after := examine(desktopInstaller("18.12.416", acme, map[string][]byte{
		"App.exe": signed(identitytest.Program("user32.dll"), acme), "ffmpeg.dll": signed(identitytest.Program("kernel32.dll", "winhttp.dll"), acme),
		"d3dcompiler_47.dll": at.Stuff(compiler, bytes.Repeat([]byte("payload!"), 4000))},
		msitest.Action{Name: "Helper", Type: 34 + 0x400 + 0x800, Source: "INSTALLDIR", Target: "powershell -enc AAAA"}))
	for _, r := range []verify.Report{before, after} {
		if r.Product != "Desktop App (x64)" || r.System != "msi" || !strings.HasPrefix(r.Version, "18.1") {
			t.Errorf("%q %q %q", r.Product, r.Version, r.System)
		}
	}
	c := policy.Compare("desktop", policy.PastRelease{Name: "app.msi"}, before, after)
	text := strings.Join(c.Sentences(), "\n")
	for _, want := range []string{
		`/d3dcompiler_47.dll (was signed by "Bolt`, "now its signature is wrong (authenticode/",
		"Runs when it is installed, and did not before: Helper: program from Directory INSTALLDIR, as the system: powershell -enc AAAA.",
		"/ffmpeg.dll (winhttp.dll)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if c.Counts.Unsigned != 1 || c.Counts.Resigned != 0 || c.Counts.Imports != 1 || c.Counts.Actions != 1 || c.Counts.Added+c.Counts.Removed != 0 || !c.Opened || c.Partly {
		t.Errorf("%+v, opened %t, partly %t\n%s", c.Counts, c.Opened, c.Partly, text)
	}
	t.Log(text)
}
