package beside_test

import (
	"context"
	"errors"
	"net/url"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/beside"
	"github.com/sallyport-project/sallyport/verify/internal/beside/besidetest"
)

func at(address string, format verify.Format) *verify.Artifact {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return &verify.Artifact{Name: "what-the-server-calls-it", URL: u, Format: format}
}

func TestWhereSidecarsAreLookedFor(t *testing.T) {
	for _, c := range []struct{ url, format, name, ref string }{
		{"https://h/a/tool.tar.gz", "", "tool.tar.gz", "./tool.tar.gz.asc"},
		{"https://h/a/tool.tar.gz?token=secret", "", "tool.tar.gz", "./tool.tar.gz.asc"},
		{"https://h/a/a%20b.exe", "", "a b.exe", "./a%20b.exe.asc"},
		{"https://h/javascript:x.exe", "", "javascript:x.exe", "./javascript:x.exe.asc"},
		{"https://h/a/..%2f..%2fetc.exe", "", "", ""},
		{"https://h/a%0ab.exe", "", "", ""},
		{"https://h/a/", "", "", ""},
		{"https://h/", "", "", ""},
		{"https://h", "", "", ""},
		{"https://h/a/..", "", "", ""},
		{"https://h/tool.asc", "", "", ""},
		{"https://h/tool.MINISIG", "", "", ""},
		{"https://h/debian/pool/main/h/hello/hello_1.deb", "deb", "", ""},
		{"https://h/hello_1.deb", "deb", "hello_1.deb", "./hello_1.deb.asc"},
		{"https://h/fedora/Packages/h/hello.rpm", "rpm", "", ""},
		{"https://h/pool/tool.exe", "pe", "tool.exe", "./tool.exe.asc"},
	} {
		p, ok := beside.Of(at(c.url, verify.Format(c.format)))
		if ok != (c.name != "") || ok && (p.Name != c.name || p.Ref(".asc") != c.ref) {
			t.Errorf("%s: %q %q %v", c.url, p.Name, p.Ref(".asc"), ok)
		}
	}
	if _, ok := beside.Of(&verify.Artifact{Name: "local.bin"}); !ok {
		t.Error("a local file has nothing beside it")
	}
	if _, ok := beside.Of(&verify.Artifact{Name: "InRelease", Role: verify.Metadata}); ok {
		t.Error("metadata is vouched for by what it is metadata of")
	}
}

func TestBudget(t *testing.T) {
	ctx := context.Background()
	dir := besidetest.NewFolder(map[string][]byte{
		"a": []byte("0123456789"), "page": []byte("\xef\xbb\xbf \n<!DOCTYPE html><html>"), "xml": []byte("<?xml version='1.0'?><Error/>"), "empty": nil,
	})
	dir.Broken = map[string]bool{"broken": true}
	b := beside.NewBudget(dir, 7, 300)
	if got, ok, err := b.Fetch(ctx, "./a", 100); !ok || err != nil || string(got.Data) != "0123456789" {
		t.Fatal(got, ok, err)
	}
	for _, name := range []string{"page", "xml", "empty", "none"} {
		if _, ok, err := b.Fetch(ctx, "./"+name, 100); ok || err != nil {
			t.Errorf("%s was taken for a sidecar", name)
		}
	}
	if b.Missing() != nil {
		t.Errorf("missing %q", b.Missing())
	}
	if _, ok, _ := beside.NewBudget(dir, 1, 100).Fetch(ctx, "./a", 5); ok {
		t.Error("more than the limit was fetched")
	}
	one := beside.NewBudget(dir, 1, 100)
	one.Fetch(ctx, "./broken", 10)
	if _, ok, _ := one.Fetch(ctx, "./a", 10); ok || len(one.Missing()) != 2 {
		t.Errorf("after the last fetch: %v %q", ok, one.Missing())
	}
	none := beside.NewBudget(verify.NoSidecars{}, 3, 100)
	if _, ok, err := none.Fetch(ctx, "./a", 10); ok || err != nil || !none.None() || none.Missing() != nil {
		t.Error("no sidecars at all look like something missing")
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, _, err := beside.NewBudget(dir, 1, 100).Fetch(done, "./a", 10); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is done: %v", err)
	}
}
