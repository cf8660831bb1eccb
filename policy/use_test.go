package policy

import (
	"errors"
	"io/fs"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
)

const vendorFragment = `catalogue: 1
name: vendor
product: The Vendor's App
vendor: Vendor Ltd
platforms: [windows]
facts:
- {fact: Installers are signed by Vendor Ltd, source: "https://vendor.example/security", date: 2026-11-01, confirmed: true, about: [vendor, vendor/app]}
- {fact: Betas are signed by Vendor Labs, source: "https://vendor.example/beta", date: 2026-11-01, confirmed: false, about: [vendor/labs]}
cannot: [what lies in archives]
policy:
  hosts: {tunnel: ["*.pinned.vendor.example"]}
  anchors:
    vendor: {authenticode: {organization: Vendor Ltd}}
    vendor/labs: {authenticode: {organization: Vendor Labs}}
  channels:
  - {name: vendor/app, hosts: ["*.dl.vendor.example"], paths: ["/app/**"], require: [{signed_by: [vendor]}]}
  - {name: vendor/beta, hosts: ["*.dl.vendor.example"], paths: ["/beta/**"], mode: observe, require: [{signed_by: [vendor/labs]}]}
  tests:
  - {name: the app passes, url: "https://eu.dl.vendor.example/app/x.msi", findings: [{method: authenticode, status: valid, signer: Vendor Ltd}], want: allow}
  - {name: a beta of somebody else is held, url: "https://eu.dl.vendor.example/beta/x.msi", want: quarantine}
`

func vendorCatalogue(edits ...string) fs.FS {
	return fstest.MapFS{
		"channels/vendor.yaml":    {Data: []byte(strings.NewReplacer(edits...).Replace(vendorFragment))},
		"channels/keys.yaml":      {Data: []byte(keysFragment)},
		"anchors/archive.gpg":     {Data: keyringData()},
		"channels/broken.yaml":    {Data: []byte("catalogue: [\n")},
		"channels/elsewhere.yaml": {Data: []byte(strings.Replace(vendorFragment, "name: vendor\n", "name: other\n", 1))},
	}
}

const keysFragment = `catalogue: 1
name: keys
product: Packages
vendor: The Archive
platforms: [linux]
facts: [{fact: The archive is signed, source: "pkg:deb/debian/keyring@1", date: 2026-11-01, confirmed: true}]
cannot: []
policy:
  anchors: {keys: {openpgp: {keyring: "catalogue:anchors/archive.gpg"}}}
  channels: [{name: keys, hosts: ["*.archive.example"], require: [{signed_by: [keys]}]}]
  tests: [{name: signed, url: "https://a.archive.example/x.deb", findings: [{method: apt, status: valid, anchors: [keys]}], want: allow}]
`

func using(t *testing.T, src string, edits ...string) Checked {
	t.Helper()
	return Check("p.yaml", testFiles(), []byte(src), WithCatalogue(vendorCatalogue(edits...)))
}

func usingWell(t *testing.T, src string, edits ...string) *Policy {
	t.Helper()
	c := using(t, src, edits...)
	if len(c.Errors) > 0 {
		t.Fatal(c.Errors)
	}
	return c.Policy
}

