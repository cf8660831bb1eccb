package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// world is a directory with samples and a manifest that lists them.
type world struct {
	t     *testing.T
	dir   string
	lines []string
}

func newWorld(t *testing.T) *world {
	return &world{t: t, dir: t.TempDir(), lines: []string{strings.Join(columns, "\t")}}
}

// add lists a sample; with nil it is listed and not there.
func (w *world) add(kind, file string, data []byte, verdict string) {
	w.lines = append(w.lines, strings.Join([]string{kind, file, digest(data), fmt.Sprint(len(data)), "made x y", "", "", "", verdict, ""}, "\t"))
	if data != nil {
		w.write(file, data)
	}
}

func (w *world) write(file string, data []byte) {
	path := filepath.Join(w.dir, file)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o600)); err != nil {
		w.t.Fatal(err)
	}
}

// run returns what the command prints.
func (w *world) run(derive int) (string, error) {
	manifest := filepath.Join(w.dir, "MANIFEST.tsv")
	w.write("MANIFEST.tsv", []byte(strings.Join(w.lines, "\n")+"\n"))
	var out bytes.Buffer
	err := run(context.Background(), options{manifest: manifest, samples: []string{w.dir}, roots: "../../verify/internal/authenticode/roots", derive: derive, at: time.Now()}, &out)
	return out.String(), err
}

// addMinisign makes a key and a file with a signature (legacy form), and lists all three.
func (w *world) addMinisign() {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	text := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	content := []byte(strings.Repeat("content ", 40))
	signature := ed25519.Sign(private, content)
	const comment = "timestamp:1\tfile:tool.bin"
	global := ed25519.Sign(private, append(bytes.Clone(signature), comment...))
	w.add("minisign-key", "minisign/made/key.pub", []byte("untrusted comment: key\n"+text(append([]byte("Ed12345678"), public...))+"\n"), "")
	w.add("minisign", "minisign/made/tool.bin", content, "minisign: PASS")
	w.add("minisign", "minisign/made/tool.bin.minisig", []byte("untrusted comment: made for this test\n"+text(append([]byte("Ed12345678"), signature...))+
		"\ntrusted comment: "+comment+"\n"+text(global)+"\n"), "")
}

func unsignedPackage(t *testing.T) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("a.nuspec")
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("<package/>"))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWholeManifest(t *testing.T) {
	w := newWorld(t)
	w.addMinisign()
	w.add("nuget", "nuget/unsigned.nupkg", unsignedPackage(t), "FAIL expected")
	w.add("nuget", "nuget/gone.nupkg", nil, "dotnet: PASS")
	w.add("tuf-seed", "tuf/seeds.json", []byte("{}"), "")
	w.add("minisign", "minisign/made/other.minisig", []byte("untrusted comment: "), "")
	out, err := w.run(100)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"ours: valid minisign/valid", "ours: absent nuget/unsigned", "nuget/gone.nupkg", "the sample is not there", "a signature; its file is not there",
		"   1 tuf-seed: a root to begin with", "minisign, signify: the untrusted comment",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(out, "STILL GOOD") || strings.Contains(out, "DISAGREE\n    ours") {
		t.Errorf("unexplained:\n%s", out)
	}
}

func TestDisagreementIsAnError(t *testing.T) {
	w := newWorld(t)
	w.add("nuget", "nuget/unsigned.nupkg", unsignedPackage(t), "dotnet nuget verify: PASS")
	if out, err := w.run(0); !errors.Is(err, errDisagreement) || !strings.Contains(out, "DISAGREE\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestCopyThatNothingExplainsIsAnError(t *testing.T) {
	w := newWorld(t)
	w.addMinisign()
	var out bytes.Buffer
	d := &derivation{out: &out}
	accepted := []verdictOf{{"minisign/valid", true}}
	tally := &tally{quiet: map[string]int{}}
	d.judge(tally, "x", 5, findings(accepted), findings(accepted), []region{{0, 5, "why", false}, {5, 6, "loud", true}})
	if tally.unexplained != 1 || d.unexplained != 1 {
		t.Errorf("a copy that is as good as before, in no region: %+v", tally)
	}
	d.judge(tally, "x", 4, findings(accepted), findings(accepted), []region{{0, 5, "why", false}})
	d.judge(tally, "x", 4, findings(accepted), findings([]verdictOf{{"minisign/bad-signature", false}}), nil)
	if tally.quiet["why"] != 1 || tally.refused != 1 || d.unexplained != 1 {
		t.Errorf("%+v", tally)
	}
}

func TestLineEndsAreRestored(t *testing.T) {
	w := newWorld(t)
	w.write("a.ps1", []byte("one\ntwo\n"))
	st := &store{dirs: []string{w.dir}}
	if s := st.find("a.ps1", digest([]byte("one\r\ntwo\r\n"))); s == nil || !s.restored || string(s.data) != "one\r\ntwo\r\n" {
		t.Errorf("%+v", s)
	}
	if s := st.find("a.ps1", digest([]byte("other"))); s != nil {
		t.Error("a file with another digest was taken")
	}
}
