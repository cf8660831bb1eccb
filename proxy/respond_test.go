package proxy

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

var updateGolden = flag.Bool("update-answers", false, "write the golden files of testdata/answers anew")

// golden compares a whole response with a file.
func golden(t *testing.T, name string, resp *http.Response) {
	t.Helper()
	var got bytes.Buffer
	if err := resp.Write(&got); err != nil {
		t.Fatal(err)
	}
	b := bytes.ReplaceAll(got.Bytes(), []byte("\r\n"), []byte("\n"))
	path := filepath.Join("testdata", "answers", name)
	if *updateGolden {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, want) {
		t.Errorf("%s has changed. It is now:\n%s", path, b)
	}
}

var (
	someDigest = verify.Digest{0xab, 0xcd, 31: 0xef}
	askFor     = map[string]string{"text": "*/*", "json": "application/json", "page": "text/html,application/xhtml+xml,*/*;q=0.8"}
)

func asking(accept string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://a.example/", nil)
	r.Header.Set("Accept", accept)
	return r
}

func TestAnswersAreAsPromised(t *testing.T) {
	for name, f := range map[string]refusal{
		"quarantined": {Kind: kindQuarantined, Detail: "setup.exe is signed by nobody, and the channel wants one of microsoft", Channel: "office",
			Rule: "channel office", Record: "0001", SHA256: someDigest, Policy: verify.Digest{1}},
		"blocked":     {Kind: kindBlocked, Detail: "it is on the list: CVE-2023-29059", Channel: "3cx", Rule: "deny 3CX March 2023", Record: "0002", SHA256: someDigest},
		"unavailable": {Kind: kindUnavailable, Detail: "the audit log cannot be written", RetryAfter: 90 * time.Second},
		"auth":        {Kind: kindAuth, Detail: "this proxy asks for a user and a password"},
		"hostile": {Kind: kindQuarantined, Detail: "<script>alert(1)</script>\r\nSet-Cookie: a=b\x1b[2J\u202e\"quoted\\\" ünïcode", Channel: "a\nb",
			Rule: "<b>", Record: "1; rm -rf /\r\n", SHA256: someDigest},
		"changed": {Kind: kindQuarantined, Detail: "3cx.msi has something inside that is wrong", Channel: "3cx", Rule: "channel 3cx", Record: "0003", SHA256: someDigest,
			Changes: changesInBrief([]policy.Changes{{Counts: policy.ChangedCounts{Unsigned: 1, Actions: 1}, Files: policy.ChangedFiles{
				Unsigned: []policy.ChangedFile{{Path: "<b>d3dcompiler_47.dll\u202e\r\nSet-Cookie: a=b", Notes: []string{"was signed by Microsoft Corporation; now by nobody"}}},
				Actions:  []string{"postinstall (new): node x.js"}}}})},
	} {
		for form, accept := range askFor {
			golden(t, name+"."+form, f.response(asking(accept)))
		}
	}
	waits := waiting{Name: "<b>setup</b>\u202e.exe", Stage: "being fetched", Received: 1 << 20, Total: 4 << 20}
	for form, accept := range askFor {
		golden(t, "waiting."+form, waitingAnswer(asking(accept), refusal{Detail: "the file is being fetched", RetryAfter: 2500 * time.Millisecond}, waits))
	}
	waits.Total = 0
	golden(t, "waiting-unknown.page", waitingAnswer(asking("text/html"), refusal{}, waits))
}

func TestEveryKindHasItsStatus(t *testing.T) {
	for kind, status := range map[string]int{
		kindBlocked: 403, kindQuarantined: 403, kindDenied: 403, kindUnavailable: 503, kindUpstream: 502, kindMisdirected: 421,
		kindLoop: 508, kindAuth: 407, kindAmbiguous: 400, kindWaiting: 503, kindLimit: 429, "": 403, "no such kind": 403,
	} {
		resp := refusal{Kind: kind}.response(asking(""))
		if resp.StatusCode != status || resp.Header.Get("Cache-Control") != "no-store" || !isOwn(resp) {
			t.Errorf("%q: %s %v", kind, resp.Status, resp.Header)
		}
	}
	if resp := (refusal{Kind: kindBlocked, Status: 200}).response(asking("")); resp.StatusCode != 403 {
		t.Errorf("a refusal with the status %d", resp.StatusCode)
	}
}

