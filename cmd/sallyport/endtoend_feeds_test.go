package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// zipOf packs files into a zip.
func zipOf(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, data := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// replace puts another file in the place of one at once.
func (g *gateway) replace(name, text string) {
	g.t.Helper()
	g.write(name+".new", text)
	if err := os.Rename(filepath.Join(g.dir, name+".new"), filepath.Join(g.dir, name)); err != nil {
		g.t.Fatal(err)
	}
}

// until asks again until the answer has a status.
func (g *gateway) until(url, status string) fetched {
	g.t.Helper()
	end := time.Now().Add(time.Minute)
	for {
		got := g.curl(url)
		if got.status == status {
			return got
		}
		if time.Now().After(end) {
			g.t.Fatalf("%s: status %s after a minute, want %s: %.600s", url, got.status, status, got.body)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

const feedPolicy = `version: 1
feeds:
  bad: {file: bad.txt}
  worse: {url: "https://feeds.example/worse.csv", format: csv}
deny:
- {name: outbreak, hosts: [dl.example], listed: [worse]}
channels:
- {name: dl, hosts: [dl.example], paths: ["/**"], require: [{not_listed: [bad, worse]}]}
`

// What was let through is refused from the moment on that a list names it, or something inside it, without a restart.
func TestListedUpdatesAreRefusedThroughTheProxy(t *testing.T) {
	tool := append([]byte("MZ"), bytes.Repeat([]byte("tool"), 5000)...)
	third := append([]byte("MZ"), bytes.Repeat([]byte("third"), 5000)...)
	library := append([]byte("MZ"), bytes.Repeat([]byte("library"), 5000)...)
	origin, lists := newFiles(), newFiles()
	origin.put("/tool.exe", tool)
	origin.put("/third.exe", third)
	origin.put("/app.zip", zipOf(t, map[string][]byte{"app/ffmpeg.dll": library, "app/readme.txt": []byte("hello")}))
	lists.put("/worse.csv", []byte(fmt.Sprintf("sha256,malware\n%064x,nobody\n%x,Winnti\n", 1, sha256.Sum256(third))))
	g := newGateway(t, feedPolicy, map[string]string{
		"dl.example": tlsOrigin(t, origin, "dl.example"), "feeds.example": tlsOrigin(t, lists, "feeds.example"),
	})
	g.write("bad.txt", fmt.Sprintf("# nothing yet\n%064x\n", 1))
	g.start()

	g.until("https://dl.example/tool.exe", "200") // once the list from the server is there
	if got := g.curl("https://dl.example/app.zip"); got.status != "200" {
		t.Fatalf("status %s: %s", got.status, got.body)
	}
	if got := g.curl("https://dl.example/third.exe"); got.status != "403" || !strings.Contains(string(got.body), "outbreak") || !strings.Contains(string(got.body), "Winnti") {
		t.Errorf("status %s: %s", got.status, got.body)
	}

	g.replace("bad.txt", fmt.Sprintf("%064x\n%x  SmoothOperator\n", 1, sha256.Sum256(tool)))
	if got := g.until("https://dl.example/tool.exe", "403"); !strings.Contains(string(got.body), "on feed bad, line 2") {
		t.Errorf("%s", got.body)
	}
	if got := g.curl("https://dl.example/app.zip"); got.status != "200" {
		t.Fatalf("status %s: %s", got.status, got.body)
	}
	g.replace("bad.txt", fmt.Sprintf("%x  SmoothOperator\n", sha256.Sum256(library)))
	got := g.until("https://dl.example/app.zip", "403")
	if !strings.Contains(string(got.body), "app/ffmpeg.dll inside is on feed bad") {
		t.Errorf("%s", got.body)
	}
	g.until("https://dl.example/tool.exe", "200")

	out, _, _ := g.sallyport("audit", "list", "--kind", "learn", "--json")
	for _, want := range []string{"feed bad changed: 1 entries, 1 added", "feed worse changed: 2 entries"} {
		if !strings.Contains(out, want) {
			t.Errorf("no record says %q:\n%.2000s", want, out)
		}
	}
	file := filepath.Join(t.TempDir(), "app.zip")
	os.WriteFile(file, origin.by["/app.zip"], 0o600)
	config := filepath.Join(g.dir, "sallyport.yaml")
	out, errs, code := g.sallyport("verify", "--config", config, "--channel", "dl", file)
	if code != 1 || !strings.Contains(out, "app/ffmpeg.dll inside is on feed bad") {
		t.Errorf("verify: exit %d: %s%s", code, out, errs)
	}

	// A list that cannot be had any more counts as it was, also after a restart.
	lists.mu.Lock()
	delete(lists.by, "/worse.csv")
	lists.mu.Unlock()
	g.stop()
	g.run()
	if got := g.curl("https://dl.example/third.exe"); got.status != "403" || !strings.Contains(string(got.body), "outbreak") {
		t.Errorf("after a restart: status %s: %s", got.status, got.body)
	}
	os.WriteFile(file, third, 0o600)
	if out, errs, code = g.sallyport("verify", "--config", config, "--url", "https://dl.example/third.exe", file); code != 1 || !strings.Contains(out, "Winnti") {
		t.Errorf("verify: exit %d: %s%s", code, out, errs)
	}
	t.Setenv("SALLYPORT_STATE", filepath.Join(g.dir, "none"))
	var o, e bytes.Buffer
	if code = run([]string{"verify", "--config", config, "--channel", "dl", file}, nil, &o, &e); code != 1 || !strings.Contains(e.String(), "feed worse is never: it was never loaded") ||
		!strings.Contains(o.String(), "feed worse was never loaded") {
		t.Errorf("verify without lists: exit %d: %s%s", code, o.String(), e.String())
	}
	if got := g.curl("https://dl.example/tool.exe"); got.status != "200" {
		t.Errorf("after a restart: status %s: %s", got.status, got.body)
	}
}

// A reload takes up new feeds, and changes nothing if a list cannot be read.
func TestFeedsComeWithThePolicy(t *testing.T) {
	tool := append([]byte("MZ"), bytes.Repeat([]byte("tool"), 5000)...)
	origin := newFiles()
	origin.put("/tool.exe", tool)
	without := "version: 1\nchannels:\n- {name: dl, hosts: [dl.example], paths: [\"/**\"], require: []}\n"
	with := "version: 1\nfeeds: {bad: {file: lists/bad.txt}}\nchannels:\n- {name: dl, hosts: [dl.example], paths: [\"/**\"], require: [{not_listed: [bad]}]}\n"
	g := newGateway(t, without, map[string]string{"dl.example": tlsOrigin(t, origin, "dl.example")})
	g.start()
	if got := g.curl("https://dl.example/tool.exe"); got.status != "200" {
		t.Fatalf("status %s: %s", got.status, got.body)
	}
	g.replace("policy.yaml", with)
	end := time.Now().Add(time.Minute)
	for {
		out, _, _ := g.sallyport("audit", "list", "--kind", "policy", "--json")
		if strings.Contains(out, "policy.yaml:2:9: feed bad: opening the list") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("no record of the refused policy: %s", out)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if got := g.curl("https://dl.example/tool.exe"); got.status != "200" {
		t.Fatalf("status %s: %s", got.status, got.body)
	}
	policy := filepath.Join(g.dir, "policy.yaml")
	if _, errs, code := g.sallyport("policy", "check", policy); code != 1 || !strings.Contains(errs, "policy.yaml:2:9: feed bad: opening the list: open "+filepath.Join(g.dir, "lists", "bad.txt")) {
		t.Errorf("policy check: exit %d: %s", code, errs)
	}
	os.Mkdir(filepath.Join(g.dir, "lists"), 0o700)
	lines := fmt.Sprintf("%x\n", sha256.Sum256(tool))
	for i := range 150 {
		lines += fmt.Sprintf("%064x\n", i)
	}
	g.write("lists/bad.txt", lines+"what?\n")
	if out, errs, code := g.sallyport("policy", "check", policy); code != 0 || !strings.Contains(errs, "feed bad: cannot read line 152") {
		t.Errorf("policy check: exit %d: %s%s", code, out, errs)
	}
	g.replace("policy.yaml", with+"# again\n")
	if got := g.until("https://dl.example/tool.exe", "403"); !strings.Contains(string(got.body), "on feed bad, line 1") {
		t.Errorf("%s", got.body)
	}
	g.replace("policy.yaml", without)
	g.confirmLoosening()
	g.until("https://dl.example/tool.exe", "200")
}
