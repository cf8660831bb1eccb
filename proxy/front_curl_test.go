package proxy

import (
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// TestCurl is real use by a real client: the versions of HTTP it can speak, a refusal as a person sees it, a challenge
// that it answers.
func TestCurl(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed: what only it can show is left out; .ci/test installs it")
	}
	users, err := ParseHtpasswd("f", []byte(htpasswdLine(t, "alice", "se:cret")))
	if err != nil {
		t.Fatal(err)
	}
	g := newFrontRig(t, func(o *Options) {
		o.Credentials = func() *Credentials { return users }
		o.Rules = func() Rules { return frontRules{inspect: names(inspected), deny: names("no.example"), ports: true} }
	})
	h := func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Method, r.URL.Path) }
	plain, secure := g.origin(false, h), g.origin(true, h)
	for name, c := range map[string]struct {
		args string
		want []string
	}{
		"plain":               {"http://a.example:" + plain + "/x", []string{"HTTP/1.1 200 OK", "GET /x", "Via: 1.1 sallyport-"}},
		"plain, in a tunnel":  {"-p http://a.example:" + plain + "/x", []string{"200 Connection established", "HTTP/1.1 200 OK", "GET /x"}},
		"inspected, HTTP/2":   {"--cacert CA https://" + inspected + ":" + secure + "/x", []string{"HTTP/2 200", "GET /x", "via: "}},
		"inspected, HTTP/1.1": {"--http1.1 --cacert CA https://" + inspected + ":" + secure + "/x", []string{"HTTP/1.1 200 OK", "GET /x"}},
		"plain inside":        {"-p http://" + inspected + ":" + plain + "/x", []string{"HTTP/1.1 200 OK", "GET /x", "Via: "}},
		"tunnel":              {"-k https://free.example:" + secure + "/x", []string{"HTTP/2 200", "GET /x"}},
		"upload":              {"--cacert CA -d hello https://" + inspected + ":" + secure + "/x", []string{"POST /x"}},
		"head":                {"-I --cacert CA https://" + inspected + ":" + secure + "/x", []string{"HTTP/2 200", "content-length: 7"}},
		"refused":             {"http://no.example/", []string{"HTTP/1.1 403 Not allowed: the policy denies the host no.example: it is on the list\r\n", "Proxy-Status: sallyport; error=http_request_denied"}},
		"refused CONNECT":     {"https://no.example/", []string{"HTTP/1.1 403 Not allowed: the policy denies the host no.example: it is on the list\r\n"}},
		"answers a challenge": {"--proxy-anyauth http://a.example:" + plain + "/x", []string{"HTTP/1.1 407 Proxy credentials required", "HTTP/1.1 200 OK"}},
		"to a CONNECT too":    {"--proxy-anyauth --cacert CA https://" + inspected + ":" + secure + "/x", []string{"HTTP/1.1 407 Proxy credentials required", "HTTP/2 200"}},
	} {
		args := append([]string{"-sS", "-i", "--max-time", "20", "--noproxy", "", "-x", "http://" + g.addr, "-U", "alice:se:cret"},
			strings.Fields(strings.Replace(c.args, "CA ", g.caFile+" ", 1))...)
		out, _ := exec.Command("curl", args...).CombinedOutput()
		mustContain(t, name, out, c.want...)
	}
}