// TestRefusalsHoldNoForeignText demands that whatever strangers write stays within its place.
func TestRefusalsHoldNoForeignText(t *testing.T) {
	for _, evil := range []string{"\r\nX-Evil: 1", "\x00\x1b[31m", `"; error=none; details="`, `\`, "<img src=x onerror=alert(1)>", "\u202eexe.", strings.Repeat("x", 1e5), "\xff\xfe"} {
		for _, accept := range askFor {
			resp := refusal{Kind: kindBlocked, Title: evil, Detail: evil, Channel: evil, Rule: evil, Record: evil}.response(asking(accept))
			body, _ := io.ReadAll(resp.Body)
			checkClean(t, evil, resp, body)
		}
	}
}

func checkClean(t *testing.T, evil string, resp *http.Response, body []byte) {
	t.Helper()
	if !isPhrase(reasonOf(resp)) {
		t.Errorf("%.20q: reason phrase %q", evil, resp.Status)
	}
	for name, values := range resp.Header {
		if len(values) != 1 || strings.ContainsAny(values[0], "\r\n\x00\x1b") || !isASCII(values[0]) || len(values[0]) > 1000 {
			t.Errorf("%.20q: %s: %.200q", evil, name, values)
		}
	}
	if s := resp.Header.Get("Proxy-Status"); !strings.HasPrefix(s, `sallyport; error=http_request_denied; details="`) ||
		strings.Contains(strings.NewReplacer(`\\`, "", `\"`, "").Replace(strings.TrimSuffix(s[len(`sallyport; error=http_request_denied; details="`):], `"`)), `"`) {
		t.Errorf("%.20q: Proxy-Status: %s", evil, s)
	}
	switch resp.Header.Get("Content-Type") {
	case "application/problem+json":
		var p problem
		if err := json.Unmarshal(body, &p); err != nil || p.Type != problemBase+"blocked" || p.Status != 403 {
			t.Errorf("%.20q: %v %+v", evil, err, p)
		}
	case "text/html; charset=utf-8":
		if bytes.Contains(body, []byte("<img")) {
			t.Errorf("%.20q is markup:\n%s", evil, body)
		}
	}
	if bytes.ContainsAny(body, "\x00\x1b\u202e") || len(body) > 10_000 {
		t.Errorf("%.20q: body of %d bytes", evil, len(body))
	}
}

func TestRefusalSaysWhenItEndsByItself(t *testing.T) {
	ripe := time.Date(2026, 12, 4, 10, 0, 1, 0, time.UTC)
	for _, c := range []struct {
		refusal
		want, not string
	}{
		{refusal{Kind: kindQuarantined, Record: "01M8", Ripe: ripe}, "by itself from 2026-12-04 10:01 UTC on", "look at the file"},
		{refusal{Kind: kindQuarantined, Record: "01M8"}, "quarantine release 01M8", "by itself"},
		{refusal{Kind: kindBlocked, Record: "01M8", Ripe: ripe}, "was not kept", "by itself"},
	} {
		for _, as := range []form{formText, formJSON, formPage} {
			body := string(c.refusal.settled().body(as))
			if !strings.Contains(body, c.want) || strings.Contains(body, c.not) {
				t.Errorf("want %q and not %q in\n%s", c.want, c.not, body)
			}
		}
	}
}

func TestPreferredForm(t *testing.T) {
	for accept, want := range map[string]form{
		"": formText, "*/*": formText, "application/*": formText, "text/plain": formText, "application/json": formJSON,
		"application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*": formJSON,
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8":          formPage,
		"TEXT/HTML": formPage, "text/html;q=0.5, application/problem+json": formJSON, "text/html, application/json": formPage,
		"text/html;q=0": formText, "text/html;q=2": formText, "text/html;q=NaN": formText, "text/html;level=1;q=x, application/json;q=0.001": formJSON,
		strings.Repeat("a/b,", 1000) + "text/html": formText,
	} {
		if got := preferredForm(http.Header{"Accept": {accept}}); got != want {
			t.Errorf("%.60q: %d, want %d", accept, got, want)
		}
	}
	if preferredForm(http.Header{"Accept": {"*/*", "text/html"}}) != formPage {
		t.Error("only the first line is read")
	}
}

func TestRefusalIsInTheLog(t *testing.T) {
	g := newFrontRig(t, func(o *Options) {
		o.Gate = roundTripper(func(r *http.Request) (*http.Response, error) {
			return refusal{Kind: kindBlocked, Channel: "c", Rule: "r", Record: "42", SHA256: someDigest, Detail: "bad\nfile"}.response(r), nil
		})
	})
	resp, _ := g.mustGet("https://" + inspected + "/")
	g.client.CloseIdleConnections()
	if resp.StatusCode != 403 || len(resp.Header["Proxy-Status"]) != 1 {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	for _, l := range g.logs.FilterMessage("request").All() {
		m := l.ContextMap()
		if m["method"] == "CONNECT" {
			continue
		}
		if m["outcome"] != "blocked" || m["channel"] != "c" || m["rule"] != "r" || m["record"] != "42" || m["sha256"] != someDigest.String() || m["detail"] != `bad\nfile` {
			t.Errorf("%v", m)
		}
	}
}
