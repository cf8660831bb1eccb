package policy

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

const planPolicy = `
version: 1
defaults: {hosts: tunnel, hold_max: 30s}
clients: {lab: [10.20.0.0/16, "user:alice"]}
hosts:
  deny: [bad.example, "*.bad.example"]
  tunnel: ["*.bank.example"]
  inspect: [open.bank.example, "*.inspected.example"]
  ports: [8443, "build.example:9000"]
  upgrades: ["*.chat.example"]
deny:
- {name: whole, hosts: [evil.example], reason: it is evil}
- {name: part, hosts: [mixed.example], paths: ["/bad/**"]}
- {name: anywhere, paths: ["/**/evil.exe"]}
channels:
- {name: lab, hosts: [v.example], paths: ["/lab/**"], clients: [lab], require: []}
- {name: early, hosts: [v.example], paths: ["/both/**"], clients: [lab], require: []}
- {name: v, hosts: [v.example], paths: ["/both/**", "/dl/App*.{msi,exe}", "/g++/*"], require: [], delivery: stream, hold_max: 5s}
- {name: all, hosts: ["*.all.example"], require: [], delivery: retry}
- {name: watch, hosts: [watch.example], clients: [lab], require: [], mode: observe}
- {name: ip, hosts: [192.0.2.10, "2001:DB8::10"], require: []}
- {name: idn, hosts: [Bücher.example.], require: []}
`

func TestHostAnswers(t *testing.T) {
	p := mustParse(t, planPolicy)
	for host, want := range map[string]HostAction{
		"bad.example": DenyHost, "a.b.bad.example": DenyHost, "notbad.example": TunnelHost,
		"evil.example": DenyHost, "mixed.example": InspectHost,
		"v.example": InspectHost, "V.Example.": InspectHost, "x.v.example": TunnelHost,
		"all.example": TunnelHost, "a.all.example": InspectHost, "a.b.all.example": InspectHost, "xall.example": TunnelHost,
		"www.bank.example": TunnelHost, "open.bank.example": InspectHost, "a.inspected.example": InspectHost,
		"192.0.2.10": InspectHost, "192.0.2.11": TunnelHost, "2001:db8::10": InspectHost, "[2001:db8:0:0::10]": InspectHost,
		"::ffff:192.0.2.10": InspectHost, "xn--bcher-kva.example": InspectHost, "bücher.example": InspectHost, "BÜCHER.example": InspectHost,
		"": DenyHost, "a..b": DenyHost, "a b": DenyHost, "fe80::1%eth0": DenyHost, "v.example:443": DenyHost, "１９２.0.2.10": DenyHost,
		strings.Repeat("a", 64) + ".example": DenyHost, strings.Repeat("a.", 200): DenyHost, ".v.example": DenyHost,
		"127.1": DenyHost, "2130706433": DenyHost, "0x7f000001": DenyHost, "x.0x1": DenyHost, "099.example.09": DenyHost,
		"r3---sn-x.example": TunnelHost, "xn--a.example": TunnelHost, "xn--i-7iq.example": TunnelHost,
		"under_score.example": TunnelHost, "unnamed.example": TunnelHost,
	} {
		if got, why := p.Host(Client{}, host); got != want || why == "" {
			t.Errorf("%q: %s (%s), want %s", host, got, why, want)
		}
	}
}

func TestInspectedHostsAreThoseThatHostAnswersFor(t *testing.T) {
	p := mustParse(t, planPolicy)
	patterns, others := p.InspectedHosts()
	want := "*.all.example *.inspected.example 192.0.2.10 2001:db8::10 mixed.example open.bank.example v.example watch.example xn--bcher-kva.example"
	if got := strings.Join(patterns, " "); got != want || others {
		t.Errorf("%s (others %t), want %s", got, others, want)
	}
	for _, h := range patterns {
		if a, why := p.Host(Client{}, strings.Replace(h, "*", "any", 1)); a != InspectHost {
			t.Errorf("%s: %s (%s)", h, a, why)
		}
	}
	if _, others := mustParse(t, "version: 1\ndefaults: {hosts: inspect}").InspectedHosts(); !others {
		t.Error("defaults.hosts: inspect is not told")
	}
}

func TestPortsAndUpgrades(t *testing.T) {
	p := mustParse(t, planPolicy)
	for _, c := range []struct {
		host string
		port int
		want bool
	}{
		{"x.example", 80, true}, {"x.example", 443, true}, {"x.example", 8443, true}, {"x.example", 22, false}, {"x.example", 0, false},
		{"build.example", 9000, true}, {"BUILD.example.", 9000, true}, {"x.build.example", 9000, false}, {"x.example", 9000, false},
	} {
		if got := p.Port(c.host, c.port); got != c.want {
			t.Errorf("Port(%q, %d) = %t", c.host, c.port, got)
		}
	}
	for host, want := range map[string]bool{"a.chat.example": true, "chat.example": false, "v.example": false, "": false} {
		if got := p.Upgrade(host); got != want {
			t.Errorf("Upgrade(%q) = %t", host, got)
		}
	}
}

