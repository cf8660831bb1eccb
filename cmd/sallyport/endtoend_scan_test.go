//go:build unix

package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy/reputation/scan/scantest"
)

// msiOf makes an installer that installs one file.
func msiOf(t *testing.T, name, content string) []byte {
	t.Helper()
	need(t, "wixl")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	wxs := fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
  <Product Id="*" UpgradeCode="11111111-2222-3333-4444-555555555555" Name="Tool" Version="1.0.0" Manufacturer="Example" Language="1033">
    <Package InstallerVersion="200" Compressed="yes"/>
    <Media Id="1" Cabinet="tool.cab" EmbedCab="yes"/>
    <Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFilesFolder"><Directory Id="INSTALLDIR" Name="Tool">
      <Component Id="Main" Guid="11111111-2222-3333-4444-666666666666"><File Id="F1" Source="%[1]s" Name="%[1]s" KeyPath="yes"/></Component>
    </Directory></Directory></Directory>
    <Feature Id="All" Level="1"><ComponentRef Id="Main"/></Feature>
  </Product>
</Wix>
`, name)
	if err := os.WriteFile(filepath.Join(dir, "tool.wxs"), []byte(wxs), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("wixl", "-o", "tool.msi", "tool.wxs")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("wixl: %v\n%s", err, out)
	}
	msi, err := os.ReadFile(filepath.Join(dir, "tool.msi"))
	if err != nil {
		t.Fatal(err)
	}
	return msi
}

const scanPolicy = `version: 1
scanners:
  av: %s
channels:
- name: dl
  hosts: [dl.example]
  paths: ["/**"]
  require: [{scan: [av]}]
- name: lax
  hosts: [lax.example]
  paths: ["/**"]
  require: [{scan: [av], on_inconclusive: allow}]
tests:
- {name: what is found is refused, url: "https://dl.example/a.msi", scans: {av: {found: Evil, path: disk1.cab/a.dll}}, want: quarantine}
- {name: what could not be scanned is refused, url: "https://dl.example/a.msi", scans: {av: failed}, want: quarantine}
- {name: or let through where the policy says so, url: "https://lax.example/a.msi", scans: {av: failed}, want: allow}
`

// scanned is a proxy whose channels have updates scanned, with a zip in which an MSI is in which the marker is, and another without.
func scanned(t *testing.T, scanner string) *gateway {
	t.Helper()
	origin := newFiles()
	for name, content := range map[string]string{"bad": "text " + scantest.Marker, "clean": "text", "late": "later text", "last": "the last text"} {
		origin.put("/"+name+".zip", zipOf(t, map[string][]byte{"setup/tool.msi": msiOf(t, "tool.txt", content), "readme.txt": []byte(name)}))
	}
	address := tlsOrigin(t, origin, "dl.example", "lax.example")
	g := newGateway(t, fmt.Sprintf(scanPolicy, scanner), map[string]string{"dl.example": address, "lax.example": address})
	return g
}

func (g *gateway) wantScan(url, status, text string) {
	g.t.Helper()
	got := g.curl(url)
	if got.status != status || status != "200" && !strings.Contains(string(got.body), text) {
		g.t.Errorf("%s: status %s, want %s (%q): %.800s", url, got.status, status, text, got.body)
	}
}

// Each scanner, as the distribution has it, stops a marker inside an MSI inside a zip.
func TestScannersStopAMarkerThroughTheProxy(t *testing.T) {
	for name, define := range map[string]func(*testing.T) (definition, hit string){
		"clamd": func(t *testing.T) (string, string) {
			return fmt.Sprintf("{clamd: %q}", scantest.Clamd(t).Address()), scantest.ClamdName
		},
		"c-icap": func(t *testing.T) (string, string) {
			return fmt.Sprintf("{icap: \"icap://%s/avscan\"}", scantest.ICAP(t, scantest.Clamd(t)).Address()), scantest.ClamdName
		},
		"yara": func(t *testing.T) (string, string) {
			program, rules := scantest.Yara(t)
			return fmt.Sprintf("{command: [%q, --no-warnings, %q, \"{file}\"], found: output}", program, rules), scantest.YaraName
		},
	} {
		t.Run(name, func(t *testing.T) {
			definition, hit := define(t)
			g := scanned(t, definition)
			g.start()
			g.wantScan("https://dl.example/bad.zip", "403", hit+" in setup/tool.msi")
			g.wantScan("https://lax.example/bad.zip", "403", hit+" in setup/tool.msi")
			g.wantScan("https://dl.example/clean.zip", "200", "")
			rec := g.decisions()
			if len(rec) != 3 || !strings.Contains(strings.Join(rec[2].Decision.Reasons, "; "), hit) {
				t.Errorf("%d decisions: %+v", len(rec), rec)
			}
			file := filepath.Join(t.TempDir(), "bad.zip")
			os.WriteFile(file, zipOf(t, map[string][]byte{"tool.msi": msiOf(t, "tool.txt", "x "+scantest.Marker)}), 0o600)
			out, errs, code := g.sallyport("verify", "--config", filepath.Join(g.dir, "sallyport.yaml"), "--channel", "dl", file)
			if code != 1 || !strings.Contains(out, hit+" in tool.msi") {
				t.Errorf("verify: exit %d: %s%s", code, out, errs)
			}
		})
	}
}

// While clamd is stopped, what it should have scanned is what the policy says; what it has scanned shortly before is still known.
func TestAStoppedScanner(t *testing.T) {
	d := scantest.Clamd(t)
	g := scanned(t, fmt.Sprintf("{clamd: %q}", d.Address()))
	console := freeAddress(t)
	g.config = "" // the console is switched on for this
	g.start()
	g.stop()
	config, err := os.ReadFile(filepath.Join(g.dir, "sallyport.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	g.write("sallyport.yaml", strings.Replace(string(config), `console: "off"`, "console: "+console, 1))
	g.run()
	page := func(path string) string {
		resp, err := http.Get("http://" + console + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	g.wantScan("https://dl.example/clean.zip", "200", "")
	if ready := page("/readyz"); !strings.Contains(ready, "av: ClamAV ") {
		t.Errorf("/readyz: %s", ready)
	}
	d.Stop()
	g.wantScan("https://dl.example/late.zip", "403", "could not tell")
	g.wantScan("https://lax.example/late.zip", "200", "")
	g.wantScan("https://lax.example/bad.zip", "200", "") // the policy has it so
	g.wantScan("https://dl.example/clean.zip", "200", "")
	for end := time.Now().Add(time.Minute); !strings.Contains(page("/readyz"), "it cannot be reached"); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("/readyz: %s", page("/readyz"))
		}
	}
	d.Start()
	g.until("https://dl.example/late.zip", "200")
	g.until("https://dl.example/last.zip", "200")
	g.until("https://lax.example/bad.zip", "403")
	for _, want := range []string{`sallyport_scans_total{result="clean",scanner="av"}`, `sallyport_scans_total{result="failed",scanner="av"}`, `sallyport_scans_total{result="found",scanner="av"}`, `sallyport_scanned_files_total{scanner="av"}`} {
		if !strings.Contains(page("/metrics"), want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
}
