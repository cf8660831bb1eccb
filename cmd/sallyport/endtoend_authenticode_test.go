package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
)

const authenticodePolicy = `version: 1
anchors: {microsoft: {authenticode: {organization: Microsoft Corporation}}}
channels:
- {name: windows, hosts: [updates.example], paths: ["/**"], require: [{signed_by: [microsoft]}]}
`

// sample returns a real file, fetched by .ci/test.
func sample(t *testing.T, name string) []byte {
	t.Helper()
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real signed files are left out; .ci/test fetches them")
	}
	b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A real Microsoft-signed program is let through; the same one changed in any way, or another's, is not. The command
// line says the same as the gate, and so does osslsigncode wherever it looks at the same thing.
func TestRealProgramsThroughTheProxy(t *testing.T) {
	genuine := sample(t, "authenticode-pe/node-pty/conpty-x64.dll")
	flipped := bytes.Clone(genuine)
	flipped[0x1200] ^= 1
	cases := []struct {
		name   string
		body   []byte
		status string
		code   string
		ossl   bool // osslsigncode's opinion; it does not look for hidden data
	}{
		{"genuine.dll", genuine, "200", "authenticode/valid", true},
		{"stuffed.dll", authenticodetest.Stuff(genuine, []byte{0x41}), "403", "authenticode/padding-data", true},
		{"flipped.dll", flipped, "403", "authenticode/digest-mismatch", false},
		{"other.exe", sample(t, "authenticode-pe/kde/snoretoast-x86.exe"), "403", "authenticode/valid", true},
		{"nobody.exe", authenticodetest.BuildPE(authenticodetest.Image{}), "403", "authenticode/unsigned", false},
	}
	origin := newFiles()
	for _, c := range cases {
		origin.put("/"+c.name, c.body)
	}
	g := newGateway(t, authenticodePolicy, map[string]string{"updates.example": tlsOrigin(t, origin, "updates.example")})
	g.start()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := g.curl("https://updates.example/" + c.name)
			if got.status != c.status {
				t.Fatalf("status %s: %.300s", got.status, got.body)
			}
			if c.status == "200" != bytes.Equal(got.body, c.body) {
				t.Errorf("the client got %d bytes", len(got.body))
			}
			rec := g.decisions()[0]
			if !strings.Contains(codes(rec), c.code) || rec.Artifact.Name != c.name {
				t.Errorf("the log says %q of %s, want %s", codes(rec), rec.Artifact.Name, c.code)
			}
			if want := map[string]string{"200": "allow", "403": "quarantine"}[c.status]; rec.Decision.Action.String() != want {
				t.Errorf("decision %s, want %s", rec.Decision.Action, want)
			}
			file := filepath.Join(t.TempDir(), c.name)
			if err := os.WriteFile(file, c.body, 0o600); err != nil {
				t.Fatal(err)
			}
			out, errs, exit := g.sallyport("verify", "--policy", filepath.Join(g.dir, "policy.yaml"), "--channel", "windows", "--json", file)
			var said audit.Record
			if err := json.Unmarshal([]byte(out), &said); err != nil {
				t.Fatalf("verify --json: %v: %s%s", err, out, errs)
			}
			if (exit == 0) != (c.status == "200") || codes(said) != codes(rec) {
				t.Errorf("verify: exit %d, %q; the gate said %q", exit, codes(said), codes(rec))
			}
			if _, err := exec.LookPath("osslsigncode"); err != nil {
				t.Log("osslsigncode is not installed: its opinion is left out")
				return
			}
			roots, err := filepath.Abs("../../verify/internal/authenticode/roots")
			if err != nil {
				t.Fatal(err)
			}
			err = exec.Command("osslsigncode", "verify", "-ignore-cdp", "-ignore-crl", "-CAfile", filepath.Join(roots, "codesigning.pem"), "-TSA-CAfile", filepath.Join(roots, "timestamping.pem"), file).Run()
			if (err == nil) != c.ossl {
				t.Errorf("osslsigncode: %v, want accepted %v", err, c.ossl)
			}
		})
	}
}

// What was held back goes through once an operator lets it, and the log tells of it all.
func TestReleaseByHandEndToEnd(t *testing.T) {
	body := authenticodetest.BuildPE(authenticodetest.Image{})
	origin := newFiles()
	origin.put("/setup.exe", body)
	g := newGateway(t, authenticodePolicy, map[string]string{"updates.example": tlsOrigin(t, origin, "updates.example")})
	g.start()
	const url = "https://updates.example/setup.exe"
	if got := g.curl(url); got.status != "403" {
		t.Fatalf("status %s", got.status)
	}
	record := g.decisions()[0].ID
	if _, errs, code := g.sallyport("quarantine", "release", record); code != 2 || !strings.Contains(errs, "reason") {
		t.Errorf("a release without a reason: exit %d: %s", code, errs)
	}
	if _, errs, code := g.sallyport("quarantine", "release", record, "--reason", "the vendor confirmed it"); code != 0 {
		t.Fatalf("quarantine release: exit %d: %s", code, errs)
	}
	if got := g.curl(url); got.status != "200" || !bytes.Equal(got.body, body) {
		t.Errorf("after the release: status %s", got.status)
	}
	out, _, code := g.sallyport("audit", "list", "--kind", "release")
	if code != 0 || !strings.Contains(out, "release") {
		t.Errorf("the log does not tell of the release: %s", out)
	}
	g.stop()
	g.run()
	if got := g.curl(url); got.status != "200" {
		t.Errorf("after a restart: status %s", got.status)
	}
	g.stop()
	if out, errs, code := g.sallyport("audit", "verify"); code != 0 {
		t.Fatalf("audit verify: exit %d: %s%s", code, out, errs)
	}
	segments, err := filepath.Glob(filepath.Join(g.dir, "state", "log", "*"))
	if err != nil {
		t.Fatal(err)
	}
	edited := false
	for _, file := range segments {
		b, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(b, []byte("authenticode/unsigned")) || !bytes.Contains(b, []byte(record)) {
			continue
		}
		i := bytes.Index(b, []byte("authenticode/unsigned"))
		b[i] ^= 1
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		edited = true
		break
	}
	if !edited {
		t.Fatalf("no file of the log tells of the decision: %v", segments)
	}
	out, errs, code := g.sallyport("audit", "verify")
	if code != 1 || !strings.Contains(out+errs, record) {
		t.Errorf("after editing one byte: exit %d, and record %s is not named: %s%s", code, record, out, errs)
	}
}

// A client with a cookie or credentials never gets bytes that were fetched for another.
func TestPersonalDownloadsEndToEnd(t *testing.T) {
	g := newGateway(t, `version: 1
channels: [{name: all, hosts: [updates.example], paths: ["/**"], require: []}]
`, map[string]string{"updates.example": tlsOrigin(t, echo{}, "updates.example")})
	g.start()
	const url = "https://updates.example/licence.bin"
	for _, who := range []string{"", "alice", "bob", "alice", ""} {
		var args []string
		if who != "" {
			args = []string{"-H", "Cookie: id=" + who}
		}
		if got := g.curl(url, args...); string(got.body) != "for id="+who && !(who == "" && string(got.body) == "for ") {
			t.Errorf("%q got %q", who, got.body)
		}
		if who != "" {
			if got := g.curl(url, "-H", "Authorization: Bearer "+who); string(got.body) != "for Bearer "+who {
				t.Errorf("%q got %q", who, got.body)
			}
		}
	}
}