func TestPlan(t *testing.T) {
	p := mustParse(t, planPolicy)
	lab, alice, other := client("10.20.3.4"), Client{User: "alice"}, client("192.0.2.1")
	for _, c := range []struct {
		name   string
		client Client
		url    string
		scope  string
		refuse string // part of the rule; "" is no refusal
		holds  bool
		passed bool
	}{
		{"a channel with paths holds everything", other, "https://v.example/dl/App-1.msi", "v", "", true, false},
		{"the query is left out", other, "https://v.example/dl/App-1.msi?x=/lab/", "v", "", true, false},
		{"globs are case-sensitive", other, "https://v.example/dl/app-1.msi", "", "", false, false},
		{"a star stays within its part of the path", other, "https://v.example/dl/App/1.msi", "", "", false, false},
		{"a channel without paths lets pages stream", other, "https://x.all.example/anything", "all", "", false, false},
		{"a channel for others is a refusal", other, "https://v.example/lab/x", "", "channel lab", false, false},
		{"its clients by address", lab, "https://v.example/lab/x", "lab", "", true, false},
		{"its clients by user", alice, "https://v.example/lab/x", "lab", "", true, false},
		{"a later channel that admits the client is taken", other, "https://v.example/both/x", "v", "", true, false},
		{"the first that admits the client is taken", lab, "https://v.example/both/x", "early", "", true, false},
		{"an observed channel stops nobody", other, "https://watch.example/x", "watch", "", false, false},
		{"hosts nobody names pass", other, "http://unnamed.example/x.exe", "", "", false, true},
		{"hosts.deny refuses", other, "http://bad.example/", "", "hosts.deny", false, false},
		{"a deny rule on a host refuses", other, "http://evil.example/", "", "deny whole", false, false},
		{"a deny rule on a path refuses", other, "http://mixed.example/bad/x", "", "deny part", false, false},
		{"and leaves the rest", other, "http://mixed.example/good", "", "", false, false},
		{"a deny rule on a path alone refuses on every host", other, "http://unnamed.example/a/evil.exe", "", "deny anywhere", false, false},
		{"however it is written", other, "http://v.example/a/%65vil%2Eexe", "", "deny anywhere", false, false},
		{"a host by address", other, "http://[2001:db8::10]:8080/x", "ip", "", false, false},
		{"harmless encoding changes nothing", other, "https://v.example/dl/App%20%7e1%2b.msi", "v", "", true, false},
		{"a plus may be encoded", other, "https://v.example/g%2B%2b/x", "v", "", true, false},
		{"no path is the root", other, "https://x.all.example", "all", "", false, false},
		{"a host that is none", other, "https://a..b/x", "", "policy", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			pl := p.Plan(Request{Client: c.client, Method: "GET", URL: mustURL(t, c.url)})
			if c.refuse != "" {
				if pl.Refusal == nil || pl.Refusal.Rule != c.refuse || pl.Refusal.Ambiguous || pl.Refusal.Reason == "" {
					t.Errorf("refusal %+v, want one by %s", pl.Refusal, c.refuse)
				}
				return
			}
			if pl.Refusal != nil {
				t.Fatalf("refused: %+v", pl.Refusal)
			}
			if pl.Scope != c.scope || pl.HoldAll != c.holds || pl.Inspect == c.passed {
				t.Errorf("plan %+v", pl)
			}
		})
	}
}

