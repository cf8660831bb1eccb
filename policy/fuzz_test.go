package policy

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
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
	for _, src := range append(languageExamples(f), planPolicy, narrowPolicy, fmt.Sprintf(provenancePolicy, "{provenance: {source: x, ref: y, builder: z, predicate: vsa, signed_by: [ci]}}")) {
		f.Add([]byte(src))
	}
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
		request := Request{URL: &url.URL{Scheme: "https", Host: "example.org", Path: "/x"}}
		p.Explain(request)
		// Whatever a plan names is an anchor, and what is left of trust comes from the policy alone.
		pl := p.Plan(request)
		for _, name := range pl.Anchors {
			if p.anchors[name] == nil {
				t.Fatalf("the plan names %q, which is no anchor", name)
			}
		}
		trust := p.Trust(verify.Trust{}).Only(pl.Anchors)
		for _, source := range trust.Sources() {
			if u, err := url.Parse(source); err != nil || u.Host == "" || u.User != nil || !strings.HasPrefix(u.Path, "/") {
				t.Fatalf("evidence is asked for below %q (%v)", source, err)
			}
		}
		p.Warnings(now)
	})
}

// Whatever stands for the variables of a template, it is asked of the host that the policy names.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"https://e.example/{sha256}.json", "https://e.example/{dir}/{name}?d={sha512}", "http://e.example:8080/x", "https://{name}/", "https://e.example{path}", "https://e.example\\{path}", "https://e.example/{name}@{version}"} {
		f.Add(s, "@evil.example:1/")
	}
	f.Fuzz(func(t *testing.T, s, value string) {
		if !strings.Contains(s, "://") || checkBundlePlace(s) != nil {
			return
		}
		literal, _, _ := strings.Cut(s, "{")
		want, err := url.Parse(literal)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range templateVariables {
			s = strings.ReplaceAll(s, "{"+name+"}", value)
		}
		if got, err := url.Parse(s); err == nil && (got.Host != want.Host || got.Scheme != want.Scheme || got.User != nil) {
			t.Fatalf("%q is asked of %q, the policy names %q", s, got.Host, want.Host)
		}
	})
}

func FuzzTUFMap(f *testing.F) {
	f.Add([]byte(mapFile))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseTUFMap(data)
		if err != nil {
			return
		}
		for _, e := range m.Mapping {
			if *e.Threshold < 1 || *e.Threshold > len(e.Repositories) || len(e.Paths) == 0 {
				t.Fatalf("%+v", e)
			}
			for _, name := range e.Repositories {
				if len(m.Repositories[name]) == 0 {
					t.Fatalf("nothing is known of %q", name)
				}
			}
		}
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
