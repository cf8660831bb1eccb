package reputation

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Whoever is on a list of hosts cannot get off it by the length of a URL, nor by the port, the user or the spelling in it.
func TestHostsAreFoundWhateverTheURL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte("evil.example\nhttps://other.example/setup.exe\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(t.Context(), []Feed{{Name: "bad", File: path}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("a", maxURL)
	for u, want := range map[string]int{
		"https://cdn.evil.example/" + long:                  1,
		"https://evil.example/x?" + long:                    1,
		"https://EVIL.example.:8443/x":                      1,
		"https://u:p@a_b.evil.example/x":                    1,
		"https://other.example/setup.exe?" + long:           1,
		"https://other.example//./a/../setup%2eexe#" + long: 1,
		"https://evil.example.org/" + long:                  0,
		"https://other.example/setup.exe/" + long:           0,
	} {
		hits, err := f.View().Match(Subject{URLs: []string{u}, At: time.Now()})
		if err != nil || len(hits) != want {
			t.Errorf("%.60s: %d hits, want %d: %v", u, len(hits), want, err)
		}
	}
	if _, err := urlEntry("https://evil.example/" + long); err == nil {
		t.Error("a list may have URLs of any length")
	}
}

// framed answers as HTTP/1 does, with a body that ends with the connection.
type framed struct {
	*server
	how func(*http.Response)
}

func (s framed) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.server.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusOK {
		resp.ProtoMajor, resp.ProtoMinor, resp.ContentLength = 1, 1, -1
		s.how(resp)
	}
	return resp, err
}

// A list that may have been cut off by the end of a connection is not taken, unless a digest says that it is whole.
func TestListsWithoutAnEndAreNotTaken(t *testing.T) {
	list := plainList(0, 100)
	sum := sha256.Sum256([]byte(list))
	closed := func(*http.Response) {}
	for name, c := range map[string]struct {
		feed Feed
		how  func(*http.Response)
		ok   bool
	}{
		"ends with the connection":                {Feed{}, closed, false},
		"ends with the connection, digest known":  {Feed{SHA256: sum}, closed, true},
		"ends with the connection, digest beside": {Feed{SHA256URL: "bad.txt.sha256"}, closed, true},
		"chunked": {Feed{}, func(r *http.Response) { r.TransferEncoding = []string{"chunked"} }, true},
		"HTTP/2":  {Feed{}, func(r *http.Response) { r.ProtoMajor = 2 }, true},
		"packed on the way, which has an end and a length": {Feed{}, func(r *http.Response) { r.Uncompressed = true }, true},
	} {
		s := &server{pages: map[string]string{listURL: list, listURL + ".sha256": fmt.Sprintf("%x", sum)}}
		c.feed.Name, c.feed.URL = "bad", listURL
		f, err := Open(t.Context(), []Feed{c.feed}, Options{Dir: t.TempDir(), Transport: framed{s, c.how}})
		if err != nil {
			t.Fatal(err)
		}
		err = f.Refresh(t.Context(), "bad")
		if status := f.View().State("bad", time.Now()).Status; (err == nil) != c.ok || (status == Fresh) != c.ok {
			t.Errorf("%s: %v, %s", name, err, status)
		}
		var refused *Refusal
		if errors.As(err, &refused) {
			t.Errorf("%s: the list is blamed: %v", name, err)
		}
	}
}