func TestPathsThatMeanTwoThingsAreRefused(t *testing.T) {
	p := mustParse(t, planPolicy)
	for _, path := range []string{
		"/dl/%41pp.msi", "/dl/%2541pp.msi", "/dl/App.ms%69", "/dl//App.msi", "//dl/App.msi", "/x/../dl/App.msi", "/x/%2e%2e/dl/App.msi",
		"/dl/./App.msi", "/dl%2fApp.msi", "/dl%5CApp.msi", "/dl%252FApp.msi", "/dl/App.msi;v=1", "/dl;x/App.msi", "/dl/App.msi%3b", "/dl/App.msi%3Fx",
		"/dl/App.msi%23x", "/dl/App.msi%00.txt", "/%0a", "/%250d", "/dl/App.msi.", "/dl/App.msi%20", "/both/../x", "/both/%2e%2e/x",
		"/%c0%ae%c0%ae/dl/App.msi", "/x%c0%af..%c0%afdl/App.msi", "/x/..%5cdl/App.msi", "/%" + strings.Repeat("25", 20) + "41", "/" + strings.Repeat("a", maxPath),
	} {
		u, err := url.Parse("https://v.example" + path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		pl := p.Plan(Request{Client: client("192.0.2.1"), URL: u})
		if pl.Refusal == nil || !pl.Refusal.Ambiguous {
			t.Errorf("%.60q: plan %+v", path, pl)
		}
	}
	for _, path := range []string{"/other/%41", "/a;b", "/both/a/../b", "/both//x", "/both/x;y=1", "/.well-known/x", "/%e2%82%ac"} {
		if pl := p.Plan(Request{Client: client("192.0.2.1"), URL: mustURL(t, "https://v.example"+path)}); pl.Refusal != nil {
			t.Errorf("%q is refused although every reading is judged alike: %s", path, pl.Refusal.Reason)
		}
	}
}

func TestRedirectsCarryTheirChannels(t *testing.T) {
	p := mustParse(t, planPolicy)
	plan := func(c Client, u string, scopes ...string) Plan {
		r := Request{Client: c, URL: mustURL(t, u)}
		for _, s := range scopes {
			r.Carried = append(r.Carried, Carried{Scope: s})
		}
		return p.Plan(r)
	}
	other := client("192.0.2.1")
	pl := plan(other, "https://cdn.unnamed.example/x", "v")
	if pl.Refusal != nil || pl.Scope != "v" || !pl.HoldAll || !pl.Inspect || pl.Delivery != Stream || pl.HoldMax != 5*time.Second {
		t.Errorf("to a host nobody names: %+v", pl)
	}
	pl = plan(other, "https://a.all.example/x", "v", "idn+v")
	if pl.Scope != "all+idn+v" || !pl.HoldAll || pl.Delivery != Hold || pl.HoldMax != 5*time.Second {
		t.Errorf("joined: %+v", pl)
	}
	pl = plan(client("10.20.0.1"), "https://watch.example/x", "v")
	if pl.Scope != "v+watch" || pl.Observe {
		t.Errorf("an observed channel does not loosen the other: %+v", pl)
	}
	if pl = plan(client("10.20.0.1"), "https://unnamed.example/x", "watch"); !pl.Observe {
		t.Errorf("all observe: %+v", pl)
	}
	for what, pl := range map[string]Plan{
		"to a host that is passed through": plan(other, "https://www.bank.example/x", "v"),
		"to a host that is refused":        plan(other, "https://bad.example/x", "v"),
		"from a channel that is gone":      plan(other, "https://a.all.example/x", "gone"),
		"from a channel for others":        plan(other, "https://a.all.example/x", "lab"),
	} {
		if pl.Refusal == nil || pl.Refusal.Ambiguous {
			t.Errorf("%s: %+v", what, pl)
		}
	}
	for host, want := range map[string]bool{"www.bank.example": false, "bad.example": false, "unnamed.example": true, "v.example": true} {
		if got, why := p.Redirect(host); got != want {
			t.Errorf("Redirect(%s) = %t (%s)", host, got, why)
		}
	}
	closed := mustParse(t, "version: 1\ndefaults: {hosts: deny}\nchannels: [{name: v, hosts: [v.example], require: []}]")
	if ok, _ := closed.Redirect("unnamed.example"); ok {
		t.Error("a redirect opens a host that defaults.hosts refuses")
	}
}

func TestSidecarsAreAskedForWhereAKeyringIsRequired(t *testing.T) {
	for require, want := range map[string]bool{
		"": false, "{signed_by: [microsoft, file]}": false, "{signed_by: [deb]}": true, "{signed_by: [microsoft]}, {signed_by: [deb]}": true,
		"{any: [{not: {signed_by: {anchors: [microsoft, deb], threshold: 1}}}]}": true,
	} {
		p := withRequirement(t, require)
		if got := p.Plan(Request{URL: mustURL(t, "https://v.example/x")}).Sidecars; got != want {
			t.Errorf("[%s]: %t", require, got)
		}
		if p.Plan(Request{URL: mustURL(t, "https://elsewhere.example/x")}).Sidecars {
			t.Error("outside every channel evidence is asked for")
		}
	}
}

func TestLocalFilesAreJudgedByTheChannelNamed(t *testing.T) {
	p := mustParse(t, planPolicy)
	if pl := p.Plan(Request{}); pl.Refusal == nil {
		t.Errorf("nothing is known and the plan is %+v", pl)
	}
	if pl := p.Plan(Request{Carried: []Carried{{Scope: "lab"}}}); pl.Refusal != nil || pl.Scope != "lab" {
		t.Errorf("a local file on a channel: %+v", pl)
	}
}

func TestExplainSaysWhatWouldHappen(t *testing.T) {
	p := mustParse(t, planPolicy)
	for u, want := range map[string][]string{
		"https://v.example/dl/App-1.msi": {"host: inspect (channel lab: v.example belongs to channel lab)", "channel v: hosts v.example; paths /both/**, /dl/App*.{msi,exe}, /g++/*", "requires: nothing", "unproven: quarantine", "delivery: stream, at most 5s", "mode: enforce"},
		"https://unnamed.example/":       {"host: tunnel", "passed through: nothing is held or looked at"},
		"https://v.example/lab/x":        {"refused: channel lab is for clients of lab only, and 192.0.2.1 is none of them (channel lab)"},
		"https://v.example/dl//App.msi":  {"refused as ambiguous"},
		"https://mixed.example/x":        {"no channel", "defaults.unmatched says quarantine"},
		"https://watch.example/x":        {"it only observes, so this is recorded as a block and delivered", "mode: observe"},
	} {
		got := strings.Join(p.Explain(Request{Client: client("192.0.2.1"), URL: mustURL(t, u)}), "\n")
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: no %q in\n%s", u, w, got)
			}
		}
	}
}
