package configs_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/configs"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

func defaultPolicy(t *testing.T) *policy.Policy {
	t.Helper()
	data, err := configs.Policy()
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse(configs.PolicyName, configs.Files(), data, policy.WithCatalogue(configs.Files()))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDefaultPolicyLoadsAndPassesItsTests(t *testing.T) {
	p := defaultPolicy(t)
	results := p.RunTests()
	if len(results) < 7 {
		t.Errorf("%d tests ran, the file has at least 7", len(results))
	}
	for _, r := range results {
		if !r.Passed {
			t.Errorf("%s: got %s by %s %q", r.Name, r.Got, r.Rule, r.Reasons)
		}
	}
	if w := p.Warnings(time.Now()); len(w) > 0 {
		t.Errorf("the default policy warns: %q", w)
	}
	if k := p.Trust(verify.Trust{}).Keyrings; len(k) != 1 || k[0].Anchor != "debian" || len(k[0].Data) == 0 {
		t.Errorf("keyrings %v, want Debian's", k)
	}
}

func TestDefaultPolicyHosts(t *testing.T) {
	p := defaultPolicy(t)
	for host, want := range map[string]policy.HostAction{
		"mirror.debian.org":      policy.InspectHost,
		"download.microsoft.com": policy.InspectHost, "eu.downloads.3cx.com": policy.InspectHost,
		"example.org": policy.TunnelHost, "3cx.com": policy.TunnelHost, "debian.org": policy.TunnelHost,
	} {
		if got, why := p.Host(policy.Client{}, host); got != want {
			t.Errorf("%s: %s (%s), want %s", host, got, why, want)
		}
	}
}

func TestDefaultPolicyDoesNotReleaseUnsignedUpdates(t *testing.T) {
	p := defaultPolicy(t)
	for _, u := range []string{
		"http://mirror.debian.org/debian/pool/main/h/hello/hello_2.10-3_amd64.deb",
		"http://mirror.debian.org/debian/elsewhere.deb",
		"https://download.microsoft.com/x.exe",
		"https://x.3cx.com/downloads/3CXDesktopApp-1.msi",
	} {
		parsed, err := url.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		d := p.Decide(policy.Facts{Request: policy.Request{URL: parsed}, Update: policy.Update{SHA256: verify.Digest{1}}, Now: time.Now()})
		if d.Action == policy.Allow {
			t.Errorf("%s: allowed by %s", u, d.Rule)
		}
	}
}

func TestEveryAnchorFileHasItsDigestInSources(t *testing.T) {
	sources, err := fs.ReadFile(configs.Files(), "anchors/SOURCES")
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(configs.Files(), "anchors/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if path.Base(name) == "SOURCES" {
			continue
		}
		data, err := fs.ReadFile(configs.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		if !strings.Contains(string(sources), hex.EncodeToString(sum[:])) || !strings.Contains(string(sources), path.Base(name)) {
			t.Errorf("SOURCES does not give %s with sha256 %x", name, sum)
		}
	}
}
