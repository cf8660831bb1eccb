package policy

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	names, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(planPolicy))
	files := testFiles()
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		p, err := Parse("p", files, data)
		if err != nil {
			var es Errors
			if !errors.As(err, &es) || len(es) == 0 || len(es) > maxErrors+1 || es.Error() == "" {
				t.Fatalf("the error is %#v", err)
			}
			return
		}
		// What parses judges without trouble, and never allows what nothing is known of.
		if d := p.Decide(Facts{}); d.Action == Allow {
			t.Fatalf("zero facts are allowed by %s", d.Rule)
		}
		p.Explain(Request{URL: &url.URL{Scheme: "https", Host: "example.org", Path: "/x"}})
		p.Warnings(now)
	})
}

func FuzzPlan(f *testing.F) {
	for _, path := range []string{"/dl/App.msi", "/dl/%41pp.msi", "/dl//x/../App.msi;v", "/lab%2f..%5cboth/x", "/%2525412e", "/%c0%ae/"} {
		f.Add("v.example", path)
	}
	p := mustParse(f, planPolicy)
	f.Fuzz(func(t *testing.T, host, path string) {
		u, err := url.Parse("https://" + host + "/" + strings.TrimPrefix(path, "/"))
		if err != nil {
			return
		}
		checkReadings(t, p, u)
	})
}

func FuzzHost(f *testing.F) {
	for _, host := range []string{"example.org", "BÜCHER.example.", "[::ffff:192.0.2.1]", "xn--bcher-kva.example", "a..b", "１２７.0.0.1", "x\u00ad.example", "fe80::1%eth0"} {
		f.Add(host)
	}
	p := mustParse(f, planPolicy)
	f.Fuzz(func(t *testing.T, host string) {
		n, err := normalHost(host)
		if err != nil {
			if a, _ := p.Host(Client{}, host); a != DenyHost {
				t.Fatalf("%q is no host (%v) and the answer is %s", host, err, a)
			}
			return
		}
		if again, err := normalHost(n); err != nil || again != n {
			t.Fatalf("%q is %q, which is %q (%v)", host, n, again, err)
		}
		if n != strings.ToLower(n) || strings.HasSuffix(n, ".") {
			t.Fatalf("%q is %q", host, n)
		}
		a, _ := p.Host(Client{}, host)
		if b, _ := p.Host(Client{}, n); a != b {
			t.Fatalf("%q is %s, %q is %s", host, a, n, b)
		}
		if pattern, err := parseHostPattern(host); err == nil && !pattern.below && !pattern.covers(hostPattern{name: n}) {
			t.Fatalf("the pattern %q does not cover the host %q", host, n)
		}
	})
}