func TestUseTakesUpChannelsAnchorsHostsAndTests(t *testing.T) {
	p := usingWell(t, `version: 1
use: [catalogue/vendor]
channels:
- {name: mine, hosts: ["*.dl.vendor.example"], paths: ["/app/mine/**"], require: [{any: [{signed_by: [vendor]}, {signed_by: [vendor/labs]}]}]}
exceptions:
- {name: e, channel: vendor/app, sha256: [`+sum(1).String()+`], reason: r, owner: o, expires: 2099-01-01}
`)
	if got := strings.Join(p.Channels(), " "); got != "mine vendor/app vendor/beta" {
		t.Errorf("channels %s", got)
	}
	for u, want := range map[string]string{
		"https://a.dl.vendor.example/app/mine/x.msi": "mine", // the admin's own come first
		"https://a.dl.vendor.example/app/x.msi":      "vendor/app",
		"https://a.dl.vendor.example/beta/x.msi":     "vendor/beta",
	} {
		if got := p.Plan(Request{Method: "GET", URL: parseTestURL(t, u)}).Scope; got != want {
			t.Errorf("%s falls to %q, want %q", u, got, want)
		}
	}
	if p.channelName["vendor/app"].observe || !p.channelName["vendor/beta"].observe {
		t.Error("only what rests on what nobody has confirmed is observed")
	}
	if a, why := p.Host(Client{}, "a.pinned.vendor.example"); a != TunnelHost || !strings.Contains(why, "hosts.tunnel") {
		t.Errorf("%s: %s", a, why)
	}
	tests := p.RunTests()
	if len(tests) != 2 || tests[0].Fragment != "vendor" || tests[0].File != "catalogue/vendor.yaml" || tests[0].Line != 19 || !tests[0].Passed {
		t.Errorf("%+v", tests)
	}
}

