package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/proxy"
	"github.com/sallyport-project/sallyport/verify"
)

func TestFolderHoldsWhatLiesElsewhere(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"tuf.example/metadata/1.root.json": "exact", "metadata/2.root.json": "by path", "3.root.json": "by name", "q.example/find?digest=a": "by query",
		"q.example/find": "without query", "dl.example/a/tool.sig": "beside", "1.root.json": "of somebody else",
	} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "outside"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	base := &url.URL{Scheme: "https", Host: "dl.example", Path: "/a/tool"}
	for ref, want := range map[string]string{
		"https://tuf.example/metadata/1.root.json": "exact", "https://TUF.example:8443/metadata/1.root.json": "exact", "https://tuf.example/metadata/2.root.json": "by path",
		"https://tuf.example/metadata/3.root.json": "by name", "https://q.example/find?digest=a": "by query", "https://q.example/find?digest=b": "without query",
		"./tool.sig": "beside", "https://tuf.example/metadata/4.root.json": "", "../../outside": "", "https://tuf.example/../../outside": "", "https://tuf.example/%2e%2e/outside": "",
	} {
		for _, at := range []*url.URL{base, nil} {
			if at == nil && !strings.HasPrefix(ref, "https:") {
				continue
			}
			got, err := (&folderSidecars{root: root, base: at}).Fetch(context.Background(), ref, 100)
			if string(got) != want || (want == "") != errors.Is(err, verify.ErrNotExist) {
				t.Errorf("%s: %q %v", ref, got, err)
			}
		}
	}
}

// tripper answers by URL; others get a 404.
type tripper map[string]string

// RoundTrip implements http.RoundTripper.
func (tr tripper) RoundTrip(req *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), ProtoMajor: 2, Request: req}
	if text, ok := tr[req.URL.String()]; ok {
		resp.StatusCode, resp.ContentLength, resp.Body = http.StatusOK, int64(len(text)), io.NopCloser(strings.NewReader(text))
		if to, redirects := strings.CutPrefix(text, "=> "); redirects {
			resp.StatusCode = http.StatusFound
			resp.Header.Set("Location", to)
		}
	}
	return resp, nil
}

func TestEvidenceIsFetchedForTheCommandAsForTheGate(t *testing.T) {
	p, err := policy.Parse("policy.yaml", os.DirFS(t.TempDir()), []byte("version: 1\nhosts: {deny: [denied.example]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := &originSidecars{
		upstream: tripper{
			"https://dl.example/a/tool.sig": "beside", "https://tuf.example/metadata/1.root.json": "named", "https://tuf.example/other": "not named",
			"https://other.example/x": "not named", "https://dl.example/a/moved": "=> https://store.example/object", "https://store.example/object": "moved",
			"https://dl.example/a/bad": "=> https://denied.example/object", "https://denied.example/object": "denied",
		},
		policy: p, base: &url.URL{Scheme: "https", Host: "dl.example", Path: "/a/tool"}, sources: proxy.NewSources([]string{"https://tuf.example/metadata/"}),
	}
	for ref, want := range map[string]string{
		"./tool.sig": "beside", "https://tuf.example/metadata/1.root.json": "named", "./moved": "moved",
		"https://tuf.example/other": "", "https://other.example/x": "", "http://dl.example/a/tool.sig": "", "./bad": "", "https://tuf.example/metadata/%2e%2e/other": "",
	} {
		got, err := s.Fetch(context.Background(), ref, 100)
		if string(got) != want || (err != nil) != (want == "") || errors.Is(err, verify.ErrNotExist) {
			t.Errorf("%s: %q %v", ref, got, err)
		}
	}
	if _, err := s.Fetch(context.Background(), "./none", 100); !errors.Is(err, verify.ErrNotExist) {
		t.Error(err)
	}
	for i := range maxSidecars + 1 {
		if _, err = s.Fetch(context.Background(), fmt.Sprintf("./%d", i), 100); err != nil && !errors.Is(err, verify.ErrNotExist) {
			return
		}
	}
	t.Error("no end to sidecars")
}
