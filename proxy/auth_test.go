package proxy

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

func htpasswdLine(t *testing.T, user, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return user + ":" + strings.Replace(string(hash), "$2a$", "$2y$", 1)
}

func TestHtpasswdIsReadStrictly(t *testing.T) {
	good := htpasswdLine(t, "alice", "secret")
	for name, c := range map[string]struct{ file, want string }{
		"md5":         {good + "\nbob:$apr1$abc$def\n", "users:2: the password of \"bob\" is not hashed with bcrypt"},
		"plain":       {"bob:secret", "users:1: the password"},
		"no colon":    {"# users\n\n" + good + "\nbob", "users:4: a line is user:hash"},
		"no user":     {strings.TrimPrefix(good, "alice"), "users:1: a line is user:hash"},
		"twice":       {good + "\r\n" + good, "users:2: the user \"alice\" is there twice"},
		"too costly":  {strings.Replace(good, "$04$", "$31$", 1), "cost 31"},
		"empty":       {"# nobody\n", "nobody could use the proxy"},
		"tail":        {good + " ", "is not hashed"},
		"extra field": {good + ":x", "is not hashed"},
	} {
		if _, err := ParseHtpasswd("users", []byte(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseHtpasswd("users", []byte("# users\r\n"+good+"\r\n")); err != nil {
		t.Error(err)
	}
}

func FuzzHtpasswd(f *testing.F) {
	f.Add("alice:$2y$04$" + strings.Repeat("a", 53))
	f.Add("a:b\n#\n")
	f.Fuzz(func(t *testing.T, file string) {
		if c, err := ParseHtpasswd("f", []byte(file)); err == nil && len(c.hashes) == 0 {
			t.Error("a file without users was taken")
		}
	})
}

func TestCredentials(t *testing.T) {
	c, err := ParseHtpasswd("f", []byte(htpasswdLine(t, "alice", "secret")))
	if err != nil {
		t.Fatal(err)
	}
	a, b, now := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), time.Unix(1e9, 0)
	if c.check(a, "alice", "secret", now) != right || c.check(a, "alice", "Secret", now) != wrong ||
		c.check(a, "bob", "secret", now) != wrong || c.check(a, "", "", now) != wrong || c.check(a, "alice:", "ecret", now) != wrong ||
		c.check(a, "alice", strings.Repeat("x", 1000), now) != wrong {
		t.Error("a verdict is wrong")
	}
	c.hashes["alice"] = nil // so that only what is remembered can be right
	if c.check(b, "alice", "secret", now.Add(provenFor-1)) != right || c.check(b, "alice", "secret", now.Add(provenFor)) != wrong {
		t.Error("a success is not remembered for as long as it should be")
	}
}

func TestGuessingIsSlowedDownForTheOneWhoGuesses(t *testing.T) {
	c, err := ParseHtpasswd("f", []byte(htpasswdLine(t, "alice", "secret")+"\n"+htpasswdLine(t, "carol", "other")))
	if err != nil {
		t.Fatal(err)
	}
	guesser, other, now := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:0:1::1"), time.Unix(1e9, 0)
	c.check(guesser, "carol", "other", now)
	for i := range maxFailures {
		if v := c.check(guesser, "alice", fmt.Sprint(i), now); v != wrong {
			t.Fatalf("guess %d: %v", i, v)
		}
	}
	neighbour := netip.MustParseAddr("2001:db8::2") // of the same /64
	if c.check(guesser, "alice", "secret", now) != tooMany || c.check(neighbour, "alice", "secret", now) != tooMany {
		t.Error("guessing goes on")
	}
	if c.check(guesser, "carol", "other", now) != right {
		t.Error("a user behind the same address, who was right before, is locked out")
	}
	if c.check(other, "alice", "secret", now) != right {
		t.Error("another client is locked out")
	}
	if c.check(guesser, "alice", "secret", now.Add(time.Minute)) != right {
		t.Error("it does not end")
	}
}

func TestProxyAuthentication(t *testing.T) {
	users, err := ParseHtpasswd("f", []byte(htpasswdLine(t, "alice", "secret")))
	if err != nil {
		t.Fatal(err)
	}
	g := newFrontRig(t, func(o *Options) { o.Credentials = func() *Credentials { return users } })
	got := make(chan http.Header, 3)
	h := func(_ http.ResponseWriter, r *http.Request) { got <- r.Header }
	plain, secure := g.origin(false, h), g.origin(true, h)
	basic := func(s string) string {
		return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(s)) + "\r\n"
	}
	for _, field := range []string{"", basic("alice:wrong"), basic("bob:secret"), basic("alice"), "Proxy-Authorization: Bearer x\r\n", basic("alice:secret") + basic("bob:x")} {
		for _, request := range []string{"GET http://a.example:" + plain + "/", "CONNECT " + inspected + ":" + secure, "CONNECT free.example:" + secure} {
			c := g.dial()
			c.say("%s HTTP/1.1\r\nHost: a\r\n%s\r\n", request, field)
			resp, _ := c.response("GET")
			if resp.StatusCode != http.StatusProxyAuthRequired || resp.Header.Get("Proxy-Authenticate") != `Basic realm="sallyport", charset="UTF-8"` {
				t.Errorf("%s with %q: %s %v", request, field, resp.Status, resp.Header)
			}
			// The connection goes on, so that clients can answer the challenge on it.
			c.say("%s HTTP/1.1\r\nHost: a\r\n%s\r\n", request, basic("alice:secret"))
			if got := c.line(); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
				t.Errorf("%s after the challenge: %s", request, got)
			}
			c.Close()
			if strings.HasPrefix(request, "GET") {
				if _, there := (<-got)["Proxy-Authorization"]; there {
					t.Error("the origin got the credentials")
				}
			}
		}
	}
	c := g.dial()
	c.say("CONNECT %s:%s HTTP/1.1\r\nHost: a\r\n%s\r\n", inspected, secure, basic("alice:secret"))
	c.line()
	c.line()
	g.secure(c, inspected).say("GET / HTTP/1.1\r\nHost: %s:%s\r\n\r\n", inspected, secure)
	<-got
	if s := g.session[len(g.session)-1]; s.Client.User != "alice" {
		t.Errorf("inside the tunnel the user is %q", s.Client.User)
	}
}