func TestAdminsSayOtherwise(t *testing.T) {
	p := usingWell(t, `version: 1
use:
- {name: catalogue/vendor, mode: enforce, clients: [lab], require: [{signed_by: [own]}, {not: {signed_by: [vendor/labs]}}], unproven: block, delivery: retry}
clients: {lab: [10.0.0.0/8]}
anchors: {own: {digest: {sha256: [`+sum(1).String()+`]}}}
`)
	for _, name := range []string{"vendor/app", "vendor/beta"} {
		c := p.channelName[name]
		if c.observe || c.unproven != Block || c.delivery != Retry || len(c.clients) != 1 || len(c.requires) != 3 {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if len(p.tests) != 0 {
		t.Error("the tests of a fragment are about the fragment as it is")
	}
	observed := usingWell(t, "version: 1\nuse: [{name: catalogue/vendor, mode: observe}]\n")
	if !observed.channelName["vendor/app"].observe {
		t.Error("mode: observe has no effect")
	}
}

func TestWhatTheAdminSaysOfAHostCountsBeforeTheFragment(t *testing.T) {
	p := usingWell(t, `version: 1
use: [catalogue/vendor]
channels: [{name: mine, hosts: [x.pinned.vendor.example], require: []}]
`)
	if a, _ := p.Host(Client{}, "x.pinned.vendor.example"); a != InspectHost {
		t.Error("a fragment hides a host from the admin's own channel")
	}
	p = usingWell(t, "version: 1\nuse: [catalogue/vendor]\nhosts: {deny: [\"*.vendor.example\"]}\n", `hosts: ["*.dl.vendor.example"]`, `hosts: ["*.dl.vendor.test"]`, "eu.dl.vendor.example", "eu.dl.vendor.test")
	if a, _ := p.Host(Client{}, "a.pinned.vendor.example"); a != DenyHost {
		t.Error("a fragment opens a host that the admin denies")
	}
}

func TestTheDigestCoversTheFragmentsThatAreUsed(t *testing.T) {
	src := "version: 1\nuse: [catalogue/vendor]\n"
	base := usingWell(t, src).Digest()
	if usingWell(t, src, "the app passes", "the app goes through").Digest() == base {
		t.Error("another fragment gives the same digest")
	}
	if usingWell(t, "version: 1\nuse: [catalogue/keys]\n").Digest() != usingWell(t, "version: 1\nuse: [catalogue/keys]\n", "the app passes", "the app goes through").Digest() {
		t.Error("a fragment that is not used changes the digest")
	}
}

func TestFilesOfTheCatalogue(t *testing.T) {
	p := usingWell(t, "version: 1\nanchors: {mine: {openpgp: {keyring: \"catalogue:anchors/archive.gpg\"}}}\nchannels: [{name: c, hosts: [a.example], require: [{signed_by: [mine]}]}]\n")
	if len(p.keyrings) != 1 || len(p.keyrings[0].Data) == 0 {
		t.Error("no keyring was read")
	}
	_, err := Parse("p", testFiles(), []byte("version: 1\nanchors: {mine: {openpgp: {keyring: \"catalogue:../anchors/archive.gpg\"}}}\n"), WithCatalogue(vendorCatalogue()))
	if err == nil {
		t.Error("a file outside the catalogue was read")
	}
}

func TestWrongUses(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"use: [vendor]", `p.yaml:2:7: "vendor" is no fragment: write catalogue/ and its name, such as catalogue/debian`},
		{"use: [catalogue/vendr]", `p.yaml:2:7: there is no fragment "catalogue/vendr": file does not exist; did you mean "catalogue/vendor"?`},
		{"use: [\"catalogue/../x\"]", `p.yaml:2:7: "catalogue/../x" is no fragment`},
		{"use: [catalogue/vendor, catalogue/vendor]", `p.yaml:2:25: "catalogue/vendor" stands twice in this list`},
		{"use: [catalogue/vendor, {name: catalogue/vendor, mode: observe}]", `p.yaml:2:25: "catalogue/vendor" stands twice in this list`},
		{"use: [{name: catalogue/vendor, clients: [lab]}]", `p.yaml:2:42: there is no group of clients "lab"`},
		{"use: [{name: catalogue/vendor, require: [{signed_by: [nobody]}]}]", `p.yaml:2:55: there is no anchor "nobody"`},
		{"use: [{name: catalogue/vendor, path: x}]", `p.yaml:2:32: a use has no key "path"`},
		{"use: [catalogue/vendor]\nanchors: {vendor: {digest: {sha256: [" + sum(1).String() + "]}}}", `p.yaml:3:11: "vendor" is the name of a fragment that this policy uses, so no anchor of its own has it; call it something else, such as my-vendor`},
		{"use: [catalogue/vendor]\nchannels: [{name: vendor/app, hosts: [a.example], require: []}]", `p.yaml:3:19: "vendor/app" is no name: a name has 1 to 128 of a-z`},
		{"use: [catalogue/vendor]\nhosts: {deny: [\"*.dl.vendor.example\"]}", `catalogue/vendor.yaml:16:32: "*.dl.vendor.example" is refused by *.dl.vendor.example in hosts.deny`},
		{"use: [catalogue/broken]", `catalogue/broken.yaml:2:1: this is no YAML`},
		{"use: [catalogue/elsewhere]", `"vendor" is called neither elsewhere nor elsewhere/ and more`},
		{"channels: [{name: c, hosts: [a.example], require: [{signed_by: [vendor]}]}]", `p.yaml:2:65: there is no anchor "vendor"`},
	} {
		err := using(t, "version: 1\n"+c.src+"\n").Errors.Error()
		if !strings.Contains(err, c.want) || strings.Count(err, c.want) > 1 {
			t.Errorf("%s:\n%s\nwant %s", c.src, err, c.want)
		}
	}
	_, err := Parse("p.yaml", testFiles(), []byte("version: 1\nuse: [catalogue/vendor]\n"))
	if err == nil || err.Error() != "p.yaml:2:7: there is no catalogue here" {
		t.Error(err)
	}
}

