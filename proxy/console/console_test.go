package console

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func get(t *testing.T, h http.Handler, method, host, path string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	r.Host = host
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	resp := w.Result()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func sample(checks ...Check) http.Handler {
	return New(Options{
		Checks:  checks,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "metrics here\n") }),
		CA:      func() []byte { return []byte("-----BEGIN CERTIFICATE-----\n") },
		Proxy:   "0.0.0.0:3128",
		Hosts:   []string{"Proxy.Example."},
		Version: "v1",
	})
}

func fixed(name string, h Health, detail string) Check {
	return Check{name, func(context.Context) (Health, string) { return h, detail }}
}

func TestConsoleRefusesNamesOfOthers(t *testing.T) {
	h := sample()
	for host, want := range map[string]int{
		"127.0.0.1:8640": 200, "[::1]:8640": 200, "[fe80::1]": 200, "localhost": 200, "LOCALHOST.:8640": 200,
		"a.localhost": 200, "proxy.example:8640": 200, "10.0.0.1": 200,
		"rebound.example": 421, "localhost.evil.example": 421, "": 421, "proxy.example.evil": 421, "127.0.0.1.nip.example": 421,
	} {
		resp, body := get(t, h, "GET", host, "/healthz")
		if resp.StatusCode != want {
			t.Errorf("Host %q: %d, want %d: %s", host, resp.StatusCode, want, body)
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("Host %q: no security headers: %v", host, resp.Header)
		}
	}
}

func TestConsoleIsNoProxyAndChangesNothing(t *testing.T) {
	h := sample()
	if resp, _ := get(t, h, "GET", "127.0.0.1", "http://127.0.0.1/healthz"); resp.StatusCode != 421 {
		t.Errorf("absolute URL: %d", resp.StatusCode)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		for _, path := range []string{"/", "/readyz", "/ca.pem", "/proxy.pac"} {
			if resp, _ := get(t, h, method, "127.0.0.1", path); resp.StatusCode != 405 {
				t.Errorf("%s %s: %d", method, path, resp.StatusCode)
			}
		}
	}
	if resp, _ := get(t, h, "GET", "127.0.0.1", "/quarantine"); resp.StatusCode != 404 {
		t.Errorf("unknown page: %d", resp.StatusCode)
	}
}

func TestReadyzFailsOnlyForWhatFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		checks []Check
		status int
		want   string
	}{
		{"all good", []Check{fixed("log", Good, "7 records")}, 200, `"good"`},
		{"a broken policy file leaves the old one in force", []Check{fixed("policy", Warning, "policy.yaml:3:1: x")}, 200, `"warning"`},
		{"a full disk", []Check{fixed("policy", Good, ""), fixed("disk", Failing, "full")}, 503, `"failing"`},
		{"zero value", []Check{fixed("x", 0, "")}, 503, `"failing"`},
		{"a panic", []Check{{"x", func(context.Context) (Health, string) { panic("oops") }}}, 503, "crashed"},
		{"hostile text", []Check{fixed("x", Good, "a\x1b[2J\u202e")}, 200, `a\\x1b[2J\\u202e`},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body := get(t, sample(c.checks...), "GET", "localhost", "/readyz")
			var parsed struct {
				Ready  bool
				Checks []map[string]string
			}
			if err := json.Unmarshal([]byte(body), &parsed); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.status || parsed.Ready != (c.status == 200) || !strings.Contains(body, c.want) {
				t.Errorf("%d\n%s", resp.StatusCode, body)
			}
		})
	}
}

func TestReadyzDoesNotWaitForACheckThatHangs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	release := make(chan struct{})
	defer close(release)
	r := Check{"stuck", func(context.Context) (Health, string) { <-release; return Good, "" }}.run(ctx)
	if r.Health != Failing {
		t.Errorf("got %v", r)
	}
}

func TestPACNamesTheProxyAsTheClientSeesIt(t *testing.T) {
	for host, want := range map[string]string{
		"proxy.example:8640": `"PROXY proxy.example:3128"`,
		"[fd00::1]:8640":     `"PROXY [fd00::1]:3128"`,
		"127.0.0.1":          `"PROXY 127.0.0.1:3128"`,
	} {
		resp, body := get(t, sample(), "GET", host, "/proxy.pac")
		if resp.Header.Get("Content-Type") != "application/x-ns-proxy-autoconfig" || !strings.Contains(body, want) {
			t.Errorf("Host %s: %s", host, body)
		}
	}
	if got := (Options{Proxy: "10.1.2.3:8080"}).proxyAddress("localhost"); got != "10.1.2.3:8080" {
		t.Errorf("a fixed address became %s", got)
	}
}

func TestIndexEscapes(t *testing.T) {
	_, body := get(t, sample(fixed("policy", Warning, "<script>alert(1)</script>")), "GET", "localhost", "/")
	if strings.Contains(body, "<script>") || !strings.Contains(body, "&lt;script&gt;") {
		t.Error("markup of a check is on the page")
	}
	if !strings.Contains(body, "curl --proxy http://localhost:3128") {
		t.Errorf("no command to copy:\n%s", body)
	}
}
