package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

func archive(t *testing.T, headers ...tar.Header) string {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for _, h := range headers {
		h.Mode = 0o777
		if h.Typeflag == tar.TypeReg {
			h.Size = 4
		}
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			tw.Write([]byte("evil"))
		}
	}
	tw.Close()
	zw.Close()
	path := filepath.Join(t.TempDir(), "b.tgz")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRestoreTakesNothingButTheFilesOfABackup(t *testing.T) {
	regular := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }
	for name, headers := range map[string][]tar.Header{
		"parent":           {regular("../evil")},
		"parent inside":    {regular("log/../../evil")},
		"absolute":         {regular("/evil")},
		"unclean":          {regular("log//key")},
		"top level":        {regular("control.sock")},
		"another folder":   {regular("home/.profile")},
		"deeper":           {regular("ca/x/y")},
		"symbolic link":    {{Typeflag: tar.TypeSymlink, Name: "log/key", Linkname: "/etc/passwd"}},
		"hard link":        {{Typeflag: tar.TypeLink, Name: "log/key", Linkname: "/etc/passwd"}},
		"device":           {{Typeflag: tar.TypeChar, Name: "log/key"}},
		"through a link":   {{Typeflag: tar.TypeSymlink, Name: "log", Linkname: "/"}, regular("log/evil")},
		"the same twice":   {regular("ca/ca.pem"), regular("ca/ca.pem")},
		"nothing of a log": {regular("ca/ca.pem")},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			dir := stateDir(filepath.Join(parent, "state"))
			v, err := restore(context.Background(), dir, archive(t, headers...))
			if err == nil && (name != "nothing of a log" || v.Records != 0) {
				t.Fatalf("restored: %+v", v)
			}
			if _, err := os.Stat(filepath.Join(parent, "evil")); err == nil {
				t.Error("a file was written outside the state directory")
			}
			if err == nil {
				return
			}
			if err := dir.mustBeEmpty(); err != nil {
				t.Errorf("a failed restore left something behind: %v", err)
			}
		})
	}
}

func TestOverlayForgetsAndLeavesTheMemoryAlone(t *testing.T) {
	under := &overlay{}
	if err := under.Advance("a", "k", nil, []byte("1")); err != nil {
		t.Fatal(err)
	}
	over := &overlay{under: under}
	if err := over.Advance("a", "k", nil, []byte("2")); err != verify.ErrConflict {
		t.Errorf("an advance past what is remembered: %v", err)
	}
	if err := over.Advance("a", "k", []byte("1"), []byte("2")); err != nil {
		t.Fatal(err)
	}
	seen, _ := over.Load("a", "k")
	kept, _ := under.Load("a", "k")
	if string(seen) != "2" || string(kept) != "1" {
		t.Errorf("seen %q, kept %q", seen, kept)
	}
}

func TestFolderSidecarsStayInTheirFolder(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "inside")
	for name, text := range map[string]string{"secret": "s", "inside/dists/InRelease": "path", "inside/tool.asc": "base", "inside/example.com/dists/InRelease": "host"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "secret"), filepath.Join(inside, "link")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	base, err := parseWebURL("https://example.com/pool/tool.deb")
	if err != nil {
		t.Fatal(err)
	}
	s := &folderSidecars{root: root, base: base}
	for ref, want := range map[string]string{
		"../dists/InRelease": "host", "https://other.example/dists/InRelease": "path", "tool.asc": "base", "/x/y/tool.asc": "base",
		"../../../../secret": "", "link": "", "/": "", "%2e%2e/secret": "", "dists": "",
	} {
		got, err := s.Fetch(context.Background(), ref, 100)
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", ref, got, err, want)
		}
	}
	if _, err := s.Fetch(context.Background(), "tool.asc", 3); err != verify.ErrTooLarge {
		t.Errorf("over the limit: %v", err)
	}
}