func TestATestOfAFragmentThatNoLongerHoldsIsAWarningOnly(t *testing.T) {
	c := using(t, `version: 1
use:
- catalogue/vendor
channels: [{name: mine, hosts: ["*.dl.vendor.example"], require: [{signed_by: [vendor/labs]}]}]
`)
	if len(c.Errors) > 0 {
		t.Fatal(c.Errors)
	}
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.String())
	}
	want := `p.yaml:3:3: with this policy a test of catalogue/vendor does not hold: "the app passes": wanted allow, got quarantine by channel mine`
	if !strings.Contains(strings.Join(got, "\n"), want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestReadFragmentIsStrict(t *testing.T) {
	f, err := ReadFragment(vendorCatalogue(), "vendor")
	if err != nil {
		t.Fatal(err)
	}
	if f.Product != "The Vendor's App" || f.Confirmed || len(f.Facts) != 2 || len(f.Channels) != 2 || !f.Channels[1].Observe || f.Tests != 2 ||
		len(f.Anchors) != 2 || f.Tunnelled[0] != "*.pinned.vendor.example" || f.Text != vendorFragment {
		t.Errorf("%+v", f)
	}
	for _, c := range []struct{ old, new, want string }{
		{`confirmed: true, about: [vendor, vendor/app]`, `confirmed: true, about: [vendor/app]`, `catalogue/vendor.yaml:16:12: no fact is about "vendor"`},
		{`about: [vendor, vendor/app]`, `about: [vendor, vendor/ap]`, `the fragment has neither a channel nor an anchor "vendor/ap"; did you mean "vendor/app"?`},
		{`mode: observe, `, ``, `17:12: this channel rests on what nobody has confirmed ("Betas are signed by Vendor Labs"); say mode: observe`},
		{`mode: observe, `, `mode: enforce, `, `whether a policy enforces is its own matter`},
		{`source: "https://vendor.example/security", `, ``, `a fact needs "source", and this has none`},
		{`source: "https://vendor.example/security"`, `source: hearsay`, `"hearsay" is no source: write a URL`},
		{`date: 2026-11-01, confirmed: true`, `date: November, confirmed: true`, `"November" is no date`},
		{`date: 2026-11-01, confirmed: true`, `confirmed: true`, `a fact needs "date", and this has none`},
		{`name: vendor/app, hosts: ["*.dl.vendor.example"]`, `name: vendor/app, hosts: ["eu.dl.vendor.example"]`, `"eu.dl.vendor.example" is written out; write *. and a domain, or say under`},
		{`- {name: a beta of somebody else is held, url: "https://eu.dl.vendor.example/beta/x.msi", want: quarantine}`, ``, `17:12: no test of the fragment is about this channel`},
		{`want: allow`, `want: block`, `test "the app passes" fails: wanted block, got allow`},
		{`vendor/labs:`, `labs:`, `"labs" is called neither vendor nor vendor/ and more`},
		{`[{signed_by: [vendor/labs]}]`, `[{signed_by: [vendor]}]`, `nothing refers to this anchor`},
		{`require: [{signed_by: [vendor]}]`, `require: []`, `a channel of the catalogue requires something`},
		{`platforms: [windows]`, `platforms: [os2]`, `"os2" is not one of windows, macos`},
		{`catalogue: 1`, `catalogue: 2`, `this version reads fragments of version 1`},
		{"  hosts: {tunnel", "  deny: []\n  hosts: {tunnel", `the policy of a fragment has no key "deny"`},
		{"  hosts: {tunnel", "  hosts: {deny", `the hosts of a fragment has no key "deny"`},
	} {
		_, err := ReadFragment(vendorCatalogue(c.old, c.new), "vendor")
		var es Errors
		if !errors.As(err, &es) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s -> %s:\n%v\nwant %s", c.old, c.new, err, c.want)
		}
	}
	if _, err := ReadFragment(vendorCatalogue(), "../vendor"); err == nil {
		t.Error("a name that is a path was read")
	}
	if _, err := ReadFragment(vendorCatalogue(), "nobody"); err == nil {
		t.Error("a fragment that is not there was read")
	}
}

// A date in a fragment may be quoted or not, and an exact host needs its reason.
func TestExactHostsHaveTheirReasons(t *testing.T) {
	_, err := ReadFragment(vendorCatalogue("cannot:", "exact: {one.example: it is the only one}\ncannot:", `["*.pinned.vendor.example"]`, "[one.example]"), "vendor")
	if err != nil {
		t.Error(err)
	}
}

func parseTestURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := parseURL(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
